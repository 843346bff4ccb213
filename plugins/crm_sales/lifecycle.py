"""Where a customer stands in its life with the company, and since when (S-042).

Worked out in the transaction that changes it: the first deal, the second, and that it introduced
somebody (S-039). It goes back when what it came from is taken back, e.g. a deal that was not won
after all. ``won_count``, ``won_amount``, ``first_won_on`` and ``last_won_on`` stand beside it, so that
lists find who has bought nothing for three years (S-038), and whose deals are worth most (S-046).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities import service
from core.entities.changes import Change
from core.fields import Choice
from core.i18n import lazy_gettext as _l
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["PROSPECT", "STAGES", "day_of", "follow"]

PROSPECT, FIRST, REPEAT, ADVOCATE = "prospect", "first_deal", "repeat", "advocate"
STAGES = (
    Choice(PROSPECT, _l("Has bought nothing yet")),
    Choice(FIRST, _l("First deal"), "info"),
    Choice(REPEAT, _l("Bought again"), "good"),
    Choice(ADVOCATE, _l("Introduces others"), "good"),
)
_CHUNK = 500
_CENT = Decimal("0.01")
#: What of a won deal decides where its customer stands.
_DECIDES = ("status", "customer", "closed_on", "amount", "currency", "closing_rate")


@dataclass(frozen=True, slots=True)
class _Won:
    """The deals of a customer that were won on one day, in one currency at one rate."""

    day: date
    many: int
    #: In the company's currency; None where there is no rate yet.
    worth: Decimal | None


def day_of(moment: datetime, uow: UnitOfWork) -> date:
    """The company's day in which a moment lies."""
    return moment.astimezone(uow.clock.timezone).date()


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Bring the customers up to date that changes of deals and of other customers are about."""
    touched = {key for change in changes for key in _touched(change) if key is not None}
    ordered = sorted(touched)
    for start in range(0, len(ordered), _CHUNK):
        _bring_up_to_date(uow, ordered[start : start + _CHUNK])


def _touched(change: Change) -> Iterator[int | None]:
    """The customers whose standing may hang on the change."""
    name = change.entity.name
    if name == "opportunity":
        was, now = (side.get("status") == "won" for side in (change.before, change.after))
        moved = any(map(change.changed, _DECIDES))
        if (was or now) and (moved or change.kind in ("create", "delete", "restore")):
            yield from {change.before.get("customer"), change.after.get("customer")}
    # A new customer has bought nothing yet; whoever introduced it is the one that gets further.
    elif change.kind != "update" or change.changed("referrer"):
        yield from {change.before.get("referrer"), change.after.get("referrer")}


def _bring_up_to_date(uow: UnitOfWork, ids: Sequence[int]) -> None:
    deals, introduced = _deals(uow, ids), _introduced(uow, ids)
    table = uow.snapshot.installed_entities["customer"].table
    columns = (
        *("lifecycle", "lifecycle_on", "won_count", "won_amount", "first_won_on", "last_won_on"),
    )
    rows = select(table.c.id, table.c.created_at, *(table.c[name] for name in columns))
    values = {}
    for row in uow.execute(rows.where(table.c.id.in_(ids))).mappings():
        began = day_of(row["created_at"], uow)
        found = _standing(began, deals.get(row["id"], ()), introduced.get(row["id"]))
        different = {name: value for name, value in found.items() if row[name] != value}
        if different:
            values[row["id"]] = different
    if values:
        service.update(uow, "customer", values)


def _standing(began: date, won: Sequence[_Won], introduced: date | None) -> Mapping[str, Any]:
    """The fields of a customer: ``won`` are its deals, the earliest first."""
    days = [each.day for each in won for _each in range(min(each.many, 2))]
    worth = sum((each.worth for each in won if each.worth is not None), Decimal(0))
    stage, since = PROSPECT, began
    if days:
        stage, since = FIRST, days[0]
    if len(days) > 1:
        stage, since = REPEAT, days[1]
    if days and introduced is not None:
        stage, since = ADVOCATE, max(days[0], introduced)
    return {
        "lifecycle": stage,
        "lifecycle_on": since,
        "won_count": sum(each.many for each in won),
        "won_amount": worth.quantize(_CENT, ROUND_HALF_UP),
        "first_won_on": days[0] if days else None,
        "last_won_on": days[-1] if days else None,
    }


def _deals(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, list[_Won]]:
    """What each customer's won deals are worth, by the day on which they were closed, in order."""
    table = uow.snapshot.installed_entities["opportunity"].table
    company = get_setting(uow, "core", "currency")
    kinds = (table.c.customer_id, table.c.closed_on, table.c.currency, table.c.closing_rate)
    asked = select(*kinds, func.count().label("many"), func.sum(table.c.amount).label("amount"))
    won = (table.c.status == "won", table.c.archived_at.is_(None), table.c.closed_on.is_not(None))
    found = defaultdict(list)
    grouped = asked.where(table.c.customer_id.in_(ids), *won).group_by(*kinds)
    for row in uow.execute(grouped.order_by(table.c.closed_on)):
        rate = row.closing_rate
        if rate is None and row.currency in (None, company):
            rate = Decimal(1)
        worth = None if rate is None else (row.amount or 0) * rate
        found[row.customer_id].append(_Won(row.closed_on, row.many, worth))
    return found


def _introduced(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, date]:
    """When each customer first introduced another, in the company's days."""
    table = uow.snapshot.installed_entities["customer"].table
    first = select(table.c.referrer_id, func.min(table.c.created_at)).where(
        table.c.referrer_id.in_(ids),
        table.c.referrer_id != table.c.id,  # those that were merged into whom they introduced
        table.c.archived_at.is_(None),
    )
    return {
        customer: day_of(at, uow)
        for customer, at in uow.execute(first.group_by(table.c.referrer_id))
    }
