"""Handing over what a leaver has: asked for by an administrator, done by a job, batch by batch.

Every record goes through the one door, and what it refuses stays and is told with the reason. A batch
is one transaction, with the place that it ended at: whoever takes the job over does nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from core.audit.recorder import record_act
from core.db.bulk import bulk_insert
from core.db.locks import take_turns
from core.entities import service
from core.entities.bulk import Outcome, attempt, begin_bulk, find_bulk, held_values, note_bulk
from core.entities.query import MAX_LIMIT, get
from core.entities.writing import is_key
from core.errors import Forbidden, Invalid, Problem, Refusal, Refused
from core.handover.kinds import Kind, counts_of, find_kind, kinds_of
from core.handover.protocol import store_protocol
from core.handover.tables import hand_over_line_table
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications.following import told_together
from core.notifications.service import notify
from core.plugins.contributions import Job, NotificationKind
from core.security.models import User
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["HANDED_OVER", "HAND_OVER", "hand_overs_of", "require_administrator", "start_hand_over"]

#: Records of one transaction: as many as are read at once.
BATCH = MAX_LIMIT
MOST_SUCCESSORS = 50
#: How far ahead a hand-over may be planned.
AHEAD = timedelta(days=366)
LONGEST_NOTE = 500
#: Of all hand-overs, so many of the latest are looked through for those of one person.
_REMEMBERED = 500

HANDED_OVER = NotificationKind(
    "core.handed_over",
    _l("The records of a leaver become yours"),
    _l("%(who)s handed over to you %(n)s records of %(record)s."),
    icon="users",
)


def require_administrator(uow: UnitOfWork) -> None:
    """Raise `Forbidden` for everybody but administrators, and behind a limited token."""
    if not uow.actor.manages_security:
        raise Forbidden(_("You do not have the right to do this."))


def start_hand_over(
    uow: UnitOfWork,
    person: int,
    successors: Sequence[int],
    *,
    kinds: Sequence[str] | None = None,
    on: date | None = None,
    note: str = "",
    close: bool = False,
) -> int:
    """Queue the hand-over of what ``person`` has to the successors in turn; the number of its job.

    ``kinds`` are names of `Kind`, all usual ones unless given. ``on`` is the day on which it begins,
    now unless given. With ``close`` the person's account is closed at the end. Raises `Forbidden`,
    `NotFound`, `Invalid` with what is wrong by field, and `Refused` while another one is under way.
    """
    require_administrator(uow)
    get(uow, "user", person, archived=None)
    known = kinds_of(uow)
    names = [each.name for each in known if each.rule.usual] if kinds is None else list(kinds)
    chosen = [each for each in known if each.name in names]
    problems = [
        *_wrong_successors(uow, person, successors),
        *_wrong_kinds(uow, person, chosen, names, is_now=on in (None, uow.clock.today())),
        *_wrong_day(uow, on),
    ]
    if len(note) > LONGEST_NOTE:
        message = _("At most %(n)s characters.", n=LONGEST_NOTE)
        problems.append(Problem("note", "too_long", message))
    if close and person == uow.actor.user_id:
        message = _("Your own account is closed by another administrator.")
        problems.append(Problem("close", "oneself", message))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    take_turns(uow.connection, "core.hand_over")  # of two that ask at once, one begins
    if any(job.state in ("queued", "running") for job in hand_overs_of(uow, person)):
        raise Refused(_("A hand-over of this person is under way already."))
    arguments = {
        "person": person,
        "successors": list(dict.fromkeys(successors)),
        "kinds": [each.name for each in chosen],
        "close": close,
        "note": note,
    }
    title = _("Hand-over: %(name)s", name=_people(uow, {person})[person].name)
    job = uow.enqueue(HAND_OVER.name, arguments, title=title, run_at=_moment(uow, on))
    assert job is not None
    details = {name: arguments[name] for name in ("successors", "kinds", "close", "note")}
    record_act(uow, "hand_over", entity="user", record_ids=[person], details=details | {"job": job})
    return job


def hand_overs_of(uow: UnitOfWork, person: int) -> list[Row[Any]]:
    """The jobs by which the person's records were or are handed over, newest first."""
    found = select(job_table).where(job_table.c.kind == HAND_OVER.name)
    rows = uow.execute(found.order_by(job_table.c.id.desc()).limit(_REMEMBERED))
    return [row for row in rows if row.arguments["person"] == person]


