"""The verbs on customers and opportunities, and what follows from changes. All take many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from stdnum.cn import uscc

from core.entities import service
from core.entities.changes import Change
from core.errors import Invalid, Problem, Refused
from core.i18n import gettext as _
from core.settings.service import get_setting
from core.tabular.cleaning import company_key
from plugins.crm_sales import lifecycle, stages
from plugins.crm_sales.deals.rates import fix_rates
from plugins.crm_sales.events import OpportunityLost, OpportunityMoved, OpportunityWon
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.policies import book_for, placed, places_again, starts_of
from plugins.crm_sales.stages import Book, Step, stages_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["assign", "lose", "move", "prepare", "settle", "why_not_close", "win"]

Row = Mapping[str, Any]
_CODES = frozenset(choice.value for choice in CURRENCIES)
_CHUNK = 500
#: In the memo of a transaction: in which stage what is imported stood before, by its change.
_STOOD_IN = "crm_sales.stood in"

# Verbs: the service has checked the right, and has locked the rows.


def assign(uow: UnitOfWork, customers: Sequence[Row], params: Mapping[str, Any]) -> dict[str, Any]:
    """Customers get a new owner; their open opportunities go along, unless told otherwise."""
    owner = params["owner"]
    user = uow.entity("user").table
    if not uow.execute(select(user.c.is_active).where(user.c.id == owner)).scalar_one():
        message = _("This person is no longer active.")
        raise Invalid(message, [Problem("owner", "inactive", message)])
    moving = [row["id"] for row in customers if row["owner"] != owner]
    if moving:
        service.update(uow, "customer", {key: {"owner": owner} for key in moving})
    deals = _open_deals(uow, customers, owner) if params["with_opportunities"] else []
    if deals:
        service.update(uow, "opportunity", {key: {"owner": owner} for key in deals})
    return {"assigned": moving, "opportunities": deals}


def _open_deals(uow: UnitOfWork, customers: Sequence[Row], owner: int) -> list[int]:
    """The open opportunities of these customers that their former owners looked after."""
    table = uow.entity("opportunity").table
    former = {row["id"]: row["owner"] for row in customers}
    rows = uow.execute(
        select(table.c.id, table.c.customer_id, table.c.owner_id).where(
            table.c.customer_id.in_(list(former)),
            table.c.status == "open",
            table.c.archived_at.is_(None),
        )
    )
    return [
        row.id for row in rows if row.owner_id == former[row.customer_id] and row.owner_id != owner
    ]


def move(uow: UnitOfWork, deals: Sequence[Row], params: Mapping[str, Any]) -> dict[str, Any]:
    """Opportunities go to another stage of their process, once what the stages ask is filled in."""
    book = stages_of(uow, stages=[params["stage"], *(deal["stage"] for deal in deals)])
    target = book.by_id.get(params["stage"])
    if target is None:
        message = _("This stage is no longer in use.")
        raise Invalid(message, [Problem("stage", "reference", message)])
    reason = params["reason"]
    values: dict[str, Any] = {"stage": target.id, "status": target.status} | _beside(params)
    if target.is_lost:
        values["lost_reason"] = reason
    elif target.is_won and params["won_reason"]:
        values["won_reason"] = params["won_reason"]
    for deal in deals:
        if deal["process"] != target.process:
            message = _("This stage belongs to another process.")
            raise Invalid(message, [Problem("stage", "other_process", message)])
        if deal["stage"] == target.id and deal["status"] == target.status:
            raise Refused(
                _("%(name)s stands in “%(stage)s” already.", name=deal["name"], stage=target.name)
            )
        if target.is_lost and not reason:
            message = _("Say why it is lost.")
            raise Invalid(message, [Problem("reason", "required", message)])
    service.update(uow, "opportunity", {deal["id"]: values for deal in deals})
    return {"moved": [deal["id"] for deal in deals]}


def win(uow: UnitOfWork, deals: Sequence[Row], params: Mapping[str, Any]) -> dict[str, Any]:
    """Opportunities become deals, perhaps with the reason, and against whom they were won."""
    values = {"won_reason": params["reason"]} if params["reason"] else {}
    return {"won": _close(uow, deals, "won", values | _beside(params))}


def lose(uow: UnitOfWork, deals: Sequence[Row], params: Mapping[str, Any]) -> dict[str, Any]:
    """Opportunities are given up, with the reason, and to whom they went."""
    values = {"lost_reason": params["reason"]}
    return {"lost": _close(uow, deals, "lost", values | _beside(params))}


def _beside(params: Row) -> dict[str, Any]:
    """What was said beside the reason; what was not leaves the opportunity as it is."""
    found = {"competitors": params["competitors"], "closing_note": params["note"]}
    return {name: value for name, value in found.items() if value}


def _close(uow: UnitOfWork, deals: Sequence[Row], status: str, values: Row) -> list[int]:
    book = stages_of(uow, stages=[deal["stage"] for deal in deals])
    changes = {}
    for deal in deals:
        end = book.closing(deal["process"], status)
        changes[deal["id"]] = {**values, "status": status}
        if end is not None:
            changes[deal["id"]]["stage"] = end.id
    service.update(uow, "opportunity", changes)
    return list(changes)


def why_not_close(uow: UnitOfWork, deals: Sequence[Row]) -> None:
    """Raise `Refused` for what is won or lost already."""
    for deal in deals:
        if deal["status"] == "won":
            raise Refused(_("%(name)s is won already.", name=deal["name"]))
        if deal["status"] == "lost":
            raise Refused(_("%(name)s is lost already.", name=deal["name"]))


# What is derived before changes are written.


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Derived values: how names compare, primary contacts, where opportunities stand and since when."""
    match changes[0].entity.name:
        case "customer":
            for change in changes:
                change.set("name_key", company_key(change.after["name"]) or None)
                if change.kind == "create":
                    change.set("lifecycle_on", lifecycle.day_of(change.after["created_at"], uow))
                if change.after["uscc"]:
                    change.set("uscc", uscc.compact(change.after["uscc"]))
        case "contact":
            _first_contacts(changes, uow)
        case "opportunity":
            _place(changes, uow)


