"""Stored values of computed fields are kept true when what they are worked out from changes.

A write ends with `follow`: records that hang on it are computed again in the same transaction when
they are few, else by a job in chunks. Records that somebody else holds at the moment are left to a
job as well: within a person's transaction nobody waits for a record that depends on another, so
such transactions cannot block each other in a ring. See docs/adr/0009.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from core.entities import dependants
from core.entities.changes import Change
from core.entities.dependants import (
    Pending,
    chunks,
    enqueue,
    leave,
    note,
    note_all,
    note_dependants,
    note_own,
    touched_by,
)
from core.entities.dependencies import Formula, Graph, Node, graph_of
from core.entities.formulas import evaluated
from core.entities.reached import line_values, reach
from core.fields import EntitySpec
from core.reference.reading import evaluation_context
from core.work.events import RecordsRecomputed

if TYPE_CHECKING:
    from core.expressions import Source
    from core.work.uow import UnitOfWork

__all__ = [
    "compute",
    "follow",
    "follow_sources",
    "gathered",
    "reference_paths",
    "refill",
    "refill_module",
]

_PENDING, _HELD = "recompute pending", "recompute held"
#: Transactions that began before a field was published do not know it; none lasts longer.
_STRAGGLERS = timedelta(minutes=2)


@contextmanager
def gathered(uow: UnitOfWork) -> Iterator[None]:
    """Within the block, what hangs on changes is remembered; the next write outside computes it."""
    uow.memo[_HELD] = uow.memo.get(_HELD, 0) + 1
    try:
        yield
    finally:
        uow.memo[_HELD] -= 1


def follow(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Compute again what hangs on records that were just written, beginning with themselves."""
    graph = graph_of(uow.snapshot)
    entity = changes[0].entity.name
    watches = graph.watches.get(entity)
    pending: Pending = uow.memo.get(_PENDING, {})
    if watches:
        pending = uow.memo.setdefault(_PENDING, defaultdict(set))
        note_own(graph, changes, pending)
        for watch, touched in touched_by(watches, changes):
            note(uow, graph, watch, touched, pending)
    if pending and not uow.memo.get(_HELD):
        own = {change.id: change for change in changes if change.id is not None}
        _settle(uow, graph, pending, entity, own)


def follow_sources(uow: UnitOfWork, sources: Iterable[Source]) -> None:
    """Compute again what looks into tables, or the calendar, that were just changed."""
    graph = graph_of(uow.snapshot)
    pending: Pending = uow.memo.setdefault(_PENDING, defaultdict(set))
    by_entity: dict[str, list[Formula]] = defaultdict(list)
    for formula in graph.reading(sources):
        by_entity[formula.entity].append(formula)
    for entity, formulas in by_entity.items():
        note_all(uow, entity, [formula.node for formula in formulas], pending)
    _settle(uow, graph, pending, "", {})


def refill(uow: UnitOfWork, entity: str, name: str) -> None:
    """Compute a field that was just published, for the records that exist already."""
    graph = graph_of(uow.snapshot)
    if (entity, name) not in graph.formulas:
        return
    pending: Pending = uow.memo.setdefault(_PENDING, defaultdict(set))
    if note_all(uow, entity, [(entity, name)], pending) and not uow.runtime.database.is_sqlite:
        enqueue(uow, entity, [name], after=_STRAGGLERS)
    _settle(uow, graph, pending, "", {})


def refill_module(uow: UnitOfWork, plugin: str) -> None:
    """Compute what a module that was just switched on brings, or is worked out from its records."""
    graph, specs = graph_of(uow.snapshot), uow.snapshot.entities
    pending: Pending = uow.memo.setdefault(_PENDING, defaultdict(set))
    for entity, formulas in graph.by_entity.items():
        nodes = [
            formula.node
            for formula in formulas
            if any(
                plugin in (specs[name].plugin, specs[name][item].owner)
                for name, item in _concerned(formula)
                if name in specs and item in specs[name]
            )
        ]
        if nodes:
            note_all(uow, entity, nodes, pending)
    _settle(uow, graph, pending, "", {})


def _concerned(formula: Formula) -> Iterator[Node]:
    """The field itself and all that it reads, with every reference on the way."""
    yield formula.node
    yield from ((formula.entity, name) for name in formula.own)
    for steps, name in formula.paths:
        yield from ((step.entity, step.field) for step in steps)
        yield steps[-1].target, name or "id"


def compute(uow: UnitOfWork, entity: str, fields: Sequence[str], ids: Sequence[int]) -> int:
    """Compute ``fields`` and what hangs on them; returns how many records differed."""
    graph = graph_of(uow.snapshot)
    pending: Pending = uow.memo.setdefault(_PENDING, defaultdict(set))
    changed: set[int] = set()
    formulas = [each for each in graph.by_entity.get(entity, ()) if each.field.name in fields]
    for formula in formulas:
        outcome = _recompute(uow, [formula], ids, wait=True)
        _spread(uow, graph, entity, outcome, pending)
        _tell(uow, entity, outcome)
        changed.update(*(values for values in outcome.changed.values()))
    _settle(uow, graph, pending, "", {})
    return len(changed)


@dataclass
class _Outcome:
    """New values by field and record; and the records that somebody else holds."""

    changed: dict[str, dict[int, Any]] = field(default_factory=lambda: defaultdict(dict))
    busy: set[int] = field(default_factory=set)


