"""What hangs on a change: the records whose computed fields read it, noted or left to a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, select

from core.entities.changes import Change
from core.entities.dependencies import EXISTS, Formula, Graph, Node, Step, Watch
from core.i18n import gettext as _
from core.security.actor import SYSTEM

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "INLINE_ROWS",
    "KIND",
    "Pending",
    "chunks",
    "enqueue",
    "holders",
    "leave",
    "note",
    "note_all",
    "note_dependants",
    "note_own",
    "touched_by",
]

#: The kind of the job that computes again, see `core.entities.recompute_job`.
KIND = "core.recompute"
#: As many records of others are computed again within the transaction of a change.
INLINE_ROWS = 1_000
_IN_CHUNK = 900

#: Computed fields, each with the ids of the records in which it is to be computed again.
Pending = dict[Node, set[int]]


def note_own(graph: Graph, changes: Sequence[Change], pending: Pending) -> None:
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


def touched_by(
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


def note(
    uow: UnitOfWork, graph: Graph, watch: Watch, touched: Sequence[Change], pending: Pending
) -> None:
    step = watch.steps[0]
    if len(watch.steps) == 1 and step.parent is not None:  # the parents of lines are at hand
        states = [state for change in touched for state in (change.before, change.after)]
        parents = {state.get(step.parent) for state in states}
        pending[watch.node].update(key for key in parents if key is not None)
        return
    ids = {change.id for change in touched if change.id is not None}
    note_dependants(uow, [watch], ids, pending)


def note_dependants(
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
        for chunk in chunks(sorted(keys)):
            enqueue(uow, entity, [name for _entity, name in nodes], steps=steps, keys=chunk)


def _dependants(uow: UnitOfWork, steps: Sequence[Step], keys: set[int]) -> set[int] | None:
    found: set[int] = set()
    for chunk in chunks(sorted(keys)):
        statement = holders(uow, steps, chunk).distinct().limit(INLINE_ROWS + 1)
        found.update(uow.execute(statement).scalars())
        if len(found) > INLINE_ROWS:
            return None
    return found - {None}


def holders(uow: UnitOfWork, steps: Sequence[Step], keys: Sequence[int]) -> Select[Any]:
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


def note_all(uow: UnitOfWork, entity: str, nodes: Sequence[Node], pending: Pending) -> bool:
    """All records of an entity; False when it has none."""
    table = uow.snapshot.installed_entities[entity].table
    found = uow.execute(select(table.c.id).limit(INLINE_ROWS + 1)).scalars().all()
    if len(found) > INLINE_ROWS:
        enqueue(uow, entity, [name for _entity, name in nodes])
    else:
        for node in nodes:
            pending[node] |= set(found)
    return bool(found)


def leave(uow: UnitOfWork, formulas: Sequence[Formula], ids: Iterable[int]) -> None:
    """Let a job compute ``ids`` once this transaction is over."""
    for chunk in chunks(sorted(ids)):
        names = [formula.field.name for formula in formulas]
        enqueue(uow, formulas[0].entity, names, keys=chunk)


def enqueue(
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
    labels = _(", ").join(str(spec[name].label) for name in names)
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
        uow.enqueue(KIND, arguments, title=title[:255], run_at=run_at)
    finally:
        uow.actor = actor


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _IN_CHUNK):
        yield ids[start : start + _IN_CHUNK]
