"""Whose turn it is: one due job at a time, the lanes in turns, no more of a kind than may run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select, update

from core.db.locks import take_turns
from core.faults import fault
from core.plugins.contributions import Job
from core.security.actor import SYSTEM
from core.work.leases import LEASE
from core.work.tables import QUEUED, RUNNING, job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["JOB", "claim_job", "known_kinds"]

JOB = Origin("job")


def claim_job(
    runtime: Runtime, job_id: int | None = None, *, after: str = "", worker: str = ""
) -> Row[Any] | None:
    """Take one due job (or the given one, if due) under a lease; None when there is none.

    The lanes take turns: that which follows ``after`` is served first, so that a flood in one of
    them costs the others one job's time.
    """
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        kinds = known_kinds(uow)
        for lane in _due_lanes(uow, after) if job_id is None else _lane_of(uow, job_id):
            claimed = _take(uow, lane, kinds.get(lane.partition(":")[0]), job_id, worker)
            if claimed is not None:
                break
        else:
            return None
    fault("jobs.after_claim")
    return claimed


def _due_lanes(uow: UnitOfWork, after: str) -> list[str]:
    """The lanes in which a job is due, in the order of their turns.

    The index is asked once for each lane, however many jobs stand in it.
    """
    table, now = job_table, uow.now()
    walk = select(func.min(table.c.lane).label("lane")).where(QUEUED).cte("lanes", recursive=True)
    following = select(func.min(table.c.lane)).where(QUEUED, table.c.lane > walk.c.lane)
    walk = walk.union_all(select(following.scalar_subquery()).where(walk.c.lane.is_not(None)))
    first = select(func.min(table.c.run_at)).where(QUEUED, table.c.lane == walk.c.lane)
    rows = uow.execute(
        select(walk.c.lane, first.scalar_subquery().label("first")).where(walk.c.lane.is_not(None))
    ).all()
    owners = {*uow.snapshot.enabled, "core", ""}  # without: queued by an older version
    due = [row.lane for row in rows if row.first <= now and _owner(row.lane) in owners]
    return sorted(due, key=lambda lane: (lane <= after, lane))


def _owner(lane: str) -> str:
    return lane.partition(":")[2].partition(":")[0]


def _lane_of(uow: UnitOfWork, job_id: int) -> Sequence[str]:
    return uow.execute(select(job_table.c.lane).where(job_table.c.id == job_id)).scalars().all()


def _take(
    uow: UnitOfWork, lane: str, kind: Job | None, job_id: int | None, worker: str
) -> Row[Any] | None:
    """The lane's first due job, unless as many of its kind run as may."""
    table, now = job_table, uow.now()
    due = [QUEUED, table.c.run_at <= now, table.c.owner.in_({*uow.snapshot.enabled, "core"})]
    which = table.c.lane == lane if job_id is None else table.c.id == job_id
    first = select(table.c.id).where(*due, which).order_by(table.c.run_at, table.c.id).limit(1)
    first = first.with_for_update(skip_locked=True).correlate(None)
    where = [table.c.id == first.scalar_subquery()]
    if kind is not None and kind.limit is not None:
        take_turns(uow.connection, f"jobs:{kind.name}")
        running = select(func.count()).where(RUNNING, table.c.kind == kind.name)
        where.append(running.correlate(None).scalar_subquery() < kind.limit)
    values = {
        "state": "running",
        "lease": secrets.token_hex(16),
        "lease_until": now + LEASE,
        "attempts": table.c.attempts + 1,
        "started_at": now,
        "worker": worker,
    }
    taking = update(table).where(*where).values(**values).returning(*table.c)
    return uow.execute(taking).one_or_none()


def known_kinds(uow: UnitOfWork) -> dict[str, Job]:
    """The kinds of jobs of the core and of enabled plugins, by name."""
    return {job.name: job for job in uow.snapshot.items("register_jobs")}
