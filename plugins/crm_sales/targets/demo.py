"""The demonstration story, fourth part: what the sales department is to reach this year and last."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from plugins.crm_sales.targets.figures import read_tree
from plugins.crm_sales.targets.periods import Period, period_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["tell"]

#: Of an average month's won, by quarter: the year's end is the strongest.
_BY_QUARTER = (Decimal("0.9"), Decimal("1.1"), Decimal("1.0"), Decimal("1.3"))
_STEP = Decimal(10_000)


def tell(uow: UnitOfWork) -> list[str]:
    """Monthly targets of everybody who sells, and quarterly ones of their departments."""
    today = uow.clock.today()
    sold = _sold(uow, today)
    tree = read_tree(uow)
    targets: list[dict[str, Any]] = []
    for year in (period_of("year", today).before, period_of("year", today)):
        quarters: dict[tuple[int, date], Decimal] = {}
        for month in year.parts("month"):
            for person, monthly in sold.items():
                value = _nice(monthly * _BY_QUARTER[(month.first.month - 1) // 3])
                targets.append(_target(month, "amount", value, person=person))
                quarter = period_of("quarter", month.first).first
                for department in tree.above(tree.homes.get(person)):
                    key = department, quarter
                    quarters[key] = quarters.get(key, Decimal(0)) + value
        # A department aims a little lower than its people together.
        for (department, first), value in sorted(quarters.items()):
            period = Period("quarter", first)
            aim = _nice(value * Decimal("0.95"))
            targets.append(_target(period, "amount", aim, department=department))
        targets += [
            _target(quarter, "count", Decimal(3), person=person)
            for quarter in year.parts("quarter")
            for person in sold
        ]
    made = service.create(uow, "sales_target", targets)
    return [f"{len(made)} targets of {len(sold)} people"]


def _sold(uow: UnitOfWork, today: date) -> dict[int, Decimal]:
    """What each won in an average month of the last eighteen; a little for who has won nothing yet."""
    won = {"field": "status", "op": "eq", "value": "won"}
    rows = aggregate(uow, "opportunity", ["owner"], ["sum:amount"], ListQuery(filter=won))
    found = {
        row["owner"]["id"]: max(Decimal(row["sum:amount"] or 0) / 18, _STEP * 5)
        for row in rows
        if row["owner"]["id"] is not None
    }
    asked = ListQuery(fields=("owner",), limit=500, labels=False)
    for row in query.page(uow, "opportunity", asked).items:
        if row["owner"] is not None:
            found.setdefault(row["owner"], _STEP * 5)
    return dict(sorted(found.items()))


def _nice(value: Decimal) -> Decimal:
    """As people set targets: in whole tens of thousands."""
    return (value / _STEP).quantize(Decimal(1), ROUND_HALF_UP) * _STEP


def _target(period: Period, measure: str, value: Decimal, **whose: int) -> dict[str, Any]:
    return {
        **whose,
        "period_kind": period.kind,
        "starts_on": period.first,
        "measure": measure,
        "value": value,
    }
