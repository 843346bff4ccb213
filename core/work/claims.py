"""Whose turn it is: a handful of due jobs, the lanes in turns, no more of a kind than may run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import takewhile
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

__all__ = ["JOB", "claim_job", "claim_jobs", "known_kinds"]

JOB = Origin("job")


def claim_job(
    runtime: Runtime, job_id: int | None = None, *, after: str = "", worker: str = ""
) -> Row[Any] | None:
    """Take one due job (or the given one, if due) under a lease; None when there is none."""
    claimed = claim_jobs(runtime, job_id, after=after, worker=worker, most=1)
    return claimed[0] if claimed else None


def claim_jobs(
    runtime: Runtime,
    job_id: int | None = None,
    *,
    after: str = "",
    worker: str = "",
    most: int | None = None,
) -> Sequence[Row[Any]]:
    """Take a handful of due jobs of one lane (or the given one, if due) under one lease.

    The lanes take turns: that which follows ``after`` is served first, so that a flood in one of
    them costs the others one handful's time. How many that are, is said by their kind, or by
    ``most``.
    """
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        kinds = known_kinds(uow)
        claimed: Sequence[Row[Any]] = ()
        for lane in _due_lanes(uow, after) if job_id is None else _lane_of(uow, job_id):
            claimed = _take(uow, lane, kinds.get(lane.partition(":")[0]), job_id, worker, most)
            if claimed:
                break
    if claimed:
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
    uow: UnitOfWork,
    lane: str,
    kind: Job | None,
    job_id: int | None,
    worker: str,
    most: int | None,
) -> Sequence[Row[Any]]:
    """The lane's first due jobs, unless as many of their kind run as may."""
    table, now = job_table, uow.now()
    room = most or (kind.handful if kind else 1)
    if kind is not None and kind.limit is not None:
        take_turns(uow.connection, f"jobs:{kind.name}")
        running = select(func.count()).where(RUNNING, table.c.kind == kind.name)
        room = min(room, kind.limit - uow.execute(running).scalar_one())
        if room < 1:
            return ()
    due = [QUEUED, table.c.run_at <= now, table.c.owner.in_({*uow.snapshot.enabled, "core"})]
    which = table.c.lane == lane if job_id is None else table.c.id == job_id
    found = select(table.c.id, table.c.attempts).where(*due, which)
    found = found.order_by(table.c.run_at, table.c.id).limit(room)
    rows = uow.execute(found.with_for_update(skip_locked=True)).all()
    values = {
        "state": "running",
        "lease": secrets.token_hex(16),
        "lease_until": now + LEASE,
        "attempts": table.c.attempts + 1,
        "started_at": now,
        "worker": worker,
    }
    taking = update(table).where(table.c.id.in_(_together(rows))).values(**values)
    taken = uow.execute(taking.returning(*table.c)).all() if rows else ()
    return sorted(taken, key=lambda row: (row.run_at, row.id))


def _together(rows: Sequence[Row[Any]]) -> list[int]:
    """The first try at the head of the lane and those behind it; a later try goes by itself.

    A job that takes its worker down costs the others of its handful one try, and not one each time.
    """
    firsts = [row.id for row in takewhile(lambda row: row.attempts == 0, rows)]
    return firsts or [row.id for row in rows[:1]]


def known_kinds(uow: UnitOfWork) -> dict[str, Job]:
    """The kinds of jobs of the core and of enabled plugins, by name."""
    return {job.name: job for job in uow.snapshot.items("register_jobs")}
