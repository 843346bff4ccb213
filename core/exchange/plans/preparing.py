"""From the steps of a plan to what the importer is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.exchange.adjusting import Additions
from core.exchange.importing import Importer
from core.exchange.lookups import LookupResolver
from core.exchange.plans.checking import header_of
from core.exchange.plans.model import Step, Target
from core.exchange.plans.templates import pieces_of
from core.fields import types as t
from core.tabular.cleaning import clean_text
from core.tabular.columns import SheetRow
from core.tabular.keys import loose_form
from core.tabular.reader import Table, open_table
from core.tabular.writer import write_csv

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Work",
    "count_texts",
    "creations",
    "filled",
    "open_step",
    "prepare",
    "write_rows",
]


@dataclass(frozen=True)
class Work:
    """One import of one file."""

    #: ``3``, or ``3.owner`` for the records that step 3 makes because its column names them.
    label: str
    step: Step
    entity: str
    table: Table
    path: Path
    filename: str
    fields: tuple[str | None, ...]
    policy: str
    keys: tuple[str, ...]
    added: Additions
    #: Only so many rows of the file are looked at; None for all.
    most: int | None = None

    def rows(self) -> Iterator[SheetRow]:
        """The rows that are looked at. Raises `TableError`."""
        return islice(self.table.rows(), self.most)

    def importer(self, uow: UnitOfWork) -> Importer:
        """An importer for it."""
        spec = uow.entity(self.entity)
        return Importer(
            self.added.plan(spec, self.table.header, self.fields, self.policy, self.keys)
        )


def write_rows(step: Step, folder: Path) -> Path:
    """The rows of a step that stand in the plan, as a file in ``folder``."""
    header, path = header_of(step), folder / step.source
    with path.open("wb") as file:
        write_csv(file, header, ([row.get(name) for name in header] for row in step.rows))
    return path


def open_step(step: Step, path: Path) -> Table:
    """The table of a step. Raises `TableError`."""
    return open_table(path, step.source, sheet=step.sheet, encoding=step.encoding)


def prepare(step: Step, path: Path, most: int | None = None) -> Work:
    """The import of a step whose plan was checked, or of the first ``most`` rows of its file."""
    table = open_step(step, path)
    targets = step.targets
    columns = {table.header.index(heading): each for heading, each in step.columns.items()}
    blank = Target("")
    return Work(
        *(str(step.number), step, step.entity, table, path, step.source),
        fields=tuple(step.columns.get(heading, blank).field or None for heading in table.header),
        policy=step.duplicates,
        keys=step.key,
        added=Additions(
            dict(step.constants),
            {name: dict(each.values) for name, each in targets.items() if each.values},
            {name: pieces_of(made.text, table.header) for name, made in step.made.items()},
            {name: each.lookup for name, each in targets.items() if each.lookup is not None},
            {place: dict(each.values) for place, each in columns.items() if not each.field},
            {place: each.dates for place, each in columns.items() if each.dates},
            {
                place: {loose_form(text): text for text in each.known}
                for place, each in columns.items()
                if each.is_loose
            },
        ),
        most=most,
    )


def count_texts(
    rows: Iterable[list[Any]], places: Mapping[str, int], *, most: int | None = None
) -> dict[str, Counter[str]]:
    """How often the different texts stand in columns: ``{name: {text: rows}}`` for ``{name: place}``.

    A column with more than ``most`` different ones is left out.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in places}
    for cells in rows if places else ():
        for name, texts in list(counts.items()):
            if text := clean_text(cells[places[name]]):
                texts[text] += 1
                if most is not None and len(texts) > most:
                    del counts[name]
    return counts


def filled(
    uow: UnitOfWork, work: Work, fields: Sequence[str], *, most: int | None = None
) -> dict[str, Counter[str]]:
    """The different texts that fields are filled from, once the plan has been followed."""
    recipe = work.importer(uow).recipe(uow)
    every = [*work.fields, *work.added.defaults, *work.added.made]
    rows = (recipe.adjust([row])[0][1] for row in work.rows())
    return count_texts(rows, {name: every.index(name) for name in fields}, most=most)


def creations(
    uow: UnitOfWork, work: Work, folder: Path, done: Callable[[str], bool] = lambda label: False
) -> Iterator[Work]:
    """The imports that make what ``work`` names and is not there, as files in ``folder``.

    Those whose label is ``done`` were begun before.
    """
    spec = uow.entity(work.entity)
    making = {
        name: target
        for name, target in work.step.targets.items()
        if target.lookup is not None and target.lookup.missing == "create"
    }
    for name, counts in filled(uow, work, list(making)).items():
        type_, target = spec[name].type, making[name]
        label = f"{work.label}.{name}"
        if isinstance(type_, (t.Reference, t.References)) and not done(label):
            texts = _unknown(uow, type_, target, counts)
            if texts:
                yield _creation(uow, work, label, type_.entity, target, texts, folder)


def _unknown(
    uow: UnitOfWork,
    type_: t.Reference | t.References,
    target: Target,
    counts: Mapping[str, int],
) -> list[str]:
    assert target.lookup is not None
    resolver = LookupResolver(uow.snapshot.installed_entities[type_.entity], target.lookup)
    resolver.prepare(uow, type_, counts)
    unknown = [text for text, ids in resolver.by_text.items() if not ids]
    if target.lookup.match == "loose":  # several spellings are one record
        return list({loose_form(text): text for text in reversed(unknown)}.values())
    return unknown


def _creation(
    uow: UnitOfWork,
    work: Work,
    label: str,
    entity: str,
    target: Target,
    texts: Sequence[str],
    folder: Path,
) -> Work:
    assert target.lookup is not None
    named = target.lookup.by or uow.entity(entity).label_field
    path = folder / f"step-{label}.csv"
    with path.open("wb") as file:
        write_csv(file, [named], ([text] for text in texts))
    table = open_table(path, path.name)
    added = Additions({name: text for name, text in target.new.items() if text})
    return Work(label, work.step, entity, table, path, path.name, (named,), "skip", (named,), added)
