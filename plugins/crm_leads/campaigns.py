"""What a campaign, with all below it, brought: leads, customers and money, against what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.aggregate import aggregate
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Result", "Won", "family", "in_circles", "parents_of", "result_of", "won_by"]


@dataclass(frozen=True)
class Won:
    """How many opportunities were won, and what they come to in the company's currency; of those in
    others each at the rate of its closing day."""

    deals: int
    amount: Decimal
    #: How many are not in the amount, for want of a rate.
    without_rate: int


@dataclass(frozen=True)
class Result:
    """The numbers of a campaign and of those below; None where the reader may not see them."""

    campaigns: tuple[int, ...]
    leads: int
    converted: int
    cost: Decimal | None
    #: What the opportunities made of its leads have won.
    won: Won | None

    @property
    def cost_of_lead(self) -> Decimal | None:
        """The cost by the number of leads."""
        return self.cost / self.leads if self.cost and self.leads else None

    @property
    def gain(self) -> Decimal | None:
        """How many times the cost was won beyond the cost itself: 0.5 is half as much again."""
        if self.won is None or not self.cost:
            return None
        return (self.won.amount - self.cost) / self.cost


def parents_of(uow: UnitOfWork, *, lock: bool = False) -> dict[int, int | None]:
    """The campaign above each. ``lock`` keeps two changes from making a circle between them."""
    table = uow.snapshot.installed_entities["campaign"].table
    asked = select(table.c.id, table.c.parent_id).order_by(table.c.id)
    return {
        row.id: row.parent_id for row in uow.execute(asked.with_for_update() if lock else asked)
    }


def family(parents: Mapping[int, int | None], top: int) -> tuple[int, ...]:
    """A campaign and all below it."""
    found = [top]
    for key in found:
        found += [child for child, above in parents.items() if above == key and child not in found]
    return tuple(found)


def in_circles(uow: UnitOfWork, changes: Sequence[Change]) -> list[Change]:
    """Those that would stand below themselves, also by what else changes now."""
    moved = [one for one in changes if one.kind == "update" and one.changed("parent")]
    if not moved:
        return []
    above: dict[int | None, int | None] = {**parents_of(uow, lock=True)}
    above |= {one.id: one.after["parent"] for one in moved}
    found = []
    for change in moved:
        key, seen = change.after["parent"], set[int | None]()
        while key is not None and key not in seen and key != change.id:
            seen.add(key)
            key = above.get(key)
        if key is not None and key == change.id:
            found.append(change)
    return found


def result_of(uow: UnitOfWork, campaign: int) -> Result:
    """What the reader may see of it. Raises `Forbidden` for who may not read leads."""
    ids = family(parents_of(uow), campaign)
    mine = {"field": "campaign", "op": "in", "value": list(ids)}
    rows = aggregate(uow, "lead", ["status"], ["count"], ListQuery(filter=mine))
    by_status = {row["status"]["id"]: row["count"] for row in rows}
    return Result(
        ids,
        sum(by_status.values()),
        by_status.get("converted", 0),
        _cost(uow, ids),
        won_by(uow, {"field": "lead.campaign", "op": "in", "value": list(ids)}),
    )


def _cost(uow: UnitOfWork, ids: Sequence[int]) -> Decimal | None:
    try:
        (row,) = aggregate(uow, "campaign", [], ["sum:cost"], ListQuery(ids=tuple(ids)))
    except (Forbidden, Invalid):
        return None
    return Decimal(row["sum:cost"] or 0)


def won_by(uow: UnitOfWork, of_leads: Mapping[str, Any]) -> Won | None:
    """The won opportunities whose lead meets the condition; None without the module of sales, or without
    the right to read that."""
    spec = uow.entities.get("opportunity")
    if spec is None or spec.plugin != "crm_sales":
        return None
    asked = {"all": [{"field": "status", "op": "eq", "value": "won"}, of_leads]}
    groups, measures = ["currency", "closing_rate"], ["count", "sum:amount"]
    try:
        rows = aggregate(uow, "opportunity", groups, measures, ListQuery(filter=asked))
    except (Forbidden, Invalid):
        return None
    company = get_setting(uow, "core", "currency")
    amount, without_rate = Decimal(0), 0
    for row in rows:
        rate = row["closing_rate"]["id"]
        if rate is None and row["currency"]["id"] in (None, company):
            rate = 1
        if rate is None:
            without_rate += row["count"]
        else:
            amount += Decimal(row["sum:amount"] or 0) * Decimal(rate)
    return Won(sum(row["count"] for row in rows), amount, without_rate)
