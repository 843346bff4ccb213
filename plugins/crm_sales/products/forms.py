"""The form of a quote or an opportunity with its lines: read as it was sent, worked out as it stands, and drawn again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.query import ListQuery
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, Invalid, Problem
from core.expressions import fold
from core.fields import Date, FieldType, Number
from core.http.addresses import read_number
from core.i18n import gettext as _
from core.i18n.formats import currency_decimals, format_money
from core.settings.service import get_setting
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.products.lines import Head, Worked, work_out
from plugins.crm_sales.products.parameters import Parameter
from plugins.crm_sales.products.prices import NOBODY, Book, read_book, read_buyers, said

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from core.work.uow import UnitOfWork

__all__ = [
    "Head",
    "Row",
    "blank_row",
    "draw",
    "fingerprint",
    "head_of",
    "money",
    "read_rows",
    "readable",
    "rows_of",
    "values_of",
]

_MOST_LINES = 200
_NUMBERS: dict[str, FieldType] = {
    "quantity": Number(14, 3),
    "unit_price": Number(18, 2),
    "discount": Number(5, 2),
    "tax_rate": Number(5, 2),
}
_TYPED = (
    *("id", "product", "quantity", "unit_price", "discount", "tax_rate", "description"),
    "shown",
)
#: What people write of a stored line, besides its parameters.
_STORED = ("product", "quantity", "unit_price", "discount", "tax_rate", "description")
_WRITTEN = tuple(name for name in _TYPED if name not in ("id", "shown"))
#: What the inputs of a line hold that nobody touched.
_UNTOUCHED = {name: ("", "1") if name == "quantity" else ("",) for name in _WRITTEN}
_INDEX = re.compile(r"lines\.([0-9]{1,6})\.")


@dataclass
class Row:
    """One line of the form: what was typed, and what is shown beside it."""

    #: Its number in the form that was sent; `draw` numbers rows anew.
    index: int = 0
    id: str = ""
    product: str = ""
    label: str = ""
    quantity: str = "1"
    unit_price: str = ""
    discount: str = ""
    tax_rate: str = ""
    #: Of an opportunity's line alone.
    description: str = ""
    #: The product whose parameters are shown.
    shown: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def blank_row() -> Row:
    """A line that nobody has touched."""
    return Row()


def rows_of(quote: Mapping[str, Any], labels: Mapping[int, str]) -> list[Row]:
    """The rows of a stored quote; a price that is the rules' is left for them to say."""
    return [
        Row(
            index=place,
            id=str(line["id"]),
            product=str(line["product"]),
            label=labels.get(line["product"], ""),
            quantity=_plain(line.get("quantity")),
            unit_price=_plain(line.get("unit_price"))
            if line.get("unit_price") != line.get("base_price")
            else "",
            discount=_plain(line.get("discount")) if line.get("discount") else "",
            tax_rate=_plain(line.get("tax_rate")),
            description=line.get("description") or "",
            shown=str(line["product"]),
            parameters={
                name: ("1" if value is True else "0" if value is False else str(value))
                for name, value in (line.get("parameters") or {}).items()
            },
        )
        for place, line in enumerate(quote.get("lines") or ())
    ]


def fingerprint(stored: Mapping[str, Mapping[str, Any]]) -> str:
    """Tells whether stored lines are still what a form was drawn from."""
    typed = [
        [key, *(line.get(name) for name in _STORED), sorted((line.get("parameters") or {}).items())]
        for key, line in stored.items()
    ]
    return hashlib.sha256(repr(typed).encode()).hexdigest()[:32]


def _plain(value: Decimal | None) -> str:
    if value is None:
        return ""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_rows(form: MultiDict[str, str]) -> list[Row]:
    """The rows that were sent, without those taken out and those that nobody touched."""
    removed = set(form.getlist("remove_line"))
    found = {match[1] for key in form if (match := _INDEX.match(key))}
    rows = []
    for index in sorted(found, key=int)[:_MOST_LINES]:
        prefix = f"lines.{index}"
        if prefix in removed:
            continue
        given = {name: form.get(f"{prefix}.{name}", "").strip()[:300] for name in _TYPED}
        label = form.get(f"{prefix}.product__label", "").strip()[:200]
        asked = f"{prefix}.p."
        parameters = {
            key.removeprefix(asked): form.get(key, "")[:200]
            for key in form
            if key.startswith(asked)
        }
        row = Row(int(index), label=label, parameters=parameters, **given)
        if row.id or row.label or any(given[name] not in _UNTOUCHED[name] for name in _WRITTEN):
            rows.append(row)
    return rows


