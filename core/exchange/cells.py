"""From the values of a field to the cells of an export; the way back is `core.exchange.cleaning`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, singledispatch
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from core.entities.query import Page
from core.exchange.cleaning import choice_finder, clean_region, join_entries
from core.exchange.references import shared_labels
from core.exchange.refusals import Refusal
from core.fields import FieldSpec
from core.fields import types as t
from core.fields.regions import path_names
from core.tabular.cleaning import clean_text
from core.work.uow import UnitOfWork

__all__ = ["CellWriter", "cell_writer"]


#: As many labels are remembered; a million rows may refer to as many records.
_MOST_KNOWN = 50_000


class CellWriter:
    """Writes the cells of one field."""

    def __init__(self, cell: Callable[[Any], Any]) -> None:
        self.cell = cell

    def prepare(self, uow: UnitOfWork, page: Page) -> None:
        """Look up what the values of a page need."""


class ReferenceWriter(CellWriter):
    """References by label, with the number where the label alone would not lead back."""

    def __init__(self, entity: str, *, many: bool) -> None:
        super().__init__(self._many if many else self._text)
        self._entity = entity
        self._labels: dict[int, str] = {}
        self._shared: set[str] = set()
        self._asked: set[str] = set()

    def prepare(self, uow: UnitOfWork, page: Page) -> None:
        self._labels = page.labels.get(self._entity, {})
        spec = uow.snapshot.installed_entities[self._entity]
        if len(self._asked) > _MOST_KNOWN:
            self._asked.clear()
            self._shared.clear()
        if unknown := set(self._labels.values()) - self._asked:
            self._shared |= shared_labels(uow, spec, unknown)
            self._asked |= unknown

    def _text(self, key: int) -> str:
        label = self._labels.get(key)
        if label is None:
            return f"#{key}"
        plain = clean_text(label) == label and "#" not in label and label not in self._shared
        return label if plain and not label.isdecimal() else f"{label} #{key}"

    def _many(self, keys: list[int]) -> str | None:
        return join_entries([self._text(key) for key in keys]) or None


class FileWriter(CellWriter):
    """Files by their names; files are not imported."""

    def __init__(self) -> None:
        super().__init__(lambda key: self._labels.get(key, f"#{key}"))
        self._labels: dict[int, str] = {}

    def prepare(self, uow: UnitOfWork, page: Page) -> None:
        self._labels = page.labels.get("file", {})


def cell_writer(uow: UnitOfWork, item: FieldSpec) -> CellWriter:
    """The writer for a field."""
    return _writer(item.value_type, uow)


@singledispatch
def _writer(type_: t.FieldType, uow: UnitOfWork) -> CellWriter:
    """Text, numbers, days and truth values are cells as they are."""
    return CellWriter(lambda value: value)


@_writer.register
def _(type_: t.DateTime, uow: UnitOfWork) -> CellWriter:
    zone = uow.clock.timezone
    return CellWriter(lambda value: _wall_time(value, zone))


@_writer.register
def _(type_: t.ChoiceField, uow: UnitOfWork) -> CellWriter:
    return CellWriter(_option_names(type_))


@_writer.register
def _(type_: t.MultiChoice, uow: UnitOfWork) -> CellWriter:
    name = _option_names(type_)
    return CellWriter(lambda values: join_entries([name(value) for value in values]))


@_writer.register
def _(type_: t.Tags, uow: UnitOfWork) -> CellWriter:
    return CellWriter(join_entries)


@_writer.register
def _(type_: t.Region, uow: UnitOfWork) -> CellWriter:
    return CellWriter(_region_name)


@_writer.register
def _(type_: t.Reference, uow: UnitOfWork) -> CellWriter:
    return ReferenceWriter(type_.entity, many=False)


@_writer.register
def _(type_: t.References, uow: UnitOfWork) -> CellWriter:
    return ReferenceWriter(type_.entity, many=True)


@_writer.register
def _(type_: t.File, uow: UnitOfWork) -> CellWriter:
    return FileWriter()


@_writer.register
def _(type_: t.Document, uow: UnitOfWork) -> CellWriter:
    return CellWriter(lambda value: orjson.dumps(value).decode())


def _wall_time(value: datetime, zone: ZoneInfo) -> datetime | str:
    """Local time without its zone; with its offset, as text, where it would not be exact."""
    local = value.astimezone(zone)
    plain = local.replace(tzinfo=None)
    exact = not value.microsecond and plain.replace(tzinfo=zone, fold=0) == local
    return plain if exact else local.isoformat(" ")


def _option_names(type_: t.ChoiceField) -> Callable[[str], str]:
    """The label of a value, or the value itself where the label does not lead back to it."""
    find = choice_finder(type_)
    names: dict[str, str] = {}
    for choice in type_.choices:
        label = str(choice.label)
        try:
            leads_back = clean_text(label) == label and find(label) == choice.value
        except Refusal:
            leads_back = False
        names[choice.value] = label if leads_back else choice.value
    return lambda value: names.get(value, value)


@cache
def _region_name(code: str) -> str:
    name = "/".join(path_names(code))
    try:
        return name if clean_region(name) == code else code
    except Refusal:
        return code
