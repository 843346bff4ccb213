"""Bringing an installation up to the code: what would be done, whether it may be, and doing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from core import __version__
from core.backup.scheduled import OVERDUE_AFTER
from core.backup.tables import backup_table
from core.backup.writing import write_backup
from core.db.migrate import CORE_MIGRATIONS, current_revision, revisions
from core.entities.recompute import refill_module
from core.errors import Refused
from core.i18n import gettext as _
from core.ops.doctor import Finding
from core.ops.install import CLI, prepare_database
from core.ops.lifecycle import behind, migrate_all
from core.plugins.state import plugin_table
from core.security.actor import SYSTEM
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["examine_upgrade", "upgrade_installation"]

#: Free space that an upgrade wants beside a copy of the database (bytes).
_SPARE = 200 << 20


def examine_upgrade(runtime: Runtime) -> list[Finding]:
    """What an upgrade would do, and what stands in its way (state ``problem``)."""
    with runtime.read_connection() as connection:
        return [
            Finding("version", "ok", f"the code is {__version__}"),
            *_revisions(runtime, connection),
            *_modules(runtime, connection),
            *_room(runtime),
            *_newest_backup(runtime, connection),
        ]


def _owners(runtime: Runtime, connection: Connection) -> dict[str, Path]:
    known = connection.execute(select(plugin_table.c.name)).scalars()
    manifests = runtime.plugins.manifests
    plugins = {name: manifests[name].folder / "migrations" for name in known if name in manifests}
    return {"core": CORE_MIGRATIONS, **plugins}


def _revisions(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    for owner, versions in _owners(runtime, connection).items():
        current, known = current_revision(connection, owner), revisions(owner, versions)
        names = [revision for revision, _text in known]
        if current is not None and current not in names:
            detail = f"{owner} is at {current}, which this code does not know: it is older"
            yield Finding("revision", "problem", detail)
            continue
        pending = known[names.index(current) + 1 :] if current in names else known
        yield Finding("revision", "ok", f"{owner} is at {current or '-'}, {len(pending)} pending")
        for revision, text in pending:
            yield Finding("pending", "ok", f"{owner} {revision}: {text}")


def _modules(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    enabled = select(plugin_table.c.name).where(plugin_table.c.enabled)
    for name in connection.execute(enabled).scalars():
        if reason := runtime.plugins.held_back.get(name):
            yield Finding("modules", "problem", f"{name} is on and held back: {reason}")
        elif name not in runtime.plugins.loaded:
            yield Finding("modules", "problem", f"{name} is on, but not installed here")


def _room(runtime: Runtime) -> Iterator[Finding]:
    """A copy must fit beside the database; how large that of a server is, its own disk knows."""
    if not runtime.database.is_sqlite:
        return
    path = Path(runtime.database.url.database or "")
    needed, free = path.stat().st_size + _SPARE, shutil.disk_usage(path.parent).free
    text = f"{free >> 20} MB are free, {needed >> 20} MB are wanted"
    yield Finding("disk", "problem" if free < needed else "ok", text)


def _newest_backup(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    try:
        with connection.begin_nested():
            newest = connection.execute(
                select(backup_table.c.made_at)
                .where(backup_table.c.problem.is_(None))
                .order_by(backup_table.c.made_at.desc())
                .limit(1)
            ).scalar()
    except SQLAlchemyError:  # the table is one of those that are pending
        newest = None
    if newest is None:
        yield Finding("backup", "warning", "there is none that this installation knows of")
        return
    age = runtime.clock.now() - newest
    hours = int(age.total_seconds()) // 3600
    yield Finding(
        "backup", "warning" if age > OVERDUE_AFTER else "ok", f"the newest is {hours} h old"
    )


def upgrade_installation(
    runtime: Runtime, *, backup: bool | None = None
) -> tuple[dict[str, str | None], Path | None]:
    """Run what is pending; (the revisions reached by owner, the backup that was made before).

    ``backup``: whether to make one; by default on SQLite, whose file is ours to copy. Raises
    `Refused` for a database that is newer than the code. What was interrupted is run again.
    """
    with runtime.read_connection() as connection:
        for finding in _revisions(runtime, connection):
            if finding.state == "problem":
                raise Refused(_("The upgrade cannot begin: %(reason)s.", reason=finding.detail))
        loaded = runtime.plugins.loaded
        known = connection.execute(select(plugin_table.c.name)).scalars()
        waiting = behind(connection, [loaded[name] for name in known if name in loaded])
    made = None
    if waiting and (runtime.database.is_sqlite if backup is None else backup):
        made = _back_up(runtime)
    prepare_database(runtime)
    with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
        reached = migrate_all(uow.connection, runtime)
        for owner in waiting:
            refill_module(uow, owner)
    return reached, made


def _back_up(runtime: Runtime) -> Path:
    folder = runtime.config.home / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # To the microsecond: a second try must not replace the backup of what was there at first.
    path = folder / f"before-upgrade-{runtime.clock.now():%Y%m%d-%H%M%S-%f}.backup"
    write_backup(runtime, path)
    return path
