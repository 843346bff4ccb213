"""From the cells of a column to the values of a field, a batch at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from operator import ne
from typing import Any

from core.exchange.lookups import Lookup, LookupResolver
from core.exchange.references import ReferenceResolver, resolver_for
from core.exchange.refusals import Refusal
from core.fields import FieldSpec
from core.fields import types as t
from core.fields.regions import find_region, region
from core.i18n import LOCALES, use_locale
from core.i18n import lazy_gettext as _l
from core.tabular.cleaning import clean_text, split_list
from core.tabular.columns import (
    AS_IT_CAME,
    Column,
    ColumnRule,
    changes_value,
    clean_cells,
    remembering,
    unmasked,
)
from core.work.uow import UnitOfWork

__all__ = [
    "ColumnCleaner",
    "Refusal",
    "choice_finder",
    "clean_region",
    "join_entries",
    "split_entries",
]

Clean = Callable[[Any], Any]

_SEPARATED = re.compile(r'"(?:[^"]|"")*"|[^,，;；、|｜\n\r"]+')
_NEEDS_QUOTES = re.compile(r'[,，;；、|｜\n\r"]|^\s|\s$')


class ColumnCleaner:
    """Cleans the column of one field; values that come again are remembered.

    ``value(cell)`` is the value of a cell; None for a blank one. It raises `CleaningError`.
    ``rule`` says how the cells are cleaned by whoever knows neither database nor field.
    """

    def __init__(
        self, uow: UnitOfWork, item: FieldSpec, place: int = 0, lookup: Lookup | None = None
    ) -> None:
        self.field = item
        self.rule = ColumnRule(place, _kind(item.type), bool(item.mask), uow.clock.timezone.key)
        self._resolver = resolver_for(uow, item.type)
        if self._resolver is not None and lookup is not None:
            self._resolver = LookupResolver(self._resolver.spec, lookup)
        if self.rule.kind != AS_IT_CAME:
            self.value = self.rule.cleaner()
            return
        clean = _cleaner(item.type, self._resolver)
        if not isinstance(item.type, (t.MultiChoice, t.Tags, t.References)):
            clean = remembering(clean)
        self.value = unmasked(clean) if item.mask else clean

    def prepare(self, uow: UnitOfWork, cells: Iterable[Any]) -> None:
        """Look up what references of these cells are called, in one go."""
        if self._resolver is not None:
            self._resolver.prepare(uow, self.field.type, cells)

    def column(self, uow: UnitOfWork, given: Column) -> Column:
        """The values of cells that are still as they came."""
        self.prepare(uow, given.values)
        changes = changes_value if isinstance(self.field.type, t.Tags) else ne
        return clean_cells(given.values, self.value, changes)


@singledispatch
def _kind(type_: t.FieldType) -> str:
    """The kind of `core.tabular.columns` by which cells of a field type are cleaned, if any."""
    return AS_IT_CAME


@_kind.register
def _(type_: t.Text) -> str:
    return "text"


@_kind.register
def _(type_: t.LongText) -> str:
    return "long_text"


@_kind.register
def _(type_: t.Email) -> str:
    return "email"


@_kind.register
def _(type_: t.Phone) -> str:
    return "mobile" if type_.mobile_only else "phone"


@_kind.register
def _(type_: t.Integer) -> str:
    return "integer"


@_kind.register
def _(type_: t.Number) -> str:
    return "amount"


@_kind.register
def _(type_: t.Boolean) -> str:
    return "boolean"


@_kind.register
def _(type_: t.Date) -> str:
    return "date"


@_kind.register
def _(type_: t.DateTime) -> str:
    return "datetime"


@singledispatch
def _cleaner(type_: t.FieldType, resolver: ReferenceResolver | None) -> Clean:
    """The function that cleans cells of a type that takes more than their text to know."""
    raise TypeError(f"cells are not cleaned to {type(type_).__name__}")


@_cleaner.register
def _(type_: t.ChoiceField, resolver: Any) -> Clean:
    find = choice_finder(type_)

    def clean(cell: Any) -> str | None:
        text = clean_text(cell)
        return None if text is None else find(text)

    return clean


@_cleaner.register
def _(type_: t.MultiChoice, resolver: Any) -> Clean:
    find = choice_finder(type_)
    return lambda cell: [find(text) for text in split_entries(cell)] or None


@_cleaner.register
def _(type_: t.Tags, resolver: Any) -> Clean:
    return lambda cell: split_entries(cell) or None


@_cleaner.register
def _(type_: t.Region, resolver: Any) -> Clean:
    return clean_region


@_cleaner.register
def _(type_: t.Reference, resolver: ReferenceResolver) -> Clean:
    def clean(cell: Any) -> int | None:
        text = clean_text(cell)
        return None if text is None else resolver.find(text)

    return clean


@_cleaner.register
def _(type_: t.References, resolver: ReferenceResolver) -> Clean:
    def clean(cell: Any) -> list[int] | None:
        found = [resolver.find(text) for text in split_entries(cell)]
        return [key for key in found if key is not None] or None

    return clean


def choice_finder(type_: t.ChoiceField) -> Callable[[str], str]:
    """A function from the value or the label (in any language) of an option to its value."""
    known: dict[str, str] = {}
    for choice in type_.choices:
        known.setdefault(choice.value.casefold(), choice.value)
    for locale in LOCALES:
        with use_locale(locale):
            for choice in type_.choices:
                known.setdefault(str(choice.label).casefold(), choice.value)

    def find(text: str) -> str:
        value = known.get(text.casefold())
        if value is None:
            raise Refusal("choice", _l("“%(value)s” is not one of the options", value=text[:40]))
        return value

    return find


def clean_region(cell: Any) -> str | None:
    """The code of a region from its code or its name with or without those above it."""
    text = clean_text(cell)
    if text is None:
        return None
    found = region(text)
    code = found.code if found else find_region(text)
    if code is None:
        raise Refusal("region", _l("“%(value)s” is not a region", value=text[:40]))
    return code


def split_entries(cell: Any) -> list[str]:
    """The entries of a cell; one in double quotes may hold the separators (see `join_entries`)."""
    if not isinstance(cell, str) or '"' not in cell:
        return split_list(cell)
    entries = []
    for match in _SEPARATED.finditer(cell):
        text = match[0]
        if text[0] == '"':
            entries.append(text[1:-1].replace('""', '"'))
        elif cleaned := clean_text(text):
            entries.append(cleaned)
    return list(dict.fromkeys(entries))


def join_entries(entries: Sequence[str]) -> str:
    """Entries as one cell that `split_entries` reads back."""
    quoted = ('"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
              for text in entries)  # fmt: skip
    return "; ".join(quoted)
