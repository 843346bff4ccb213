"""Workspaces of an installation: made in one go, put back to how they were made, removed when over.

Each has a home, a database, a key and files of its own below ours (see `core.workspace`). What makes
one is our own command line in a process of its own: the tables that a company adds are part of a
process, which so never meets those of two installations.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from core.audit.recorder import record_act
from core.backup.tables import backup_table
from core.backup.writing import write_backup
from core.config import keep_timezone
from core.db.engine import Database
from core.db.locks import take_turns
from core.db.migrate import migrating
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications.service import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.security.models import User, credential_table, session_table
from core.work.tables import job_table, worker_table
from core.workspace import (
    LIFE,
    WARNED,
    Workspace,
    WorkspaceBusy,
    alone,
    find_workspaces,
    folder_of,
    free_name,
    free_port,
    is_name,
    read_workspace,
    write_workspace,
)

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "LONGEST_LIFE",
    "TEND",
    "WORKSPACE",
    "WORKSPACES_TENDED",
    "WORKSPACE_ENDS",
    "begin",
    "carry_out",
    "find",
    "keep_longer",
    "plan",
    "require_administrator",
    "run_in",
]

_ROOT = Path(__file__).resolve().parent.parent.parent
#: How long one that is over lies there, for whoever has second thoughts.
_KEPT_AFTER = timedelta(days=7)
LONGEST_LIFE = 90
#: Seconds that a server is given to let go of one.
_PATIENCE = 90
_DATABASE, _ORIGIN = "dougong.db", "origin"
#: What is put back.
_CONTENTS = ("files", "mail", "backups")


WORKSPACE_ENDS = NotificationKind(
    "core.workspace_ends",
    _l("A workspace that you made ends soon"),
    _l("A workspace that you made ends within %(n)s days."),
    icon="clock",
    page="admin.workspaces",
)


def require_administrator(uow: UnitOfWork) -> None:
    """Raise `Forbidden` for everybody but administrators, and behind a limited token.

    Raises `Refused` in a workspace, which has none of its own.
    """
    if not uow.actor.manages_security:
        raise Forbidden(_("You do not have the right to do this."))
    if uow.runtime.config.workspace is not None:
        raise Refused(_("This is a workspace itself."))


def find(runtime: Runtime, name: str) -> Workspace:
    """The workspace of that name; raises `NotFound`."""
    home = runtime.config.home
    found = read_workspace(folder_of(home, name)) if is_name(name) else None
    if found is None:
        raise NotFound(_("There is no workspace named %(name)s.", name=name[:40]))
    return found


def plan(
    uow: UnitOfWork,
    kind: str,
    *,
    name: str = "",
    admin: str = "",
    plugins: Sequence[str] = (),
    is_copy: bool = False,
    days: int = LIFE,
) -> Workspace:
    """Note a workspace that is to be made; `carry_out` makes it.

    A ``sandbox`` has the demonstration. A ``trial`` is a copy of everything or has nothing but
    ``plugins``, all that are on unless given. ``admin`` is who signs in where it is no copy: who
    acts, unless given. Raises `Invalid` with what is wrong by field, and `Refused` when there are
    enough of them.
    """
    require_administrator(uow)
    runtime, home = uow.runtime, uow.runtime.config.home
    enabled = list(runtime.plugins.order(uow.snapshot.enabled))
    problems = []
    if kind not in ("sandbox", "trial"):
        problems.append(Problem("kind", "choice", _("Choose a sandbox or a trial.")))
    if name and (not is_name(name) or folder_of(home, name).exists()):
        message = _("Choose another name: of small letters, digits and hyphens, not taken yet.")
        problems.append(Problem("name", "invalid", message))
    if unknown := set(plugins) - set(runtime.plugins.loaded):
        message = _("There is no plugin named %(name)s.", name=min(unknown)[:60])
        problems.append(Problem("plugins", "unknown", message))
    if not 1 <= days <= LONGEST_LIFE:
        message = _("From 1 to %(n)s days.", n=LONGEST_LIFE)
        problems.append(Problem("days", "range", message))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    port = free_port(home)
    if port is None:
        raise Refused(_("There are enough workspaces. Remove one first."))
    users = User.__table__.c
    email = select(users.email).where(users.id == uow.actor.user_id)
    name, now = name or free_name(home, kind), uow.now()
    chosen = {*(plugins or enabled)}
    for each in reversed(list(runtime.plugins.loaded.values())):  # what is needed comes first
        chosen |= set(each.depends) if each.name in chosen else set()
    made = Workspace(
        name=name,
        kind="sandbox" if kind == "sandbox" else "trial",
        state="making",
        made_by=admin or str(uow.execute(email).scalar_one()),
        made_by_id=uow.actor.user_id,
        made_at=now,
        ends_at=now + timedelta(days=days),
        port=port,
        url=runtime.config.workspace_url(name, port),
        plugins=() if is_copy else tuple(runtime.plugins.order(chosen)),
        is_copy=is_copy and kind == "trial",
    )
    record_act(uow, "make_workspace", details={"name": name, "kind": kind, "copy": made.is_copy})
    return write_workspace(home, made)


def begin(uow: UnitOfWork, name: str, act: str) -> int:
    """Queue to ``make``, ``reset`` or ``remove`` one; the number of the job.

    It is not served any more from now on. Raises `Refused` while something is done with it.
    """
    require_administrator(uow)
    workspace, titles = find(uow.runtime, name), _titles()
    take_turns(uow.connection, "core.workspace")  # of two that ask at once, one begins
    _require_idle(uow, name)
    if act == "reset" and not (folder_of(uow.runtime.config.home, name) / _ORIGIN).is_dir():
        raise Refused(_("It was never finished: remove it, and make another."))
    title = titles[act] % {"name": name}
    job = uow.enqueue(WORKSPACE.name, {"name": name, "act": act}, title=title)
    assert job is not None
    if act != "make":
        record_act(uow, f"{act}_workspace", details={"name": name})
        state: Any = "resetting" if act == "reset" else "removing"
        write_workspace(uow.runtime.config.home, workspace, state=state)
    return job


def _require_idle(uow: UnitOfWork, name: str) -> None:
    c = job_table.c
    under_way = select(c.arguments).where(
        c.kind == WORKSPACE.name, c.state.in_(("queued", "running"))
    )
    if any(arguments["name"] == name for arguments in uow.execute(under_way).scalars()):
        raise Refused(_("Something is being done with this workspace already."))


def _titles() -> dict[str, str]:
    return {
        "make": _("Make the workspace %(name)s", name="%(name)s"),
        "reset": _("Reset the workspace %(name)s", name="%(name)s"),
        "remove": _("Remove the workspace %(name)s", name="%(name)s"),
    }


def keep_longer(uow: UnitOfWork, name: str) -> Workspace:
    """Let one end `LIFE` days from now, at most `LONGEST_LIFE` after it was made."""
    require_administrator(uow)
    workspace = find(uow.runtime, name)
    _require_idle(uow, name)
    latest = workspace.made_at + timedelta(days=LONGEST_LIFE)
    until = min(uow.now() + timedelta(days=LIFE), latest)
    if until <= workspace.ends_at:
        raise Refused(_("It is not kept any longer than that."))
    record_act(uow, "keep_workspace", details={"name": name, "until": until})
    home = uow.runtime.config.home
    return write_workspace(home, workspace, ends_at=until, was_warned=False)


def carry_out(
    runtime: Runtime,
    name: str,
    act: str,
    tell: Callable[[int, int], None] = lambda done, total: None,
    *,
    password: str = "",
) -> None:
    """Make, reset or remove one now; what goes wrong is noted with it, and raised.

    ``password`` is for whom a new one that is no copy lets in, where nobody here has that address.
    """
    workspace = find(runtime, name)
    try:
        with alone(folder_of(runtime.config.home, name), patience=_PATIENCE):
            if act == "make":
                _make(runtime, workspace, tell, password)
            elif act == "reset":
                _reset(runtime, workspace, tell)
            else:
                _remove(runtime, workspace)
    except WorkspaceBusy as error:
        _note_failure(runtime, name, _("It is still being served."))
        raise Refused(_("It is still being served.")) from error
    except Exception as error:
        _note_failure(runtime, name, str(error)[:500])
        raise


def _note_failure(runtime: Runtime, name: str, problem: str) -> None:
    home = runtime.config.home
    if (workspace := read_workspace(folder_of(home, name))) is not None:
        write_workspace(home, workspace, state="failed", problem=problem)


def _make(
    runtime: Runtime, workspace: Workspace, tell: Callable[[int, int], None], password: str
) -> None:
    home, started = runtime.config.home, runtime.clock.now()
    folder = folder_of(home, workspace.name)
    _clear(folder, but=("workspace.json", "lock"))
    tell(1, 4)
    if workspace.is_copy:
        copy = folder / "copy.backup"
        try:
            write_backup(runtime, copy, with_key=True)
            tell(2, 4)
            run_in(folder, "restore", str(copy), "--json")
        finally:
            copy.unlink(missing_ok=True)
        # What it signs and seals from now on is worth nothing to the company's own, and the other
        # way round; what came with it can still be read.
        run_in(folder, "secrets", "rotate", "--json")
    else:
        keep_timezone(folder, str(runtime.config.timezone))
        admin = ("--admin", workspace.made_by, "--password", password or secrets.token_urlsafe(24))
        demo = ("--demo",) if workspace.kind == "sandbox" else ()
        plugins = ("--plugins", ",".join(workspace.plugins))
        run_in(folder, "init", *admin, *plugins, *demo, "--json")
    tell(3, 4)
    _settle(runtime, workspace, folder)
    _copy_contents(folder, folder / _ORIGIN)
    write_workspace(home, workspace, state="ready", made_at=started, problem="")


def _settle(runtime: Runtime, workspace: Workspace, folder: Path) -> None:
    """Nobody is signed in; who made it signs in with the password that they have."""
    users, credentials = User.__table__.c, credential_table.c
    password = None
    if not workspace.is_copy:
        known = select(credentials.password).join(User.__table__, users.id == credentials.user_id)
        with runtime.read_connection() as ours:
            password = ours.execute(known.where(users.email == workspace.made_by)).scalar()
    database = Database(f"sqlite:///{folder / _DATABASE}")
    try:
        with migrating(database) as connection:
            # The files of those backups are the company's, and so is whoever worked there.
            for table in (session_table, backup_table, worker_table):
                connection.execute(delete(table))
            # The job that makes this was under way at the moment of the copy.
            connection.execute(delete(job_table).where(job_table.c.kind == WORKSPACE.name))
            if password is not None:
                own = select(users.id).where(users.email == workspace.made_by)
                theirs = update(credential_table).where(credentials.user_id.in_(own))
                connection.execute(theirs.values(password=password))
    finally:
        database.dispose()


def _reset(runtime: Runtime, workspace: Workspace, tell: Callable[[int, int], None]) -> None:
    folder = folder_of(runtime.config.home, workspace.name)
    for name in (*_CONTENTS, *(each.name for each in folder.glob(f"{_DATABASE}*"))):
        _delete(folder / name)
    tell(1, 2)
    _copy_contents(folder / _ORIGIN, folder)
    write_workspace(runtime.config.home, workspace, state="ready", problem="")


def _remove(runtime: Runtime, workspace: Workspace) -> None:
    # First what tells of it: what is left after an accident is a folder that nobody serves.
    folder = folder_of(runtime.config.home, workspace.name)
    _clear(folder, but=("workspace.json", "lock"))
    shutil.rmtree(folder)


def _copy_contents(source: Path, target: Path) -> None:
    """The database, which nobody has open, and the stored files."""
    target.mkdir(mode=0o700, exist_ok=True)
    for each in source.glob(f"{_DATABASE}*"):
        shutil.copy2(each, target / each.name)
    if (source / "files").is_dir():
        shutil.copytree(source / "files", target / "files", dirs_exist_ok=True)


def _clear(folder: Path, *, but: Sequence[str]) -> None:
    for each in folder.iterdir():
        if each.name not in but:
            _delete(each)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run_in(folder: Path, *arguments: str) -> Any:
    """What our command line answers in another home, as JSON. Raises `Refused` with what it says."""
    code = "from core.cli import main; main()"
    # What the processes of one server count together is not what this one counts.
    given = {key: text for key, text in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"}
    done = subprocess.run(  # noqa: S603 - our own code, without a shell
        [sys.executable, "-c", code, *arguments],
        cwd=_ROOT,
        env=given | {"DOUGONG_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        # `restore` has done its work also where the doctor then finds what was wrong before.
        return json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
        raise Refused(said[:500]) from error


# The jobs


def _work(context: JobContext, name: str, act: str) -> None:
    """The handler of ``core.workspace``."""
    with context.unit_of_work(write=False) as uow:
        require_administrator(uow)
    carry_out(context.runtime, name, act, context.progress)


def _tend(context: JobContext) -> dict[str, int]:
    """Tell of those that end soon, and remove those that have been over for a while."""
    runtime, counts = context.runtime, {"told": 0, "removed": 0}
    home, now = runtime.config.home, runtime.clock.now()
    for workspace in find_workspaces(home):
        if workspace.ends_at + _KEPT_AFTER < now:
            carry_out(runtime, workspace.name, "remove")
            with context.unit_of_work() as uow:
                record_act(uow, "remove_workspace", details={"name": workspace.name})
            counts["removed"] += 1
        elif workspace.ends_at - timedelta(days=WARNED) < now and not workspace.was_warned:
            with context.unit_of_work() as uow:
                if workspace.made_by_id is not None:
                    notify(uow, WORKSPACE_ENDS.name, [workspace.made_by_id], count=WARNED)
            write_workspace(home, workspace, was_warned=True)
            counts["told"] += 1
    return counts


WORKSPACE = Job(
    "core.workspace",
    _work,
    title=_l("Workspace"),
    max_attempts=1,
    limit=1,
    time_limit=timedelta(hours=3),
)
TEND = Job("core.tend_workspaces", _tend, title=_l("Look after the workspaces"), limit=1)
WORKSPACES_TENDED = Schedule("tend_workspaces", TEND.name, every=timedelta(hours=1))