# As the service takes it


def values_of(
    uow: UnitOfWork,
    rows: Sequence[Row],
    stored: Mapping[str, Mapping[str, Any]],
    *,
    described: bool = False,
) -> list[dict[str, Any]]:
    """The lines for the service, ``described`` those of opportunities. Raises `Invalid` for products that nobody can tell."""
    lines, problems = [], []
    for place, row in enumerate(rows):
        product = _product_of(uow, row)
        if product is None:
            message = _("Choose a product from the list.")
            problems.append(Problem(f"lines.{place}.product", "reference", message))
        line: dict[str, Any] = {"product": product}
        if row.id in stored:
            line["id"] = int(row.id)
        for name in _NUMBERS:
            line[name] = _number_text(getattr(row, name)) or None
        line["discount"] = line["discount"] or "0"
        if described:
            line["description"] = row.description or None
        line["parameters"] = row.parameters if row.shown == str(product) else {}
        lines.append(line)
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return lines


def _product_of(uow: UnitOfWork, row: Row) -> int | None:
    """The product that was picked, or the only one of the code or name that was typed."""
    if (key := read_number(row.product)) is not None:
        return key
    if not row.label:
        return None
    named = [{"field": name, "op": "eq", "value": row.label} for name in ("code", "name")]
    try:
        asked = ListQuery(fields=("id",), filter={"any": named}, limit=2)
        found = query.page(uow, "product", asked).items
    except (Forbidden, Invalid):
        return None
    return found[0]["id"] if len(found) == 1 else None


def _number_text(text: str) -> str:
    """Without separators; full-width digits as usual ones."""
    return re.sub(r"[,，\s¥￥]", "", fold(text))


# As it stands while one types


def head_of(uow: UnitOfWork, values: Mapping[str, Any]) -> Head:
    """What lines depend on, of a quote that is stored or being written; unreadable customers and
    lists decide nothing."""
    company = get_setting(uow, "core", "currency")
    customer = readable(uow, "customer", values.get("customer"))
    named = readable(uow, "price_list", values.get("price_list"))
    buyers = read_buyers(uow, [customer])
    currency = values.get("currency")
    if currency not in {choice.value for choice in CURRENCIES}:
        currency = _currency_of(uow, named, values.get("opportunity")) or company
    included = values.get("tax_included")
    if included is None:
        included = get_setting(uow, "crm_sales", "prices_include_tax")
    return Head(
        currency=currency,
        day=_day(values.get("quoted_on")) or uow.clock.today(),
        tax_included=bool(included),
        buyer=buyers.get(customer or 0, NOBODY),
        price_list=named,
    )


def _currency_of(uow: UnitOfWork, named: int | None, deal: Any) -> str | None:
    for entity, key in (("price_list", named), ("opportunity", _key(deal))):
        if key is not None:
            rows = query.page(uow, entity, ListQuery(fields=("currency",), ids=(key,))).items
            if rows and rows[0]["currency"]:
                found: str = rows[0]["currency"]
                return found
    return None


def readable(uow: UnitOfWork, entity: str, given: Any) -> int | None:
    """The number of a record as it was sent; None for what is none, or out of reach."""
    key = _key(given)
    if key is None:
        return None
    try:
        rows = query.page(uow, entity, ListQuery(fields=("id",), ids=(key,))).items
    except (Forbidden, Invalid):
        return None
    return key if rows else None


def _key(given: Any) -> int | None:
    return read_number(str(given or ""))


def _day(given: Any) -> Any:
    try:
        return check_value(Date(), given or None)
    except BadValue:
        return None


