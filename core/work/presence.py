"""Which processes work at the moment: a row for each, renewed while it lives."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from core.security.actor import SYSTEM
from core.work.tables import RUNNING, job_table, worker_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["WorkerSeen", "find_workers", "leave", "note_presence", "own_name"]

WORKER = Origin("job")
#: Who was seen within this is there; a row is renewed every ten seconds.
PRESENT = timedelta(seconds=30)
#: Rows of processes that were killed are dropped after this.
FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True)
class WorkerSeen:
    """A process that works, as a page shows it."""

    name: str
    role: str
    since: datetime
    seen_at: datetime
    is_there: bool
    #: Threads that it gave up, because a job in them does not end.
    hanging: int
    #: The jobs in its hands: (id, title).
    jobs: tuple[tuple[int, str], ...]


def own_name() -> str:
    """This process, as others tell it from theirs."""
    return f"{platform.node()[:100]}:{os.getpid()}"


def note_presence(runtime: Runtime, name: str, role: str, *, hanging: int = 0) -> None:
    """Say that this process is here, and drop who has not said so for long."""
    c = worker_table.c
    with UnitOfWork(runtime, SYSTEM, origin=WORKER) as uow:
        now = uow.now()
        seen = update(worker_table).where(c.name == name, c.role == role)
        if not uow.execute(seen.values(seen_at=now, hanging=hanging)).rowcount:
            uow.execute(delete(worker_table).where(c.name == name))  # another process of old
            row = {"name": name, "role": role, "since": now, "seen_at": now, "hanging": hanging}
            uow.execute(insert(worker_table).values(row))
            uow.execute(delete(worker_table).where(c.seen_at < now - FORGOTTEN))


def leave(runtime: Runtime, name: str) -> None:
    """Say that this process ends."""
    with UnitOfWork(runtime, SYSTEM, origin=WORKER) as uow:
        uow.execute(delete(worker_table).where(worker_table.c.name == name))


def find_workers(uow: UnitOfWork) -> list[WorkerSeen]:
    """All that were seen lately, with the jobs in their hands."""
    c = job_table.c
    jobs: dict[str, list[tuple[int, str]]] = {}
    for row in uow.execute(select(c.id, c.title, c.worker).where(RUNNING).order_by(c.id)):
        jobs.setdefault(row.worker, []).append((row.id, row.title))
    rows = uow.execute(select(worker_table).order_by(worker_table.c.since, worker_table.c.name))
    late = uow.now() - PRESENT
    return [
        WorkerSeen(
            row.name,
            row.role,
            row.since,
            row.seen_at,
            row.seen_at > late,
            row.hanging,
            tuple(jobs.get(row.name, ())),
        )
        for row in rows
    ]