def _people(uow: UnitOfWork, ids: set[int]) -> dict[int, Row[Any]]:
    c = User.__table__.c
    mine = select(c.id, c.name, c.is_active, c.archived_at).where(c.id.in_(sorted(ids)))
    return {row.id: row for row in uow.execute(mine)}


def _wrong_successors(uow: UnitOfWork, person: int, successors: Sequence[int]) -> list[Problem]:
    def wrong(code: str, message: str) -> list[Problem]:
        return [Problem("successors", code, message)]

    if not successors:
        return wrong("required", _("Choose at least one successor."))
    if len(successors) > MOST_SUCCESSORS:
        return wrong("too_many", _("At most %(n)s successors.", n=MOST_SUCCESSORS))
    if person in successors:
        return wrong("same", _("Nobody is their own successor."))
    found = _people(uow, {key for key in successors if is_key(key)})
    if len(found) < len(set(successors)):
        return wrong("reference", _("There is no such person."))
    gone = [row.name for row in found.values() if not row.is_active or row.archived_at]
    if gone:
        return wrong(
            "inactive", _("No longer active: %(names)s.", names=_(", ").join(sorted(gone)))
        )
    return []


def _wrong_kinds(
    uow: UnitOfWork, person: int, chosen: Sequence[Kind], names: Sequence[str], *, is_now: bool
) -> list[Problem]:
    unknown = set(names) - {each.name for each in chosen}
    if unknown:
        name = min(unknown)[:80]
        message = _("There are no records of the kind %(name)s.", name=name)
        return [Problem("kinds", "unknown", message)]
    if not chosen:
        return [Problem("kinds", "required", _("Choose what is handed over."))]
    if is_now and not any(counts_of(uow, person, chosen)):
        return [Problem("kinds", "empty", _("There is nothing of that to hand over."))]
    return []


def _wrong_day(uow: UnitOfWork, on: date | None) -> list[Problem]:
    today = uow.clock.today()
    if on is None or today <= on <= today + AHEAD:
        return []
    message = _("Choose today, or a day within the next year.")
    return [Problem("on", "range", message)]


def _moment(uow: UnitOfWork, on: date | None) -> datetime | None:
    """When that day begins for the company; None for today and for no day."""
    if on is None or on == uow.clock.today():
        return None
    return datetime.combine(on, time(), uow.clock.timezone).astimezone(UTC)


# The job


def _hand_over(
    context: JobContext,
    *,
    person: int,
    successors: list[int],
    kinds: list[str],
    close: bool,
    note: str,
) -> None:
    """The handler of ``core.hand_over``. Its partial result is where it stands: ``place`` among the
    kinds, the ``last`` record that was looked at, whose ``turn`` it is, and counts."""
    state = _begin(context, person, successors, kinds)
    while state["place"] < len(kinds):
        _take_step(context, person, successors, kinds[state["place"]], state)
    _end(context, person, kinds, state, close=close)


def _begin(
    context: JobContext, person: int, successors: list[int], kinds: list[str]
) -> dict[str, Any]:
    with context.unit_of_work() as uow:
        require_administrator(uow)  # it may have been some time ago that it was asked for
        if wrong := _wrong_successors(uow, person, successors):
            raise Invalid(wrong[0].message, wrong)
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        if job.result is not None:
            return dict(job.result)
        found = [find_kind(uow, name) for name in kinds]
        state: dict[str, Any] = {"bulks": {}, "moved": {}, "kept": {}, "place": 0, "last": 0}
        state["turn"] = 0
        for kind in found:
            act = {"kind": "cells", "fields": [kind.rule.field], "job": context.job_id}
            with uow.elevated():
                state["bulks"][kind.name] = begin_bulk(uow, kind.spec, act)
        context.advance(uow, 0, sum(counts_of(uow, person, found)), partial=state)
    return state


