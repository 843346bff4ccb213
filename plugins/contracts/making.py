"""Contracts made of accepted quotes and of won opportunities, without typing anything again (S-077).

The verb `make_contract` is added to both entities of sales through `record_actions`. A quote has one contract:
used again, the verb answers with the one that is there. What an opportunity was won with is its accepted quote,
if there is one; else its product lines, where they come to its amount; else the amount alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Refused
from core.fields import ActionSpec, ChoiceField, Date, FieldSpec, Text
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from plugins.contracts.models import KINDS

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = ["PARAMS", "SOURCES", "VERB", "drafts_of", "existing", "verbs_of"]

Row = Mapping[str, Any]
VERB = "make_contract"
#: What contracts are made of, with the state in which it was agreed.
SOURCES = {"quote": "accepted", "opportunity": "won"}
PARAMS = (
    FieldSpec("kind", ChoiceField(choices=KINDS), _l("Kind of contract"), default="sales"),
    FieldSpec(
        "name",
        Text(120),
        _l("Contract name"),
        help=_l("Empty: the name of the opportunity, or else of the customer."),
    ),
    FieldSpec(
        "starts_on", Date(), _l("Starts on"), help=_l("Empty: the day on which it is signed.")
    ),
    FieldSpec("ends_on", Date(), _l("Ends on")),
)
_TOTALS = {"amount": "total", "net_amount": "net_total", "tax_amount": "tax_total"}
_LINE = ("product", "quantity", "unit", "unit_price", "discount", "tax_rate")


def verbs_of(entity: EntitySpec, actor: Actor) -> list[ActionSpec]:
    """The verb, for quotes and opportunities of the module of sales."""
    agreed = SOURCES.get(entity.name)
    if agreed is None or entity.plugin != "crm_sales":
        return []
    return [
        ActionSpec(
            VERB,
            _l("To contract"),
            partial(make, source=entity.name, reader=actor),
            params=PARAMS,
            when={"field": "status", "op": "eq", "value": agreed},
            why_not=_why_not_quotes if entity.name == "quote" else _why_not_deals,
            tone="good",
            bulk=False,
            page="contracts.ask",
        )
    ]


def _why_not_quotes(uow: UnitOfWork, quotes: Sequence[Row]) -> None:
    raise Refused(_("The customer has not accepted %(number)s yet.", number=quotes[0]["number"]))


def _why_not_deals(uow: UnitOfWork, deals: Sequence[Row]) -> None:
    raise Refused(_("%(name)s is not won yet.", name=deals[0]["name"]))


def make(
    uow: UnitOfWork, records: Sequence[Row], params: Row, *, source: str, reader: Actor
) -> dict[str, Any]:
    """``{"contracts": ids in order, "made": those that are new}``; the records are locked by now.

    `Forbidden` without the right to make contracts; `Refused` for one that is there and that the
    ``reader`` may not read.
    """
    if not reader.is_system and not reader.access(uow.entity("contract")).may("create"):
        raise Forbidden(_("You do not have the right to do this."))
    ids = [record["id"] for record in records]
    there = existing(uow, source, ids)
    with uow.seen_by(reader):
        asked = ListQuery(ids=tuple(there.values()))
        seen = (
            query.select_ids(uow, "contract", asked, action="read", limit=len(ids)) if there else []
        )
    if set(there.values()) - set(seen):
        raise Refused(_("There is a contract already, which you may not see."))
    new = [record for record in records if record["id"] not in there]
    made = service.create(uow, "contract", drafts_of(uow, source, new, params))
    there |= dict(zip((record["id"] for record in new), made, strict=True))
    return {"contracts": [there[key] for key in ids], "made": made}


def existing(uow: UnitOfWork, source: str, ids: Iterable[int]) -> dict[int, int]:
    """By quote or opportunity the contract that is there, the oldest of several."""
    c = uow.entity("contract").table.c
    origin = c[f"{source}_id"]
    rows = uow.execute(
        select(origin.label("origin"), c.id)
        .where(origin.in_(list(ids)), c.archived_at.is_(None))
        .order_by(c.id.desc())
    )
    return {row.origin: row.id for row in rows}


def drafts_of(
    uow: UnitOfWork, source: str, records: Sequence[Row], params: Row
) -> list[dict[str, Any]]:
    """What contracts of these quotes or opportunities begin with, in their order."""
    if not records:
        return []
    if source == "opportunity":
        return _of_deals(uow, records, params)
    deals = _column(uow, "opportunity", "name", {quote["opportunity"] for quote in records})
    customers = _column(uow, "customer", "name", {quote["customer"] for quote in records})
    lines = _lines(uow, "quote", [quote["id"] for quote in records])
    return [
        {
            **_head(params, deals.get(quote["opportunity"]) or customers[quote["customer"]]),
            **{name: quote[name] for name in ("customer", "opportunity", "currency")},
            **_whose(uow, quote),
            "quote": quote["id"],
            "payment_terms": quote["terms"],
            # What the lines come to: nothing follows once they are written.
            **{name: quote[total] for name, total in _TOTALS.items()},
            "lines": [_line(row, row["specification"]) for row in lines.get(quote["id"], ())],
        }
        for quote in records
    ]


def _of_deals(uow: UnitOfWork, deals: Sequence[Row], params: Row) -> list[dict[str, Any]]:
    quotes = _accepted(uow, [deal["id"] for deal in deals])
    drafts = dict(zip(quotes, drafts_of(uow, "quote", list(quotes.values()), params), strict=True))
    rest = [deal for deal in deals if deal["id"] not in quotes]
    lines = _lines(uow, "opportunity", [deal["id"] for deal in rest])
    for deal in rest:
        own = lines.get(deal["id"], [])
        agreed = {row["currency"] for row in own} <= {deal["currency"]} and (
            sum((row["amount"] or Decimal(0) for row in own), Decimal(0)) == deal["amount"]
        )
        said = [
            _line(row, "，".join(filter(None, (row["description"], row["specification"]))))
            for row in own
        ]
        drafts[deal["id"]] = {
            **_head(params, deal["name"]),
            **{name: deal[name] for name in ("customer", "currency")},
            **_whose(uow, deal),
            "opportunity": deal["id"],
            **({"lines": said} if own and agreed else {"amount": deal["amount"]}),
        }
    return [drafts[deal["id"]] for deal in deals]


def _head(params: Row, name: str) -> dict[str, Any]:
    return {
        "kind": params.get("kind") or "sales",
        "name": params.get("name") or name,
        "starts_on": params.get("starts_on"),
        "ends_on": params.get("ends_on"),
    }


def _whose(uow: UnitOfWork, record: Row) -> dict[str, Any]:
    """Who looks after the record looks after its contract; where nobody does, whoever makes it."""
    if record["owner"] is None:
        return {"owner": uow.actor.user_id}
    return {name: record[name] for name in ("owner", "department")}


def _line(row: Row, said: str | None) -> dict[str, Any]:
    return {**{name: row[name] for name in _LINE}, "description": (said or "")[:500] or None}


def _accepted(uow: UnitOfWork, deals: Sequence[int]) -> dict[int, Row]:
    """By opportunity its accepted quote that has no contract yet, the newest of several."""
    spec, contract = uow.entity("quote"), uow.entity("contract").table.c
    columns = [spec.column(each.name).label(each.name) for each in spec.stored]
    c = spec.table.c
    done = select(contract.quote_id).where(
        contract.quote_id.is_not(None), contract.archived_at.is_(None)
    )
    rows = uow.execute(
        select(*columns)
        .where(
            c.opportunity_id.in_(list(deals)),
            c.status == "accepted",
            c.archived_at.is_(None),
            c.id.not_in(done),
        )
        .order_by(c.id)
    ).mappings()
    return {row["opportunity"]: dict(row) for row in rows}


def _lines(uow: UnitOfWork, source: str, ids: Sequence[int]) -> dict[int, list[Row]]:
    """The lines of quotes or opportunities, by these, in their order."""
    spec = uow.entity(f"{source}_line")
    columns = [spec.column(each.name).label(each.name) for each in spec.stored]
    parent = spec.column(source)
    rows = uow.execute(
        select(*columns)
        .where(parent.in_(list(ids)), spec.table.c.archived_at.is_(None))
        .order_by(spec.table.c.position, spec.table.c.id)
    ).mappings()
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row[source], []).append(dict(row))
    return found


def _column(uow: UnitOfWork, entity: str, name: str, keys: set[Any]) -> dict[Any, Any]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    c = uow.entity(entity).table.c
    return {
        key: value
        for key, value in uow.execute(select(c.id, c[name]).where(c.id.in_(wanted))).all()
    }
