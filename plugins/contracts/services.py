"""What follows from changes of contracts, their own verbs, and the days on which they begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.entities.changes import Change
from core.errors import Invalid, Problem, Refused
from core.fields import Date, FieldSpec, Text
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.settings.service import get_setting
from plugins.contracts.lines import IN_HAND, follow, prepare_lines
from plugins.contracts.models import IN_FORCE

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "SIGN_PARAMS",
    "TERMINATE_PARAMS",
    "TURN",
    "TURNING",
    "prepare",
    "settle",
    "sign",
    "terminate",
    "turn",
    "why_not",
]

Row = Mapping[str, Any]
_AT_ONCE = 500


# What is derived, and what follows


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Currency, the manner of tax and the first day of contracts; all that follows for their lines."""
    match changes[0].entity.name:
        case "contract":
            _begin([c for c in changes if c.kind in ("create", "update")], uow)
        case "contract_line":
            prepare_lines(changes, uow)


def _begin(written: Sequence[Change], uow: UnitOfWork) -> None:
    new = [change for change in written if change.kind == "create"]
    quotes = _rows(uow, "quote", ("currency", "tax_included"), {c.after["quote"] for c in new})
    without = [change for change in written if change.after["currency"] is None]
    deals = _rows(uow, "opportunity", ("currency",), {c.after["opportunity"] for c in without})
    for change in new:
        quote = quotes.get(change.after["quote"])
        included = get_setting(uow, "crm_sales", "prices_include_tax")
        change.set("tax_included", bool(included if quote is None else quote["tax_included"]))
    for change in without:
        row = quotes.get(change.after["quote"]) or deals.get(change.after["opportunity"]) or {}
        change.set("currency", row.get("currency") or get_setting(uow, "core", "currency"))
    if any("lines" in change.detached and change.changed("lines") for change in written):
        uow.memo[IN_HAND] = True  # they are written next: their contract sees to the sums
    for change in written:
        if change.after["signed_on"] is not None and change.after["starts_on"] is None:
            change.set("starts_on", change.after["signed_on"])


def _rows(
    uow: UnitOfWork, entity: str, columns: Sequence[str], keys: set[Any]
) -> dict[int, Mapping[str, Any]]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    c = uow.entity(entity).table.c
    rows = uow.execute(select(c.id, *(c[name] for name in columns)).where(c.id.in_(wanted)))
    return {row["id"]: dict(row) for row in rows.mappings()}


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Lines follow the currency of their contract, and its amounts the lines."""
    in_hand = uow.memo.get(IN_HAND)
    if changes[0].entity.name == "contract_line" and not in_hand:
        follow(uow, {v["contract"] for c in changes for v in (c.before, c.after) if v})
    elif changes[0].entity.name == "contract":
        uow.memo.pop(IN_HAND, None)
        written = [c for c in changes if c.id is not None and c.kind in ("create", "update")]
        _lines_again(uow, [c.id for c in written if c.kind == "update" and c.changed("currency")])
        follow(uow, [c.id for c in written if "lines" in c.detached])


def _lines_again(uow: UnitOfWork, moved: Sequence[Any]) -> None:
    """What is rounded to the decimals of a currency is worked out anew in another."""
    if not moved:
        return
    c = uow.entity("contract_line").table.c
    lines = uow.execute(
        select(c.id).where(c.contract_id.in_(list(moved)), c.archived_at.is_(None))
    ).scalars()
    values: dict[int, dict[str, Any]] = {key: {} for key in lines}
    if values:
        service.update(uow, "contract_line", values)


# Verbs: the service has checked the right, and has locked the rows.

SIGN_PARAMS = (
    FieldSpec("signed_on", Date(), _l("Signed on"), help=_l("Empty: today. Not a day to come.")),
)
TERMINATE_PARAMS = (
    FieldSpec("reason", Text(300), _l("Reason of termination"), required=True),
    FieldSpec(
        "terminated_on", Date(), _l("Terminated on"), help=_l("Empty: today. Not a day to come.")
    ),
)


def sign(uow: UnitOfWork, contracts: Sequence[Row], params: Row) -> dict[str, Any]:
    """Drafts with an amount are signed, and stay as they are from now on."""
    day = _day(uow, "signed_on", params)
    for contract in contracts:
        if contract["amount"] is None:
            message = _(
                "%(number)s has no amount yet: write one, or add lines.", number=contract["number"]
            )
            raise Refused(message)
    ids = [contract["id"] for contract in contracts]
    service.update(uow, "contract", {key: {"status": "signed", "signed_on": day} for key in ids})
    return {"signed": ids}


def terminate(uow: UnitOfWork, contracts: Sequence[Row], params: Row) -> dict[str, Any]:
    """Contracts in force are broken off, on a day not before they were signed."""
    day = _day(uow, "terminated_on", params)
    for contract in contracts:
        if contract["signed_on"] is not None and day < contract["signed_on"]:
            message = _("%(number)s was not signed by then.", number=contract["number"])
            raise Invalid(message, [Problem("terminated_on", "range", message)])
    new = {"status": "terminated", "terminated_on": day, "termination_reason": params["reason"]}
    ids = [contract["id"] for contract in contracts]
    service.update(uow, "contract", dict.fromkeys(ids, new))
    return {"terminated": ids}


def _day(uow: UnitOfWork, name: str, params: Row) -> date:
    """The day that was given, which is past; today by the company's clock for none."""
    today = uow.clock.today()
    day: date = params[name] or today
    if day > today:
        message = _("This day is still to come.")
        raise Invalid(message, [Problem(name, "future", message)])
    return day


def why_not(uow: UnitOfWork, contracts: Sequence[Row]) -> None:
    """Raise `Refused` in the words of the state that a contract is in."""
    told = {
        "draft": _("%(number)s is not signed yet."),
        "signed": _("%(number)s is signed already."),
        "active": _("%(number)s is signed already, and in force."),
        "expired": _("%(number)s has expired."),
        "terminated": _("%(number)s is terminated already."),
    }
    for contract in contracts:
        if (text := told.get(contract["status"])) is not None:
            raise Refused(text % {"number": contract["number"]})


# The days on which they begin and end


def turn(uow: UnitOfWork, limit: int = _AT_ONCE) -> dict[str, int]:
    """Contracts whose first day has come are in force, and those whose last day is over have expired.

    At most ``limit`` of each, by the days of the company's time zone. Once done there is nothing to do
    for them, however often it is asked.
    """
    today = uow.clock.today()
    c = uow.entity("contract").table.c
    begun = (c.status == "signed", c.starts_on <= today)
    over = (c.status.in_(IN_FORCE), c.starts_on <= today, c.ends_on < today)
    done = {}
    for status, conditions in (("active", begun), ("expired", over)):
        rows = (
            select(c.id)
            .where(*conditions, c.archived_at.is_(None))
            .order_by(c.id)
            .limit(limit)
            .with_for_update()  # nobody terminates them meanwhile
        )
        ids = list(uow.execute(rows).scalars())
        with uow.elevated():
            service.update(uow, "contract", {key: {"status": status} for key in ids})
        done[status] = len(ids)
    return done


def _turn(context: JobContext) -> dict[str, int]:
    total = {"active": 0, "expired": 0}
    while True:
        with context.unit_of_work() as uow:
            done = turn(uow)
        total = {name: number + done[name] for name, number in total.items()}
        if max(done.values()) < _AT_ONCE:
            return total
        context.progress(sum(total.values()))


TURN = Job("contracts.turn", _turn, title=_l("Let contracts begin and end on their days"))
TURNING = Schedule("turn", TURN.name, daily_at="00:10")
