"""Quotes: what they begin with, their verbs and their versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.entities.changes import Change
from core.entities.consent import ask_consent
from core.errors import Refused
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_money, format_number
from core.settings.service import get_setting
from plugins.crm_sales.deals.amounts import follow
from plugins.crm_sales.events import QuoteAccepted, QuoteSubmitted
from plugins.crm_sales.products.lines import (
    effective_discount,
    fair_prices,
    prepare_lines,
    totals_of,
    work_out_again,
)
from plugins.crm_sales.products.policies.rules import IN_HAND

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "accept",
    "copy",
    "decline",
    "discount_limit",
    "prepare",
    "release",
    "require_valid",
    "revise",
    "send_back",
    "settle",
    "submit",
    "why_not",
]

Row = Mapping[str, Any]
_ZERO = Decimal(0)
#: What a copy takes along of each line: what somebody decided, not what follows from it.
_COPIED = ("product", "parameters", "quantity", "discount", "tax_rate")
_KEPT_LINE = (
    *("product", "parameters", "specification", "quantity", "unit", "base_price", "unit_price"),
    *("discount", "tax_rate", "net_amount", "tax_amount", "amount", "reasons"),
)
_KEPT_HEAD = (
    *("number", "customer", "opportunity", "currency", "price_list", "quoted_on", "valid_until"),
    *("tax_included", "terms"),
)
#: Lines depend on these fields of their quote.
_DECIDES = ("customer", "currency", "price_list", "quoted_on", "tax_included")


# What is derived


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Currency, days and the manner of tax of quotes; all that follows for their lines."""
    match changes[0].entity.name:
        case "quote":
            _begin(changes, uow)
        case "quote_line":
            prepare_lines(changes, uow)


def _begin(changes: Sequence[Change], uow: UnitOfWork) -> None:
    written = [change for change in changes if change.kind in ("create", "update")]
    lists = _column(uow, "price_list", "currency", {c.after["price_list"] for c in written})
    deals = _column(uow, "opportunity", "currency", {c.after["opportunity"] for c in written})
    company = get_setting(uow, "core", "currency")
    days = int(get_setting(uow, "crm_sales", "quote_days"))
    for change in written:
        after = change.after
        if after["currency"] is None:
            found = lists.get(after["price_list"]) or deals.get(after["opportunity"]) or company
            change.set("currency", found)
        if after["quoted_on"] is None:
            change.set("quoted_on", uow.clock.today())
        if after["valid_until"] is None:
            change.set("valid_until", after["quoted_on"] + timedelta(days=days))
        if change.kind == "create":
            change.set("tax_included", get_setting(uow, "crm_sales", "prices_include_tax"))


def _column(uow: UnitOfWork, entity: str, column: str, keys: set[Any]) -> dict[Any, Any]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    table = uow.entity(entity).table
    rows = uow.execute(select(table.c.id, table.c[column]).where(table.c.id.in_(wanted)))
    return {key: value for key, value in rows}


# What follows


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Lines follow their quote, and opportunities the quotes that are theirs."""
    entity = changes[0].entity.name
    in_hand = uow.memo.get(IN_HAND, set())
    if entity == "quote":
        in_hand.discard(entity)
        _lines_again(changes, uow)
        follow(uow, {v["opportunity"] for c in changes for v in (c.before, c.after) if v})
    elif entity == "quote_line" and "quote" not in in_hand:
        quotes = _column(uow, "quote", "opportunity_id", {c.after["quote"] for c in changes})
        follow(uow, set(quotes.values()))
    else:
        in_hand.discard(entity)


def _lines_again(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What a line costs follows customer, currency, list and day of a draft."""
    moved = [
        change.id
        for change in changes
        if change.id is not None
        and change.kind == "update"
        and change.after["status"] == "draft"
        and any(change.changed(name) for name in _DECIDES)
    ]
    work_out_again(uow, "quote", moved, [n for c in changes for n in _DECIDES if c.changed(n)])


def _lines_of(uow: UnitOfWork, quotes: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    spec = uow.entity("quote_line")
    columns = [spec.column(name).label(name) for name in ("id", "quote", *_KEPT_LINE)]
    rows = uow.execute(
        select(*columns)
        .where(spec.table.c.quote_id.in_(list(quotes)), spec.table.c.archived_at.is_(None))
        .order_by(spec.table.c.position, spec.table.c.id)
    ).mappings()
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["quote"], []).append(dict(row))
    return found


# Limits of discounts


