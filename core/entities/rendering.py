"""From values to what a reader sees: plain text, and safe HTML for cells and facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, singledispatch
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson
from markupsafe import Markup, escape

from core.entities.labels import Labels
from core.entities.masking import Masked
from core.fields import FieldSpec
from core.fields import types as t
from core.fields.regions import path_names
from core.i18n import gettext
from core.i18n.formats import (
    currency_decimals,
    format_date,
    format_datetime,
    format_money,
    format_number,
)
from core.richtext import clean_html, to_plain

__all__ = ["Reader", "cell_renderer", "display_html", "display_text", "person_html"]

#: A long text in a cell is cut here; the whole stands on the record's page.
CELL_LENGTH = 120
_NOT_DIALLED = re.compile(r"[^0-9+]")
_EMPTY = Markup("")
_ANCHOR, _ANCHOR_END = Markup('<a href="'), Markup("</a>")
_TIME, _TIME_END = Markup('<time datetime="'), Markup("</time>")
_TAG_END = Markup('">')


def _no_address(entity: str, key: int) -> str | None:
    return None


@dataclass(frozen=True)
class Reader:
    """For whom values are shown: their company's zone and currency, and what references are called."""

    zone: ZoneInfo
    currency: str = "CNY"
    labels: Labels = field(default_factory=dict)
    #: The address of a record's page, or None where there is none for this reader.
    address: Callable[[str, int], str | None] = _no_address
    #: The address of a stored file's contents.
    file_address: Callable[[int], str | None] = lambda key: None
    #: True within a table: shorter, and people without a link.
    in_cell: bool = False


def display_text(
    type_: t.FieldType, value: Any, reader: Reader, row: Mapping[str, Any] | None = None
) -> str:
    """The value in words; empty for nothing. ``row`` holds the record's other fields."""
    if value is None or value == []:
        return ""
    if isinstance(value, Masked):
        return str(value)
    return _text(type_, value, reader, row or {})


def display_html(
    type_: t.FieldType, value: Any, reader: Reader, row: Mapping[str, Any] | None = None
) -> Markup:
    """The value as safe HTML; empty for nothing."""
    if value is None or value == []:
        return Markup("")
    if isinstance(value, Masked):
        return escape(str(value))
    return escape(_html(type_, value, reader, row or {}))


def cell_renderer(item: FieldSpec, reader: Reader) -> Callable[[Mapping[str, Any]], Markup]:
    """`display_html` for one column, with the rule looked up once: for many rows."""
    name, type_ = item.name, item.value_type
    rule = _html.dispatch(type(type_))

    def render(row: Mapping[str, Any]) -> Markup:
        value = row.get(name)
        if value is None or value == []:
            return Markup("")
        if isinstance(value, Masked):
            return escape(str(value))
        return escape(rule(type_, value, reader, row))

    return render


# Text


@singledispatch
def _text(type_: t.FieldType, value: Any, reader: Reader, row: Mapping[str, Any]) -> str:
    return str(value)


