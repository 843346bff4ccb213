"""Taking a hand-over back as a whole, for as long as it is kept what the records were before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select, update

from core.audit.recorder import record_act
from core.entities import service
from core.entities.bulk import MOST_REASONS, bulk_change_table, bulk_table
from core.entities.bulk_undo import undo_bulk
from core.errors import NotFound, Refusal, Refused
from core.handover.giving import HAND_OVER, require_administrator
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications.following import told_together
from core.plugins.contributions import Job
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["HAND_BACK", "find_hand_over", "may_take_back", "start_taking_back", "taken_back_by"]

_OVER = ("done", "failed", "cancelled")


def find_hand_over(uow: UnitOfWork, job_id: int, *, lock: bool = False) -> Row[Any]:
    """The job of a hand-over; `Forbidden` for others than administrators, `NotFound` for any other job."""
    require_administrator(uow)
    found = select(job_table).where(job_table.c.id == job_id, job_table.c.kind == HAND_OVER.name)
    row = uow.execute(found.with_for_update() if lock else found).one_or_none()
    if row is None:
        raise NotFound(_("There is no job with the number %(id)s.", id=job_id))
    return row


def taken_back_by(uow: UnitOfWork, job_id: int) -> Row[Any] | None:
    """The job that takes a hand-over back, or has done so."""
    return uow.execute(select(job_table).where(job_table.c.key == _key(job_id))).one_or_none()


def may_take_back(uow: UnitOfWork, job: Row[Any]) -> bool:
    """True when it is over, has moved something, and it is still known what that was before."""
    if job.state not in _OVER or taken_back_by(uow, job.id) is not None:
        return False
    return bool(_bulks(uow, job))


def start_taking_back(uow: UnitOfWork, job_id: int) -> int:
    """Queue the way back; the number of its job. Raises `Forbidden`, `NotFound`, and `Refused` while
    the hand-over runs, when it was taken back before, and once it is too late."""
    job = find_hand_over(uow, job_id, lock=True)
    if job.state not in _OVER:
        raise Refused(_("This hand-over is still running. Stop it first."))
    if taken_back_by(uow, job_id) is not None:
        raise Refused(_("This was taken back already."))
    bulks = _bulks(uow, job)
    if not bulks:
        raise Refused(_("What the records were before is no longer known, or nothing was moved."))
    c = bulk_table.c
    mine = c.id.in_(list((job.result or {})["bulks"].values()))
    uow.execute(update(bulk_table).where(mine).values(undone_at=uow.now()))
    person = job.arguments["person"]
    arguments = {
        "person": person,
        "bulks": [*reversed(bulks)],
        "reopen": bool((job.result or {}).get("closed")),
    }
    back = uow.enqueue(
        HAND_BACK.name, arguments, title=_("Taking back a hand-over"), key=_key(job_id)
    )
    if back is None:
        raise Refused(_("This was taken back already."))
    details = {"job": job_id, "reopen": arguments["reopen"]}
    record_act(uow, "undo_hand_over", entity="user", record_ids=[person], details=details)
    return back


def _key(job_id: int) -> str:
    return f"hand_back:{job_id}"


def _bulks(uow: UnitOfWork, job: Row[Any]) -> list[int]:
    """The acts of the hand-over that can be taken back and were not, in its order."""
    numbers: Mapping[str, int] = (job.result or {}).get("bulks", {})
    c, changed = bulk_table.c, bulk_change_table.c
    has_changes = select(changed.bulk_id).where(changed.bulk_id == c.id).exists()
    open_ = select(c.id).where(c.id.in_(list(numbers.values())), c.undone_at.is_(None), has_changes)
    found = set(uow.execute(open_).scalars())
    return [key for key in numbers.values() if key in found]


# The job


def _hand_back(context: JobContext, *, person: int, bulks: list[int], reopen: bool) -> None:
    """The handler of ``core.hand_back``: the last kind first, so that what came along goes along."""
    state = _begin(context, person, bulks, reopen=reopen)
    while state["place"] < len(bulks):
        with context.unit_of_work() as uow, uow.elevated(), told_together(uow):
            bulk = bulks[state["place"]]
            outcome, last = undo_bulk(uow, bulk, state["last"])
            entity = uow.execute(
                select(bulk_table.c.entity).where(bulk_table.c.id == bulk)
            ).scalar_one()
            state["done"] += outcome.done
            state["kept"] += outcome.kept
            reasons = [[entity, key, why] for key, why in outcome.reasons]
            state["reasons"] = [*state["reasons"], *reasons][:MOST_REASONS]
            if last is None:
                state |= {"place": state["place"] + 1, "last": 0}
            else:
                state["last"] = last
            context.advance(uow, state["done"] + state["kept"], partial=state)
    names = ("done", "kept", "reasons", "reopened")
    with context.unit_of_work() as uow:
        context.finish(uow, {name: state[name] for name in names})


def _begin(context: JobContext, person: int, bulks: list[int], *, reopen: bool) -> dict[str, Any]:
    with context.unit_of_work() as uow:
        require_administrator(uow)
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        if job.result is not None:
            return dict(job.result)
        c = bulk_change_table.c
        total = uow.execute(select(func.count()).where(c.bulk_id.in_(bulks))).scalar_one()
        state = {"place": 0, "last": 0, "done": 0, "kept": 0, "reasons": []}
        state["reopened"] = reopen and _reopen(uow, person)
        context.advance(uow, 0, total, partial=state)
    return state


def _reopen(uow: UnitOfWork, person: int) -> bool:
    """Open the account that the hand-over closed; ended sessions and tokens stay ended."""
    try:
        with uow.savepoint():
            return bool(service.update(uow, "user", {person: {"is_active": True}}))
    except Refusal:  # deleted since
        return False


HAND_BACK = Job("core.hand_back", _hand_back, _l("Taking back a hand-over"))