def draw(
    uow: UnitOfWork,
    head: Head,
    rows: Sequence[Row],
    stored: Mapping[str, Mapping[str, Any]],
    marks: Mapping[str, str] | None = None,
    *,
    lines: str = "quote_line",
) -> dict[str, Any]:
    """The lines and their totals for the template; ``marks`` are what the service refused."""
    products = [product for row in rows if (product := _key(row.product)) is not None]
    readable = set()
    if products:
        asked = ListQuery(fields=("id",), ids=tuple(products), limit=_MOST_LINES)
        readable = {each["id"] for each in query.page(uow, "product", asked).items}
    book = read_book(uow, readable)
    spec = uow.entity(lines)
    if not uow.actor.access(spec).can_use(spec["reasons"]):
        head = replace(head, tells_why=False)
    drawn = [
        _drawn(book, head, row, place, stored.get(row.id), marks or {})
        for place, row in enumerate(rows)
    ]
    sums = {
        name: sum((each["worked"].get(name, Decimal(0)) for each in drawn), Decimal(0))
        for name in ("net_amount", "tax_amount", "amount")
    }
    return {
        "rows": drawn,
        "empty": _drawn(book, head, blank_row(), "NEW", None, {}),
        "totals": {name: money(value, head.currency) for name, value in sums.items()},
        "currency": head.currency,
        "included": head.tax_included,
        "is_whole": not any(each["problems"] for each in drawn),
    }


def _drawn(
    book: Book,
    head: Head,
    row: Row,
    place: int | str,
    before: Mapping[str, Any] | None,
    marks: Mapping[str, str],
) -> dict[str, Any]:
    name = f"lines.{place}"
    product = _key(row.product)
    goods = book.goods.get(product or 0)
    given = row.parameters if row.shown == row.product else {}
    worked = Worked()
    if goods is not None:
        line, wrong = _typed(row, goods.id, given)
        worked = work_out(book, head, line, before=before)
        worked.problems[:0] = wrong
    problems = {
        key.removeprefix(f"{name}."): text
        for key, text in marks.items()
        if key.startswith(f"{name}.")
    }
    for field_, _code, message in worked.problems:
        problems.setdefault(field_, message)
    if worked.problems:
        worked.values = {}
    return {
        "name": name,
        "row": row,
        "unit": goods.unit if goods else "",
        "tax_rate": _plain(goods.tax_rate) if goods else "",
        "parameters": [_parameter(each, given) for each in goods.parameters] if goods else [],
        "worked": worked.values,
        "told": _told(worked.values, head),
        "problems": problems,
    }


def _typed(
    row: Row, product: int, given: Mapping[str, str]
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    line: dict[str, Any] = {"product": product, "parameters": given}
    wrong = []
    for name, type_ in _NUMBERS.items():
        try:
            line[name] = check_value(type_, _number_text(getattr(row, name)) or None)
        except BadValue as error:
            line[name] = None
            wrong.append((name, error.code, str(error)))
    if line["quantity"] is None and not wrong:
        wrong.append(("quantity", "required", _("Please fill this in.")))
    return line, wrong


def _parameter(each: Parameter, given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind,
        "unit": each.unit,
        "choices": [(choice, choice) for choice in each.choices],
        "value": given.get(each.name, each.default),
        "required": not each.is_optional and each.kind != "yes_no",
    }


def _told(values: Mapping[str, Any], head: Head) -> dict[str, Any]:
    if not values.get("reasons"):
        return {}
    base = values["base_price"]
    return {
        "base": "" if base is None else money(base, head.currency),
        "net": money(values["net_amount"], head.currency),
        "tax": money(values["tax_amount"], head.currency),
        "amount": money(values["amount"], head.currency),
        "reasons": told_reasons(values["reasons"]) if head.tells_why else [],
    }


def told_reasons(reasons: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Reasons as words; those of formulas with their steps."""
    return [
        {
            "text": said(each),
            "is_passed": each["code"] == "passed",
            "formula": each.get("formula", ""),
            "steps": each.get("steps", ()),
        }
        for each in reasons
    ]


def money(value: Decimal, currency: str) -> str:
    """An amount with the decimals of its currency."""
    return format_money(value, currency, currency_decimals(currency))
