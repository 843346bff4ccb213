"""A block of cells from a spreadsheet, written over those of some records, with a way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.bulk import AT_ONCE, begin_bulk, held_values, note_bulk
from core.entities.query import ListQuery
from core.entities.schema import to_json
from core.entities.scope import require
from core.entities.values import BadValue, check_value
from core.errors import Conflict, Invalid, NotFound, Refusal
from core.exchange.cleaning import ColumnCleaner
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.tabular.cleaning import CleaningError

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Pasted", "paste_cells"]

#: ``{record: {field: …}}``
Cells = dict[int, dict[str, Any]]


@dataclass
class Pasted:
    """What became of a block: the values that were written, and the cells that stay."""

    #: The number under which it is taken back, where anything was written.
    bulk_id: int | None = None
    written: Cells = field(default_factory=dict)
    #: (record, field, why); without a field all cells of the record stay.
    refused: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def cells(self) -> int:
        """How many were changed."""
        return sum(map(len, self.written.values()))

    @property
    def emptied(self) -> int:
        """How many of these hold nothing now."""
        return sum(value is None for row in self.written.values() for value in row.values())


def paste_cells(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Mapping[str, FieldSpec],
    texts: Mapping[int, Mapping[str, str]],
    versions: Mapping[int, int],
) -> Pasted:
    """Write ``{record: {field: text}}`` as far as it can be read and the actor may; part of ``uow``.

    A cell that holds the same already is left alone. Raises `Forbidden` without the right to change
    records of this kind, `Invalid` for more than `AT_ONCE` of them.
    """
    if len(texts) > AT_ONCE:
        raise Invalid(_("At most %(n)s records at a time.", n=AT_ONCE))
    require(uow, spec, "update")
    pasted = Pasted()
    asked = ListQuery(ids=tuple(texts))
    reached = set(query.select_ids(uow, spec.name, asked, action="update", limit=len(texts) or 1))
    for key in texts:
        if key not in reached:
            pasted.refused.append((key, "", _gone()))
    read = _read(uow, fields, {key: texts[key] for key in texts if key in reached}, pasted)
    held = held_values(uow, spec, list(fields), list(read))
    new = dict(_new(fields, read, held))
    pasted.written = _write(uow, spec, new, versions, pasted)
    before = {
        key: {name: value for name, value in held[key].items() if _belongs(name, values)}
        for key, values in pasted.written.items()
    }
    place = {key: at for at, key in enumerate(texts)}
    pasted.refused.sort(key=lambda each: place[each[0]])
    if before:
        pasted.bulk_id = begin_bulk(uow, spec, {"kind": "cells", "fields": sorted(fields)})
        note_bulk(uow, pasted.bulk_id, spec, before)
    return pasted


def _gone() -> str:
    return _("It is gone, or not yours to change.")


def _belongs(name: str, written: Mapping[str, Any]) -> bool:
    """A department follows its owner, and is put back with them."""
    return name in written or (name == "department" and "owner" in written)


def _read(
    uow: UnitOfWork,
    fields: Mapping[str, FieldSpec],
    texts: Mapping[int, Mapping[str, str]],
    pasted: Pasted,
) -> Cells:
    """The values of the texts, as an import reads them; what cannot be read is noted."""
    found: Cells = {key: {} for key in texts}
    for name, item in fields.items():
        cleaner = ColumnCleaner(uow, item)
        column = {key: row[name] for key, row in texts.items() if name in row}
        cleaner.prepare(uow, column.values())
        for key, text in column.items():
            try:
                found[key][name] = check_value(item.type, cleaner.value(text))
            except (CleaningError, BadValue) as error:
                pasted.refused.append((key, name, str(error)))
    return found


def _new(
    fields: Mapping[str, FieldSpec], read: Cells, held: Mapping[int, Mapping[str, Any]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for key, values in read.items():
        other = {
            name: value
            for name, value in values.items()
            if _plain(fields[name].type, value) != held[key][name]
        }
        if other:
            yield key, other


def _plain(type_: t.FieldType, value: Any) -> Any:
    return value if isinstance(type_, t.Reference) else to_json(type_, value)


def _write(
    uow: UnitOfWork, spec: EntitySpec, new: Cells, versions: Mapping[int, int], pasted: Pasted
) -> Cells:
    """All of it at once; where anything is refused record by record, without the cells that it is."""
    if not new:
        return {}
    known = {key: versions[key] for key in new if key in versions}
    try:
        with uow.savepoint():
            service.update(uow, spec.name, new, versions=known)
        return new
    except Refusal:
        rows = {
            key: _write_record(uow, spec, key, values, known, pasted) for key, values in new.items()
        }
    return {key: values for key, values in rows.items() if values}


def _write_record(
    uow: UnitOfWork,
    spec: EntitySpec,
    key: int,
    values: Mapping[str, Any],
    versions: Mapping[int, int],
    pasted: Pasted,
) -> dict[str, Any]:
    left = dict(values)
    given = {key: versions[key]} if key in versions else {}
    while left:
        try:
            with uow.savepoint():
                service.update(uow, spec.name, {key: left}, versions=given)
            return left
        except Refusal as refusal:
            wrong = {each.field: each.message for each in refusal.problems if each.field in left}
            if isinstance(refusal, Invalid) and wrong:
                pasted.refused += [(key, name, why) for name, why in wrong.items()]
                left = {name: value for name, value in left.items() if name not in wrong}
                continue
            pasted.refused.append((key, "", _why(refusal)))
            break
    return {}


def _why(refusal: Refusal) -> str:
    if isinstance(refusal, Conflict):
        return _("Somebody has changed this meanwhile.")
    if isinstance(refusal, NotFound):
        return _gone()
    texts = dict.fromkeys(problem.message for problem in refusal.problems)
    return " ".join(texts) or refusal.message
