"""The demonstration story, between products and targets: what ongoing opportunities are about, and who
works on some of them together."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query, service
from core.entities.query import ListQuery

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["tell"]

_SEED = 370_705
_WITH_LINES, _WITH_TEAM, _RIVALS = 14, 10, 2
_ALONG = (("安装调试", (1, 4)), ("三年延保", (1, 1)))
_ROLES = (("partner", 30), ("presales", 10), ("support", 0))


def tell(uow: UnitOfWork) -> list[str]:
    """Product lines for ongoing opportunities that nothing was quoted for, and teams for others."""
    # Which ones come is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    lines = _lines(uow, rng)
    teams = _teams(uow, rng)
    _rivals(uow)
    return [f"{lines} opportunities with products, {teams} with a team"]


def _lines(uow: UnitOfWork, rng: random.Random) -> int:
    goods = _plain_products(uow)
    quote = uow.entity("quote").table
    quoted = set(uow.execute(select(quote.c.opportunity_id)).scalars())
    values: dict[int, dict[str, Any]] = {}
    for deal in _ongoing(uow):
        name = next((each for each in goods if each in deal["name"]), None)
        if name is None or deal["id"] in quoted or deal["currency"] != "CNY":
            continue
        pieces = next((n for n in (2, 3) if f"{n}台" in deal["name"]), 1)
        own: list[dict[str, Any]] = [
            {
                "product": goods[name],
                "quantity": Decimal(pieces),
                "discount": Decimal(rng.choice((0, 0, 2, 3))),
                "description": rng.choice(("含现场布局设计", "防爆型", None, None)),
            }
        ]
        own += [
            {"product": goods[each], "quantity": Decimal(rng.randint(*span))}
            for each, span in _ALONG
            if each in goods and rng.random() < 0.6
        ]
        values[deal["id"]] = {"lines": own}
        if len(values) == _WITH_LINES:
            break
    if values:
        service.update(uow, "opportunity", values)
    return len(values)


def _plain_products(uow: UnitOfWork) -> Mapping[str, int]:
    """What is sold without being configured, longest name first."""
    asked = ListQuery(fields=("name", "price_formula"), limit=200)
    rows = query.page(uow, "product", asked).items
    found = {row["name"]: row["id"] for row in rows if not row["price_formula"]}
    return dict(sorted(found.items(), key=lambda each: -len(each[0])))


def _ongoing(uow: UnitOfWork) -> list[dict[str, Any]]:
    is_open = {"field": "status", "op": "eq", "value": "open"}
    fields = ("name", "currency", "owner")
    asked = ListQuery(fields=fields, filter=is_open, sort="-created_at,id", limit=200, labels=False)
    return query.page(uow, "opportunity", asked).items


def _teams(uow: UnitOfWork, rng: random.Random) -> int:
    """Some of what is ongoing and of what was won lately, shared with others who sell."""
    won = {"field": "status", "op": "eq", "value": "won"}
    fields = ("name", "currency", "owner")
    asked = ListQuery(
        fields=fields, filter=won, sort="-closed_on,id", limit=_WITH_TEAM, labels=False
    )
    deals = [
        *_ongoing(uow)[: 2 * _WITH_TEAM : 2],
        *query.page(uow, "opportunity", asked).items[::3],
    ]
    people = sorted({deal["owner"] for deal in deals if deal["owner"] is not None})
    values = {}
    for deal in deals:
        others = [person for person in people if person != deal["owner"]]
        if not others:
            continue
        chosen = rng.sample(others, min(len(others), rng.choice((1, 1, 2))))
        values[deal["id"]] = {
            "members": [
                {"person": person, "role": role, "share": Decimal(share)}
                for person, (role, share) in zip(
                    chosen, rng.sample(_ROLES, len(chosen)), strict=True
                )
            ]
        }
    if values:
        service.update(uow, "opportunity", values)
    return len(values)


def _rivals(uow: UnitOfWork) -> None:
    """Twice somebody sells to a customer to whom somebody else has a quote out."""
    quote = uow.entity("quote").table
    out = select(quote.c.customer_id, quote.c.owner_id).where(
        quote.c.status.in_(("submitted", "accepted"))
    )
    rows = uow.execute(out.order_by(quote.c.id.desc())).all()
    quoted = {row.customer_id: row.owner_id for row in rows}
    asked = ListQuery(fields=("name",), ids=tuple(quoted), limit=len(quoted) or 1, labels=False)
    names = {row["id"]: row["name"] for row in query.page(uow, "customer", asked).items}
    spare = [deal for deal in _ongoing(uow) if deal["currency"] == "CNY"]
    values: dict[int, dict[str, Any]] = {}
    table = uow.entity("opportunity_line").table
    own = set(uow.execute(select(table.c.opportunity_id)).scalars())
    for customer, seller in quoted.items():
        deal = next((d for d in spare if d["id"] in own and d["owner"] != seller), None)
        if deal is None or len(values) == _RIVALS:
            break
        spare.remove(deal)
        thing = deal["name"].split(" ", 1)[-1]
        values[deal["id"]] = {
            "customer": customer,
            "contact": None,
            "name": f"{names[customer][:4]} {thing}",
        }
    if values:
        service.update(uow, "opportunity", values)
