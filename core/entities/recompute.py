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

from sqlalchemy import Select, bindparam, func, select, update

from core.entities.changes import Change
from core.entities.dependencies import EXISTS, Formula, Graph, Node, Step, Watch, graph_of
from core.entities.formulas import evaluated
from core.entities.reached import line_values, reach
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.reference.reading import evaluation_context
from core.security.actor import SYSTEM
from core.work.claims import JOB
from core.work.events import RecordsRecomputed
from core.work.jobs import JobContext
from core.work.tables import job_table
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.expressions import Source

__all__ = [
    "INLINE_ROWS",
    "RECOMPUTE",
    "follow",
    "follow_sources",
    "gathered",
    "refill",
    "refill_module",
]

#: As many records of others are computed again within the transaction of a change.
INLINE_ROWS = 1_000
#: What a job computes in one transaction.
CHUNK = 500
_IN_CHUNK = 900
_PENDING, _HELD = "recompute pending", "recompute held"
#: Transactions that began before a field was published do not know it; none lasts longer.
_STRAGGLERS = timedelta(minutes=2)

Pending = dict[Node, set[int]]


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
        _note_own(graph, changes, pending)
        for watch, touched in _touched(watches, changes):
            _note(uow, graph, watch, touched, pending)
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
        _note_all(uow, entity, [formula.node for formula in formulas], pending)
    _settle(uow, graph, pending, "", {})


def refill(uow: UnitOfWork, entity: str, name: str) -> None:
    """Compute a field that was just published, for the records that exist already."""
    graph = graph_of(uow.snapshot)
    if (entity, name) not in graph.formulas:
        return
    pending: Pending = uow.memo.setdefault(_PENDING, defaultdict(set))
    if _note_all(uow, entity, [(entity, name)], pending) and not uow.runtime.database.is_sqlite:
        _enqueue(uow, entity, [name], after=_STRAGGLERS)
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
            _note_all(uow, entity, nodes, pending)
    _settle(uow, graph, pending, "", {})


def _concerned(formula: Formula) -> Iterator[Node]:
    """The field itself and all that it reads, with every reference on the way."""
    yield formula.node
    yield from ((formula.entity, name) for name in formula.own)
    for steps, name in formula.paths:
        yield from ((step.entity, step.field) for step in steps)
        yield steps[-1].target, name or "id"


# What hangs on a change


def _note_own(graph: Graph, changes: Sequence[Change], pending: Pending) -> None:
    """Fields of the written records that need what exists only now: their lines, their number."""
    for formula in graph.by_entity.get(changes[0].entity.name, ()):
        if not formula.late:
            continue
        for change in changes:
            assert change.id is not None
            if change.kind == "create":
                needed = not (formula.lines_only and not any(change.detached.values()))
            else:
                needed = any(
                    change.before[name] != change.after[name]
                    for name in formula.own
                    if name in change.after and name in change.before
                )
            if needed:
                pending[formula.node].add(change.id)


def _touched(
    watches: Mapping[str, tuple[Watch, ...]], changes: Sequence[Change]
) -> Iterator[tuple[Watch, list[Change]]]:
    """Who watches from elsewhere, each with the changes that concern it."""
    found: dict[Watch, list[Change]] = {}
    for name, watching in watches.items():
        there = [watch for watch in watching if watch.steps]
        if not there:
            continue
        if name == EXISTS:
            touched = [change for change in changes if change.kind != "update"]
        else:
            touched = [
                change
                for change in changes
                if change.kind != "create" and change.before.get(name) != change.after.get(name)
            ]
        for watch in there if touched else ():
            found.setdefault(watch, []).extend(touched)
    yield from found.items()


def _note(
    uow: UnitOfWork, graph: Graph, watch: Watch, touched: Sequence[Change], pending: Pending
) -> None:
    step = watch.steps[0]
    if len(watch.steps) == 1 and step.parent is not None:  # the parents of lines are at hand
        states = [state for change in touched for state in (change.before, change.after)]
        parents = {state.get(step.parent) for state in states}
        pending[watch.node].update(key for key in parents if key is not None)
        return
    ids = {change.id for change in touched if change.id is not None}
    _note_dependants(uow, [watch], ids, pending)


def _note_dependants(
    uow: UnitOfWork, watches: Iterable[Watch], keys: set[int], pending: Pending
) -> None:
    """Find the records at the beginning of paths that end at ``keys``; too many become jobs."""
    together: dict[tuple[str, tuple[Step, ...]], list[Node]] = defaultdict(list)
    for watch in watches:
        together[watch.node[0], watch.steps].append(watch.node)
    for (entity, steps), nodes in together.items():
        found = keys if not steps else _dependants(uow, steps, keys)
        if found is not None:
            for node in nodes:
                pending[node] |= found
            continue
        for chunk in _chunks(sorted(keys)):
            _enqueue(uow, entity, [name for _entity, name in nodes], steps=steps, keys=chunk)


def _dependants(uow: UnitOfWork, steps: Sequence[Step], keys: set[int]) -> set[int] | None:
    found: set[int] = set()
    for chunk in _chunks(sorted(keys)):
        statement = _holders(uow, steps, chunk).distinct().limit(INLINE_ROWS + 1)
        found.update(uow.execute(statement).scalars())
        if len(found) > INLINE_ROWS:
            return None
    return found - {None}


def _holders(uow: UnitOfWork, steps: Sequence[Step], keys: Sequence[int]) -> Select[Any]:
    """The ids of records from which ``steps`` lead to records with ``keys``."""
    specs = uow.snapshot.installed_entities
    inner: Any = keys
    for step in reversed(steps):
        if step.parent is None:
            spec = specs[step.entity]
            inner = select(spec.table.c.id).where(spec.column(step.field).in_(inner))
        else:
            spec = specs[step.target]
            inner = select(spec.column(step.parent)).where(spec.table.c.id.in_(inner))
    found: Select[Any] = inner
    return found