def _take_step(
    context: JobContext, person: int, successors: list[int], name: str, state: dict[str, Any]
) -> None:
    """The next records of a kind, or on to the next kind."""
    with context.unit_of_work() as uow:
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        kind, bulk = find_kind(uow, name), state["bulks"][name]
        with uow.elevated():
            if find_bulk(uow, bulk, lock=True).undone_at is not None:
                raise Refused(_("This hand-over was taken back."))
        ids = kind.next_ids(uow, person, state["last"], BATCH)
        if ids:
            _give(uow, kind, bulk, person, successors, ids, state)
            state["last"] = ids[-1]
        else:
            state |= {"place": state["place"] + 1, "last": 0}
        done = job.done + len(ids)
        context.advance(uow, done, max(done, job.total or 0), partial=state)


def _give(
    uow: UnitOfWork,
    kind: Kind,
    bulk: int,
    person: int,
    successors: Sequence[int],
    ids: Sequence[int],
    state: dict[str, Any],
) -> None:
    """Give these records to the successors in turn, as far as nothing stands against it."""
    name = kind.rule.field
    before = held_values(uow, kind.spec, [name], ids)
    # Who else gave one away at this instant came first.
    going = [key for key in ids if before.get(key, {}).get(name) == person]
    to = {key: successors[(state["turn"] + n) % len(successors)] for n, key in enumerate(going)}
    outcome = Outcome(most=len(going))

    def write(some: Sequence[int]) -> None:
        service.update(uow, kind.spec.name, {key: {name: to[key]} for key in some})

    with uow.elevated(), told_together(uow):
        written = attempt(uow, going, write, outcome)
    if written:
        note_bulk(uow, bulk, kind.spec, {key: before[key] for key in written})
    lines: list[tuple[Any, ...]] = [(bulk, key, to[key], None) for key in written]
    lines += [(bulk, key, None, why) for key, why in outcome.reasons]
    names = ("bulk_id", "record_id", "successor_id", "reason")
    bulk_insert(uow.connection, hand_over_line_table, names, lines)
    state["turn"] = (state["turn"] + len(going)) % len(successors)
    moved = Counter(state["moved"].get(kind.name, {}))
    moved.update(str(to[key]) for key in written)
    state["moved"][kind.name] = dict(moved)
    state["kept"][kind.name] = state["kept"].get(kind.name, 0) + outcome.kept


def _end(
    context: JobContext, person: int, kinds: list[str], state: Mapping[str, Any], *, close: bool
) -> None:
    """The protocol, the account, and one notification for each successor; together, or not at all."""
    with store_protocol(context, person, state["bulks"]) as keep, context.unit_of_work() as uow:
        result = {
            "moved": state["moved"],
            "kept": state["kept"],
            "bulks": state["bulks"],
            **keep(uow),
            "closed": False,
            "not_closed": "",
        }
        if close:
            result |= _close(uow, person)
        given: Counter[int] = Counter()
        for name in kinds:
            for successor, number in state["moved"].get(name, {}).items():
                given[int(successor)] += number
        for successor, number in sorted(given.items()):
            notify(
                *(uow, HANDED_OVER.name, [successor]),
                entity="user",
                record_ids=[person],
                count=number,
            )
        context.finish(uow, result)


def _close(uow: UnitOfWork, person: int) -> dict[str, Any]:
    """Close the account: sessions and tokens end with it (`core.security.rules`)."""
    try:
        with uow.savepoint():
            changed = service.update(uow, "user", {person: {"is_active": False}})
    except Refusal as refusal:
        texts = dict.fromkeys(problem.message for problem in refusal.problems)
        return {"not_closed": " ".join(texts) or refusal.message}
    return {"closed": bool(changed)}


HAND_OVER = Job("core.hand_over", _hand_over, _l("Hand-over of a leaver"), is_history=True)
