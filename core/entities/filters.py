"""Filters of a list as rows of an address: what is offered, what a row means, and how it reads.

A row is ``filter_field``, ``filter_op`` and any number of ``filter_value``, in this order.
``filter_group`` begins a group: the rows after it belong to it, and all or any of them must be met;
``filter_mode`` says the same of the rows before the first group, and of the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from core.entities.conditions import operators
from core.entities.periods import NAMED_PERIODS, is_period
from core.entities.rendering import Reader, display_text
from core.entities.scope import may_use
from core.entities.values import BadValue, check_value
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.types import Label
from core.i18n import gettext
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Filter",
    "FilterGroup",
    "FilterRow",
    "condition_of",
    "filter_condition",
    "filter_fields",
    "group_text",
    "operator_label",
    "operators_offered",
    "period_label",
    "periods_offered",
    "read_filter",
    "read_rows",
    "row_text",
    "value_control",
]

MAX_ROWS = 20
MAX_GROUPS = 10
#: Between and the like take two values, these take none.
NO_VALUE = frozenset({"is_empty", "is_set", "is_me", "is_not_me"})

_LABELS: dict[str, Label] = {
    "contains": _l("contains"),
    "starts_with": _l("begins with"),
    "eq": _l("is"),
    "ne": _l("is not"),
    "in": _l("is one of"),
    "not_in": _l("is none of"),
    "under": _l("is in or below"),
    "gt": _l("is more than"),
    "ge": _l("is at least"),
    "lt": _l("is less than"),
    "le": _l("is at most"),
    "between": _l("is between"),
    "within": _l("is within"),
    "is_empty": _l("is empty"),
    "is_set": _l("is not empty"),
    "is_me": _l("is me"),
    "is_not_me": _l("is not me"),
}
_DATE_LABELS: dict[str, Label] = {
    "eq": _l("is on"),
    "ne": _l("is not on"),
    "gt": _l("is after"),
    "ge": _l("is from"),
    "lt": _l("is before"),
    "le": _l("is until"),
}
_PERIOD_LABELS: dict[str, Label] = {
    "today": _l("today"),
    "yesterday": _l("yesterday"),
    "tomorrow": _l("tomorrow"),
    "this_week": _l("this week"),
    "last_week": _l("last week"),
    "next_week": _l("next week"),
    "this_month": _l("this month"),
    "last_month": _l("last month"),
    "next_month": _l("next month"),
    "this_quarter": _l("this quarter"),
    "last_quarter": _l("last quarter"),
    "next_quarter": _l("next quarter"),
    "this_year": _l("this year"),
    "last_year": _l("last year"),
    "next_year": _l("next year"),
}
#: Counted periods offered beside the named ones.
_COUNTED = (("last", 7), ("last", 30), ("last", 90), ("next", 7), ("next", 30), ("next", 90))


@dataclass(frozen=True)
class FilterRow:
    """One row as it was given; it may be incomplete."""

    field: str = ""
    op: str = ""
    values: tuple[str, ...] = ()
    #: What was typed into a picker, for browsers without scripts.
    typed: str = ""

    def is_complete(self, item: FieldSpec | None) -> bool:
        """True when the row says enough to filter by it."""
        if not self.field or not self.op:
            return False
        if self.op in NO_VALUE or item is None:
            return True
        return any(value.strip() for value in self.values)


@dataclass(frozen=True)
class FilterGroup:
    """Rows of which ``all`` or ``any`` must be met."""

    mode: str = "all"
    rows: tuple[FilterRow, ...] = ()

    def pairs(self) -> list[tuple[str, str]]:
        """The group as names and values for an address."""
        rows = [pair for row in self.rows for pair in _row_pairs(row)]
        return [("filter_group", self.mode), *rows]


@dataclass(frozen=True)
class Filter:
    """What the editor makes: rows, and groups of rows beside them."""

    mode: str = "all"
    rows: tuple[FilterRow, ...] = ()
    groups: tuple[FilterGroup, ...] = ()

    def pairs(self) -> list[tuple[str, str]]:
        """The filter as names and values for an address."""
        found = [("filter_mode", self.mode)] if self.mode != "all" and self.all_rows else []
        found += [pair for row in self.rows for pair in _row_pairs(row)]
        return found + [pair for group in self.groups for pair in group.pairs()]

    @property
    def all_rows(self) -> list[FilterRow]:
        """The rows of the filter and of its groups."""
        return [*self.rows, *(row for group in self.groups for row in group.rows)]

    def each_row(self, change: Callable[[FilterRow], FilterRow]) -> Filter:
        """The filter with every row changed."""
        groups = (replace(group, rows=tuple(map(change, group.rows))) for group in self.groups)
        return Filter(self.mode, tuple(map(change, self.rows)), tuple(groups))


def read_filter(pairs: Iterable[tuple[str, str]]) -> Filter:
    """The filter of an address, from its names and values in their order."""
    parts: list[list[tuple[str, str]]] = [[]]
    modes: list[str] = []
    top = "all"
    for name, value in pairs:
        if name == "filter_group":
            parts.append([])
            modes.append(_mode(value))
        elif name == "filter_mode":
            top = _mode(value)
        else:
            parts[-1].append((name, value))
    first, *rest = parts
    groups = [
        FilterGroup(mode, tuple(read_rows(part))) for mode, part in zip(modes, rest, strict=True)
    ]
    kept = [group for group in groups if group.rows][:MAX_GROUPS]
    return Filter(top, tuple(read_rows(first)), tuple(kept))


def _mode(text: str) -> str:
    return "any" if text == "any" else "all"


def read_rows(pairs: Iterable[tuple[str, str]]) -> list[FilterRow]:
    """The rows of an address, from its names and values in their order."""
    rows: list[FilterRow] = []
    for name, value in pairs:
        if name == "filter_field":
            rows.append(FilterRow(value[:60]))
        elif not rows:
            continue
        elif name == "filter_op":
            rows[-1] = FilterRow(rows[-1].field, value[:20], rows[-1].values, rows[-1].typed)
        elif name == "filter_value":
            last = rows[-1]
            rows[-1] = FilterRow(last.field, last.op, (*last.values, value[:1000]), last.typed)
        elif name == "filter_value__label":
            rows[-1] = FilterRow(rows[-1].field, rows[-1].op, rows[-1].values, value[:200])
    return [row for row in rows if row.field][:MAX_ROWS]


def _row_pairs(row: FilterRow) -> list[tuple[str, str]]:
    pairs = [("filter_field", row.field), ("filter_op", row.op)]
    return pairs + [("filter_value", value) for value in row.values]


def filter_fields(uow: UnitOfWork, spec: EntitySpec) -> tuple[FieldSpec, ...]:
    """The fields that this reader may filter by."""
    return tuple(
        item
        for item in spec
        if item.name not in ("id", "version", "archived_at")
        and (item.is_stored or isinstance(item.type, t.References))
        and not isinstance(item.type, t.Document)
        and may_use(uow, spec, item)
    )


def operators_offered(type_: t.FieldType) -> list[tuple[str, Label]]:
    """(operator, label) for the select of a row, the most used one first."""
    known = operators(type_)
    names = [name for name in _order(_plain(type_)) if name in known or name.endswith("_me")]
    return [(name, operator_label(type_, name)) for name in names]


def operator_label(type_: t.FieldType, op: str) -> Label:
    """What a comparison is called, also one that the select does not offer."""
    dated = isinstance(_plain(type_), (t.Date, t.DateTime))
    return (_DATE_LABELS.get(op) if dated else None) or _LABELS.get(op, op)


def _plain(type_: t.FieldType) -> t.FieldType:
    return type_.result if isinstance(type_, t.Computed) else type_


@singledispatch
def _order(type_: t.FieldType) -> tuple[str, ...]:
    return ("is_set", "is_empty")


@_order.register
def _(type_: t.Text) -> tuple[str, ...]:
    return ("contains", "eq", "ne", "starts_with", "is_set", "is_empty")


@_order.register
def _(type_: t.LongText) -> tuple[str, ...]:
    return ("contains", "is_set", "is_empty")


@_order.register
def _(type_: t.AutoNumber) -> tuple[str, ...]:
    return ("contains", "eq", "starts_with")


@_order.register
def _(type_: t.Integer) -> tuple[str, ...]:
    return ("eq", "ne", "ge", "gt", "le", "lt", "between", "is_set", "is_empty")


@_order.register
def _(type_: t.Number) -> tuple[str, ...]:
    return ("ge", "gt", "le", "lt", "eq", "ne", "between", "is_set", "is_empty")


@_order.register
def _(type_: t.Date) -> tuple[str, ...]:
    return ("within", "eq", "ge", "le", "between", "is_set", "is_empty")


@_order.register
def _(type_: t.DateTime) -> tuple[str, ...]:
    return ("within", "eq", "ge", "le", "between", "is_set", "is_empty")


@_order.register
def _(type_: t.Boolean) -> tuple[str, ...]:
    return ("eq",)


@_order.register
def _(type_: t.ChoiceField) -> tuple[str, ...]:
    return ("in", "not_in", "is_set", "is_empty")


@_order.register
def _(type_: t.MultiChoice) -> tuple[str, ...]:
    return ("in", "not_in", "is_set", "is_empty")


@_order.register
def _(type_: t.Tags) -> tuple[str, ...]:
    listed = ("in", "not_in") if type_.groups else ()
    return ("contains", *listed, "is_set", "is_empty")


@_order.register
def _(type_: t.Region) -> tuple[str, ...]:
    return ("under", "eq", "ne", "is_set", "is_empty")


@_order.register
def _(type_: t.Reference) -> tuple[str, ...]:
    if type_.entity == "user":
        return ("eq", "is_me", "ne", "is_not_me", "is_set", "is_empty")
    if type_.entity == "department":
        return ("under", "eq", "ne", "is_set", "is_empty")
    return ("eq", "ne", "is_set", "is_empty")


@_order.register
def _(type_: t.References) -> tuple[str, ...]:
    return ("contains", "is_set", "is_empty")


def value_control(type_: t.FieldType, op: str) -> str:
    """What the value is given with: ``none text number date choices yes_no period reference
    region``, and ``number_pair`` or ``date_pair`` for two of them."""
    if op in NO_VALUE or not op:
        return "none"
    if op == "within":
        return "period"
    match _plain(type_):
        case t.Integer() | t.Number():
            return "number_pair" if op == "between" else "number"
        case t.Date() | t.DateTime():
            return "date_pair" if op == "between" else "date"
        case t.Boolean():
            return "yes_no"
        case t.ChoiceField():
            return "choices"
        case t.Tags() if op != "contains":
            return "choices"
        case t.Reference() | t.References():
            return "reference"
        case t.Region():
            return "region"
    return "text"


def periods_offered() -> list[tuple[str, str]]:
    """(period, label), named and counted."""
    named = [(name, period_label(name)) for name in NAMED_PERIODS]
    counted = [f"{which}_{days}_days" for which, days in _COUNTED]
    return named + [(name, period_label(name)) for name in counted]


def period_label(name: str) -> str:
    """``last_30_days`` as a reader says it."""
    if name in _PERIOD_LABELS:
        return str(_PERIOD_LABELS[name])
    which, days, _unit = (*name.split("_"), "", "")[:3]
    if which == "last":
        return gettext("the last %(n)s days", n=days)
    return gettext("the next %(n)s days", n=days)


def filter_condition(wanted: Filter, fields: Sequence[FieldSpec]) -> dict[str, Any] | None:
    """The filter as one condition; None when it asks for nothing."""
    found = condition_of(wanted.rows, fields, wanted.mode)
    parts = list(found[wanted.mode]) if found else []
    for group in wanted.groups:
        inner = condition_of(group.rows, fields, group.mode)
        parts += [inner] if inner else []
    return {wanted.mode: parts} if parts else None


def condition_of(
    rows: Sequence[FilterRow], fields: Sequence[FieldSpec], mode: str
) -> dict[str, Any] | None:
    """The rows as one condition. A field that is not among ``fields`` is passed on as it is: the
    query refuses it in the words it has for what does not exist."""
    by_name = {item.name: item for item in fields}
    parts = [
        _condition(row, by_name.get(row.field))
        for row in rows
        if row.is_complete(by_name.get(row.field))
    ]
    if not parts:
        return None
    return {"any" if mode == "any" else "all": parts}


def _condition(row: FilterRow, item: FieldSpec | None) -> dict[str, Any]:
    if row.op in ("is_me", "is_not_me"):
        op = "eq" if row.op == "is_me" else "ne"
        return {"field": row.field, "op": op, "value": {"var": "me"}}
    if row.op in NO_VALUE:
        return {"field": row.field, "op": row.op}
    values: list[Any] = [value.strip() for value in row.values if value.strip()]
    if row.op == "between":
        pair = [value.strip() or None for value in (*row.values, "", "")[:2]]
        return {"field": row.field, "op": row.op, "value": pair}
    if row.op in ("in", "not_in"):
        return {"field": row.field, "op": row.op, "value": values}
    value = values[0] if values else ""
    if item is not None and isinstance(item.value_type, (t.Integer, t.Number)):
        value = value.replace(",", "").replace("，", "")
    return {"field": row.field, "op": row.op, "value": value}


def row_text(row: FilterRow, item: FieldSpec, reader: Reader) -> str:
    """The row in words, for its chip: “Amount is at least ¥10,000.00”."""
    op = str(operator_label(item.type, row.op))
    if row.op in NO_VALUE:
        return gettext("%(field)s %(operator)s", field=str(item.label), operator=op)
    shown = [_value_text(row, item, value, reader) for value in row.values if value.strip()]
    joined = " – ".join(shown) if row.op == "between" else gettext(", ").join(shown)
    return gettext(
        "%(field)s %(operator)s %(value)s", field=str(item.label), operator=op, value=joined
    )


def group_text(group: FilterGroup, items: Mapping[str, FieldSpec], reader: Reader) -> str:
    """The group in words, for its chip: “City is Jinan or Amount is at least ¥10,000.00”."""
    known = [(row, items[row.field]) for row in group.rows if row.field in items]
    texts = [row_text(row, item, reader) for row, item in known if row.is_complete(item)]
    return (gettext(" or ") if group.mode == "any" else gettext(" and ")).join(texts)


def _value_text(row: FilterRow, item: FieldSpec, text: str, reader: Reader) -> str:
    if row.op == "within" and is_period(text):
        return period_label(text)
    type_ = item.value_type
    try:
        if isinstance(type_, t.DateTime) and len(text) == 10:
            return display_text(t.Date(), datetime.fromisoformat(text).date(), reader)
        if isinstance(type_, (t.MultiChoice, t.Tags, t.References)):
            return display_text(type_, check_value(type_, [text]), reader)
        if isinstance(type_, (t.Text, t.LongText)):
            return text
        return display_text(type_, check_value(type_, text), reader)
    except (BadValue, ValueError):
        return text