def discount_limit(uow: UnitOfWork) -> Decimal | None:
    """How many percent the actor may take off without asking; None for any number.

    The most that one of their roles may. Nobody is limited as long as the company has set no limit;
    after that, a role without one may give nothing away.
    """
    actor = uow.actor
    if actor.user_id is None or actor.is_admin:
        return None
    table, role = uow.entity("discount_limit").table, uow.entity("role").table
    rows = uow.execute(
        select(role.c.name, table.c.limit)
        .select_from(table.join(role, role.c.id == table.c.role_id))
        .where(table.c.archived_at.is_(None))
    ).all()
    if not rows:
        return None
    own = {each.name for each in actor.roles}
    return max((row.limit for row in rows if row.name in own), default=_ZERO)


def _beyond(
    uow: UnitOfWork, quotes: Sequence[Row], lines: Mapping[int, Sequence[Row]], limit: Decimal
) -> dict[int, list[str]]:
    """By quote its lines that are sold for less than the limit allows, in words.

    Held against what the rules give the customer on the day of submitting, whatever day and list the
    quote names.
    """
    fair = fair_prices(uow, "quote", lines)
    names = _column(
        uow, "product", "name", {line["product"] for own in lines.values() for line in own}
    )
    found: dict[int, list[str]] = {}
    for quote in quotes:
        for line in lines[quote["id"]]:
            price = fair.get(line["id"])
            given = effective_discount(line, price)
            if given <= limit:
                continue
            told = {
                "number": quote["number"],
                "product": names.get(line["product"], ""),
                "discount": format_number(given.normalize()),
                "limit": format_number(limit.normalize()),
            }
            found.setdefault(quote["id"], []).append(
                _(
                    "%(number)s, %(product)s: %(discount)s %% off, and %(limit)s %% are allowed.",
                    **told,
                )
                if price is None or price == line["base_price"]
                else _(
                    "%(number)s, %(product)s: %(discount)s %% off %(price)s, what the rules give this"
                    " customer today, and %(limit)s %% are allowed.",
                    price=format_money(
                        price, quote["currency"], max(0, -int(price.as_tuple().exponent))
                    ),
                    **told,
                )
            )
    return found


# Verbs: the service has checked the right, and has locked the rows.


