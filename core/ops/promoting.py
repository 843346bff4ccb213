"""A trial becomes the company's installation: its data take the place of those that are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from core.audit.models import AuditEntry
from core.backup.workspaces import find, run_in
from core.backup.writing import write_backup
from core.boot import is_initialised
from core.config import key_file
from core.errors import Refused
from core.i18n import gettext as _
from core.ops.restore import RestoreSummary, restore_backup
from core.ops.rotation import write_keys
from core.security.actor import SYSTEM
from core.work.presence import find_workers
from core.work.uow import Origin, UnitOfWork
from core.workspace import Workspace, WorkspaceBusy, alone, folder_of, write_workspace

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["Promotion", "promote"]

#: What the audit trail calls changes of records.
_CHANGES = ("create", "update", "delete", "restore", "purge")


@dataclass(frozen=True)
class Promotion:
    """What was put in the place of what, and where the latter is now; None where nothing was."""

    workspace: Workspace
    before: Path | None
    restored: RestoreSummary


def promote(runtime: Runtime, name: str, *, newer_too: bool = False) -> Promotion:
    """Put a trial in the place of the company's data, of which a backup is made first.

    Nobody may be serving either. Raises `Refused`, and then nothing has changed; so it does where
    records were changed here since the trial was made, unless ``newer_too``.
    """
    if runtime.config.workspace is not None:
        raise Refused(_("This is a workspace itself."))
    workspace, home = find(runtime, name), runtime.config.home
    folder = folder_of(home, name)
    if workspace.kind != "trial" or workspace.state != "ready":
        raise Refused(_("Only a trial that is ready can be promoted."))
    try:
        with alone(folder, patience=3):
            before = _leave(runtime, workspace, newer_too=newer_too)
            return Promotion(*_take_over(runtime, workspace, folder, before))
    except WorkspaceBusy as error:
        raise Refused(_("It is being served. Stop dougong serve first.")) from error


def _leave(runtime: Runtime, workspace: Workspace, *, newer_too: bool) -> Path | None:
    """The backup of what is here, which nobody may be using."""
    with runtime.read_connection() as connection:
        if not is_initialised(connection):
            return None
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
        if any(worker.is_there for worker in find_workers(uow)):
            raise Refused(_("The database is in use. Stop dougong serve and dougong worker first."))
        c = AuditEntry.__table__.c
        since = select(func.count()).where(c.at > workspace.made_at, c.action.in_(_CHANGES))
        newer = int(uow.execute(since).scalar_one())
    if newer and not newer_too:
        raise Refused(
            _(
                "Since the trial was made, %(n)s changes were made here that it does not have."
                " With --lose-newer they are given up; they stay in the backup.",
                n=newer,
            )
        )
    backups = runtime.config.home / "backups"
    backups.mkdir(mode=0o700, exist_ok=True)
    before = backups / f"before-{workspace.name}-{runtime.clock.now():%Y%m%d-%H%M%S-%f}.backup"
    write_backup(runtime, before)
    return before


def _take_over(
    runtime: Runtime, workspace: Workspace, folder: Path, before: Path | None
) -> tuple[Workspace, Path | None, RestoreSummary]:
    # Our key first: its secrets are sealed with that, also where ours comes from the environment.
    own = key_file(folder)
    keys = (runtime.config.secret_key, *own.read_text().split())
    write_keys(own, tuple(dict.fromkeys(keys)))
    run_in(folder, "secrets", "rotate", "--json")
    file = folder / "promoted.backup"
    try:
        run_in(folder, "backup", str(file), "--with-key", "--json")
        restored = restore_backup(runtime, file, force=True)
    finally:
        file.unlink(missing_ok=True)
    now = runtime.clock.now()
    done = write_workspace(runtime.config.home, workspace, state="promoted", ends_at=now)
    return done, before, restored
