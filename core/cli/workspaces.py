"""Workspaces: sandboxes and trials beside the company's installation."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from typing import TYPE_CHECKING

import click

from core.cli.installation import as_json, emit, open_runtime, system_work

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.workspace import Workspace

__all__ = ["workspace"]


@click.group()
def workspace() -> None:
    """Sandboxes and trials: installations of their own beside this one, for trying things out."""


@workspace.command(name="list")
@as_json
def list_(as_json: bool) -> None:
    """Which there are, where they answer, and until when."""
    from core.i18n import gettext as _
    from core.workspace import find_workspaces

    with open_runtime() as runtime:
        found = find_workspaces(runtime.config.home)
        lines = [_line(runtime, each) for each in found] or [_("There are no workspaces.")]
        emit([_plain(each) for each in found], "\n".join(lines), as_json=as_json)


def _plain(each: Workspace) -> dict[str, object]:
    names = ("name", "kind", "state", "made_by", "made_at", "ends_at", "url", "problem")
    return {name: getattr(each, name) for name in names}


def _line(runtime: Runtime, each: Workspace) -> str:
    def day(moment: datetime) -> str:
        return f"{moment.astimezone(runtime.clock.timezone):%Y-%m-%d}"

    text = f"{each.name}  {each.kind}  {each.state}  {each.url}  -> {day(each.ends_at)}"
    return f"{text}  {each.problem}" if each.problem else text


@workspace.command()
@click.argument("kind", type=click.Choice(["sandbox", "trial"]))
@click.option("--name", default="", help="Default: sandbox, sandbox-2 …")
@click.option("--empty", is_flag=True, help="A trial without the company's data.")
@click.option("--plugins", metavar="A,B", help="Modules of a sandbox or an empty trial.")
@click.option("--days", default=14, show_default=True, help="How long it is served.")
@click.option("--admin", default="admin@example.com", show_default=True, metavar="EMAIL")
@as_json
def new(
    kind: str, name: str, empty: bool, plugins: str | None, days: int, admin: str, as_json: bool
) -> None:
    """Make one: a sandbox with the demonstration, or a trial with a copy of the company's data.

    Where it is no copy, the person with the address --admin signs in with the password that they
    have here; for somebody unknown here one is made up.
    """
    from core.backup.workspaces import carry_out, find, plan
    from core.i18n import gettext as _
    from core.security.directory import find_user

    with open_runtime() as runtime:
        chosen = [each.strip() for each in (plugins or "").split(",") if each.strip()]
        is_copy = kind == "trial" and not empty
        with system_work(runtime) as uow:
            made = plan(
                uow, kind, name=name, admin=admin, plugins=chosen, is_copy=is_copy, days=days
            )
            is_known = find_user(uow, admin) is not None
        password = "" if is_copy or is_known else secrets.token_urlsafe(12)
        carry_out(runtime, made.name, "make", password=password)
        answer, lines = _plain(find(runtime, made.name)), []
        if password:
            answer["password"] = password
            lines.append(_("Administrator: %(email)s", email=admin))
            lines.append(_("Password, shown this once: %(password)s", password=password))
        lines.append(
            _("It is there within seconds where dougong serve runs: %(url)s", url=made.url)
        )
        emit(answer, "\n".join(lines), as_json=as_json)


@workspace.command()
@click.argument("name")
@as_json
def reset(name: str, as_json: bool) -> None:
    """Put a workspace back to how it was made; what was done in it is gone."""
    _carry_out(name, "reset", as_json=as_json)


@workspace.command()
@click.argument("name")
@click.confirmation_option(prompt="Everything in it is removed for good. Go on?")
@as_json
def remove(name: str, as_json: bool) -> None:
    """Remove a workspace with everything that is in it."""
    _carry_out(name, "remove", as_json=as_json)


def _carry_out(name: str, act: str, *, as_json: bool) -> None:
    from core.audit.recorder import record_act
    from core.backup.workspaces import carry_out, find
    from core.i18n import gettext as _
    from core.workspace import write_workspace

    with open_runtime() as runtime:
        found = find(runtime, name)
        # Who serves it lets go of it.
        state = "resetting" if act == "reset" else "removing"
        write_workspace(runtime.config.home, found, state=state)
        carry_out(runtime, name, act)
        with system_work(runtime) as uow:
            record_act(uow, f"{act}_workspace", details={"name": name})
        emit({"name": name, "done": act}, _("Done."), as_json=as_json)


@workspace.command()
@click.argument("name")
@click.option("--lose-newer", is_flag=True, help="Also when records here were changed meanwhile.")
@click.confirmation_option(prompt="The trial takes the place of the company's data. Go on?")
@as_json
def promote(name: str, lose_newer: bool, as_json: bool) -> None:
    """Let a trial take the place of the company's data, while nobody serves either.

    A backup of what is here is made first, and its path told.
    """
    from core.i18n import gettext as _
    from core.ops.promoting import promote as run

    with open_runtime(initialised=False) as runtime:
        done = run(runtime, name, newer_too=lose_newer)
        lines = [
            _(
                "Restored: %(rows)s rows of %(tables)s tables and %(files)s files.",
                rows=done.restored.rows,
                tables=done.restored.tables,
                files=done.restored.files,
            )
        ]
        if done.before is not None:
            lines.insert(0, _("A backup of what was here: %(path)s", path=str(done.before)))
        problems = [
            each
            for each in done.restored.findings
            # Nobody was there to relay events meanwhile.
            if each.state == "problem" and each.check != "outbox"
        ]
        lines += [f"{each.check}: {each.detail}" for each in problems]
        answer = {
            "name": name,
            "backup": str(done.before) if done.before else None,
            "rows": done.restored.rows,
            "problems": [[each.check, each.detail] for each in problems],
        }
        emit(answer, "\n".join(lines), as_json=as_json)
    if problems:
        raise SystemExit(1)


@workspace.command()
@click.argument("name")
@click.option("--host", default="127.0.0.1", show_default=True)
def serve(name: str, host: str) -> None:
    """Serve one workspace on its port; `dougong serve` does so for all of them."""
    from core.cli.running import end_when_told

    told = end_when_told()
    from core.cli.server import serve as run
    from core.config import Config
    from core.errors import NotFound, Refused
    from core.i18n import gettext as _
    from core.ops.upgrading import upgrade_installation
    from core.workspace import WorkspaceBusy, alone, folder_of, is_name, read_workspace

    home = Config.from_environment().home
    found = read_workspace(folder_of(home, name)) if is_name(name) else None
    if found is None:
        raise NotFound(_("There is no workspace named %(name)s.", name=name[:40]))
    os.environ["DOUGONG_HOME"] = str(folder_of(home, name))
    try:
        with alone(folder_of(home, name)):
            with open_runtime() as runtime:  # the code may have moved on since it was made
                upgrade_installation(runtime, backup=False)
            if not told.is_set():
                run(host, found.port, 1, setup=False)
    except WorkspaceBusy as error:
        raise Refused(_("It is being served, or changed, by somebody else.")) from error