def submit(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """Quotes go out: their version is kept. Beyond the limit somebody has to agree, or it is refused."""
    lines, today = _lines_of(uow, [quote["id"] for quote in quotes]), uow.clock.today()
    for quote in quotes:
        if not lines.get(quote["id"]):
            raise Refused(_("%(number)s has no lines yet.", number=quote["number"]))
        require_valid(quote, today)
    limit = discount_limit(uow)
    reasons = {} if limit is None else _beyond(uow, quotes, lines, limit)
    asking = ask_consent(uow, "quote", "submit", [q for q in quotes if q["id"] in reasons], reasons)
    refused = [text for key, texts in reasons.items() if key not in asking for text in texts]
    if refused:
        refused.append(_("Lower it, or ask somebody who may give more to submit the quote."))
        raise Refused(" ".join(refused))
    if asking:
        service.update(uow, "quote", {key: {"status": "in_approval"} for key in sorted(asking)})
    going = [quote["id"] for quote in quotes if quote["id"] not in asking]
    return {"submitted": release(uow, going), "asked": sorted(asking)}


def release(uow: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """Submit drafts and quotes that waited for consent, and keep their versions."""
    if not ids:
        return []
    waiting = ("draft", "in_approval")
    quotes = {row["id"]: row for row in _stored(uow, ids) if row["status"] in waiting}
    service.update(uow, "quote", {key: {"status": "submitted"} for key in quotes})
    _keep_versions(uow, list(quotes.values()))
    for key, quote in quotes.items():
        uow.publish(QuoteSubmitted(key, quote["customer"], quote["revision"]))
    return list(quotes)


def send_back(uow: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """Quotes that waited for consent become drafts again."""
    table = uow.entity("quote").table
    waiting = uow.execute(
        select(table.c.id).where(table.c.id.in_(list(ids)), table.c.status == "in_approval")
    ).scalars()
    values = {key: {"status": "draft"} for key in waiting}
    if values:
        service.update(uow, "quote", values)
    return list(values)


def _keep_versions(uow: UnitOfWork, quotes: Sequence[Row]) -> None:
    """What is submitted is kept as it is, with names in place of ids: products change."""
    lines = _lines_of(uow, [quote["id"] for quote in quotes])
    products = _products(uow, lines)
    totals = totals_of(uow, "quote", [quote["id"] for quote in quotes])
    versions = []
    for quote in quotes:
        sums = totals[quote["id"]]
        versions.append(
            {
                "quote": quote["id"],
                "revision": quote["revision"],
                "submitted_at": uow.now(),
                "submitted_by": uow.actor.user_id,
                "currency": quote["currency"],
                "net_total": sums.net,
                "tax_total": sums.tax,
                "total": sums.gross,
                "contents": contents_of(quote, lines.get(quote["id"], []), products),
            }
        )
    if versions:
        service.create(uow, "quote_version", versions)


def contents_of(
    quote: Row, lines: Sequence[Row], products: Mapping[int, tuple[str, str]]
) -> dict[str, Any]:
    """A quote as JSON: the head, and the lines in their order with code and name of the product."""
    return {
        "quote": {name: _plain(quote[name]) for name in _KEPT_HEAD},
        "lines": [
            {
                **{name: _plain(line[name]) for name in ("id", *_KEPT_LINE)},
                "code": products[line["product"]][0],
                "name": products[line["product"]][1],
            }
            for line in lines
        ],
    }


def _products(uow: UnitOfWork, lines: Mapping[int, Sequence[Row]]) -> dict[int, tuple[str, str]]:
    table = uow.entity("product").table
    keys = {line["product"] for own in lines.values() for line in own}
    rows = uow.execute(select(table.c.id, table.c.code, table.c.name).where(table.c.id.in_(keys)))
    return {row.id: (row.code or "", row.name or "") for row in rows}


def live_contents(uow: UnitOfWork, quote: int) -> dict[str, Any]:
    """The quote as it stands now, in the form of a version."""
    (row,) = _stored(uow, [quote])
    lines = _lines_of(uow, [quote])
    return contents_of(row, lines.get(quote, []), _products(uow, lines))


def _stored(uow: UnitOfWork, ids: Sequence[int]) -> list[Row]:
    spec = uow.entity("quote")
    columns = [spec.column(each.name).label(each.name) for each in spec.stored]
    rows = uow.execute(select(*columns).where(spec.table.c.id.in_(list(ids)))).mappings()
    return [dict(row) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def accept(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """The customer agreed."""
    for quote in quotes:
        require_valid(quote, uow.clock.today())
    ids = [quote["id"] for quote in quotes]
    service.update(uow, "quote", {key: {"status": "accepted"} for key in ids})
    for quote in quotes:
        uow.publish(QuoteAccepted(quote["id"], quote["customer"], quote["opportunity"]))
    return {"accepted": ids}


def decline(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """The customer did not agree; a new version may follow."""
    ids = [quote["id"] for quote in quotes]
    service.update(uow, "quote", {key: {"status": "declined"} for key in ids})
    return {"declined": ids}


def revise(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """A draft of the next version; the one that was submitted is kept and readable."""
    today, days = uow.clock.today(), int(get_setting(uow, "crm_sales", "quote_days"))
    values = {}
    for quote in quotes:
        waited = quote["status"] == "in_approval"
        values[quote["id"]] = {
            "status": "draft",
            "revision": quote["revision"] + (0 if waited else 1),
            **dict.fromkeys(("answered_by", "answered_at", "answer_note")),
        }
        if quote["valid_until"] is not None and quote["valid_until"] < today:
            values[quote["id"]]["valid_until"] = today + timedelta(days=days)
    service.update(uow, "quote", values)
    return {"revised": list(values)}


def copy(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """New drafts with the same lines, at the prices of today, for the same customer or another."""
    lines = _lines_of(uow, [quote["id"] for quote in quotes])
    copies = []
    for quote in quotes:
        other = params["customer"] not in (None, quote["customer"])
        copies.append(
            {
                "customer": params["customer"] or quote["customer"],
                "opportunity": params["opportunity"] or (None if other else quote["opportunity"]),
                "currency": quote["currency"],
                "terms": quote["terms"],
                "owner": uow.actor.user_id or quote["owner"],
                "lines": [_copied(line) for line in lines.get(quote["id"], [])],
            }
        )
    return {"copies": service.create(uow, "quote", copies)}


def _copied(line: Row) -> dict[str, Any]:
    found = {name: line[name] for name in _COPIED}
    if line["unit_price"] != line["base_price"]:  # somebody had typed it
        found["unit_price"] = line["unit_price"]
    return found


def require_valid(quote: Row, today: date) -> None:
    """Raise `Refused` for a quote whose last day was before ``today``."""
    until = quote["valid_until"]
    if until is not None and until < today:
        raise Refused(
            _(
                "%(number)s was valid until %(day)s; make a new version of it.",
                number=quote["number"],
                day=format_date(until),
            )
        )


def why_not(uow: UnitOfWork, quotes: Sequence[Row]) -> None:
    """Raise `Refused` in the words of the state that a quote is in."""
    told = {
        "draft": _("%(number)s is not submitted yet."),
        "in_approval": _("%(number)s waits for consent."),
        "submitted": _("%(number)s is submitted already."),
        "accepted": _("%(number)s is accepted already."),
        "declined": _("%(number)s is declined; make a new version of it."),
    }
    for quote in quotes:
        if (text := told.get(quote["status"])) is not None:
            raise Refused(text % {"number": quote["number"]})
