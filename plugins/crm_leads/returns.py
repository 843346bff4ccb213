"""Leads go back to their pool when nobody follows them up, or converts them, in the pool's days.

The nightly job, the rehearsal and the explanation on a record ask the same question, `goes_back`; what
is looked at is found by one condition for each pool, however many leads it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, or_, select

from core.entities import query, service
from core.entities.query import ListQuery
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from plugins.crm_leads.events import LeadsReleased
from plugins.crm_leads.models import OPEN, return_warning_table
from plugins.crm_leads.pool_rules import Going, Limit, goes_back, untouched_since

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "FIELDS",
    "RETURN",
    "RETURNED",
    "RETURNING",
    "SOON",
    "ReturnRules",
    "condition",
    "going",
    "return_rules",
]

#: What a lead tells about when it goes back.
FIELDS = ("pool", "owner", "status", "held_since", "last_followed_at")
_AT_ONCE = 200

_SAYS = {
    "idle": _l("No follow-up since %(since)s; %(n)s days are allowed."),
    "unconverted": _l("Not converted since %(since)s; %(n)s days are allowed."),
}

SOON = NotificationKind(
    "crm_leads.returns_soon",
    _l("A lead of mine will go back to its pool"),
    _l("%(record)s goes back to its pool unless it is followed up."),
    icon="clock",
)
RETURNED = NotificationKind(
    "crm_leads.returned",
    _l("A lead of mine went back to its pool"),
    _l("%(record)s went back to its pool."),
    icon="inbox",
)


@dataclass(frozen=True)
class ReturnRules:
    """After how many days the leads of a pool go back, and when their owners are warned."""

    pool: int
    name: str
    limits: tuple[Limit, ...]
    warn_days: int


def return_rules(uow: UnitOfWork) -> Mapping[int, ReturnRules]:
    """The active pools to which leads go back by themselves, by id."""
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if "return rules" not in kept:
        pool = uow.snapshot.installed_entities["lead_pool"].table
        asked = select(pool).where(
            pool.c.is_active,
            pool.c.archived_at.is_(None),
            or_(pool.c.idle_days.is_not(None), pool.c.unconverted_days.is_not(None)),
        )
        kept["return rules"] = {
            row.id: ReturnRules(row.id, row.name, tuple(_limits(row)), row.warn_days or 0)
            for row in uow.execute(asked.order_by(pool.c.id))
        }
    found: Mapping[int, ReturnRules] = kept["return rules"]
    return found


def _limits(pool: Any) -> Iterator[Limit]:
    for name, days in (("idle", pool.idle_days), ("unconverted", pool.unconverted_days)):
        if days is not None:
            yield Limit(name, days, _SAYS[name])


def going(uow: UnitOfWork, lead: Mapping[str, Any]) -> Going | None:
    """When a lead goes back, and why; None for one that stays. ``lead`` has `FIELDS`."""
    rules = return_rules(uow).get(lead["pool"])
    if rules is None or lead["owner"] is None or lead["status"] not in OPEN:
        return None
    since = lead["held_since"]
    if since is None:
        return None
    touched = max(since, lead["last_followed_at"] or since)
    days = {"idle": _day(uow, touched), "unconverted": _day(uow, since)}
    return goes_back(rules.limits, days)


def _day(uow: UnitOfWork, moment: datetime) -> date:
    return moment.astimezone(uow.clock.timezone).date()


def condition(rules: ReturnRules, day: date) -> dict[str, Any]:
    """The filter for the leads of a pool that go back by the night that ends ``day``."""
    alternatives: list[dict[str, Any]] = []
    for limit in rules.limits:
        morning = untouched_since(day, limit.days).isoformat()
        held = {"field": "held_since", "op": "lt", "value": morning}
        if limit.name == "idle":
            followed = {"field": "last_followed_at", "op": "lt", "value": morning}
            never = {"field": "last_followed_at", "op": "is_empty"}
            alternatives.append({"all": [held, {"any": [never, followed]}]})
        else:
            alternatives.append(held)
    return {
        "all": [
            {"field": "pool", "op": "eq", "value": rules.pool},
            {"field": "owner", "op": "is_set"},
            {"field": "status", "op": "in", "value": list(OPEN)},
            {"any": alternatives},
        ]
    }


# At night


def _return(context: JobContext) -> dict[str, int]:
    """Send back what was due by last night, then warn of what is due soon. Doing it twice does it once."""
    with context.unit_of_work(write=False) as uow:
        all_rules, today = list(return_rules(uow).values()), uow.clock.today()
    yesterday = today - timedelta(days=1)
    returned = warned = 0
    for rules in all_rules:
        more = True
        while more:
            with context.unit_of_work() as uow:
                ids = _send_back(uow, rules, yesterday)
            returned += len(ids)
            context.progress(returned)
            more = bool(ids)
    for rules in all_rules:
        if rules.warn_days:
            warned += _warn(context, rules, today + timedelta(days=rules.warn_days))
    return {"returned": returned, "warned": warned}


def _send_back(uow: UnitOfWork, rules: ReturnRules, day: date) -> list[int]:
    """The next few leads of a pool; they are locked first, and those that somebody has just followed
    up are not among them any more."""
    due = condition(rules, day)
    ids = query.select_ids(
        uow, "lead", ListQuery(filter=due, sort="id"), action="update", limit=_AT_ONCE
    )
    if not ids:
        return []
    lead = uow.entity("lead").table
    uow.execute(select(lead.c.id).where(lead.c.id.in_(ids)).order_by(lead.c.id).with_for_update())
    wanted = ListQuery(fields=FIELDS, filter=due, ids=tuple(ids), sort="id", limit=_AT_ONCE)
    values: dict[int, dict[str, Any]] = {}
    by_owner, by_reason = defaultdict[int, list[int]](list), defaultdict[str, list[int]](list)
    for row in query.page(uow, "lead", wanted).items:
        found = going(uow, row)
        assert found is not None
        reason = found.said()
        values[row["id"]] = {
            "owner": None,
            "department": None,
            "status": "new",
            "next_follow_at": None,
            "release_reason": reason,
        }
        by_owner[row["owner"]].append(row["id"])
        by_reason[reason].append(row["id"])
    if values:
        service.update(uow, "lead", values)
    for reason, keys in by_reason.items():
        uow.publish(LeadsReleased(tuple(keys), reason))
    for owner, keys in by_owner.items():
        notify(uow, RETURNED.name, [owner], entity="lead", record_ids=keys)
    return list(values)


def _warn(context: JobContext, rules: ReturnRules, day: date) -> int:
    """Tell owners of what goes back by ``day``: of each lead once, until another day is foreseen."""
    with context.unit_of_work(write=False) as uow:
        wanted = ListQuery(fields=FIELDS, filter=condition(rules, day), sort="id")
        pages = query.stream(uow, "lead", wanted, action="read", chunk=_AT_ONCE)
        chunks = [[row["id"] for row in page.items] for page in pages]
    told = 0
    for ids in chunks:
        with context.unit_of_work() as uow:
            told += _warn_of(uow, rules, day, ids)
    return told


def _warn_of(uow: UnitOfWork, rules: ReturnRules, day: date, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    table = return_warning_table
    known = select(table.c.lead_id, table.c.due_on).where(table.c.lead_id.in_(ids))
    before = {row.lead_id: row.due_on for row in uow.execute(known)}
    still = ListQuery(fields=FIELDS, filter=condition(rules, day), ids=tuple(ids), limit=500)
    foreseen: dict[int, date] = {}
    by_owner = defaultdict[int, list[int]](list)
    for row in query.page(uow, "lead", still).items:
        found = going(uow, row)
        if found is not None and before.get(row["id"]) != found.on:
            foreseen[row["id"]] = found.on
            by_owner[row["owner"]].append(row["id"])
    if foreseen:
        uow.execute(delete(table).where(table.c.lead_id.in_(list(foreseen))))
        rows = [{"lead_id": key, "due_on": on} for key, on in foreseen.items()]
        uow.execute(insert(table), rows)
    for owner, keys in by_owner.items():
        notify(uow, SOON.name, [owner], entity="lead", record_ids=keys)
    return len(foreseen)


RETURN = Job("crm_leads.return", _return, title=_l("Send leads back to their pools"), limit=1)
RETURNING = Schedule("return", RETURN.name, daily_at="02:10")
