"""Rows of a file into records: cleaned, compared with what exists, written a batch at a time.

Everything is written by `core.entities.service` as the person who imports. A batch with a bad row
is tried again without it, so that only the bad rows are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core import errors
from core.db.locks import take_turns
from core.entities import service
from core.entities.scope import require, scope_clause
from core.entities.values import BadValue, checker
from core.errors import Forbidden, Invalid, Problem
from core.exchange.chosen_keys import key_source
from core.exchange.cleaning import ColumnCleaner
from core.exchange.lookups import Lookup
from core.exchange.mapping import importable_fields
from core.exchange.pausing import collector_paused
from core.exchange.reviving import bring_back, revivable
from core.exchange.tally import Tally
from core.fields import EntitySpec
from core.fields import types as t
from core.i18n import gettext as _
from core.tabular.cleaning import CleaningError, clean_integer, clean_long_text, clean_text
from core.tabular.columns import AS_IT_CAME, CleanRows, Column, ColumnRule, Piece, Recipe

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["POLICIES", "Batch", "ImportPlan", "Importer", "RefusedRow", "Row", "check_rights"]

#: What happens to a row whose record exists already.
POLICIES = ("skip", "update", "create")
_IN_CHUNK = 900


@dataclass(frozen=True)
class ImportPlan:
    """What goes where: the field of each column, and the policy for duplicates."""

    entity: str
    header: tuple[str, ...]
    fields: tuple[str | None, ...]
    policy: str = "skip"
    #: The fields that tell records apart, where a person chose others than the declared ones.
    keys: tuple[str, ...] = ()
    #: The cells of the last columns, which are not the file's own but the same for every row.
    added: tuple[str, ...] = ()
    #: What texts in a field's column stand for: ``{field: {as written: in full}}``.
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: The cells of the columns behind those, made of the file's own.
    made: tuple[tuple[Piece, ...], ...] = ()
    #: How the records are found that a field's column names, where that is not by their names.
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    #: These, by the place of their column, are those of a `Recipe`.
    texts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    dates: Mapping[int, str] = field(default_factory=dict)
    known: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not imported: its line, the headings it concerns, and the reasons."""

    line: int
    field: str
    reason: str


@dataclass(slots=True, eq=False)
class Row:
    """One row of the file with its cleaned values."""

    line: int
    values: dict[str, Any]
    problems: list[tuple[str, str]] = field(default_factory=list)
    #: The id that the file gives, then that of the record it is.
    id: int | None = None
    #: Rows with the same key are one record.
    key: int | None = None


@dataclass
class Batch:
    """What became of a batch of rows."""

    created: int = 0
    updated: int = 0
    duplicates: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


def check_rights(uow: UnitOfWork, spec: EntitySpec, policy: str) -> None:
    """Raise `Forbidden` unless the actor may import and do what the import does."""
    if policy not in POLICIES:
        message = _("Use skip, update or create.")
        raise Invalid(message, [Problem("duplicates", "choice", message)])
    if not (spec.importable and spec.creatable) and not uow.actor.is_system:
        raise Forbidden(_("%(entity)s are not imported.", entity=str(spec.label_plural)))
    require(uow, spec, "import")
    require(uow, spec, "create")
    if policy == "update":
        require(uow, spec, "update")


