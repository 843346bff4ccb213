"""Lines of quotes and opportunities: what follows from product, quantity, price, discount and tax, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.entities.changes import Change
from core.errors import Invalid, Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales.products import parameters
from plugins.crm_sales.products.money import LARGEST, line_amounts, rounded
from plugins.crm_sales.products.prices import NOBODY, Book, Buyer, read_book, read_buyers

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Head",
    "Totals",
    "Worked",
    "effective_discount",
    "fair_prices",
    "heads_of",
    "prepare_lines",
    "totals_of",
    "validate_lines",
    "work_out",
    "work_out_again",
]

_HUNDRED = Decimal(100)
_MEMO = "crm_sales.worked lines"


@dataclass(frozen=True, slots=True)
class Head:
    """What of a quote or an opportunity its lines depend on."""

    currency: str
    day: date
    tax_included: bool
    buyer: Buyer = NOBODY
    price_list: int | None = None
    status: str = "draft"
    #: False for a reader who may not see the reasons of prices.
    tells_why: bool = True


@dataclass
class Worked:
    """The derived values of a line, and (field, code, message) of what stands against it."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[tuple[str, str, str]] = field(default_factory=list)


def work_out(
    book: Book, head: Head, line: Mapping[str, Any], *, before: Mapping[str, Any] | None = None
) -> Worked:
    """All that follows for one line; ``before`` is what was stored of it.

    A unit price that was typed in stays; one that was the rules' follows the rules.
    """
    goods = book.goods.get(line["product"])
    worked = Worked()
    if goods is None:
        worked.problems.append(("product", "reference", _("There is no such product.")))
        return worked
    is_new = before is None or before.get("product") != goods.id
    if is_new and not goods.is_active:
        message = _("%(name)s is not on sale any more.", name=goods.name)
        worked.problems.append(("product", "inactive", message))
    quantity = _quantity(line, worked)
    discount = _percent(line, "discount", worked)
    given = line.get("parameters") or {}
    if not isinstance(given, Mapping):
        message = _("Parameters are given by name: {…}.")
        worked.problems.append(("parameters", "type", message))
        given = {}
    values, wrong = parameters.read(goods.parameters, given)
    worked.problems += [("parameters", each.code, each.message) for each in wrong]
    stored, words = parameters.written(goods.parameters, values)
    worked.values = {
        "currency": head.currency,
        "unit": goods.unit,
        "parameters": stored or None,
        "specification": words or None,
        "discount": discount,
    }
    tax_rate = line.get("tax_rate")
    if tax_rate is None or (is_new and before is not None and tax_rate == before.get("tax_rate")):
        tax_rate = goods.tax_rate
    worked.values["tax_rate"] = tax_rate
    _percent({"tax_rate": tax_rate}, "tax_rate", worked)
    if worked.problems or quantity is None:
        return worked
    _priced(book, head, line, before, worked, values)
    return worked


def _quantity(line: Mapping[str, Any], worked: Worked) -> Decimal | None:
    quantity: Decimal | None = line.get("quantity")
    if quantity is None:
        return None  # told as missing already
    if quantity <= 0:
        worked.problems.append(("quantity", "range", _("A quantity is more than nothing.")))
    return quantity


def _percent(line: Mapping[str, Any], name: str, worked: Worked) -> Decimal:
    value: Decimal = line.get(name) or Decimal(0)
    if not 0 <= value <= _HUNDRED:
        worked.problems.append((name, "range", _("Write a number from 0 to 100.")))
    return value


