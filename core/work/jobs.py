"""Jobs: what a handler is given, and one job's run from the claim to its end."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, update

from core.errors import Refusal
from core.faults import fault
from core.i18n import use_locale
from core.plugins.contributions import Job
from core.security.actor import SYSTEM, Actor
from core.work.claims import JOB, claim_job, claim_jobs
from core.work.endings import cancel_job, give_back, note_failure, replay_job
from core.work.leases import LEASE, Heartbeat
from core.work.tables import job_table
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = [
    "JobContext",
    "LeaseLost",
    "Shift",
    "TimeLimitReached",
    "cancel_job",
    "claim_job",
    "replay_job",
    "run_job",
    "run_next",
]

log = logging.getLogger("dougong.jobs")
#: Seconds after which what was claimed and not begun is given back, since others may have time.
PATIENCE = 1.0


class LeaseLost(Exception):
    """Somebody else took the job over, or it was cancelled; what was not committed is not kept."""


class TimeLimitReached(Exception):
    """A try showed no progress for as long as its kind allows."""


@dataclass
class Shift:
    """One thread's turn at working: when to stop, and what it served last."""

    worker: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    #: The lane served last: the one behind it comes next.
    lane: str = ""
    #: The job in hand reached its time limit: this thread may never come back.
    is_stuck: bool = False


@dataclass
class JobContext:
    """What a handler is given: who asked for it, progress, and units of work."""

    runtime: Runtime
    job_id: int
    lease: str
    actor: Actor
    #: When it last showed progress, of `time.monotonic`.
    last_sign: float = field(default_factory=time.monotonic)
    #: The handler itself has marked it as done.
    is_finished: bool = False

    @contextmanager
    def unit_of_work(self, *, write: bool = True) -> Iterator[UnitOfWork]:
        """A transaction with the rights of whoever started the job."""
        with UnitOfWork(self.runtime, self.actor, origin=JOB, write=write) as uow:
            yield uow

    def progress(self, done: int, total: int | None = None) -> None:
        """Show how far the job is; raises `LeaseLost` when it was cancelled or taken over."""
        with UnitOfWork(self.runtime, SYSTEM, origin=JOB) as uow:
            self.advance(uow, done, total)

    def advance(
        self, uow: UnitOfWork, done: int, total: int | None = None, *, partial: Any = None
    ) -> None:
        """The same as part of ``uow``, so that work and progress are committed together.

        ``partial`` is the result so far, from which a retry goes on.
        """
        values: dict[str, Any] = {"done": done, "lease_until": uow.now() + LEASE}
        if total is not None:
            values["total"] = total
        if partial is not None:
            values["result"] = partial
        self._write(uow, values)
        self.last_sign = time.monotonic()

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
        self.is_finished = True

    def _write(self, uow: UnitOfWork, values: Mapping[str, Any]) -> None:
        mine = (job_table.c.id == self.job_id) & (job_table.c.lease == self.lease)
        if uow.execute(update(job_table).where(mine).values(**values)).rowcount != 1:
            raise LeaseLost(f"job {self.job_id}")


def run_next(runtime: Runtime, shift: Shift | None = None) -> int:
    """Claim a handful of jobs that are due and run them; returns how many were run."""
    shift = shift or Shift()
    claimed = claim_jobs(runtime, after=shift.lane, worker=shift.worker)
    if not claimed:
        return 0
    shift.lane = claimed[0].lane
    begun, structure, ran = time.monotonic(), runtime.snapshot.structure, 0
    behind = deque(claimed)
    for row in _in_turn(behind):
        went_well = run_job(runtime, row, shift, behind=behind)
        ran += 1
        goes_on = went_well and not shift.stopping.is_set() and time.monotonic() - begun < PATIENCE
        if not goes_on or runtime.snapshot.structure != structure:
            _give_back(runtime, behind)
    return ran


def _in_turn(behind: deque[Row[Any]]) -> Iterator[Row[Any]]:
    """One after the other, each to whoever takes it first: the worker or its heartbeat."""
    with suppress(IndexError):
        while True:
            yield behind.popleft()


def _give_back(runtime: Runtime, behind: deque[Row[Any]]) -> None:
    give_back(runtime, list(_in_turn(behind)))


def run_job(
    runtime: Runtime,
    row: Row[Any],
    shift: Shift | None = None,
    *,
    behind: deque[Row[Any]] | None = None,
) -> bool:
    """Run a claimed job to its end, whatever that is; True when it was done. Never raises.

    ``shift`` learns when the job reached its time limit, and its thread is left to it. When it
    lasts, those ``behind`` it that were claimed with it are given back.
    """
    kind: Job | None = None
    try:
        kind, context = _prepare(runtime, row)
        with use_locale(row.locale), _alive(runtime, row, kind, context, shift, behind or deque()):
            result = kind.handler(context, **row.arguments)
            if not context.is_finished:
                with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
                    context.finish(uow, result)
        return True
    except LeaseLost:
        log.warning("job %s was taken over", row.id)
    except (Exception, SystemExit) as error:  # whatever a handler does, the worker goes on
        log.exception("job %s (%s) failed", row.id, row.kind)
        note_failure(runtime, row, error, kind.max_attempts if kind else 1)
    return False


def _prepare(runtime: Runtime, row: Row[Any]) -> tuple[Job, JobContext]:
    known = (each.item for each in runtime.installed("register_jobs"))
    kind = next((item for item in known if item.name == row.kind), None)
    if kind is None:
        raise Refusal(f"nobody knows jobs of the kind {row.kind}")
    actor = SYSTEM if row.actor_id is None else _person(runtime, row)
    if actor is None:
        raise Refusal("the person who started this may no longer sign in")
    return kind, JobContext(runtime, row.id, row.lease, actor)


def _person(runtime: Runtime, row: Row[Any]) -> Actor | None:
    from core.security.directory import load_actor

    with UnitOfWork(runtime, SYSTEM, origin=JOB, write=False) as uow:
        actor = load_actor(uow, row.actor_id)
    if actor is None:
        return None
    if row.owner in actor.closed:
        # What a module does in the background goes on, whoever brought it about.
        actor = actor.with_all_open()
    if row.token_scopes is not None:
        actor = replace(actor, token_scopes=frozenset(row.token_scopes), _access={})
    return actor if row.behind_id is None else replace(actor, behind=row.behind_id)


def _alive(
    runtime: Runtime,
    row: Row[Any],
    kind: Job,
    context: JobContext,
    shift: Shift | None,
    behind: deque[Row[Any]],
) -> Heartbeat:
    def give_up() -> None:
        seconds = kind.time_limit.total_seconds()
        error = TimeLimitReached(f"no progress for {seconds:g} s")
        log.error("job %s (%s) hangs: %s", row.id, row.kind, error)
        if note_failure(runtime, row, error, kind.max_attempts) and shift is not None:
            shift.is_stuck = True

    return Heartbeat(
        runtime,
        row.id,
        row.lease,
        limit=kind.time_limit,
        last_sign=lambda: context.last_sign,
        give_up=give_up,
        lasts=lambda: _give_back(runtime, behind),
    )
