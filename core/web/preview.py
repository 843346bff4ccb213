"""The preview of an import: cleaned rows as a reader sees them, what cleaning changed, and hints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from core.entities.labels import reference_ids, resolve_labels
from core.entities.rendering import Reader, display_text
from core.exchange.full_names import Hint, find_hints
from core.exchange.importing import Batch, Importer, ImportPlan
from core.exchange.tally import RULES, Tally
from core.fields import EntitySpec
from core.fields import types as t
from core.http.presenting import reader_of
from core.tabular.columns import changes_value
from core.tabular.reader import Table
from core.work.uow import UnitOfWork

__all__ = ["Preview", "preview", "short"]

#: Rows that the preview shows, and those that it counts; a larger file is counted in part.
SHOWN = 200
COUNTED = 20_000
_BATCH = 1_000
_LONGEST = 60
#: Kept by codes and ids: whatever stands in the file is put differently.
_CODED = (t.ChoiceField, t.Region, t.Reference, t.References, t.Tags, t.Boolean)


@dataclass
class Preview:
    """What would become of a file, and its first rows as they would be."""

    total: Batch = field(default_factory=Batch)
    counted: int = 0
    #: True when the file is longer than what was counted.
    partly: bool = False
    headings: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    #: (what cleaning did, in how many cells)
    cleaned: list[tuple[str, int]] = field(default_factory=list)
    #: Rows without an e-mail address, where the file has such a column.
    blank_emails: int = 0
    hints: list[Hint] = field(default_factory=list)


def preview(uow: UnitOfWork, spec: EntitySpec, table: Table, plan: ImportPlan) -> Preview:
    """Clean and compare the first rows of a file by a plan; writes nothing."""
    tally = Tally()
    importer = Importer(plan, tally)
    recipe = importer.recipe(uow)
    clean = recipe.cleaner()
    found, seen = Preview(), set[int]()
    looked: list[tuple[int, list[Any]]] = []
    first: list[tuple[list[Any], list[Any], Any]] = []
    rows = table.rows()
    while batch := list(islice(rows, min(_BATCH, COUNTED - found.counted))):
        written = [(line, list(cells)) for line, cells in batch]
        adjusted = recipe.adjust(batch)
        cleaned, foreseen = importer.foresee(uow, clean(adjusted), seen)
        found.counted += len(batch)
        _add(found.total, foreseen)
        looked += written
        room = SHOWN - len(first)
        for (_line, cells), (_same, now), row in list(zip(written, adjusted, cleaned, strict=True))[
            :room
        ]:
            first.append((cells, now, row))
    found.partly = next(rows, None) is not None
    counts = tally.counts
    found.blank_emails = counts.pop("blank_email", 0)
    found.cleaned = [(str(RULES[rule]), number) for rule, number in counts.items()]
    own = plan.fields[: len(table.header)]
    found.hints = find_hints(uow, spec, table.header, own, looked)
    places = [place for place, name in enumerate(plan.fields) if name]
    found.headings = [plan.header[place] for place in places]
    reader = _reader(uow, spec, [row.values for _cells, _now, row in first])
    found.rows = [_shown(spec, plan, places, reader, *each) for each in first]
    return found


def _add(total: Batch, some: Batch) -> None:
    total.created += some.created
    total.updated += some.updated
    total.duplicates += some.duplicates
    total.refused += some.refused


def _reader(uow: UnitOfWork, spec: EntitySpec, rows: Sequence[Mapping[str, Any]]) -> Reader:
    names = {name for row in rows for name in row}
    labels = resolve_labels(uow, reference_ids(spec, sorted(names), rows))
    return reader_of(uow, labels, in_cell=True)


def _shown(
    spec: EntitySpec,
    plan: ImportPlan,
    places: Sequence[int],
    reader: Reader,
    cells: Sequence[Any],
    adjusted: Sequence[Any],
    row: Any,
) -> dict[str, Any]:
    """A row as the preview's table shows it: each cell as it will read, with what stood there."""
    wrong = dict(row.problems)
    shown = []
    for place in places:
        name = plan.fields[place] or ""
        was = short(cells[place] if place < len(cells) else adjusted[place])
        problem = wrong.get(plan.header[place], "")
        value = row.values.get(name)
        if problem or name not in spec or value is None:
            shown.append({"now": was, "was": "", "problem": problem})
            continue
        type_ = spec[name].type
        now = short(display_text(type_, value, reader, row.values))
        coded = isinstance(type_, _CODED)
        replaced = place < len(cells) and cells[place] != adjusted[place]
        changed = was.replace("/", " ") != now if coded else changes_value(adjusted[place], value)
        shown.append({"now": now, "was": was if changed or replaced else "", "problem": ""})
    return {"line": row.line, "cells": shown, "refused": bool(row.problems)}


def short(value: Any) -> str:
    """A cell as text, cut to what a table shows."""
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