def _priced(
    book: Book,
    head: Head,
    line: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    worked: Worked,
    values: Mapping[str, Any],
) -> None:
    price = book.price(
        line["product"],
        buyer=head.buyer,
        quantity=line["quantity"],
        currency=head.currency,
        day=head.day,
        price_list=head.price_list,
        parameters=values,
    )
    typed = _typed(line, before)
    if typed is not None and typed < 0:
        worked.problems.append(("unit_price", "range", _("A price is not negative.")))
        return
    # What fails with the parameters is refused whatever was typed; a price that is missing is not.
    if price.problem is not None and (typed is None or price.problem[0] == "parameters"):
        worked.problems.append(price.problem)
        return
    reasons = list(price.reasons)
    unit_price = price.unit_price
    if typed is not None:
        unit_price = rounded(typed, head.currency)
        if unit_price != price.unit_price:
            reasons.append({"code": "typed", "price": str(unit_price), "currency": head.currency})
    assert unit_price is not None
    amounts = line_amounts(
        line["quantity"],
        unit_price,
        worked.values["discount"],
        worked.values["tax_rate"],
        currency=head.currency,
        tax_included=head.tax_included,
    )
    if max(unit_price, *amounts) >= LARGEST:
        worked.problems.append(("quantity", "range", _("This comes to too large an amount.")))
        return
    worked.values |= {
        "base_price": price.unit_price,
        "unit_price": unit_price,
        "net_amount": amounts.net,
        "tax_amount": amounts.tax,
        "amount": amounts.gross,
        "reasons": reasons,
    }


def _typed(line: Mapping[str, Any], before: Mapping[str, Any] | None) -> Decimal | None:
    """The unit price that somebody wrote; None where the rules are to say it."""
    price: Decimal | None = line.get("unit_price")
    if before is not None and price is not None and price == before.get("unit_price"):
        was_ruled = before.get("base_price") == price
        other = before.get("product") != line.get("product")
        return None if was_ruled or other else price
    return price


def effective_discount(line: Mapping[str, Any], base: Decimal | None = None) -> Decimal:
    """By how many percent less a line is sold than ``base``, else than the rules' price when it was
    written, to the hundredth."""
    base = line["base_price"] if base is None else base
    price = line["unit_price"] or Decimal(0)
    given: Decimal = line["discount"] or Decimal(0)
    if not base:
        return given
    paid = price * (_HUNDRED - given) / base
    return (_HUNDRED - paid).quantize(Decimal("0.01"))


def fair_prices(
    uow: UnitOfWork, holder: str, lines: Mapping[int, Sequence[Mapping[str, Any]]]
) -> dict[int, Decimal]:
    """By line what the rules give its customer today, where they give any.

    Neither an earlier day of the quote counts nor a list that it names and that is for other customers.
    """
    heads, today = heads_of(uow, holder, lines), uow.clock.today()
    book = read_book(uow, [line["product"] for own in lines.values() for line in own])
    found = {}
    for key, own in lines.items():
        head = heads[key]
        for line in own:
            asked = book.goods[line["product"]].parameters
            price = book.price(
                line["product"],
                buyer=head.buyer,
                quantity=line["quantity"],
                currency=head.currency,
                day=today,
                price_list=head.price_list if book.is_for(head.price_list, head.buyer) else None,
                parameters=parameters.read(asked, line["parameters"] or {})[0],
            )
            if price.unit_price is not None:
                found[line["id"]] = price.unit_price
    return found


# Within a write

#: What holds the lines of an entity.
_HOLDERS = {"quote_line": "quote", "opportunity_line": "opportunity"}
#: The columns that lines depend on; fields of the company's own are none of them.
_OF_DEALS = ("id", "customer_id", "currency", "status")
_OF_QUOTES = (*_OF_DEALS, "quoted_on", "tax_included", "price_list_id")


def heads_of(
    uow: UnitOfWork, holder: str, keys: Iterable[int], *, lock: bool = False
) -> dict[int, Head]:
    """What the lines of these quotes or opportunities depend on, as it is stored now.

    An opportunity has no day of its own: its lines have the prices of the day they are written on.
    ``lock`` keeps them as they are until the lines are written.
    """
    table = uow.entity(holder).table
    names = _OF_QUOTES if holder == "quote" else _OF_DEALS
    wanted = select(*(table.c[name] for name in names))
    asked = wanted.where(table.c.id.in_(sorted(set(keys)))).order_by(table.c.id)
    rows = uow.execute(asked.with_for_update() if lock else asked).all()
    buyers = read_buyers(uow, [row.customer_id for row in rows])
    company, today = get_setting(uow, "core", "currency"), uow.clock.today()
    is_quote = holder == "quote"
    included = bool(get_setting(uow, "crm_sales", "prices_include_tax"))
    return {
        row.id: Head(
            currency=row.currency or company,
            day=(row.quoted_on if is_quote else None) or today,
            tax_included=bool(row.tax_included) if is_quote else included,
            buyer=buyers.get(row.customer_id, NOBODY),
            price_list=row.price_list_id if is_quote else None,
            status=(row.status or "draft") if is_quote else row.status or "open",
        )
        for row in rows
    }


