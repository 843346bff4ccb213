"""Jobs: claimed by a lease, run, retried with growing delay, kept as dead letters in the end."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, and_, func, or_, select, update

from core.errors import Refusal
from core.faults import fault
from core.i18n import use_locale
from core.plugins.contributions import Job
from core.security.actor import SYSTEM, Actor
from core.work.events import JobFailed
from core.work.tables import job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = [
    "JobContext",
    "LeaseLost",
    "cancel_job",
    "claim_job",
    "replay_job",
    "run_job",
    "run_next",
]

log = logging.getLogger("dougong.jobs")
JOB = Origin("job")
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=1)


class LeaseLost(Exception):
    """Somebody else took the job over, or it was cancelled; what was not committed is not kept."""


@dataclass
class JobContext:
    """What a handler is given: who asked for it, progress, and units of work."""

    runtime: Runtime
    job_id: int
    lease: str
    actor: Actor
    lease_time: timedelta

    @contextmanager
    def unit_of_work(self, *, write: bool = True) -> Iterator[UnitOfWork]:
        """A transaction with the rights of whoever started the job."""
        with UnitOfWork(self.runtime, self.actor, origin=JOB, write=write) as uow:
            yield uow

    def progress(self, done: int, total: int | None = None) -> None:
        """Show how far the job is and keep the lease; raises `LeaseLost` when it is gone."""
        with UnitOfWork(self.runtime, SYSTEM, origin=JOB) as uow:
            self.advance(uow, done, total)

    def advance(
        self, uow: UnitOfWork, done: int, total: int | None = None, *, partial: Any = None
    ) -> None:
        """The same as part of ``uow``, so that work and progress are committed together.

        ``partial`` is the result so far, from which a retry goes on.
        """
        values: dict[str, Any] = {"done": done, "lease_until": uow.now() + self.lease_time}
        if total is not None:
            values["total"] = total
        if partial is not None:
            values["result"] = partial
        self._write(uow, values)

    def finish(self, uow: UnitOfWork, result: Any = None) -> None:
        """Mark the job as done as part of ``uow``: its effect happens once, or not at all."""
        fault("jobs.before_finish")
        self._write(
            uow,
            {
                "state": "done",
                "result": result,
                "finished_at": uow.now(),
                "lease": None,
                "lease_until": None,
                "error": None,
            },
        )

    def _write(self, uow: UnitOfWork, values: Mapping[str, Any]) -> None:
        mine = (job_table.c.id == self.job_id) & (job_table.c.lease == self.lease)
        if uow.execute(update(job_table).where(mine).values(**values)).rowcount != 1:
            raise LeaseLost(f"job {self.job_id}")


def run_next(runtime: Runtime) -> bool:
    """Claim and run one job that is due; False when there is none."""
    claimed = claim_job(runtime)
    if claimed is None:
        return False
    run_job(runtime, claimed)
    return True


def claim_job(runtime: Runtime, job_id: int | None = None) -> Row[Any] | None:
    """Take one due job (or the given one, if due) under a lease; None when there is none.

    A running job whose lease is over counts as due: its worker is gone.
    """
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        now = uow.now()
        table = job_table
        due = or_(
            and_(table.c.state == "queued", table.c.run_at <= now),
            and_(table.c.state == "running", table.c.lease_until < now),
        )
        owners = uow.snapshot.enabled | {"core"}
        choice = select(table).where(due, table.c.owner.in_(owners))
        if job_id is not None:
            choice = choice.where(table.c.id == job_id)
        choice = choice.order_by(table.c.run_at, table.c.id).limit(1)
        row = uow.execute(choice.with_for_update(skip_locked=True)).one_or_none()
        if row is None:
            return None
        kind = _kinds(uow).get(row.kind)
        lease = secrets.token_hex(16)
        until = now + (kind.lease if kind else timedelta(seconds=60))
        uow.execute(
            update(table)
            .where(table.c.id == row.id)
            .values(
                state="running",
                lease=lease,
                lease_until=until,
                attempts=table.c.attempts + 1,
                started_at=now,
            )
        )
        claimed = uow.execute(select(table).where(table.c.id == row.id)).one()
    fault("jobs.after_claim")
    return claimed


def _kinds(uow: UnitOfWork) -> dict[str, Job]:
    return {job.name: job for job in uow.snapshot.items("register_jobs")}


def run_job(runtime: Runtime, row: Row[Any]) -> None:
    """Run a claimed job to its end, whatever that is; never raises."""
    from core.security.directory import load_actor

    try:
        with UnitOfWork(runtime, SYSTEM, origin=JOB, write=False) as uow:
            kind = _kinds(uow).get(row.kind)
            actor = SYSTEM if row.actor_id is None else load_actor(uow, row.actor_id)
        if kind is None:
            raise Refusal(f"nobody knows jobs of the kind {row.kind}")
        if actor is None:
            raise Refusal("the person who started this may no longer sign in")
        context = JobContext(runtime, row.id, row.lease, actor, kind.lease)
        with use_locale(row.locale):
            result = kind.handler(context, **row.arguments)
            if _is_running(runtime, row):
                with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
                    context.finish(uow, result)
    except LeaseLost:
        log.warning("job %s was taken over", row.id)
    except Exception as error:  # whatever a handler does, the worker goes on
        log.exception("job %s (%s) failed", row.id, row.kind)
        _failed(runtime, row, error, kind.max_attempts if kind else 1)


def _is_running(runtime: Runtime, row: Row[Any]) -> bool:
    with runtime.read_connection() as connection:
        state = select(job_table.c.state, job_table.c.lease).where(job_table.c.id == row.id)
        now = connection.execute(state).one()
    return bool(now.state == "running" and now.lease == row.lease)


def _failed(runtime: Runtime, row: Row[Any], error: Exception, max_attempts: int) -> None:
    """Try again later, or give up: at once when the input itself was refused."""
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        now = uow.now()
        message = (
            error.message if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
        )
        values: dict[str, Any] = {"lease": None, "lease_until": None, "error": message[:2000]}
        final = row.attempts >= max_attempts or isinstance(error, Refusal)
        if final:
            values |= {"state": "failed", "finished_at": now}
        else:
            values |= {"state": "queued", "run_at": now + _delay(row.attempts)}
        mine = (job_table.c.id == row.id) & (job_table.c.lease == row.lease)
        changed = uow.execute(update(job_table).where(mine).values(**values)).rowcount
        if changed and final and row.kind != "core.deliver":
            uow.publish(JobFailed(row.id, row.kind))


def _delay(attempts: int) -> timedelta:
    """5 s, 20 s, 80 s … up to an hour, each up to a quarter longer so that retries spread."""
    longest = LONGEST_DELAY.total_seconds()
    seconds = min(FIRST_DELAY.total_seconds() * 4 ** min(max(attempts - 1, 0), 10), longest)
    return timedelta(seconds=seconds * (1 + secrets.randbelow(250) / 1000))


def replay_job(uow: UnitOfWork, job_id: int) -> bool:
    """Queue a failed job again; False when it is not a failed one."""
    table = job_table
    failed = (table.c.id == job_id) & table.c.state.in_(("failed", "cancelled"))
    values = {
        "state": "queued",
        "run_at": uow.now(),
        "attempts": 0,
        "error": None,
        "finished_at": None,
    }
    changed = uow.execute(update(table).where(failed).values(**values)).rowcount
    uow.wake_afterwards()
    return bool(changed)


def cancel_job(uow: UnitOfWork, job_id: int) -> bool:
    """Stop a job: a queued one at once, a running one at its next sign of progress."""
    table = job_table
    open_ = (table.c.id == job_id) & table.c.state.in_(("queued", "running"))
    values = {"state": "cancelled", "lease": None, "lease_until": None, "finished_at": uow.now()}
    return bool(uow.execute(update(table).where(open_).values(**values)).rowcount)


def next_due(runtime: Runtime) -> datetime | None:
    """When the next queued job is due; None when nothing is queued."""
    with runtime.read_connection() as connection:
        queued = select(func.min(job_table.c.run_at)).where(job_table.c.state == "queued")
        found: datetime | None = connection.execute(queued).scalar_one()
    return found
