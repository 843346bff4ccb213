"""What a product costs a customer, and why: price lists, formulas, list prices and exchange rates.

**The order of precedence.** Asked first is the list that the quote names; then lists in the currency
asked for, then those in the company's. Among these: the higher priority, one for the customer's level
before one for any, one for the city before the province before anywhere, the one that began later. A
list that has nothing for the product and the quantity is passed over. Without any it is the price of
the formula, else the list price, of the product or of the one that it is a variant of.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import CompoundSelect, FromClause, Select, Table, select, union_all

from core.entities.reading import Reading, read_together
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_money, format_number
from core.reference.reading import evaluation_context
from core.settings.service import get_setting
from plugins.crm_sales.products.formulas import Refused, compute
from plugins.crm_sales.products.money import rounded
from plugins.crm_sales.products.parameters import Parameter, parameter_of

if TYPE_CHECKING:
    from core.expressions import EvaluationContext
    from core.work.uow import UnitOfWork

__all__ = [
    "NOBODY",
    "Book",
    "Buyer",
    "Goods",
    "Price",
    "price_for",
    "read_book",
    "read_buyers",
    "said",
]

_HUNDRED = Decimal(100)
#: Lists that do not count are told of, up to so many.
_MOST_PASSED = 20


@dataclass(frozen=True, slots=True)
class Buyer:
    """What of a customer decides prices."""

    level: str | None = None
    #: Codes of the province and the city.
    province: str | None = None
    city: str | None = None


NOBODY = Buyer()


@dataclass(frozen=True, slots=True)
class Goods:
    """A product as prices see it; what a variant has not of its own is its main product's."""

    id: int
    name: str
    code: str
    unit: str
    list_price: Decimal | None
    tax_rate: Decimal
    is_active: bool
    main: int | None = None
    formula: str = ""
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A price, or a discount on the product's own, from a quantity on."""

    minimum: Decimal
    price: Decimal | None
    discount: Decimal | None


@dataclass(frozen=True)
class List:
    """A price list with the items of the products that are asked about, largest quantity first."""

    id: int
    name: str
    currency: str
    level: str | None
    region: str | None
    valid_from: date | None
    valid_to: date | None
    priority: int
    items: Mapping[int, Sequence[Item]] = field(default_factory=dict)

    def why_not(self, buyer: Buyer) -> str | None:
        """``level`` or ``region`` where the list is for other customers."""
        if self.level is not None and self.level != buyer.level:
            return "level"
        if self.region is not None and self.region not in _regions(buyer):
            return "region"
        return None


@dataclass(frozen=True)
class Price:
    """A price for one unit, or what stands against it, with the reasons in their order."""

    unit_price: Decimal | None
    reasons: list[dict[str, Any]]
    #: (field, code, message): the field is one of a quote's line.
    problem: tuple[str, str, str] | None = None