def _note_all(uow: UnitOfWork, entity: str, nodes: Sequence[Node], pending: Pending) -> bool:
    """All records of an entity; False when it has none."""
    table = uow.snapshot.installed_entities[entity].table
    found = uow.execute(select(table.c.id).limit(INLINE_ROWS + 1)).scalars().all()
    if len(found) > INLINE_ROWS:
        _enqueue(uow, entity, [name for _entity, name in nodes])
    else:
        for node in nodes:
            pending[node] |= set(found)
    return bool(found)


# Computing again


@dataclass
class _Outcome:
    """New values by field and record; and the records that somebody else holds."""

    changed: dict[str, dict[int, Any]] = field(default_factory=lambda: defaultdict(dict))
    busy: set[int] = field(default_factory=set)


def _settle(
    uow: UnitOfWork, graph: Graph, pending: Pending, entity: str, own: Mapping[int, Change]
) -> None:
    """Compute all that is pending, in the order of the graph; ``own`` records are of ``entity``."""
    room = INLINE_ROWS
    while pending:
        formulas = _next(graph, pending)
        ids = set().union(*(pending.pop(formula.node) for formula in formulas))
        name = formulas[0].entity if formulas else ""
        mine = ids & own.keys() if name == entity else set()
        others = ids - mine
        if len(others) > room:
            _leave(uow, formulas, others)
            others = set()
        room -= len(others)
        for part, wait in ((mine, True), (others, False)):
            if part:
                outcome = _recompute(uow, formulas, sorted(part), wait=wait)
                _leave(uow, formulas, outcome.busy)
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
        _note_dependants(uow, watches.get(name, ()), set(values), pending)


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
    for chunk in _chunks(ids):
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


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _IN_CHUNK):
        yield ids[start : start + _IN_CHUNK]


# Jobs


def _leave(uow: UnitOfWork, formulas: Sequence[Formula], ids: Iterable[int]) -> None:
    """Let a job compute ``ids`` once this transaction is over."""
    for chunk in _chunks(sorted(ids)):
        names = [formula.field.name for formula in formulas]
        _enqueue(uow, formulas[0].entity, names, keys=chunk)


def _enqueue(
    uow: UnitOfWork,
    entity: str,
    names: Sequence[str],
    *,
    steps: Sequence[Step] = (),
    keys: Sequence[int] | None = None,
    after: timedelta | None = None,
) -> None:
    """Queue a job for the records from which ``steps`` lead to ``keys``; all, without keys.

    It is the system's: it must run even if the person behind the change has left meanwhile.
    """
    spec = uow.snapshot.installed_entities[entity]
    labels = ", ".join(str(spec[name].label) for name in names)
    title = _("Compute: %(entity)s · %(fields)s", entity=str(spec.label_plural), fields=labels)
    arguments = {
        "entity": entity,
        "fields": list(names),
        "steps": [[step.entity, step.field, step.target, step.parent] for step in steps],
        "keys": None if keys is None else list(keys),
    }
    run_at = None if after is None else uow.now() + after
    actor, uow.actor = uow.actor, SYSTEM
    try:
        uow.enqueue(RECOMPUTE.name, arguments, title=title[:255], run_at=run_at)
    finally:
        uow.actor = actor


def _run(
    context: JobContext,
    *,
    entity: str,
    fields: list[str],
    steps: list[list[Any]],
    keys: list[int] | None,
) -> None:
    """The handler of ``core.recompute``: a chunk a transaction, each with its progress.

    It computes from what is stored when it runs, so of several changes the last one counts.
    """
    path = [Step(*step) for step in steps]
    with context.unit_of_work(write=False) as uow:
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        wanted = _wanted(uow, entity, path, keys)
        total = None
        if wanted is not None:
            total = uow.execute(select(func.count()).select_from(wanted.subquery())).scalar_one()
    progress = {"last": 0, "changed": 0, **(job.result or {})}
    done = job.done
    while True:
        with UnitOfWork(context.runtime, SYSTEM, origin=JOB) as uow:
            ids = _chunk(uow, entity, path, keys, progress["last"])
            if not ids:
                context.finish(uow, {"rows": done, "changed": progress["changed"]})
                return
            progress["changed"] += _compute_chunk(uow, entity, fields, ids)
            progress["last"] = ids[-1]
            done += len(ids)
            context.advance(uow, done, total, partial=progress)


def _wanted(
    uow: UnitOfWork, entity: str, steps: Sequence[Step], keys: list[int] | None
) -> Select[Any] | None:
    spec = uow.snapshot.entities.get(entity)
    if spec is None:
        return None  # the module was switched off; when it is on again all is computed
    statement = select(spec.table.c.id)
    if keys is not None:
        statement = statement.where(
            spec.table.c.id.in_(_holders(uow, steps, keys) if steps else keys)
        )
    return statement


def _chunk(
    uow: UnitOfWork, entity: str, steps: Sequence[Step], keys: list[int] | None, last: int
) -> list[int]:
    statement = _wanted(uow, entity, steps, keys)
    if statement is None:
        return []
    key = statement.selected_columns.id
    chunk = statement.where(key > last).order_by(key).limit(CHUNK)
    return list(uow.execute(chunk).scalars())


def _compute_chunk(uow: UnitOfWork, entity: str, fields: Sequence[str], ids: list[int]) -> int:
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


RECOMPUTE = Job("core.recompute", _run, _l("Compute again"), max_attempts=20)
