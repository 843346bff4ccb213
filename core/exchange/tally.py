"""What cleaning did to a file, counted by rule: phones, names, amounts, dates, blanks (S-255)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import singledispatch

from core.fields import types as t
from core.i18n import LazyText
from core.i18n import lazy_gettext as _l
from core.tabular.columns import Column

__all__ = ["RULES", "Tally", "rule_of"]

#: The rules of cleaning, in the order of reports.
RULES: Mapping[str, LazyText] = {
    "name": _l("Names and texts made uniform"),
    "phone": _l("Phone numbers made uniform"),
    "email": _l("E-mail addresses made uniform"),
    "amount": _l("Amounts and numbers read"),
    "date": _l("Dates read"),
    "option": _l("Options, regions and records recognised"),
    "written_out": _l("Names replaced by the full one"),
    "blank_email": _l("Rows without an e-mail address"),
    "blank": _l("Other cells left blank"),
}


@singledispatch
def rule_of(type_: t.FieldType) -> str:
    """The rule by which cells of a field are cleaned."""
    return "option"


@rule_of.register
def _(type_: t.Text) -> str:
    return "name"


@rule_of.register
def _(type_: t.LongText) -> str:
    return "name"


@rule_of.register
def _(type_: t.Email) -> str:
    return "email"


@rule_of.register
def _(type_: t.Phone) -> str:
    return "phone"


@rule_of.register
def _(type_: t.Integer) -> str:
    return "amount"


@rule_of.register
def _(type_: t.Number) -> str:
    return "amount"


@rule_of.register
def _(type_: t.Date) -> str:
    return "date"


@rule_of.register
def _(type_: t.DateTime) -> str:
    return "date"


class Tally:
    """Counts cells by rule over the batches of one import; `counts` leaves out what is zero."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self._counts: Counter[str] = Counter(counts or {})

    @property
    def counts(self) -> dict[str, int]:
        """``{rule: cells}``"""
        return {rule: self._counts[rule] for rule in RULES if self._counts[rule]}

    def add(self, rule: str, number: int) -> None:
        """Count what was done outside the columns."""
        self._counts[rule] += number

    def count(self, type_: t.FieldType, column: Column) -> None:
        """Add the column of a field of this type."""
        self._counts[rule_of(type_)] += column.changed
        self._counts["blank_email" if isinstance(type_, t.Email) else "blank"] += column.blank