@dataclass
class Book:
    """All that prices of some products are worked out from, read once."""

    company: str
    goods: Mapping[int, Goods]
    lists: Sequence[List]
    #: By currency the days on which a rate begins, ascending, and the rates.
    rates: Mapping[str, tuple[Sequence[date], Sequence[Decimal]]]
    context: EvaluationContext

    def price(
        self,
        product: int,
        *,
        buyer: Buyer,
        quantity: Decimal,
        currency: str,
        day: date,
        price_list: int | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Price:
        """The price of one unit of ``product``; ``parameters`` are typed already."""
        goods = self.goods[product]
        asked = _Asked(self, goods, buyer, quantity, currency, day, price_list, parameters or {})
        return asked.answer()

    def is_for(self, price_list: int | None, buyer: Buyer) -> bool:
        """Whether a list, if it is in use, is one for such customers; to name it needs no such thing."""
        return any(each.id == price_list and each.why_not(buyer) is None for each in self.lists)

    def rate(self, currency: str, day: date) -> tuple[Decimal, date | None] | None:
        """What one unit is worth in the company's currency on a day, and since when."""
        if currency == self.company:
            return Decimal(1), None
        days, rates = self.rates.get(currency, ((), ()))
        place = bisect_right(days, day) - 1
        return None if place < 0 else (rates[place], days[place])


class _NoPrice(Exception):
    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = (field, code, message)


@dataclass
class _Asked:
    """One question about a price, and the reasons found so far."""

    book: Book
    goods: Goods
    buyer: Buyer
    quantity: Decimal
    currency: str
    day: date
    named: int | None
    parameters: Mapping[str, Any]
    reasons: list[dict[str, Any]] = field(default_factory=list)

    def answer(self) -> Price:
        try:
            found = self._from_lists()
            price = self._own() if found is None else found
        except _NoPrice as error:
            return Price(None, self.reasons, error.problem)
        price = rounded(price, self.currency)
        self.reasons.append({"code": "price", "price": str(price), "currency": self.currency})
        return Price(price, self.reasons)

    def _from_lists(self) -> Decimal | None:
        fitting = []
        for each in self.book.lists:
            why = self._why_not(each)
            if why is None:
                fitting.append(each)
            elif why != "currency" and len(self.reasons) < _MOST_PASSED:
                self.reasons.append({"code": "passed", "list": each.name, "why": why})
        for each in sorted(fitting, key=self._precedence):
            item = self._item(each)
            if item is None:
                self.reasons.append({"code": "passed", "list": each.name, "why": "item"})
                continue
            return self._by(each, item)
        return None

    def _why_not(self, each: List) -> str | None:
        if each.currency not in (self.currency, self.book.company):
            return "currency"
        if each.valid_from is not None and self.day < each.valid_from:
            return "not_yet"
        if each.valid_to is not None and self.day > each.valid_to:
            return "over"
        return None if each.id == self.named else each.why_not(self.buyer)

    def _precedence(self, each: List) -> tuple[Any, ...]:
        nearness = 0 if each.region is None else 1 if each.region.endswith("0000") else 2
        began = each.valid_from.toordinal() if each.valid_from else 0
        return (
            each.id != self.named,
            each.currency != self.currency,
            -each.priority,
            each.level is None,
            -nearness,
            -began,
            -each.id,
        )

    def _item(self, each: List) -> Item | None:
        for key in (self.goods.id, self.goods.main):
            for item in each.items.get(key, ()) if key is not None else ():
                if item.minimum <= self.quantity:
                    return item
        return None

    def _by(self, each: List, item: Item) -> Decimal:
        told: dict[str, Any] = {"code": "list", "list": each.name, "from": str(item.minimum)}
        if item.price is not None:
            self.reasons.append(told | {"price": str(item.price), "currency": each.currency})
            return self._converted(item.price, each.currency)
        price = self._own()
        discount = item.discount or Decimal(0)
        self.reasons.append(told | {"discount": str(discount)})
        return price * (_HUNDRED - discount) / _HUNDRED

    def _own(self) -> Decimal:
        """What the product costs by itself: by its formula, else its list price."""
        goods = self.goods
        if goods.formula:
            try:
                found = compute(
                    goods.formula,
                    goods.parameters,
                    self.parameters,
                    quantity=self.quantity,
                    list_price=goods.list_price,
                    day=self.day,
                    context=self.book.context,
                )
            except Refused as error:
                raise _NoPrice("parameters", "formula", str(error)) from error
            price = rounded(found.price, self.book.company)
            self.reasons.append(
                {
                    "code": "formula",
                    "formula": goods.formula,
                    "steps": found.steps,
                    "price": str(price),
                    "currency": self.book.company,
                }
            )
        elif goods.list_price is not None:
            price = goods.list_price
            self.reasons.append({"code": "own", "price": str(price), "currency": self.book.company})
        else:
            message = _("%(name)s has no price; write one.", name=goods.name)
            raise _NoPrice("unit_price", "no_price", message)
        return self._converted(price, self.book.company)

    def _converted(self, price: Decimal, given: str) -> Decimal:
        if given == self.currency:
            return price
        rates = []
        for code in (given, self.currency):
            found = self.book.rate(code, self.day)
            if found is None:
                message = _(
                    "There is no exchange rate of %(currency)s for %(day)s.",
                    currency=code,
                    day=format_date(self.day),
                )
                raise _NoPrice("unit_price", "no_rate", message)
            rate, since = found
            rates.append(rate)
            if since is not None:
                self.reasons.append(
                    {"code": "rate", "currency": code, "rate": str(rate), "since": str(since)}
                )
        return price * rates[0] / rates[1]


def _regions(buyer: Buyer) -> set[str]:
    """The codes of where a customer is: its city, and the province of either."""
    found = {code for code in (buyer.province, buyer.city) if code}
    return found | {f"{code[:2]}0000" for code in found}


# Reading


def read_book(uow: UnitOfWork, products: Iterable[int]) -> Book:
    """The book of these products, in one statement however many they are; a page that only reads
    asks once."""
    wanted = tuple(sorted(set(products)))
    kept: dict[tuple[int, ...], Book] = {} if uow.write else uow.memo.setdefault("books", {})
    if wanted not in kept:
        kept[wanted] = _read_book(uow, wanted)
    return kept[wanted]


def _read_book(uow: UnitOfWork, wanted: Sequence[int]) -> Book:
    goods: dict[int, Goods] = {}
    lists: list[List] = []
    rates: dict[str, tuple[list[date], list[Decimal]]] = {}
    if wanted:
        table = uow.entity("product").table
        mains = select(table.c.variant_of_id).where(table.c.id.in_(wanted))
        both = union_all(select(table.c.id).where(table.c.id.in_(wanted)), mains)
        rows, asked, items, lists, rates = read_together(
            uow,
            [
                Reading((_goods(table, wanted),), list),
                Reading((_parameters(uow, both),), _parameters_of),
                Reading((_items(uow, both),), _items_of),
                Reading((_lists(uow),), list),
                Reading((_rates(uow),), _rates_of),
            ],
        )
        goods = {row.id: _good(row, asked) for row in rows}
        lists = sorted(lists, key=lambda row: row.id, reverse=True)
        lists = [_list(row, items.get(row.id, {})) for row in lists]
    return Book(
        company=get_setting(uow, "core", "currency"),
        goods=goods,
        lists=lists,
        rates=rates,
        context=evaluation_context(uow),
    )


def _goods(table: FromClause, wanted: Sequence[int]) -> Select[Any]:
    main = table.alias()
    columns = [
        *(table.c.id, table.c.name, table.c.code, table.c.unit, table.c.tax_rate),
        *(table.c.is_active, table.c.list_price, table.c.price_formula, table.c.variant_of_id),
        main.c.list_price.label("main_price"),
        main.c.price_formula.label("main_formula"),
    ]
    return (
        select(*columns)
        .select_from(table.outerjoin(main, main.c.id == table.c.variant_of_id))
        .where(table.c.id.in_(wanted))
    )


def _good(row: Any, asked: Mapping[int, tuple[Parameter, ...]]) -> Goods:
    # A list price of its own stands for a variant: the formula of its main product does not.
    own_price = row.list_price is not None
    formula = row.price_formula or ("" if own_price else row.main_formula) or ""
    return Goods(
        id=row.id,
        name=row.name or "",
        code=row.code or "",
        unit=row.unit or "",
        list_price=row.list_price if own_price else row.main_price,
        tax_rate=row.tax_rate or Decimal(0),
        is_active=bool(row.is_active),
        main=row.variant_of_id,
        formula=formula,
        parameters=asked.get(row.id) or asked.get(row.variant_of_id or 0) or (),
    )


def _parameters(uow: UnitOfWork, products: CompoundSelect[Any]) -> Select[Any]:
    table = uow.entity("product_parameter").table
    return select(table).where(table.c.product_id.in_(products), table.c.archived_at.is_(None))


def _parameters_of(rows: Sequence[Any]) -> dict[int, tuple[Parameter, ...]]:
    found: dict[int, list[Parameter]] = {}
    for row in sorted(rows, key=lambda row: (row.position or 0, row.id)):
        found.setdefault(row.product_id, []).append(parameter_of(row._mapping))
    return {key: tuple(each) for key, each in found.items()}


def _items(uow: UnitOfWork, products: CompoundSelect[Any]) -> Select[Any]:
    c = uow.entity("price_list_item").table.c
    return select(
        *(c.id, c.price_list_id, c.product_id, c.minimum_quantity, c.price, c.discount)
    ).where(c.product_id.in_(products), c.archived_at.is_(None))


def _items_of(rows: Sequence[Any]) -> dict[int, dict[int, list[Item]]]:
    """By list and product, what needs most first."""
    found: dict[int, dict[int, list[Item]]] = {}
    for row in sorted(rows, key=lambda row: (-(row.minimum_quantity or 0), row.id)):
        own = found.setdefault(row.price_list_id, {}).setdefault(row.product_id, [])
        own.append(Item(row.minimum_quantity or Decimal(0), row.price, row.discount))
    return found


def _lists(uow: UnitOfWork) -> Select[Any]:
    c = uow.entity("price_list").table.c
    return select(
        *(c.id, c.name, c.currency, c.customer_level, c.region),
        *(c.valid_from, c.valid_to, c.priority),
    ).where(c.is_active, c.archived_at.is_(None))


def _list(row: Any, items: Mapping[int, Sequence[Item]]) -> List:
    return List(
        id=row.id,
        name=row.name or "",
        currency=row.currency,
        level=row.customer_level,
        region=row.region,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        priority=row.priority or 0,
        items=items,
    )


def _rates(uow: UnitOfWork) -> Select[Any]:
    c = uow.entity("exchange_rate").table.c
    return select(c.currency, c.valid_from, c.rate).where(c.archived_at.is_(None))


def _rates_of(rows: Sequence[Any]) -> dict[str, tuple[list[date], list[Decimal]]]:
    found: dict[str, tuple[list[date], list[Decimal]]] = {}
    for row in sorted(rows, key=lambda row: row.valid_from):
        days, rates = found.setdefault(row.currency, ([], []))
        days.append(row.valid_from)
        rates.append(row.rate)
    return found


def read_buyers(uow: UnitOfWork, customers: Iterable[int | None]) -> dict[int, Buyer]:
    """What decides prices, of these customers."""
    table: Table = uow.entity("customer").table
    wanted = sorted({key for key in customers if key is not None})
    rows = uow.execute(
        select(table.c.id, table.c.level, table.c.province, table.c.city).where(
            table.c.id.in_(wanted)
        )
    )
    return {row.id: Buyer(row.level, row.province, row.city) for row in rows}


def price_for(
    uow: UnitOfWork,
    product: int,
    *,
    customer: int | None,
    quantity: Decimal,
    currency: str,
    day: date,
    price_list: int | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Price:
    """What one unit of ``product`` costs ``customer``, and why; rights are the caller's to ask.

    ``parameters`` are typed as `parameters.read` gives them. Raises `KeyError` for no such product.
    """
    buyers = read_buyers(uow, [customer])
    return read_book(uow, [product]).price(
        product,
        buyer=buyers.get(customer or 0, NOBODY),
        quantity=quantity,
        currency=currency,
        day=day,
        price_list=price_list,
        parameters=parameters,
    )


# Telling


def said(reason: Mapping[str, Any]) -> str:
    """One reason in the reader's language."""
    match reason["code"]:
        case "passed":
            why = {
                "not_yet": _("does not count yet"),
                "over": _("does not count any more"),
                "level": _("is for customers of another level"),
                "region": _("is for customers from elsewhere"),
                "item": _("has nothing for this product and quantity"),
            }
            return _("“%(list)s” %(why)s", list=reason["list"], why=why[reason["why"]])
        case "list" if "price" in reason:
            if not Decimal(reason["from"]):
                return _("“%(list)s”: %(price)s", list=reason["list"], price=_money(reason))
            return _(
                "“%(list)s”: %(price)s from %(quantity)s on",
                list=reason["list"],
                price=_money(reason),
                quantity=_number(reason["from"]),
            )
        case "list":
            if not Decimal(reason["from"]):
                return _(
                    "“%(list)s”: %(discount)s %% less",
                    list=reason["list"],
                    discount=_number(reason["discount"]),
                )
            return _(
                "“%(list)s”: %(discount)s %% less from %(quantity)s on",
                list=reason["list"],
                discount=_number(reason["discount"]),
                quantity=_number(reason["from"]),
            )
        case "formula":
            return _("By the price formula: %(price)s", price=_money(reason))
        case "own":
            return _("List price of the product: %(price)s", price=_money(reason))
        case "rate":
            return _(
                "Exchange rate of %(currency)s: %(rate)s since %(day)s",
                currency=reason["currency"],
                rate=_number(reason["rate"]),
                day=format_date(date.fromisoformat(reason["since"])),
            )
        case "typed":
            return _("Typed in: %(price)s", price=_money(reason))
        case _:
            return _("The price is %(price)s", price=_money(reason))


def _money(reason: Mapping[str, Any]) -> str:
    price = Decimal(reason["price"])
    scale = max(0, -int(price.as_tuple().exponent))
    return format_money(price, reason["currency"], scale)


def _number(text: str) -> str:
    value = Decimal(text)
    return format_number(value.quantize(Decimal(1)) if value == int(value) else value.normalize())