def _locked(holder: str, head: Head) -> str:
    """Why the lines of such a record stay as they are; nothing where they may be changed."""
    if head.status in ("draft", "open"):
        return ""
    if holder == "quote":
        return _("A quote that was submitted stays as it is; make a new version of it.")
    return _("What is won or lost keeps its products.")


def validate_lines(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    """Work the lines out, keep that for `prepare_lines`, and tell what is wrong."""
    holder = _HOLDERS[changes[0].entity.name]
    keys = [c.after[holder] for c in changes] + [c.before[holder] for c in changes if c.before]
    # Nobody submits a quote between this look at it and its new prices.
    heads = heads_of(uow, holder, keys, lock=True)
    problems, written = [], []
    for change in changes:
        head = heads.get(change.after[holder])
        if head is not None and (why := _locked(holder, head)):
            if change.kind == "update" and not change.changed_fields():
                continue  # sent along with its record, as forms do: it keeps its price
            if not uow.actor.is_system:
                problems.append(change.problem(holder, "locked", why))
        if change.kind != "delete":  # what is restored is worked out for its record as it is now
            written.append(change)
    if problems or not written:
        return problems
    book = read_book(uow, [change.after["product"] for change in written])
    kept: dict[int, Worked] = uow.memo.setdefault(_MEMO, {})
    for change in written:
        worked = work_out(
            book, heads[change.after[holder]], change.after, before=change.before or None
        )
        problems += [change.problem(*problem) for problem in worked.problems]
        kept[id(change)] = worked
    return problems


def prepare_lines(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Give the lines what was worked out for them."""
    kept: dict[int, Worked] = uow.memo.pop(_MEMO, {})
    for change in changes:
        worked = kept.get(id(change))
        if worked is not None:
            for name, value in worked.values.items():
                change.set(name, value)


# What follows


def work_out_again(
    uow: UnitOfWork, holder: str, moved: Sequence[int], changed: Sequence[str]
) -> None:
    """Work the lines of these records out anew, since fields have ``changed`` that they depend on.

    Raises `Invalid` at the first of these fields where a line has no price any more.
    """
    if not moved:
        return
    name = f"{holder}_line"
    table = uow.entity(name).table
    rows = select(table.c.id).where(
        table.c[f"{holder}_id"].in_(list(moved)), table.c.archived_at.is_(None)
    )
    values: dict[int, dict[str, Any]] = {key: {} for key in uow.execute(rows).scalars()}
    if not values:
        return
    try:
        service.update(uow, name, values)
    except Invalid as error:
        message = error.problems[0].message if error.problems else error.message
        raise Invalid(message, [Problem(changed[0], "lines", message)]) from error


@dataclass
class Totals:
    """The sums of what stands in the lines of one record."""

    net: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)
    count: int = 0
    currency: str | None = None


def totals_of(uow: UnitOfWork, holder: str, keys: Iterable[int]) -> dict[int, Totals]:
    """Added up here, where decimals are exact in every database."""
    table = uow.entity(f"{holder}_line").table
    parent, wanted = table.c[f"{holder}_id"], list(keys)
    found = {key: Totals() for key in wanted}
    if not wanted:
        return found
    rows = uow.execute(
        select(
            parent.label("parent"),
            *(table.c.net_amount, table.c.tax_amount, table.c.amount, table.c.currency),
        ).where(parent.in_(wanted), table.c.archived_at.is_(None))
    )
    for row in rows:
        totals = found[row.parent]
        totals.count += 1
        totals.currency = row.currency
        totals.net += row.net_amount or Decimal(0)
        totals.tax += row.tax_amount or Decimal(0)
        totals.gross += row.amount or Decimal(0)
    return found