class Importer:
    """Imports batches of rows by one plan; ``tally`` counts what cleaning does.

    The rows come as the importer's recipe makes them, in this process or another.
    """

    def __init__(self, plan: ImportPlan, tally: Tally | None = None) -> None:
        self._plan = plan
        self._tally = tally
        self._spec: EntitySpec | None = None
        self._recipe: Recipe | None = None
        #: That of the keys which the recipe makes.
        self._marker: int | None = None
        self._columns: list[tuple[int, str, ColumnCleaner]] = []
        self._headings: dict[str, str] = {}
        self._required: list[str] = []
        self._checkers: dict[str, Callable[[Any], Any]] = {}

    def recipe(self, uow: UnitOfWork) -> Recipe:
        """What is to be done to the rows of the file before they are given to `batch`."""
        self._bind(uow)
        if self._recipe is None:
            plan, rules = self._plan, {place: each.rule for place, _n, each in self._columns}
            places = {name: place for place, name in enumerate(plan.fields) if name}
            ordered = tuple(rules.get(place) or ColumnRule(place) for place in places.values())
            numbers = {name: number for number, name in enumerate(places)}
            key = [(numbers.get(name), form) for name, form in self._keys.maker.parts]
            is_known = all(n is None or ordered[n].kind != AS_IT_CAME for n, _form in key)
            has_any = any(number is not None for number, _form in key)
            self._marker = self._keys.maker.marker
            self._recipe = Recipe(
                len(plan.header) - len(plan.added) - len(plan.made),
                ordered,
                plan.added,
                {places[name]: full for name, full in plan.names.items() if name in places}
                | dict(plan.texts),
                tuple(key) if is_known and has_any else (),
                plan.made,
                plan.dates,
                plan.known,
            )
        return self._recipe

    @collector_paused()
    def batch(self, uow: UnitOfWork, rows: CleanRows) -> Batch:
        """Write the rows as part of ``uow``."""
        cleaned, done = self.clean(uow, rows), Batch()
        sound = []
        for row in cleaned:
            if row.problems:
                done.refused.append(_refusal(row))
            else:
                sound.append(row)
        if self._plan.policy != "create":
            # What two imports at the same instant both bring is made by one of them only.
            take_turns(uow.connection, f"import {self._plan.entity}")
        self._write(uow, sound, done)
        done.refused.sort(key=lambda refused: refused.line)
        return done

    def foresee(self, uow: UnitOfWork, rows: CleanRows, seen: set[int]) -> tuple[list[Row], Batch]:
        """The cleaned rows and what would become of them; writes nothing.

        ``seen`` holds the keys of earlier batches, and is added to. What hooks and constraints
        would refuse is not known before it is tried, nor what rules of fields say of changes.
        """
        cleaned, done = self.clean(uow, rows), Batch()
        sound = []
        for row in cleaned:
            self._check(row)
            if row.problems:
                done.refused.append(_refusal(row))
            else:
                sound.append(row)
        known, new = self._known(uow, sound), []
        for row in sound:
            exists = row.id is not None or row.key in known
            if self._plan.policy != "create" and (exists or row.key in seen):
                done.updated += self._plan.policy == "update"
                done.duplicates += self._plan.policy == "skip"
            else:
                new.append(row)
            if row.key is not None:
                seen.add(row.key)
        self._judge(uow, new, done)
        return cleaned, done

    def _judge(self, uow: UnitOfWork, rows: Sequence[Row], done: Batch) -> None:
        """Count the rows that would make records, but for those that rules of fields refuse."""
        told = service.foresee(uow, self._plan.entity, [row.values for row in rows])
        for problem in told:
            heading = self._headings.get(problem.field, problem.field)
            rows[problem.item].problems.append((heading, problem.message))
        bad = [row for row in rows if row.problems]
        done.created += len(rows) - len(bad)
        done.refused += [_refusal(row) for row in bad]
        done.refused.sort(key=lambda refused: refused.line)

    # Cleaning

    def clean(self, uow: UnitOfWork, given: CleanRows) -> list[Row]:
        """The rows with their values, and what is wrong with them."""
        recipe = self.recipe(uow)
        rules = {rule.place: rule for rule in recipe.rules}
        came = dict(zip(rules, given.columns, strict=True))
        columns: dict[str, Column] = {}
        for place, name, cleaner in self._columns:
            column = came[place]
            if rules[place].kind == AS_IT_CAME:
                column = cleaner.column(uow, column)
            columns[name] = column
            if self._tally is not None and place < recipe.width:
                self._tally.count(cleaner.field.type, column)
        if self._tally is not None:
            self._tally.add("written_out", given.written_out)
        rows = _rows(given.lines, columns)
        self._set_keys(rows, given.keys)
        if "id" in self._plan.fields:
            for row, cell in zip(rows, came[self._plan.fields.index("id")].values, strict=True):
                row.id = _record_id(cell)
        for name in self._required:
            column = columns[name]
            for index, value in enumerate(column.values):
                if value is None and index not in column.refused:
                    rows[index].problems.append((name, _("Please fill this in.")))
        for row in rows:
            if row.problems:
                row.problems = [(self._headings.get(name, name), why) for name, why in row.problems]
        return rows

    def _set_keys(self, rows: Sequence[Row], keys: Sequence[int | None]) -> None:
        """``keys`` are those that came with the rows, if any."""
        maker = self._keys.maker
        if not keys or self._marker != maker.marker:  # another field tells them apart meanwhile
            keys = [maker.key(row.values) for row in rows]
        maker.remember([(row.values, key) for row, key in zip(rows, keys, strict=True)])
        if self._plan.policy != "create":
            for row, key in zip(rows, keys, strict=True):
                row.key = key

    def _bind(self, uow: UnitOfWork) -> None:
        """Prepare for the entity as it is now; fields that are gone meanwhile are ignored."""
        spec = uow.entity(self._plan.entity)
        if spec is self._spec:
            return
        self._spec = spec
        self._keys = key_source(uow, spec, self._plan.keys)
        usable = importable_fields(uow, spec)
        self._columns = []
        self._headings = {item.name: str(item.label) for item in spec}
        for column, name in enumerate(self._plan.fields):
            if name in usable:
                lookup = self._plan.lookups.get(name)
                cleaner = ColumnCleaner(uow, usable[name], column, lookup)
                self._columns.append((column, name, cleaner))
                self._headings[name] = self._plan.header[column]
        needed = [each.field for _column, _name, each in self._columns]
        self._required = [each.name for each in needed if each.is_needed]
        self._checkers = {name: checker(c.field.type) for _c, name, c in self._columns}

    def _check(self, row: Row) -> None:
        for name, value in row.values.items():
            try:
                self._checkers[name](value)
            except BadValue as error:
                row.problems.append((self._headings[name], str(error)))

    # Duplicates

    def _known(self, uow: UnitOfWork, rows: Sequence[Row]) -> dict[int, int]:
        """Drop ids of records that are not there; the record of each key that rows have."""
        spec = uow.entity(self._plan.entity)
        given = sorted({row.id for row in rows if row.id is not None})
        living = _living(uow, spec, given)
        for row in rows:
            row.id = row.id if row.id in living else None
        if not self._keys or self._plan.policy == "create":
            return {}
        return self._keys.find(uow, [row.key for row in rows if row.key is not None])

    # Writing

    def _write(self, uow: UnitOfWork, rows: list[Row], done: Batch) -> None:
        known, policy = self._known(uow, rows), self._plan.policy
        while rows:
            creating: list[Row] = []
            updating: dict[int, Row] = {}
            later: list[Row] = []
            first: set[int] = set()
            for row in rows:
                target = None if policy == "create" else row.id
                if target is None and row.key is not None:
                    target = known.get(row.key)
                if target is None and row.key in first or target in updating:
                    later.append(row)  # decided when the earlier row is written, or refused
                elif target is None:
                    creating.append(row)
                    if row.key is not None:
                        first.add(row.key)
                elif policy == "update":
                    updating[target] = row
                else:
                    done.duplicates += 1
            for row in self._create(uow, creating, done):
                if row.key is not None and row.id is not None:
                    known[row.key] = row.id
            self._update(uow, updating, done)
            rows = later

    def _create(self, uow: UnitOfWork, rows: list[Row], done: Batch) -> list[Row]:
        """Create records; the rows that could be, with the ids of their records."""
        written: list[Row] = []
        spec, policy = uow.entity(self._plan.entity), self._plan.policy
        values = [] if policy == "create" else [row.values for row in rows]
        back = {id(rows[place]): key for place, key in revivable(uow, spec, values).items()}

        def revive(some: list[Row]) -> None:
            names = [name for _column, name, _cleaner in self._columns]
            bring_back(uow, spec.name, {back[id(row)]: row.values for row in some}, names)
            for row in some:
                row.id = back[id(row)]
            written.extend(some)

        def write(some: list[Row]) -> None:
            ids = service.create(uow, self._plan.entity, [row.values for row in some])
            for row, key in zip(some, ids, strict=True):
                row.id = key
            written.extend(some)

        self._attempt(uow, [row for row in rows if id(row) in back], revive, done)
        self._attempt(uow, [row for row in rows if id(row) not in back], write, done)
        done.created += len(written)
        return written

    def _update(self, uow: UnitOfWork, rows: Mapping[int, Row], done: Batch) -> None:
        spec = uow.entity(self._plan.entity)
        reached = _living(uow, spec, list(rows), scope_clause(uow, spec, "update"))
        kept = self._without_same(uow, spec, {key: rows[key] for key in rows if key in reached})
        targets = {id(row): key for key, row in rows.items()}

        def write(some: list[Row]) -> None:
            values = {targets[id(row)]: row.values for row in some}
            changed = len(service.update(uow, self._plan.entity, values))
            done.updated += changed
            done.duplicates += len(some) - changed

        done.duplicates += len(rows) - len(kept)
        self._attempt(uow, kept, write, done)

    def _without_same(
        self, uow: UnitOfWork, spec: EntitySpec, rows: Mapping[int, Row]
    ) -> list[Row]:
        """Rows that bring something new; text that only cleaning made differ stays as it is."""
        texts = [c.field for _i, _n, c in self._columns if isinstance(c.field.type, _TEXTS)]
        columns = [spec.column(item.name).label(item.name) for item in texts]
        ids = list(rows)
        for start in range(0, len(ids) if texts else 0, _IN_CHUNK):
            chosen = spec.table.c.id.in_(ids[start : start + _IN_CHUNK])
            statement = select(spec.table.c.id.label("id_"), *columns).where(chosen)
            for found in uow.execute(statement).mappings():
                values = rows[found["id_"]].values
                for item in texts:
                    clean = clean_long_text if isinstance(item.type, t.LongText) else clean_text
                    if item.name in values and values[item.name] == clean(found[item.name]):
                        del values[item.name]
        return [row for row in rows.values() if row.values]

    def _attempt(
        self,
        uow: UnitOfWork,
        rows: list[Row],
        write: Callable[[list[Row]], None],
        done: Batch,
    ) -> None:
        """Write all rows that can be written, and refuse the others."""
        if not rows:
            return
        try:
            with uow.savepoint():
                write(rows)
            return
        except errors.Refusal as error:
            refusal = error
        bad: dict[int, list[Problem]] = {}
        for problem in refusal.problems:
            if problem.code != "constraint" and 0 <= problem.item < len(rows):
                bad.setdefault(problem.item, []).append(problem)
        if not bad and len(rows) > 1:
            middle = len(rows) // 2
            self._attempt(uow, rows[:middle], write, done)
            self._attempt(uow, rows[middle:], write, done)
            return
        for item, problems in (bad or {0: [Problem("", "", refusal.message)]}).items():
            rows[item].problems = [
                (self._headings.get(problem.field, problem.field), problem.message)
                for problem in problems
            ]
            done.refused.append(_refusal(rows[item]))
        self._attempt(
            uow, [r for i, r in enumerate(rows) if i not in bad] if bad else [], write, done
        )


