"""Making an installation, bringing it up to date, and asking how it is."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from core.cli.installation import as_json, emit, open_runtime

if TYPE_CHECKING:
    from core.ops.doctor import Finding
    from core.runtime import Runtime

__all__ = ["doctor", "init", "migrate", "upgrade"]


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
@click.option(
    "--backup/--no-backup", default=None, help="Make a backup first; default: on SQLite only."
)
@as_json
def migrate(backup: bool | None, as_json: bool) -> None:
    """Run what is pending: the core's migrations, then the modules'."""
    with open_runtime() as runtime:
        _migrate(runtime, backup, as_json=as_json)


@click.command()
@click.option("--check", is_flag=True, help="Only say what would be done, and what is in the way.")
@click.option(
    "--backup/--no-backup", default=None, help="Make a backup first; default: on SQLite only."
)
@as_json
def upgrade(check: bool, backup: bool | None, as_json: bool) -> None:
    """Look whether this code can take over the database, then migrate; status 1 when it cannot."""
    from core.ops.upgrading import examine_upgrade

    with open_runtime() as runtime:
        findings = examine_upgrade(runtime)
        stuck = any(each.state == "problem" for each in findings)
        if check or stuck:
            _tell(findings, as_json=as_json)
        else:
            _migrate(runtime, backup, as_json=as_json)
    if stuck:
        raise SystemExit(1)


def _migrate(runtime: Runtime, backup: bool | None, *, as_json: bool) -> None:
    from core.i18n import gettext as _
    from core.ops.upgrading import upgrade_installation

    reached, made = upgrade_installation(runtime, backup=backup)
    lines = [f"{owner}: {revision or '–'}" for owner, revision in reached.items()]
    if made is not None:
        lines.insert(0, _("The backup before it: %(path)s", path=str(made)))
    emit(reached, "\n".join([*lines, _("The database is up to date.")]), as_json=as_json)


def _tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    marks = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    lines = []
    for each in findings:
        lines.append(f"{marks[each.state]}  {each.check}: {each.detail}")
        if each.advice:
            lines.append(f"         {each.advice}")
    rows = [asdict(each) for each in findings]
    emit(rows, "\n".join(lines), as_json=as_json)


@click.command()
@click.option("--full", is_flag=True, help="Compare every entry of the audit trail and every file.")
@as_json
def doctor(full: bool, as_json: bool) -> None:
    """Check the installation, say what is wrong and what to do; status 1 when something is broken."""
    from core.ops.doctor import examine

    with open_runtime(initialised=False) as runtime:
        findings = examine(runtime, full=full)
    _tell(findings, as_json=as_json)
    if any(each.state == "problem" for each in findings):
        raise SystemExit(1)