@_text.register
def _(type_: t.RichText, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    return to_plain(value)


@_text.register
def _(type_: t.Integer, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    return format_number(value)


@_text.register
def _(type_: t.Related, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    return _label(str(row.get(type_.entity_field)), value, reader)


@_text.register
def _(type_: t.Number, value: Decimal, reader: Reader, row: Mapping[str, Any]) -> str:
    shortest = value.normalize()
    exponent = shortest.as_tuple().exponent
    return format_number(value, max(0, -exponent) if isinstance(exponent, int) else type_.scale)


@_text.register
def _(type_: t.Money, value: Decimal, reader: Reader, row: Mapping[str, Any]) -> str:
    currency, scale = currency_of(type_, row, reader.currency), type_.scale
    decimals = currency_decimals(currency)
    if decimals < scale and value == round(value, decimals):  # yen have no cents
        scale = decimals
    return format_money(value, currency, scale)


@_text.register
def _(type_: t.Boolean, value: bool, reader: Reader, row: Mapping[str, Any]) -> str:
    return gettext("Yes") if value else gettext("No")


@_text.register
def _(type_: t.Date, value: date, reader: Reader, row: Mapping[str, Any]) -> str:
    return format_date(value)


@_text.register
def _(type_: t.DateTime, value: datetime, reader: Reader, row: Mapping[str, Any]) -> str:
    return format_datetime(value, reader.zone)


@_text.register
def _(type_: t.ChoiceField, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    return str(type_.labels().get(value, value))


@_text.register
def _(type_: t.MultiChoice, value: list[str], reader: Reader, row: Mapping[str, Any]) -> str:
    labels = type_.labels()
    return gettext(", ").join(str(labels.get(item, item)) for item in value)


@_text.register
def _(type_: t.Tags, value: list[str], reader: Reader, row: Mapping[str, Any]) -> str:
    return gettext(", ").join(value)


@_text.register
def _(type_: t.Region, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    return " ".join(path_names(value)) or value


@_text.register
def _(type_: t.Reference, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    return _label(type_.entity, value, reader)


@_text.register
def _(type_: t.File, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    return _label("file", value, reader)


@_text.register
def _(type_: t.References, value: list[int], reader: Reader, row: Mapping[str, Any]) -> str:
    return gettext(", ").join(_label(type_.entity, key, reader) for key in value)


@_text.register
def _(type_: t.Lines, value: list[Any], reader: Reader, row: Mapping[str, Any]) -> str:
    return format_number(len(value))


@_text.register
def _(type_: t.Document, value: Any, reader: Reader, row: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()


@_text.register
def _(type_: t.Computed, value: Any, reader: Reader, row: Mapping[str, Any]) -> str:
    return _text(type_.result, value, reader, row)


def currency_of(type_: t.Money, row: Mapping[str, Any], company: str) -> str:
    """The currency of an amount: that of its record, else the field's, else the company's."""
    own = row.get(type_.currency_field) if type_.currency_field else None
    return own if isinstance(own, str) and own else type_.currency or company


def _label(entity: str, key: int, reader: Reader) -> str:
    found = reader.labels.get(entity, {}).get(key)
    return gettext("Not visible to you") if found is None else found


# HTML


@singledispatch
def _html(type_: t.FieldType, value: Any, reader: Reader, row: Mapping[str, Any]) -> str:
    return _text(type_, value, reader, row)


@_html.register
def _(type_: t.LongText, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    if reader.in_cell:
        return _short(" ".join(value.split()))
    return Markup('<span class="prose">{}</span>').format(value)


class _Cleaned(str):
    """Rich text; cleaned again where it is shown, so that no old row can carry a script."""

    def __html__(self) -> str:
        return clean_html(self)


@_html.register
def _(type_: t.RichText, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    if reader.in_cell:
        return _short(to_plain(value))
    return Markup('<div class="richtext">{}</div>').format(escape(_Cleaned(value)))


@_html.register
def _(type_: t.Email, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    return _link(f"mailto:{value}", value)


@_html.register
def _(type_: t.Phone, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    return _link("tel:" + _NOT_DIALLED.sub("", value), value)


@_html.register
def _(type_: t.Url, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    if not value.lower().startswith(("http://", "https://")):
        return value
    shown = value.split("://", 1)[1].removesuffix("/")
    link = Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>')
    return link.format(value, _short(shown) if reader.in_cell else shown)


@_html.register
def _(type_: t.Boolean, value: bool, reader: Reader, row: Mapping[str, Any]) -> str:
    if value:
        return gettext("Yes")
    return Markup('<span class="none">{}</span>').format(gettext("No"))


@_html.register
def _(type_: t.DateTime, value: datetime, reader: Reader, row: Mapping[str, Any]) -> str:
    text = format_datetime(value, reader.zone)
    return _join(_TIME, value.isoformat(), _TAG_END, text, _TIME_END)


@_html.register
def _(type_: t.ChoiceField, value: str, reader: Reader, row: Mapping[str, Any]) -> str:
    for choice in type_.choices:
        if choice.value == value:
            return _badge(str(choice.label), choice.tone)
    return value


@_html.register
def _(type_: t.MultiChoice, value: list[str], reader: Reader, row: Mapping[str, Any]) -> str:
    known = {choice.value: choice for choice in type_.choices}
    badges = (
        _badge(str(known[item].label), known[item].tone) if item in known else escape(item)
        for item in value
    )
    return Markup(" ").join(badges)


@_html.register
def _(type_: t.Tags, value: list[str], reader: Reader, row: Mapping[str, Any]) -> str:
    known = type_.by_word
    return Markup(" ").join(
        _badge(word, known[word].tone if word in known else "neutral") for word in value
    )


@_html.register
def _(type_: t.Reference, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    return _record_link(type_.entity, value, reader)


@_html.register
def _(type_: t.Related, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    return _record_link(str(row.get(type_.entity_field)), value, reader)


@_html.register
def _(type_: t.References, value: list[int], reader: Reader, row: Mapping[str, Any]) -> str:
    return escape(gettext(", ")).join(_record_link(type_.entity, key, reader) for key in value)


@_html.register
def _(type_: t.File, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    label, address = _label("file", value, reader), reader.file_address(value)
    return Markup('<a href="{}">{}</a>').format(address, label) if address else label


@_html.register
def _(type_: t.Image, value: int, reader: Reader, row: Mapping[str, Any]) -> str:
    label, address = _label("file", value, reader), reader.file_address(value)
    if not address:
        return label
    if reader.in_cell:
        return Markup('<a href="{}">{}</a>').format(address, label)
    picture = Markup('<a href="{0}"><img class="picture" src="{0}" alt="{1}" loading="lazy"></a>')
    return picture.format(address, label)


@_html.register
def _(type_: t.Document, value: Any, reader: Reader, row: Mapping[str, Any]) -> str:
    text = orjson.dumps(value).decode()
    return Markup("<code>{}</code>").format(_short(text) if reader.in_cell else text)


@_html.register
def _(type_: t.Computed, value: Any, reader: Reader, row: Mapping[str, Any]) -> str:
    return _html(type_.result, value, reader, row)


@lru_cache(maxsize=4096)
def person_html(name: str) -> Markup:
    """A person as the design system draws one: the first sign of the name, and the name."""
    person = Markup(
        '<span class="person"><span class="avatar avatar-{}" aria-hidden="true">{}</span>{}</span>'
    )
    return person.format(crc32(name.encode()) % 4, name[:1], name)


def _record_link(entity: str, key: int, reader: Reader) -> Markup:
    label = reader.labels.get(entity, {}).get(key)
    if label is None:
        return Markup('<span class="none">{}</span>').format(gettext("Not visible to you"))
    shown = person_html(label) if entity == "user" else escape(label)
    if entity == "user" and reader.in_cell:
        return shown
    address = reader.address(entity, key)
    return _link(address, shown) if address else shown


def _link(address: str, text: str) -> Markup:
    return _join(_ANCHOR, address, _TAG_END, text, _ANCHOR_END)


def _join(*parts: str) -> Markup:
    """Parts one after another, each that is not markup escaped: far quicker than a format."""
    return _EMPTY.join(parts)


@lru_cache(maxsize=1024)
def _badge(text: str, tone: str) -> Markup:
    return Markup('<span class="badge badge-{}">{}</span>').format(tone, text)


def _short(text: str) -> str:
    return text if len(text) <= CELL_LENGTH else f"{text[:CELL_LENGTH]}…"
