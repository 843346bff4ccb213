"""A quote on paper: for the customer, in Chinese or in English, of what its reader may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.documents import Block, Column, Document, Facts, Heading, Note, Table, Text, Totals
from core.entities import query
from core.entities.query import ListQuery, Record
from core.entities.rendering import Reader, display_text
from core.errors import Forbidden, Invalid
from core.i18n import current_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_number
from core.plugins.contributions import DocumentTemplate
from core.settings.service import get_setting
from plugins.crm_sales.products.capitals import in_capitals
from plugins.crm_sales.products.forms import money

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["QUOTE", "line_table", "quote_document"]


def quote_document(uow: UnitOfWork, record: Record) -> Document:
    """The document of a quote; one that is not submitted says that it binds nobody."""
    values = record.values
    is_draft = values.get("status") in ("draft", "in_approval")
    totals = _totals(uow.entity("quote"), values)
    blocks: list[Block] = [Facts(_facts(uow, record))]
    if lines := values.get("lines"):
        blocks.append(_named_lines(uow, record, lines))
    if totals:
        blocks.append(Totals(totals))
    total = values.get("total")
    is_yuan = values.get("currency") == "CNY" and current_locale().startswith("zh")
    if isinstance(total, Decimal) and is_yuan:
        blocks.append(Text(_("Total in words: %(words)s", words=in_capitals(total))))
    if terms := values.get("terms"):
        blocks += [Heading(str(uow.entity("quote")["terms"].label)), Text(str(terms))]
    if is_draft:
        blocks.append(Note(_("This is a draft. It is no offer until it is submitted.")))
    title = _("Quotation (draft)") if is_draft else _("Quotation")
    return Document(title, blocks, str(values.get("number") or f"#{values['id']}"))


QUOTE = DocumentTemplate("quote", "quote", _l("Quotation"), quote_document)


def _facts(uow: UnitOfWork, record: Record) -> list[tuple[str, str]]:
    spec, reader = record.spec, _reader(uow, record)
    named = {
        "number": _("Quotation no."),
        "revision": str(spec["revision"].label),
        "quoted_on": _("Date"),
        "valid_until": str(spec["valid_until"].label),
        "customer": str(spec["customer"].label),
    }
    found = [(label, _shown(spec, record.values, n, reader)) for n, label in named.items()]
    contact = _contact(uow, record.values.get("customer"))
    found += contact[:1]
    found.append((str(spec["currency"].label), str(record.values.get("currency") or "")))
    found += contact[1:]
    found.append((_("Your contact here"), _shown(spec, record.values, "owner", reader)))
    return [(label, value) for label, value in found if value]


def _reader(uow: UnitOfWork, record: Record) -> Reader:
    company = get_setting(uow, "core", "currency")
    return Reader(zone=uow.clock.timezone, currency=company, labels=record.labels)


def _shown(spec: EntitySpec, values: Mapping[str, Any], name: str, reader: Reader) -> str:
    """A field in words; empty for one that is empty, or hidden from whoever prints."""
    return display_text(spec[name].type, values.get(name), reader, values)


def _contact(uow: UnitOfWork, customer: Any) -> list[tuple[str, str]]:
    """Whom the quote goes to at the customer: the primary contact, as whoever prints may see them."""
    asked = ListQuery(
        filter={
            "all": [
                {"field": "customer", "op": "eq", "value": customer},
                {"field": "is_primary", "op": "eq", "value": True},
            ]
        },
        limit=1,
    )
    try:
        rows = query.page(uow, "contact", asked).items if customer is not None else []
    except (Forbidden, Invalid):
        return []
    found = rows[0] if rows else {}
    name = " ".join(str(found[key]) for key in ("name", "title") if found.get(key))
    ways = " ".join(str(found[key]) for key in ("mobile", "email") if found.get(key))
    return [(_("Contact"), name), (_("Telephone, e-mail"), ways)] if found else []


# Lines, the same on paper and on the page that the customer opens


_COLUMNS: tuple[tuple[str, float, bool], ...] = (
    ("product", 2.4, False),
    ("specification", 2.6, False),
    ("quantity", 1.3, True),
    ("unit_price", 1.7, True),
    ("discount", 1.3, True),
    ("tax_rate", 1.1, True),
    ("amount", 1.9, True),
)
_NUMBERS = frozenset({"quantity", "discount", "tax_rate"})
_MONEY = frozenset({"unit_price", "amount"})


def _named_lines(uow: UnitOfWork, record: Record, lines: Sequence[Mapping[str, Any]]) -> Table:
    names = record.labels.get("product", {})
    known = [
        {**line, "product": names.get(line["product"], "—")} if "product" in line else line
        for line in lines
    ]
    return line_table(uow, known, str(record.values.get("currency") or ""))


def line_table(uow: UnitOfWork, lines: Sequence[Mapping[str, Any]], currency: str) -> Table:
    """``lines`` with the name of the product under ``product``, decimals as such or as text.

    A column that no line has (it is hidden) is left out, and so are specification and discount where
    all lines are without.
    """
    spec = uow.entity("quote_line")
    shown = [
        each
        for each in _COLUMNS
        if any(each[0] in line for line in lines)
        and (each[0] not in ("specification", "discount") or any(_given(n, each[0]) for n in lines))
    ]
    columns = [Column("#", 0.5, True)]
    columns += [Column(str(spec[name].label), share, right) for name, share, right in shown]
    rows = [
        [str(place), *(_cell(line, name, currency) for name, _share, _right in shown)]
        for place, line in enumerate(lines, 1)
    ]
    return Table(columns, rows)


def _given(line: Mapping[str, Any], name: str) -> bool:
    value = line.get(name)
    return bool(Decimal(value)) if value and name == "discount" else bool(value)


def _cell(line: Mapping[str, Any], name: str, currency: str) -> str:
    value = line.get(name)
    if value is None or value == "":
        return ""
    if name in _MONEY:
        return money(Decimal(value), currency)
    if name in _NUMBERS:
        text = plain_number(Decimal(value))
        return f"{text} {line['unit']}" if name == "quantity" and line.get("unit") else text
    return str(value)


def plain_number(value: Decimal) -> str:
    """A number without zeros at its end."""
    whole = value == value.to_integral_value()
    return format_number(value.quantize(Decimal(1)) if whole else value.normalize())


def _totals(spec: EntitySpec, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    currency = str(values.get("currency") or "")
    return [
        (str(spec[name].label), money(values[name], currency))
        for name in ("net_total", "tax_total", "total")
        if isinstance(values.get(name), Decimal)
    ]
