"""How a job ends, or is begun anew: failed, given up by its worker, replayed, cancelled."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, or_, select, update
from sqlalchemy.exc import DBAPIError

from core.errors import Forbidden, Refusal
from core.i18n import gettext as _
from core.security.actor import SYSTEM
from core.work.claims import JOB, known_kinds
from core.work.events import JobFailed
from core.work.leases import Sign
from core.work.tables import QUEUED, RUNNING, job_table
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = [
    "cancel_job",
    "give_back",
    "note_failure",
    "recall_after_setback",
    "release_jobs",
    "replay_as",
    "replay_job",
    "replay_jobs",
]

log = logging.getLogger("dougong.jobs")
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=1)
#: Waiting longer than this for the database means that others could not write either (seconds).
PROMPT = 1.0
#: The tries of a job whose module is off while its worker dies.
USUAL_ATTEMPTS = 5


def note_failure(runtime: Runtime, row: Row[Any], error: BaseException, max_attempts: int) -> bool:
    """Try again later, or give up: at once when the input itself was refused.

    False when it is no longer ours to say, or the database is away: the lease ends by silence then.
    """
    if isinstance(error, Refusal):
        message, max_attempts = error.message, 0
    else:
        message = "".join(traceback.format_exception_only(error)).strip()
    try:
        with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
            mine = (job_table.c.id == row.id) & (job_table.c.lease == row.lease)
            return _end_try(uow, row, mine, message, max_attempts, _delay(row.attempts))
    except DBAPIError as away:
        log.warning("the failure of job %s is not noted: %s", row.id, away.orig)
        return False


def _end_try(
    uow: UnitOfWork,
    row: Row[Any],
    mine: ColumnElement[bool],
    message: str,
    max_attempts: int,
    delay: timedelta,
) -> bool:
    now = uow.now()
    is_last = row.attempts >= max_attempts
    values: dict[str, Any] = {"lease": None, "lease_until": None, "error": _storable(message)}
    if is_last:
        values |= {"state": "failed", "finished_at": now}
    else:
        values |= {"state": "queued", "run_at": now + delay}
    changed = bool(uow.execute(update(job_table).where(mine).values(**values)).rowcount)
    if changed and is_last and row.kind != "core.deliver":
        uow.publish(JobFailed(row.id, row.kind))
    return changed


def _storable(message: str) -> str:
    """What every database takes: no NUL, no half of a pair."""
    return message[:2000].replace("\x00", "").encode("utf-8", "replace").decode()


def _delay(attempts: int) -> timedelta:
    """5 s, 20 s, 80 s … up to an hour, each up to a quarter longer so that retries spread."""
    longest = LONGEST_DELAY.total_seconds()
    seconds = min(FIRST_DELAY.total_seconds() * 4 ** min(max(attempts - 1, 0), 10), longest)
    return timedelta(seconds=seconds * (1 + secrets.randbelow(250) / 1000))


def give_back(runtime: Runtime, rows: Sequence[Row[Any]]) -> None:
    """Let others run claimed jobs that were not begun; the claim counts as no try."""
    if not rows:
        return
    c = job_table.c
    mine = c.id.in_([row.id for row in rows]) & (c.lease == rows[0].lease) & RUNNING
    values = {"state": "queued", "attempts": c.attempts - 1, "lease": None, "lease_until": None}
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        uow.execute(update(job_table).where(mine).values(**values, started_at=None, worker=None))
        uow.wake_afterwards()


def release_jobs(runtime: Runtime, silent: Iterable[Sign]) -> int:
    """Let others run the jobs whose workers fell silent; returns how many.

    The first time at once, then with a growing delay; one that took its worker down at each of its
    tries is a dead letter. A row that somebody holds is alive; and after a wait for the database
    nobody is: who held it kept the others from renewing.
    """
    released = 0
    for job_id, lease, until in silent:
        begun = time.monotonic()
        with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
            if time.monotonic() - begun > PROMPT:
                break
            c = job_table.c
            same = (c.id == job_id) & RUNNING & (c.lease == lease) & (c.lease_until == until)
            found = select(job_table).where(same).with_for_update(skip_locked=True)
            row = uow.execute(found).one_or_none()
            if row is not None:
                log.warning("the worker of job %s is gone", job_id)
                kind = known_kinds(uow).get(row.kind)
                most = kind.max_attempts if kind else USUAL_ATTEMPTS
                delay = _delay(row.attempts - 1) if row.attempts > 1 else timedelta()
                message = "the process in which it ran is gone"
                released += _end_try(uow, row, same, message, most, delay)
                uow.wake_afterwards()
    return released


def replay_job(uow: UnitOfWork, job_id: int) -> bool:
    """Queue a failed or cancelled job again; False when it is neither."""
    over = job_table.c.state.in_(("failed", "cancelled"))
    return bool(_replay(uow, (job_table.c.id == job_id) & over))


def replay_as(uow: UnitOfWork, job_id: int) -> bool:
    """The same, from now on with the rights of the actor, in whatever way they ask for it."""
    actor = uow.actor
    theirs: dict[str, Any] = {"actor_id": actor.user_id, "behind_id": actor.behind}
    theirs["token_scopes"] = actor.job_scopes
    uow.execute(update(job_table).where(job_table.c.id == job_id).values(theirs))
    return replay_job(uow, job_id)


def replay_jobs(uow: UnitOfWork, kind: str) -> int:
    """Queue all failed jobs of a kind again; returns how many. Administrators only."""
    if not uow.actor.manages_security:
        raise Forbidden(_("You do not have the right to do this."))
    return _replay(uow, (job_table.c.kind == kind) & (job_table.c.state == "failed"))


def _replay(uow: UnitOfWork, which: ColumnElement[bool]) -> int:
    values = {
        "state": "queued",
        "run_at": uow.now(),
        "attempts": 0,
        "error": None,
        "finished_at": None,
    }
    changed = uow.execute(update(job_table).where(which).values(**values)).rowcount
    uow.wake_afterwards()
    return changed


def cancel_job(uow: UnitOfWork, job_id: int) -> bool:
    """Stop a job: a queued one at once, a running one at its next sign of progress.

    One's own; anybody's, for who administers. False when there is none such, or it is over.
    What it has committed stays, and ``done`` and ``result`` go on telling it.
    """
    table = job_table
    open_ = (table.c.id == job_id) & or_(QUEUED, RUNNING)
    if not uow.actor.manages_security:
        open_ &= table.c.actor_id == uow.actor.user_id
    values = {"state": "cancelled", "lease": None, "lease_until": None, "finished_at": uow.now()}
    return bool(uow.execute(update(table).where(open_).values(**values)).rowcount)


def recall_after_setback(uow: UnitOfWork) -> int:
    """After the clock was set back: what should run by now, but is dated by the time before.

    Retries come early at worst. What was put off on purpose keeps its date.
    """
    c, now = job_table.c, uow.now()
    dated = (c.created_at > now) | (c.attempts > 0)
    late = update(job_table).where(QUEUED, c.run_at > now, dated)
    return uow.execute(late.values(run_at=now)).rowcount
