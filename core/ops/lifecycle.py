"""Switching plugins on and off, and bringing the database up to the code."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from core.audit.recorder import record_act
from core.db.migrate import CORE_MIGRATIONS, current_revision, head_revision, numbers, upgrade
from core.entities import service
from core.entities.query import ListQuery, stream
from core.entities.recompute import refill_module
from core.errors import Forbidden, NotFound, Refused
from core.faults import fault
from core.i18n import gettext as _
from core.ops.new_rights import delivered_to, note_delivered
from core.plugins.contributions import RoleTemplate
from core.plugins.manager import HookFailed
from core.plugins.state import plugin_table, read_enabled
from core.runtime import bump_structure
from core.security.actor import ACTIONS
from core.work.events import PluginDisabled, PluginEnabled

if TYPE_CHECKING:
    from core.plugins.manifest import Manifest
    from core.runtime import Runtime
    from core.work.uow import UnitOfWork

__all__ = [
    "ahead",
    "apply_roles",
    "behind",
    "disable",
    "enable",
    "migrate_all",
    "note_failure",
    "pending_migrations",
]

log = logging.getLogger("dougong.plugins")


def enable(uow: UnitOfWork, name: str) -> list[str]:
    """Switch a plugin on, with what it needs; returns what was switched on, in order.

    Migrations, roles and ``plugin_enabled`` are part of the transaction: it is on whole or not at
    all. Raises `NotFound`, `Forbidden`, `Refused`, or `HookFailed` when the plugin itself fails;
    `note_failure` keeps that for the Apps page, in a transaction of its own.
    """
    _require_admin(uow)
    plugins = uow.runtime.plugins
    if name in plugins.held_back:
        raise Refused(
            _("%(name)s is held back: %(reason)s", name=name, reason=plugins.held_back[name])
        )
    if name not in plugins.loaded:
        raise NotFound(_("There is no plugin named %(name)s.", name=name[:60]))
    wanted = plugins.order(_with_needs(uow, name))
    switched = [each for each in wanted if each not in uow.snapshot.enabled]
    for each in switched:
        _enable_one(uow, each)
    return switched


def _with_needs(uow: UnitOfWork, name: str) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        found.add(each)
        waiting += [n for n in uow.runtime.plugins.loaded[each].depends if n not in found]
    return found


def _enable_one(uow: UnitOfWork, name: str) -> None:
    plugins = uow.runtime.plugins
    manifest = plugins.loaded[name]
    try:
        upgrade(uow.connection, name, manifest.folder / "migrations")
    except Exception as error:  # whatever a migration raises, its plugin is named
        raise HookFailed(name, "migrations", error) from error
    fault("migrate.between_steps")
    _write_state(uow, name, enabled=True, version=manifest.version)
    bump_structure(uow.connection)
    uow.refresh()
    roles = [c.item for c in uow.runtime.installed("register_roles") if c.owner == name]
    apply_roles(uow, roles, plugin=name)
    note_delivered(uow, name)
    refill_module(uow, name)
    with uow.elevated():
        plugins.tell(name, "plugin_enabled", plugin=manifest, uow=uow)
    record_act(uow, "enable_plugin", details={"plugin": name, "version": manifest.version})
    uow.publish(PluginEnabled(name))


def disable(uow: UnitOfWork, name: str) -> None:
    """Switch a plugin off; its rows stay. Refused while something that is on needs it."""
    _require_admin(uow)
    plugins = uow.runtime.plugins
    if name in plugins.held_back and name in read_enabled(uow.connection):
        _switch_off_held_back(uow, name)
        return
    if name not in uow.snapshot.enabled:
        raise Refused(_("%(name)s is not switched on.", name=name[:60]))
    if needing := [other for other in plugins.dependants(name) if other in uow.snapshot.enabled]:
        raise Refused(_("%(names)s needs it. Switch that off first.", names=_(", ").join(needing)))
    manifest = plugins.loaded[name]
    with uow.elevated():
        plugins.tell(name, "plugin_disabled", plugin=manifest, uow=uow)
    _write_state(uow, name, enabled=False, version=manifest.version)
    bump_structure(uow.connection)
    record_act(uow, "disable_plugin", details={"plugin": name})
    uow.publish(PluginDisabled(name))
    uow.refresh()


def _switch_off_held_back(uow: UnitOfWork, name: str) -> None:
    """Its code cannot run, so nothing of it is asked; only the switch is turned."""
    uow.execute(
        update(plugin_table)
        .where(plugin_table.c.name == name)
        .values(enabled=False, changed_at=uow.now())
    )
    bump_structure(uow.connection)
    record_act(uow, "disable_plugin", details={"plugin": name})
    uow.refresh()


def _require_admin(uow: UnitOfWork) -> None:
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators switch modules."))


def _write_state(uow: UnitOfWork, name: str, *, enabled: bool, version: str) -> None:
    # For whom it is open stays as it is: who switches it off and on opens it to nobody else.
    mine = plugin_table.c.name == name
    values = {"enabled": enabled, "version": version, "error": None, "changed_at": uow.now()}
    if uow.execute(update(plugin_table).where(mine).values(values)).rowcount == 0:
        uow.execute(insert(plugin_table).values(name=name, **values))


def note_failure(uow: UnitOfWork, name: str, reason: str) -> None:
    """Keep why a plugin could not be switched, for the Apps page."""
    row = uow.execute(select(plugin_table).where(plugin_table.c.name == name)).one_or_none()
    if row is None:
        manifest = uow.runtime.plugins.loaded.get(name)
        _write_state(uow, name, enabled=False, version=manifest.version if manifest else "0")
    uow.execute(update(plugin_table).where(plugin_table.c.name == name).values(error=reason[:2000]))


def apply_roles(uow: UnitOfWork, templates: list[RoleTemplate], plugin: str = "core") -> None:
    """Make missing roles, and add grants for entities that a role does not mention yet, and for the
    verbs that the plugin adds to entities of others.

    What the company has changed in a role stays as it is.
    """
    with uow.elevated():
        existing = {
            row["name"]: row
            for found in stream(uow, "role", ListQuery(sort="id"), action="read")
            for row in found.items
        }
        for template in templates:
            old = existing.get(template.name)
            held = (old and old["grants"]) or {}
            grants: dict[str, Any] = {**template.grants, **held}
            for entity, row in _added_verbs(uow, template, plugin).items():
                if entity in held:
                    grants[entity] = {**row, **held[entity]}
            values: dict[str, Any] = {
                "grants": grants,
                "field_rules": {**template.fields, **((old and old["field_rules"]) or {})},
                "permissions": sorted(
                    {*template.permissions, *((old and old["permissions"]) or ())}
                ),
            }
            values = {key: _plain(value) for key, value in values.items()}
            if old is None:
                new = {"name": template.name, "title": str(template.label), **values}
                service.create(uow, "role", [new | {"is_admin": template.name == "admin"}])
            else:
                service.update(uow, "role", {old["id"]: values})


def _added_verbs(uow: UnitOfWork, template: RoleTemplate, plugin: str) -> dict[str, dict[str, Any]]:
    """By entity of another plugin the grants for verbs that it does not have of its own (``record_actions``).

    Roles know the entity already. What was delivered once is the company's to keep or to take away.
    """
    told = delivered_to(uow, plugin, template.name)
    found: dict[str, dict[str, Any]] = {}
    for entity, row in template.grants.items():
        spec = uow.snapshot.installed_entities.get(entity)
        if spec is None or spec.plugin == plugin:
            continue
        known = {*ACTIONS, *spec.actions_by_name, "*"}
        found[entity] = {
            action: scope
            for action, scope in row.items()
            if action not in known and f"{entity}.{action}" not in told
        }
    return found


def _plain(value: Any) -> Any:
    """Declared grants as JSON values."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def migrate_all(connection: Connection, runtime: Runtime) -> dict[str, str | None]:
    """Run every pending migration: the core's, then those of plugins that have ever been on.

    Returns the revision reached by owner.
    """
    reached = {"core": upgrade(connection, "core", CORE_MIGRATIONS)}
    known = set(connection.execute(select(plugin_table.c.name)).scalars())
    for name, manifest in runtime.plugins.loaded.items():
        if name in known:
            fault("migrate.between_steps")
            reached[name] = upgrade(connection, name, manifest.folder / "migrations")
    return reached


def ahead(connection: Connection, known: Iterable[Manifest]) -> list[str]:
    """Owners whose tables are at a revision that the code does not know: it is too old for them."""
    return [
        owner
        for owner, versions in _histories(known).items()
        if (current := current_revision(connection, owner)) is not None
        and current not in numbers(versions)
    ]


def pending_migrations(connection: Connection, runtime: Runtime) -> list[str]:
    """Owners whose tables are behind the code, among the core and the plugins that are on."""
    return behind(connection, [runtime.plugins.loaded[name] for name in runtime.snapshot.enabled])


def behind(connection: Connection, enabled: Iterable[Manifest]) -> list[str]:
    """The same for plugins known by their manifests alone."""
    return [
        owner
        for owner, versions in _histories(enabled).items()
        if current_revision(connection, owner) != head_revision(versions)
    ]


def _histories(plugins: Iterable[Manifest]) -> dict[str, Path]:
    return {"core": CORE_MIGRATIONS} | {
        manifest.name: manifest.folder / "migrations" for manifest in plugins
    }
