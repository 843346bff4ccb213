"""Modules: which there are, switching them, making new ones, and the commands they bring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli.installation import as_json, emit, open_runtime, system_work

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["commands_of", "plugin"]


@click.group()
def plugin() -> None:
    """Modules: list, switch on and off, make new ones."""


@plugin.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Every installed module, and why one is held back."""
    with open_runtime() as runtime:
        with system_work(runtime, write=False) as uow:
            enabled = uow.snapshot.enabled
        rows = [_row(runtime, name, enabled) for name in sorted(_names(runtime))]
    lines = [
        f"{row['state']:<9} {row['name']:<24} {row['version']:<10} {row['reason']}".rstrip()
        for row in rows
    ]
    emit(rows, "\n".join(lines), as_json=as_json)


def _names(runtime: Runtime) -> set[str]:
    return {*runtime.plugins.loaded, *runtime.plugins.held_back}


def _row(runtime: Runtime, name: str, enabled: frozenset[str]) -> dict[str, Any]:
    manifest = runtime.plugins.manifests.get(name)
    reason = runtime.plugins.held_back.get(name, "")
    state = "held back" if reason else "on" if name in enabled else "off"
    return {
        "name": name,
        "state": state,
        "version": manifest.version if manifest else "",
        "reason": reason,
    }


@plugin.command()
@click.argument("name")
@as_json
def enable(name: str, as_json: bool) -> None:
    """Switch a module on, with what it needs; running processes follow by themselves."""
    from core.i18n import gettext as _
    from core.ops import lifecycle

    with open_runtime() as runtime:
        with _failures_kept(runtime), system_work(runtime) as uow:
            switched = lifecycle.enable(uow, name)
        text = _("Switched on: %(names)s", names=", ".join(switched) or "–")
        emit({"enabled": switched}, text, as_json=as_json)


@plugin.command()
@click.argument("name")
@as_json
def disable(name: str, as_json: bool) -> None:
    """Switch a module off; its records stay."""
    from core.i18n import gettext as _
    from core.ops import lifecycle

    with open_runtime() as runtime:
        with _failures_kept(runtime), system_work(runtime) as uow:
            lifecycle.disable(uow, name)
        emit({"disabled": [name]}, _("Switched off: %(names)s", names=name), as_json=as_json)


@contextmanager
def _failures_kept(runtime: Runtime) -> Iterator[None]:
    """What the module itself gets wrong when it is switched, for the Apps page, and in one line."""
    from core.errors import Refused
    from core.i18n import gettext as _
    from core.ops.lifecycle import note_failure
    from core.plugins.manager import HookFailed

    try:
        yield
    except HookFailed as error:
        with system_work(runtime) as uow:
            note_failure(uow, error.plugin, str(error))
        reason = str(error)[:500]
        raise Refused(
            _("%(name)s could not be switched: %(reason)s", name=error.plugin, reason=reason)
        ) from error


@plugin.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to make it; default: here.",
)
def new(name: str, folder: Path) -> None:
    """Write a new module that runs and passes the conformance suite."""
    from core.plugins.scaffold import create_plugin

    for path in create_plugin(name, folder):
        click.echo(path)


@plugin.command()
@click.argument("name")
@click.argument("message")
def revision(name: str, message: str) -> None:
    """Write the migration from the tables as they are to the models as they are."""
    from core.db.migrate import CORE_MIGRATIONS, write_revision
    from core.errors import NotFound
    from core.i18n import gettext as _

    with open_runtime() as runtime:
        if name == "core":
            versions = CORE_MIGRATIONS
        elif name in runtime.plugins.loaded:
            versions = runtime.plugins.loaded[name].folder / "migrations"
        else:
            raise NotFound(_("There is no plugin named %(name)s.", name=name[:60]))
        with system_work(runtime, write=False) as uow:
            click.echo(write_revision(uow.connection, name, versions, message))


def commands_of(name: str) -> click.Command | None:
    """A group of the commands of the module ``name``; None when it has none or is off."""
    with open_runtime() as runtime, system_work(runtime, write=False) as uow:
        found = uow.snapshot.contributions.get("register_commands", ())
    commands = [each.item for each in found if each.owner == name]
    if not commands:
        return None
    return click.Group(name, commands=commands, help=f"Commands of the module {name}.")