_TEXTS = (t.Text, t.LongText)


def _rows(lines: Sequence[int], columns: Mapping[str, Column]) -> list[Row]:
    """The rows of a batch that came by columns."""
    names = list(columns)
    across: Iterable[tuple[Any, ...]] = zip(
        *(each.values for each in columns.values()), strict=True
    )
    if not names:
        across = ((),) * len(lines)
    rows = [
        Row(line, {name: v for name, v in zip(names, values, strict=True) if v is not None})
        for line, values in zip(lines, across, strict=True)
    ]
    for name, column in columns.items():
        for index, why in column.refused.items():
            rows[index].problems.append((name, str(why)))
    return rows


def _refusal(row: Row) -> RefusedRow:
    headings = dict.fromkeys(heading for heading, _why in row.problems if heading)
    return RefusedRow(row.line, "; ".join(headings), "; ".join(why for _h, why in row.problems))


def _record_id(cell: Any) -> int | None:
    try:
        number = clean_integer(cell)
    except CleaningError:
        return None
    return number if number is not None and 0 < number < 10**18 else None


def _living(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int], clause: Any = None) -> set[int]:
    """Those of ``ids`` that are records outside the recycle bin (and meet ``clause``)."""
    found: set[int] = set()
    table = spec.table
    for start in range(0, len(ids), _IN_CHUNK):
        statement = select(table.c.id).where(table.c.id.in_(ids[start : start + _IN_CHUNK]))
        if "archived_at" in table.c:
            statement = statement.where(table.c.archived_at.is_(None))
        if clause is not None:
            statement = statement.where(clause)
        found.update(uow.execute(statement).scalars())
    return found
