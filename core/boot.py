"""Starting up: from the configuration to a runtime with all installed plugins loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from core import __version__, hooks
from core.clock import Clock, shared_clock
from core.config import Config
from core.customize.reading import read_customised
from core.customize.ruling import lay_field_names, lay_rules, read_field_rules
from core.db.engine import Database
from core.egress import close_egress
from core.entities.registry import DeclaredEntities, RegistryError
from core.expressions import register_sql_functions
from core.files.storage import open_storage
from core.i18n import load_catalogues
from core.mail import open_mailer
from core.plugins.checks import check_contributions
from core.plugins.discovery import discover
from core.plugins.manager import Contribution, PluginManager
from core.plugins.state import read_enabled, read_pilots
from core.privacy import tables as erasures
from core.runtime import Runtime, Snapshot
from core.settings import preferences
from core.settings.service import read_settings
from core.work import idempotency

__all__ = ["CORE", "ROOT", "boot", "is_initialised", "plugin_folders"]

ROOT = Path(__file__).resolve().parent.parent
CORE = Path(__file__).resolve().parent

#: Imported for their tables, which no entity declares.
TABLES = (erasures, idempotency, preferences)

REGISTER_HOOKS = (
    "register_permissions",
    "register_roles",
    "register_blueprints",
    "register_navigation",
    "register_slots",
    "register_settings",
    "register_events",
    "register_subscribers",
    "register_jobs",
    "register_schedules",
    "register_notifications",
    "register_timeline",
    "register_documents",
    "register_goal_measures",
    "register_commands",
    "register_demo",
)


def boot(config: Config | None = None, *, clock: Clock | None = None) -> Runtime:
    """A runtime with all installed plugins loaded. The database may still be empty."""
    config = config or Config.from_environment()
    if config.workspace is not None:
        close_egress()
    clock = clock or _open_clock(config)
    plugins = PluginManager(discover(plugin_folders(config)), core_version=__version__)
    plugins.register_builtin(hooks, "core")
    declared = _declare_entities(plugins)
    runtime = Runtime(
        config=config,
        database=Database(
            config.database_url,
            pool_size=max(4, config.threads + 2),
            on_sqlite_connect=[register_sql_functions],
        ),
        clock=clock,
        plugins=plugins,
        storage=open_storage(config.storage_url),
        mailer=open_mailer(
            config.smtp_url, sender=config.mail_from, folder=config.home / "mail", clock=clock
        ),
        build=lambda runtime, connection, epoch: _snapshot(runtime, declared, connection, epoch),
    )
    runtime.declared = declared
    runtime.contributions = _collect(plugins)
    _load_translations(plugins)
    return runtime


def _load_translations(plugins: PluginManager) -> None:
    """The catalogues of the core and the plugins; a plugin with a broken one is held back."""
    own = CORE / "translations"
    try:
        load_catalogues([own, *plugins.folders("translations").values()])
    except ValueError:
        for name, folder in plugins.folders("translations").items():
            with plugins.guard(name, "translations"):
                load_catalogues([folder])
        load_catalogues([own, *plugins.folders("translations").values()])


def _open_clock(config: Config) -> Clock:
    if config.test_clock:
        return shared_clock(config.timezone, config.home / "clock.offset")
    return Clock(timezone=config.timezone)


def plugin_folders(config: Config) -> list[tuple[Path, str]]:
    """Where plugins lie, each with the import prefix of what is in it."""
    return [(ROOT / "plugins", "plugins"), *((folder, "") for folder in config.plugin_folders)]


def _declare_entities(plugins: PluginManager) -> DeclaredEntities:
    """Entities of all plugins that can be used; one that declares wrongly is held back."""
    while True:
        definitions = plugins.collect("register_entities")
        extensions = plugins.collect("register_entity_extensions")
        try:
            return DeclaredEntities(definitions, extensions)
        except RegistryError as error:
            if error.owner == "core":
                raise
            plugins.hold_back(error.owner, str(error))


def _collect(plugins: PluginManager) -> dict[str, list[Contribution[Any]]]:
    """Everything registered, checked; what belongs to a plugin held back meanwhile is left out."""
    found = {hook: plugins.collect(hook) for hook in REGISTER_HOOKS}
    check_contributions(plugins, found)
    return {
        hook: [item for item in items if item.owner == "core" or item.owner in plugins.loaded]
        for hook, items in found.items()
    }


def _snapshot(
    runtime: Runtime, declared: DeclaredEntities, connection: Connection, epoch: int
) -> Snapshot:
    switched_on = read_enabled(connection)
    enabled = frozenset(name for name in runtime.plugins.loaded if name in switched_on)
    counted = {
        hook: tuple(item for item in items if item.owner == "core" or item.owner in enabled)
        for hook, items in runtime.contributions.items()
    }
    customised = read_customised(connection, declared.specs)
    shown, installed = declared.with_custom(customised, enabled)
    measures = [item.item for item in counted.get("register_goal_measures", ())]
    installed = lay_field_names(lay_rules(installed, read_field_rules(connection)), measures)
    groups = [item.item for item in counted.get("register_settings", ())]
    return Snapshot(
        structure=epoch,
        enabled=enabled,
        entities={name: installed[name] for name in shown},
        installed_entities=installed,
        settings=read_settings(connection, groups),
        contributions=counted,
        pilots=read_pilots(connection, runtime.plugins.manifests),
    )


def is_initialised(connection: Connection) -> bool:
    """True when `dougong init` has made the tables."""
    return inspect(connection).has_table("core_epoch")
