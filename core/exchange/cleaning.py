"""From the cells of a column to the values of a field, a batch at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from typing import Any

from core.exchange.references import ReferenceResolver, resolver_for
from core.exchange.refusals import Refusal
from core.fields import FieldSpec
from core.fields import types as t
from core.fields.regions import find_region, region
from core.i18n import LOCALES, use_locale
from core.i18n import lazy_gettext as _l
from core.tabular.cleaning import (
    clean_amount,
    clean_boolean,
    clean_date,
    clean_datetime,
    clean_email,
    clean_integer,
    clean_long_text,
    clean_phone,
    clean_text,
    split_list,
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

_MEMO_SIZE = 20_000
_SEPARATED = re.compile(r'"(?:[^"]|"")*"|[^,，;；、|｜\n\r"]+')
_NEEDS_QUOTES = re.compile(r'[,，;；、|｜\n\r"]|^\s|\s$')


class ColumnCleaner:
    """Cleans the column of one field; values that come again are remembered.

    ``value(cell)`` is the value of a cell; None for a blank one. It raises `CleaningError` or
    `Refusal`.
    """

    def __init__(self, uow: UnitOfWork, item: FieldSpec) -> None:
        self.field = item
        self._resolver = resolver_for(uow, item.type)
        clean = _cleaner(item.type, self._resolver, uow)
        if _is_repetitive(item.type):
            clean = _remembering(clean)
        self.value = _unmasked(clean) if item.mask else clean

    def prepare(self, uow: UnitOfWork, cells: Iterable[Any]) -> None:
        """Look up what references of these cells are called, in one go."""
        if self._resolver is not None:
            self._resolver.prepare(uow, self.field.type, cells)


def _is_repetitive(type_: t.FieldType) -> bool:
    repetitive = (t.ChoiceField, t.Region, t.Date, t.Boolean, t.Reference)
    return isinstance(type_, repetitive) and not isinstance(type_, t.MultiChoice)


def _remembering(clean: Clean) -> Clean:
    memo: dict[str, Any] = {}

    def value(cell: Any) -> Any:
        if type(cell) is not str:
            return clean(cell)
        try:
            return memo[cell]
        except KeyError:
            if len(memo) >= _MEMO_SIZE:
                memo.clear()
            found = memo[cell] = clean(cell)
            return found

    return value


def _unmasked(clean: Clean) -> Clean:
    def value(cell: Any) -> Any:
        if type(cell) is str and "****" in cell:
            raise Refusal("masked", _l("“%(value)s” is masked; write it out", value=cell[:40]))
        return clean(cell)

    return value


@singledispatch
def _cleaner(type_: t.FieldType, resolver: ReferenceResolver | None, uow: UnitOfWork) -> Clean:
    """The function that cleans cells of one field type."""
    raise TypeError(f"cells are not cleaned to {type(type_).__name__}")


@_cleaner.register
def _(type_: t.Text, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_text


@_cleaner.register
def _(type_: t.LongText, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_long_text


@_cleaner.register
def _(type_: t.Email, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_email


@_cleaner.register
def _(type_: t.Phone, resolver: Any, uow: UnitOfWork) -> Clean:
    mobile_only = type_.mobile_only
    return lambda cell: clean_phone(cell, mobile_only=mobile_only)


@_cleaner.register
def _(type_: t.Integer, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_integer


@_cleaner.register
def _(type_: t.Number, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_amount


@_cleaner.register
def _(type_: t.Boolean, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_boolean


@_cleaner.register
def _(type_: t.Date, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_date


@_cleaner.register
def _(type_: t.DateTime, resolver: Any, uow: UnitOfWork) -> Clean:
    zone = uow.clock.timezone
    return lambda cell: clean_datetime(cell, zone=zone)


@_cleaner.register
def _(type_: t.ChoiceField, resolver: Any, uow: UnitOfWork) -> Clean:
    find = choice_finder(type_)

    def clean(cell: Any) -> str | None:
        text = clean_text(cell)
        return None if text is None else find(text)

    return clean


@_cleaner.register
def _(type_: t.MultiChoice, resolver: Any, uow: UnitOfWork) -> Clean:
    find = choice_finder(type_)
    return lambda cell: [find(text) for text in split_entries(cell)] or None


@_cleaner.register
def _(type_: t.Tags, resolver: Any, uow: UnitOfWork) -> Clean:
    return lambda cell: split_entries(cell) or None


@_cleaner.register
def _(type_: t.Region, resolver: Any, uow: UnitOfWork) -> Clean:
    return clean_region


@_cleaner.register
def _(type_: t.Reference, resolver: ReferenceResolver, uow: UnitOfWork) -> Clean:
    def clean(cell: Any) -> int | None:
        text = clean_text(cell)
        return None if text is None else resolver.find(text)

    return clean


@_cleaner.register
def _(type_: t.References, resolver: ReferenceResolver, uow: UnitOfWork) -> Clean:
    return lambda cell: [resolver.find(text) for text in split_entries(cell)] or None


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
