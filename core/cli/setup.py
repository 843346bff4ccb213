"""Making an installation, bringing it up to date, and asking how it is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import click

from core.cli.installation import as_json, emit, open_runtime, system_work

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["doctor", "init", "migrate"]


@click.command()
@click.option("--demo", is_flag=True, help="Fill it with a demonstration.")
@click.option("--admin", default="admin@example.com", metavar="EMAIL", show_default=True)
@click.option("--password", metavar="PW", help="Of the administrator; made up when left out.")
@click.option("--plugins", metavar="A,B|all", help="Which modules are on; default: all delivered.")
@as_json
def init(demo: bool, admin: str, password: str | None, plugins: str | None, as_json: bool) -> None:
    """Make the tables, the first administrator and the modules."""
    from core.i18n import gettext as _
    from core.ops.install import initialise, run_demo

    given = password or secrets.token_urlsafe(12)
    with open_runtime(initialised=False) as runtime:
        chosen = _chosen(runtime, plugins)
        initialise(runtime, admin=admin, password=given, plugins=chosen)
        told = run_demo(runtime) if demo else []
        lines = [_("Administrator: %(email)s", email=admin)]
        if password is None:
            lines.append(_("Password, shown this once: %(password)s", password=given))
        lines.append(_("Modules: %(names)s", names=", ".join(chosen) or "–"))
        lines += [*told, _("Start it with: dougong serve")]
        answer: dict[str, Any] = {"admin": admin, "plugins": chosen, "demo": told}
        if password is None:
            answer["password"] = given
        for held, reason in runtime.plugins.held_back.items():
            text = _("%(name)s is held back: %(reason)s", name=held, reason=reason)
            click.echo(text, err=True)
        emit(answer, "\n".join(lines), as_json=as_json)


def _chosen(runtime: Runtime, plugins: str | None) -> list[str]:
    from core.boot import ROOT
    from core.errors import NotFound
    from core.i18n import gettext as _

    loaded = runtime.plugins.loaded
    if plugins == "all":
        return list(loaded)
    if plugins is None:
        return [name for name, each in loaded.items() if each.folder.is_relative_to(ROOT)]
    names = [name.strip() for name in plugins.split(",") if name.strip()]
    for name in names:
        if reason := runtime.plugins.held_back.get(name):
            raise NotFound(_("%(name)s is held back: %(reason)s", name=name, reason=reason))
        if name not in loaded:
            raise NotFound(_("There is no plugin named %(name)s.", name=name[:60]))
    return list(runtime.plugins.order(names))


@click.command()
@as_json
def migrate(as_json: bool) -> None:
    """Run what is pending: the core's migrations, then the modules'."""
    from core.entities.recompute import refill_module
    from core.i18n import gettext as _
    from core.ops.install import prepare_database
    from core.ops.lifecycle import migrate_all, pending_migrations

    with open_runtime() as runtime:
        prepare_database(runtime)
        with system_work(runtime) as uow:
            waiting = pending_migrations(uow.connection, runtime)
            reached = migrate_all(uow.connection, runtime)
            for owner in waiting:
                refill_module(uow, owner)
        lines = [f"{owner}: {revision or '–'}" for owner, revision in reached.items()]
        emit(reached, "\n".join([*lines, _("The database is up to date.")]), as_json=as_json)


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check the installation; status 1 when something is broken."""
    from core.ops.doctor import examine

    with open_runtime(initialised=False) as runtime:
        findings = examine(runtime)
    marks = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    lines = [f"{marks[each.state]}  {each.check}: {each.detail}" for each in findings]
    rows = [{"check": f.check, "state": f.state, "detail": f.detail} for f in findings]
    emit(rows, "\n".join(lines), as_json=as_json)
    if any(each.state == "problem" for each in findings):
        raise SystemExit(1)