def _first_contacts(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Of a customer without contacts the first one is the primary one."""
    new = [change for change in changes if change.kind == "create"]
    if not new:
        return
    table = uow.entity("contact").table
    wanted = sorted({change.after["customer"] for change in new})
    known: set[int] = {change.after["customer"] for change in new if change.after["is_primary"]}
    for start in range(0, len(wanted), _CHUNK):
        rows = select(table.c.customer_id).where(
            table.c.customer_id.in_(wanted[start : start + _CHUNK]), table.c.archived_at.is_(None)
        )
        known.update(uow.execute(rows.distinct()).scalars())
    for change in new:
        if change.after["customer"] not in known:
            known.add(change.after["customer"])
            change.set("is_primary", True)


def _place(changes: Sequence[Change], uow: UnitOfWork) -> None:
    if changes[0].kind == "restore":
        _place_again(changes, uow)
    written = [change for change in changes if change.kind in ("create", "update")]
    if not written:
        return
    book, starts = book_for(written, uow), starts_of(written, uow)
    company = get_setting(uow, "core", "currency")
    for change in written:
        process, stage = placed(change, book, starts[id(change)])
        if stage is None:  # refused before
            continue
        change.set("process", process)
        change.set("stage", stage.id)
        if change.after["currency"] is None and company in _CODES:
            change.set("currency", company)
        if change.kind == "create" or change.changed("stage"):
            _remember_past(change, stage, book, uow)
            _enter(change, stage, book, uow)
        if change.changed("status"):
            _settle_status(change, uow)
        if change.after["probability"] is None:
            change.set("probability", stage.probability)
        change.set("stage_due_at", _due(change, stage))
    fix_rates(written, uow)


def _place_again(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What comes out of the recycle bin stands in a stage that is in use; what is closed stays so."""
    for change, process, stage in places_again(changes, uow):
        if stage is None or stage.id == change.after["stage"]:
            continue
        change.set("process", process)
        change.set("stage", stage.id)
        change.set("stage_entered_at", uow.now())
        if change.after["status"] == "open":
            change.set("probability", stage.probability)
            change.set("stage_due_at", _due(change, stage))


def _remember_past(change: Change, stage: Step, book: Book, uow: UnitOfWork) -> None:
    """What an import tells of the time before: how far it had come is where it stood until then."""
    if change.kind != "create" or "furthest_stage" not in change.given:
        return
    furthest = book.by_id.get(change.after["furthest_stage"])
    if furthest is None or furthest.process != stage.process or furthest.is_closed:
        change.set("furthest_stage", None)
        return
    begun, entered = change.after["created_at"], change.after["stage_entered_at"]
    if furthest.id != stage.id and begun and entered and begun < entered:
        uow.memo.setdefault(_STOOD_IN, {})[id(change)] = furthest.id


def _enter(change: Change, stage: Step, book: Book, uow: UnitOfWork) -> None:
    """It comes into a stage: since now, with its probability and its status."""
    is_new = change.kind == "create"
    since = change.after["stage_entered_at"]
    if since is None or (not is_new and not change.changed("stage_entered_at")):
        change.set("stage_entered_at", change.after["created_at"] if is_new else uow.now())
    if (
        is_new
        and "probability" not in change.given
        or not is_new
        and not change.changed("probability")
    ):
        change.set("probability", stage.probability)
    if stage.is_closed or not (is_new or change.changed("status")):
        change.set("status", stage.status)
    furthest = book.by_id.get(change.after["furthest_stage"])
    if not stage.is_lost and (
        furthest is None or furthest.process != stage.process or furthest.position < stage.position
    ):
        change.set("furthest_stage", stage.id)


def _settle_status(change: Change, uow: UnitOfWork) -> None:
    status = change.after["status"]
    if status == "open":
        beside = ("won_reason", "closing_note") if change.kind == "update" else ()
        for name in ("closed_on", "lost_reason", *beside):
            change.set(name, None)
        return
    closed = change.after["closed_on"]
    if closed is None or (change.kind == "update" and not change.changed("closed_on")):
        change.set("closed_on", uow.clock.today())
    change.set("probability", 100 if status == "won" else 0)
    change.set("lost_reason" if status == "won" else "won_reason", None)


def _due(change: Change, stage: Step) -> datetime | None:
    entered = change.after["stage_entered_at"]
    if change.after["status"] != "open" or stage.days_allowed is None or entered is None:
        return None
    due: datetime = entered + timedelta(days=stage.days_allowed)
    return due


# What follows from changes, whoever makes them.


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """The stays in stages, one primary contact a customer, and what a change of stages means."""
    match changes[0].entity.name:
        case "opportunity":
            _keep_visits(changes, uow)
            _tell(changes, uow)
            lifecycle.follow(changes, uow)
        case "customer":
            lifecycle.follow(changes, uow)
        case "contact":
            _one_primary(changes, uow)
        case "stage":
            stages.forget(uow)
            _due_again(changes, uow)
        case "sales_process":
            stages.forget(uow)


def _keep_visits(changes: Sequence[Change], uow: UnitOfWork) -> None:
    entering = [c for c in changes if c.kind == "create" or c.changed("stage")]
    left = {c.id: c.after["stage_entered_at"] for c in entering if c.kind != "create"}
    if left:
        table = uow.entity("stage_visit").table
        rows = uow.execute(
            select(table.c.id, table.c.opportunity_id, table.c.entered_at).where(
                table.c.opportunity_id.in_(list(left)), table.c.left_at.is_(None)
            )
        ).all()
        values = {row.id: _ended(row.entered_at, left[row.opportunity_id]) for row in rows}
        if values:
            service.update(uow, "stage_visit", values)
    if not entering:
        return
    past: dict[int, int] = uow.memo.pop(_STOOD_IN, {})
    visits: list[dict[str, Any]] = []
    for change in entering:
        entered = change.after["stage_entered_at"]
        if id(change) in past:
            begun = change.after["created_at"]
            before = {"opportunity": change.id, "stage": past[id(change)], "entered_at": begun}
            visits.append(before | _ended(begun, entered))
        visits.append(
            {"opportunity": change.id, "stage": change.after["stage"], "entered_at": entered}
        )
    service.create(uow, "stage_visit", visits)


def _ended(entered: datetime | None, left: datetime) -> dict[str, Any]:
    if entered is None:
        return {"left_at": left}
    days = Decimal((left - entered).total_seconds()) / Decimal(86_400)
    return {"left_at": left, "days": max(Decimal(0), days).quantize(Decimal("0.1"), ROUND_HALF_UP)}


def _tell(changes: Sequence[Change], uow: UnitOfWork) -> None:
    for change in changes:
        if change.kind != "update" or change.id is None:
            continue
        after = change.after
        if change.changed("stage"):
            uow.publish(OpportunityMoved(change.id, change.before["stage"], after["stage"]))
        if change.changed("status") and after["status"] == "won":
            uow.publish(OpportunityWon(change.id, after["customer"], after["owner"]))
        if change.changed("status") and after["status"] == "lost":
            uow.publish(OpportunityLost(change.id, after["customer"], after["lost_reason"] or ""))


def _one_primary(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Whoever became the primary contact takes the place of another."""
    new: dict[int, int] = {
        change.after["customer"]: change.id
        for change in changes
        if change.id is not None
        and change.kind != "delete"
        and change.after["is_primary"]
        and (change.kind == "restore" or change.changed("is_primary") or change.changed("customer"))
    }
    if not new:
        return
    table = uow.entity("contact").table
    rows = uow.execute(
        select(table.c.id).where(
            table.c.customer_id.in_(list(new)),
            table.c.is_primary,
            table.c.id.not_in(list(new.values())),
            table.c.archived_at.is_(None),
        )
    )
    others = {key: {"is_primary": False} for key in rows.scalars()}
    if others:
        service.update(uow, "contact", others)


def _due_again(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What stands in a stage whose days were changed is to leave it at another time."""
    touched = [c.id for c in changes if c.kind == "update" and c.changed("days_allowed")]
    if not touched:
        return
    table = uow.entity("opportunity").table
    wanted = select(table.c.id).where(
        table.c.stage_id.in_(touched), table.c.status == "open", table.c.archived_at.is_(None)
    )
    ids = list(uow.execute(wanted.order_by(table.c.id)).scalars())
    for start in range(0, len(ids), _CHUNK):
        # Nothing is given: `prepare` works out what is different.
        service.update(uow, "opportunity", {key: {} for key in ids[start : start + _CHUNK]})
