"""What of shared deals counts for whom, as rows beside those that are added up by owner.

A person has their part; of a department the owner's part counts where the deal belongs, and a
member's where the member does; the company has each deal once. How parts are rounded says
`plugins.crm_sales.deals.shares`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from core.entities.query import ListQuery, conditions
from core.entities.reading import Reading
from core.settings.service import get_setting
from plugins.crm_sales.deals.shares import split
from plugins.crm_sales.targets.figures import Tree
from plugins.crm_sales.targets.money import Amount

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Part", "SharedDeal", "amount_of", "corrections", "reading_shared"]

_ZERO = Decimal(0)


class Part(NamedTuple):
    """What of a deal is somebody's, in its currency."""

    amount: Decimal
    weighted: Decimal


@dataclass(frozen=True)
class SharedDeal:
    """A deal some of which belongs to members of its team."""

    id: int
    owner: int | None
    department: int | None
    currency: str | None
    closing_rate: Decimal | None
    day: date
    probability: int
    whole: Part
    #: By person, the owner among them.
    parts: Mapping[int | None, Part]

    def _home(self, person: int | None, tree: Tree) -> int | None:
        if person is None or person == self.owner:
            return self.department
        return tree.homes.get(person)

    def of(self, tree: Tree, person: int | None, department: int | None) -> Part:
        """What of it counts for a person, or for the people of a department and of those below."""
        found = [
            part
            for whose, part in self.parts.items()
            if person in (None, whose)
            and (department is None or department in tree.above(self._home(whose, tree)))
        ]
        return Part(
            sum((part.amount for part in found), _ZERO),
            sum((part.weighted for part in found), _ZERO),
        )

    def moved(self, by: str, tree: Tree) -> Iterator[tuple[int | None, dict[str, Any]]]:
        """(person or department, row) of what goes from where the deal is counted to others."""
        for whose, part in self.parts.items():
            key = whose if by == "person" else self._home(whose, tree)
            home = self.owner if by == "person" else self.department
            if key != home and (part.amount or part.weighted):
                yield key, self.row(part)
                yield home, self.row(Part(-part.amount, -part.weighted))

    def row(self, part: Part) -> dict[str, Any]:
        """A part as a row of sums has it; it is no deal more."""
        return {
            "currency": {"id": self.currency},
            "closing_rate": {"id": self.closing_rate},
            "day": self.day,
            "count": 0,
            "sum:amount": part.amount,
            "sum:weighted_amount": part.weighted,
        }


def amount_of(row: Mapping[str, Any], measure: str = "sum:amount") -> Amount:
    """A row of sums by currency, and perhaps by the rate on closing, as it is converted."""
    fixed = row["closing_rate"]["id"] if "closing_rate" in row else None
    return (
        row["currency"]["id"],
        Decimal(row[measure] or 0),
        None if fixed is None else Decimal(fixed),
    )


def corrections(
    deals: Iterable[SharedDeal], *, tree: Tree, person: int | None, department: int | None
) -> list[dict[str, Any]]:
    """Rows that turn the sums of what a person owns, or a department has, into what is theirs."""
    found = []
    for deal in deals:
        part = deal.of(tree, person, department)
        counted = person in (None, deal.owner) and (
            department is None or department in tree.above(deal.department)
        )
        whole = deal.whole if counted else Part(_ZERO, _ZERO)
        if part != whole:
            rest = Part(part.amount - whole.amount, part.weighted - whole.weighted)
            found.append(deal.row(rest))
    return found


def reading_shared(
    uow: UnitOfWork, wanted: Mapping[str, Any], day: str
) -> Reading[Sequence[SharedDeal]]:
    """The deals within the reader's scope that fulfil a condition and are shared: one statement.

    ``day`` is the field by which they belong to a period.
    """
    spec, member = uow.entity("opportunity"), uow.entity("opportunity_member").table
    deal = spec.table
    names = (
        *("id", "owner", "department", "currency", "closing_rate", "probability"),
        *("amount", "weighted_amount"),
    )
    deals = (
        select(
            *(spec.column(name).label(name) for name in names),
            spec.column(day).label("day"),
            member.c.person_id,
            member.c.share,
            member.c.position,
            member.c.id.label("member"),
        )
        .select_from(deal.join(member, member.c.opportunity_id == deal.c.id))
        .where(
            *conditions(uow, spec, ListQuery(filter=dict(wanted))),
            member.c.archived_at.is_(None),
            member.c.share > 0,
        )
    )

    def finish(rows: Sequence[Any]) -> Sequence[SharedDeal]:
        found: dict[int, Any] = {}
        shares: dict[int, dict[int, Decimal]] = {}
        # In their order here: the part of a larger statement may have lost it.
        for row in sorted(rows, key=lambda row: (row.id, row.position or 0, row.member)):
            found[row.id] = row
            own = shares.setdefault(row.id, {})
            own[row.person_id] = own.get(row.person_id, _ZERO) + row.share
        company = get_setting(uow, "core", "currency")
        return [_shared(row, shares[key], company) for key, row in found.items()]

    return Reading((deals,), finish)


def _shared(row: Any, shares: Mapping[int, Decimal], company: str) -> SharedDeal:
    whole = Part(row.amount or _ZERO, row.weighted_amount or _ZERO)
    currency = row.currency or company
    amounts = split(whole.amount, row.owner, shares, currency)
    weighted = split(whole.weighted, row.owner, shares, currency)
    return SharedDeal(
        id=row.id,
        owner=row.owner,
        department=row.department,
        currency=row.currency,
        closing_rate=row.closing_rate,
        day=row.day,
        probability=row.probability or 0,
        whole=whole,
        parts={key: Part(amounts[key], weighted[key]) for key in amounts},
    )
