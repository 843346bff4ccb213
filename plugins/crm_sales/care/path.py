"""How a customer came to buy: the first touch, what was done in between, and the deals (S-033).

All of it is read as the reader may read it; what is out of reach is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from core.i18n import gettext as _
from core.i18n.formats import format_money, format_number
from core.settings.service import get_setting
from plugins.crm_sales.lifecycle import day_of
from plugins.crm_sales.models import STATUSES

if TYPE_CHECKING:
    from core.entities.query import Record
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["MOST_TOUCHES", "Path", "Step", "path_of"]

#: Of each kind of record that makes a step; and of follow-ups, the earliest.
_STEPS, MOST_TOUCHES = 50, 500


@dataclass(frozen=True)
class Step:
    """What happened on a day; ``record`` is the entity and the id of what has a page."""

    day: date
    what: str
    said: str = ""
    record: tuple[str, int] | None = None


@dataclass(frozen=True)
class Path:
    """The steps in order of time; the follow-ups between two of them are one step."""

    steps: Sequence[Step]
    first_deal: date | None
    #: Follow-ups until the first deal, or until now.
    touches: int
    #: More follow-ups were written than were looked at.
    is_cut: bool = False

    @property
    def days(self) -> int | None:
        """From the first touch to the first deal."""
        return (self.first_deal - self.steps[0].day).days if self.first_deal else None


def path_of(uow: UnitOfWork, customer: Record) -> Path:
    """The way of a customer that the actor may read."""
    deals = _rows(
        uow,
        "opportunity",
        *("name", "created_at", "status", "closed_on", "amount", "currency", "lead"),
        about={"field": "customer", "op": "eq", "value": customer.values["id"]},
    )
    steps = sorted(
        (*_arrivals(uow, customer, deals), *_deals(uow, deals)), key=lambda step: step.day
    )
    won = [row["closed_on"] for row in deals if row.get("status") == "won" and row.get("closed_on")]
    first_deal = min(won, default=None)
    about = {
        "customer": [customer.values["id"]],
        "opportunity": [row["id"] for row in deals],
        "lead": _leads(deals),
    }
    touches = _touches(uow, about)
    counted = [day for day, _kind in touches if first_deal is None or day <= first_deal]
    return Path(
        list(_with_touches(steps, touches)), first_deal, len(counted), len(touches) == MOST_TOUCHES
    )


def _rows(
    uow: UnitOfWork,
    entity: str,
    *fields: str,
    about: Mapping[str, Any],
    sort: str = "created_at,id",
) -> list[dict[str, Any]]:
    """Of what may be read the fields that may be seen, with references as labels beside them."""
    spec = uow.entities.get(entity)
    if spec is None:
        return []
    limit = MOST_TOUCHES if entity == "follow_up" else _STEPS
    try:
        visible = tuple(name for name in fields if uow.actor.access(spec).can_see(spec[name]))
        found = query.page(
            uow, entity, ListQuery(fields=visible, filter=about, sort=sort, limit=limit)
        )
    except (Forbidden, Invalid):
        return []
    return [
        row
        | {f"{name}_label": names.get(row.get(name), "") for name, names in found.labels.items()}
        for row in found.items
    ]


def _arrivals(
    uow: UnitOfWork, customer: Record, deals: Sequence[Mapping[str, Any]]
) -> Iterator[Step]:
    """The leads that became this customer, and the customer itself."""
    if leads := _leads(deals):
        about = {"field": "id", "op": "in", "value": leads}
        for row in _rows(uow, "lead", "company", "created_at", "source", "campaign", about=about):
            source = _said(uow.entity("lead"), "source", row)
            came = (source, row.get("campaign_label"))
            said = " · ".join(str(part) for part in came if part)
            yield Step(day_of(row["created_at"], uow), _("Lead"), said, ("lead", row["id"]))
    values = customer.values
    said = _said(customer.spec, "source", values)
    yield Step(day_of(values["created_at"], uow), _("Customer entered"), said)


def _said(spec: EntitySpec, choice: str, values: Mapping[str, Any]) -> str:
    """What a choice of a record is called."""
    labels = {each.value: str(each.label) for each in spec[choice].type.choices}
    return labels.get(values.get(choice), "")


def _deals(uow: UnitOfWork, deals: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    ended = {choice.value: str(choice.label) for choice in STATUSES if choice.value != "open"}
    for row in deals:
        here = ("opportunity", row["id"])
        yield Step(day_of(row["created_at"], uow), _("Opportunity"), row.get("name") or "", here)
        if row.get("status") in ended and row.get("closed_on"):
            amount = row.get("amount")
            code = row.get("currency") or get_setting(uow, "core", "currency")
            worth = "" if amount is None else format_money(amount, code)
            said = " · ".join(part for part in (row.get("name") or "", worth) if part)
            yield Step(row["closed_on"], ended[row["status"]], said, here)


def _leads(deals: Sequence[Mapping[str, Any]]) -> list[int]:
    return sorted({row["lead"] for row in deals if row.get("lead") is not None})


def _touches(uow: UnitOfWork, records: Mapping[str, Sequence[int]]) -> list[tuple[date, str]]:
    """The days and kinds of the earliest follow-ups about records, by their entities."""
    talks = uow.entities.get("follow_up")
    if talks is None or talks.plugin != "activities":
        return []
    about = {
        "any": [
            {
                "all": [
                    {"field": "related_entity", "op": "eq", "value": entity},
                    {"field": "related_id", "op": "in", "value": list(ids)},
                ]
            }
            for entity, ids in records.items()
            if ids
        ]
    }
    rows = _rows(uow, "follow_up", "kind", "happened_at", about=about, sort="happened_at,id")
    return [
        (day_of(row["happened_at"], uow), _said(talks, "kind", row))
        for row in rows
        if isinstance(row.get("happened_at"), datetime)
    ]


def _with_touches(steps: Sequence[Step], touches: Sequence[tuple[date, str]]) -> Iterator[Step]:
    """The steps with one more before each that follow-ups came before, and one for those after all."""
    waiting = list(touches)
    for step in steps:
        before = [each for each in waiting if each[0] < step.day]
        waiting = waiting[len(before) :]
        yield from _together(before)
        yield step
    yield from _together(waiting)


def _together(touches: Sequence[tuple[date, str]]) -> Iterator[Step]:
    if touches:
        kinds = Counter(kind for _day, kind in touches)
        said = " · ".join(f"{kind} {format_number(many)}" for kind, many in kinds.most_common())
        yield Step(touches[0][0], _("Follow-ups"), said)