def _settle(
    uow: UnitOfWork, graph: Graph, pending: Pending, entity: str, own: Mapping[int, Change]
) -> None:
    """Compute all that is pending, in the order of the graph; ``own`` records are of ``entity``."""
    room = dependants.INLINE_ROWS
    while pending:
        formulas = _next(graph, pending)
        ids = set().union(*(pending.pop(formula.node) for formula in formulas))
        name = formulas[0].entity if formulas else ""
        mine = ids & own.keys() if name == entity else set()
        others = ids - mine
        if len(others) > room:
            leave(uow, formulas, others)
            others = set()
        room -= len(others)
        for part, wait in ((mine, True), (others, False)):
            if part:
                outcome = _recompute(uow, formulas, sorted(part), wait=wait)
                leave(uow, formulas, outcome.busy)
                _spread(uow, graph, name, outcome, pending)
                if wait:
                    for changed, values in outcome.changed.items():
                        for key, value in values.items():
                            own[key].after[changed] = value
                else:
                    _tell(uow, name, outcome)


def _next(graph: Graph, pending: Pending) -> list[Formula]:
    """The formulas of one entity that read nothing which is pending itself."""
    first = min((graph.formulas[node] for node in pending), key=lambda each: (each.rank, each.node))
    return [
        formula
        for formula in graph.by_entity[first.entity]
        if formula.rank == first.rank and formula.node in pending
    ]


def _spread(
    uow: UnitOfWork, graph: Graph, entity: str, outcome: _Outcome, pending: Pending
) -> None:
    """Note what hangs on values that have just been computed."""
    watches = graph.watches.get(entity, {})
    for name, values in outcome.changed.items():
        note_dependants(uow, watches.get(name, ()), set(values), pending)


def _tell(uow: UnitOfWork, entity: str, outcome: _Outcome) -> None:
    if outcome.changed:
        ids = sorted({key for values in outcome.changed.values() for key in values})
        uow.publish(RecordsRecomputed(entity, tuple(ids), tuple(sorted(outcome.changed))))


def _recompute(
    uow: UnitOfWork, formulas: Sequence[Formula], ids: Sequence[int], *, wait: bool
) -> _Outcome:
    """Compute fields of one entity for ``ids`` and store what differs.

    Who and when a record was last changed, and its version, stay: nobody edited it.
    """
    spec = uow.snapshot.installed_entities[formulas[0].entity]
    names = {name for formula in formulas for name in (formula.field.name, *formula.own)}
    stored = sorted(name for name in names | {"id"} if spec[name].is_stored)
    statement = select(*(spec.column(name).label(name) for name in stored))
    statement = statement.order_by(spec.table.c.id).with_for_update(
        key_share=True, skip_locked=not wait, of=spec.table
    )
    outcome = _Outcome()
    for chunk in chunks(ids):
        found = uow.execute(statement.where(spec.table.c.id.in_(chunk))).mappings()
        rows = [dict(row) for row in found]
        if not wait:
            outcome.busy |= set(chunk) - {row["id"] for row in rows}
        _store(uow, spec, formulas, _computed(uow, spec, formulas, rows, outcome, wait=wait))
    return outcome


def _computed(
    uow: UnitOfWork,
    spec: EntitySpec,
    formulas: Sequence[Formula],
    rows: Sequence[Mapping[str, Any]],
    outcome: _Outcome,
    *,
    wait: bool,
) -> list[dict[str, Any]]:
    """The rows whose values differ, with the new ones."""
    reached, held = reach(uow, spec, rows, reference_paths(formulas), wait=wait)
    lines, held_parents = line_values(uow, formulas, [row["id"] for row in rows], wait=wait)
    context = evaluation_context(uow)
    differing = []
    for place, row in enumerate(rows):
        key = row["id"]
        if place in held or key in held_parents:
            outcome.busy.add(key)
            continue
        values = {**row, **reached[place]}
        values |= {name: by_parent.get(key, ()) for name, by_parent in lines.items()}
        for formula in formulas:
            name = formula.field.name
            value = evaluated(formula.expression, formula.field.value_type, values, context)
            values[name] = value
            if value != row[name]:
                outcome.changed[name][key] = value
        if any(key in outcome.changed[name] for name in list(outcome.changed)):
            differing.append(values)
    return differing


def reference_paths(formulas: Iterable[Formula]) -> set[tuple[str, ...]]:
    """The paths that begin at a reference of the record itself."""
    return {
        (*(step.field for step in steps), name)
        for formula in formulas
        for steps, name in formula.paths
        if name is not None and steps[0].parent is None
    }


def _store(
    uow: UnitOfWork,
    spec: EntitySpec,
    formulas: Sequence[Formula],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    if not rows:
        return
    columns = {formula.field.name: spec.column(formula.field.name) for formula in formulas}
    statement = (
        update(spec.table)
        .where(spec.table.c.id == bindparam("key_"))
        .values(
            {column: bindparam(f"v_{name}", type_=column.type) for name, column in columns.items()}
        )
    )
    values = [{"key_": row["id"], **{f"v_{name}": row[name] for name in columns}} for row in rows]
    uow.execute(statement, values)
    uow.forget_made(spec.name, [row["id"] for row in rows])
