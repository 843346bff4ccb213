"""What cleaning did to a file, counted by rule: phones, names, amounts, dates, blanks (S-255)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import singledispatch
from typing import Any

from core.fields import EntitySpec
from core.fields import types as t
from core.i18n import LazyText
from core.i18n import lazy_gettext as _l

__all__ = ["RULES", "Tally", "changes_value", "rule_of"]

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

_PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


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


def changes_value(cell: Any, value: Any) -> bool:
    """True when cleaning made something else of the cell: ``1.2万`` is, ``12000.00`` is not."""
    if type(cell) is str:
        if type(value) is str:
            return cell != value
        if isinstance(value, date):
            return cell != str(value)
        if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
            return _PLAIN_NUMBER.fullmatch(cell) is None
        return not (isinstance(value, list) and value == [cell])
    if isinstance(cell, datetime) and isinstance(value, datetime):
        return False  # only its zone was added
    return bool(cell != value)


class Tally:
    """Counts cells by rule over the batches of one import; `counts` leaves out what is zero."""

    def __init__(
        self,
        spec: EntitySpec,
        fields: Sequence[str | None],
        counts: Mapping[str, int] | None = None,
    ) -> None:
        self._counts: Counter[str] = Counter(counts or {})
        self._columns: list[tuple[int, str, str, str, Callable[[Any, Any], bool]]] = []
        for place, name in enumerate(fields):
            if name is not None and name in spec:
                type_ = spec[name].type
                blank = "blank_email" if isinstance(type_, t.Email) else "blank"
                coded = isinstance(type_, (t.ChoiceField, t.Region, t.Reference, t.References))
                changed = _recognised if coded else changes_value
                self._columns.append((place, name, rule_of(type_), blank, changed))

    @property
    def counts(self) -> dict[str, int]:
        """``{rule: cells}``"""
        return {rule: self._counts[rule] for rule in RULES if self._counts[rule]}

    def add(self, rule: str, number: int) -> None:
        """Count what was done outside the columns."""
        self._counts[rule] += number

    def count(self, rows: Sequence[tuple[int, list[Any]]], cleaned: Sequence[Any]) -> None:
        """Add a batch: its rows as they came, and what they became, in the same order."""
        pairs = [(cells, row.values) for (_line, cells), row in zip(rows, cleaned, strict=True)]
        for place, name, rule, blank, changed in self._columns:
            changes = blanks = 0
            for cells, values in pairs:
                cell = cells[place]
                if cell is None:
                    blanks += 1
                elif (value := values.get(name)) is None:
                    # A cell that was refused is not blank; the report of refused rows names it.
                    blanks += type(cell) is str and not cell.strip()
                elif cell is not value and changed(cell, value):
                    changes += 1
            self._counts[rule] += changes
            self._counts[blank] += blanks


def _recognised(cell: Any, value: Any) -> bool:
    return bool(cell != value)
