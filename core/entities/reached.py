"""Values that an expression takes from other records: through references, and of child lines.

On PostgreSQL what is read is locked against changes until the transaction ends. Whoever changes it
meanwhile could not yet see the record that is being computed, and so would not compute it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.fields import EntitySpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.entities.dependencies import Formula, Step
    from core.work.uow import UnitOfWork

__all__ = ["line_values", "reach"]

_IN_CHUNK = 900
#: What remains of a path: the names of references, and of the field at its end.
Names = tuple[str, ...]


def reach(
    uow: UnitOfWork,
    spec: EntitySpec,
    rows: Sequence[Mapping[str, Any]],
    paths: Iterable[Names],
    *,
    wait: bool = True,
) -> tuple[list[dict[str, Any]], set[int]]:
    """For each of ``rows`` its values by path, such as ``{"customer.level": "A"}``.

    One statement for each entity on the way. With ``wait`` false, what somebody else is changing
    is not waited for: the places in ``rows`` that need it are returned too.
    """
    values: list[dict[str, Any]] = [{} for _row in rows]
    busy: set[int] = set()
    following: dict[str, list[Names]] = defaultdict(list)
    for path in paths:
        following[path[0]].append(path[1:])
    for name, rests in following.items():
        type_ = spec[name].type
        assert isinstance(type_, t.Reference)
        target = uow.snapshot.installed_entities[type_.entity]
        keys = {row[name] for row in rows if row.get(name) is not None}
        found, held = _records(uow, target, keys, rests, wait=wait)
        for place, row in enumerate(rows):
            key = row.get(name)
            if key in held:
                busy.add(place)
            if key in found:
                inner = [".".join(rest) for rest in rests]
                values[place] |= {f"{name}.{path}": found[key].get(path) for path in inner}
    return values, busy


def _records(
    uow: UnitOfWork, spec: EntitySpec, keys: set[int], rests: Sequence[Names], *, wait: bool
) -> tuple[dict[int, dict[str, Any]], set[int]]:
    """Records by id with their values by path, and the ids of those that must be waited for."""
    names = sorted({rest[0] for rest in rests} | {"id"})
    columns = [spec.column(name).label(name) for name in names]
    statement = select(*columns).order_by(spec.table.c.id)
    statement = statement.with_for_update(read=True, skip_locked=not wait, of=spec.table)
    found: dict[int, dict[str, Any]] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), _IN_CHUNK):
        chunk = spec.table.c.id.in_(ordered[start : start + _IN_CHUNK])
        found.update(
            (row["id"], dict(row)) for row in uow.execute(statement.where(chunk)).mappings()
        )
    held = set() if wait else keys - found.keys()
    if deeper := [rest for rest in rests if len(rest) > 1]:
        records = list(found.values())
        values, busy = reach(uow, spec, records, deeper, wait=wait)
        held |= {records[place]["id"] for place in busy}
        for record, more in zip(records, values, strict=True):
            record.update(more)
    return found, held


def line_values(
    uow: UnitOfWork, formulas: Iterable[Formula], ids: Sequence[int], *, wait: bool = True
) -> tuple[dict[str, dict[int, list[dict[str, Any]]]], set[int]]:
    """The lines that ``formulas`` of one entity add up: by field and parent, with what they need.

    Returns also the parents whose lines refer to what must be waited for.
    """
    wanted: dict[Step, set[Names]] = defaultdict(set)
    for formula in formulas:
        for steps, name in formula.paths:
            if steps[0].parent is not None:
                inner = (*(step.field for step in steps[1:]), *([name] if name else []))
                wanted[steps[0]].add(inner)
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    busy: set[int] = set()
    for step, paths in wanted.items():
        found[step.field], held = _lines(uow, step, paths - {()}, ids, wait=wait)
        busy |= held
    return found, busy


def _lines(
    uow: UnitOfWork, step: Step, paths: set[Names], ids: Sequence[int], *, wait: bool
) -> tuple[dict[int, list[dict[str, Any]]], set[int]]:
    child = uow.snapshot.installed_entities[step.target]
    assert step.parent is not None
    parent = child.column(step.parent)
    columns = [child.column(name).label(name) for name in sorted({path[0] for path in paths})]
    statement = select(parent.label("parent_"), *columns).order_by(child.table.c.id)
    if "archived_at" in child.table.c:
        statement = statement.where(child.table.c.archived_at.is_(None))
    rows: list[dict[str, Any]] = []
    for start in range(0, len(ids), _IN_CHUNK):
        chunk = statement.where(parent.in_(ids[start : start + _IN_CHUNK]))
        rows += [dict(row) for row in uow.execute(chunk).mappings()]
    deeper = [path for path in paths if len(path) > 1]
    values, busy = reach(uow, child, rows, deeper, wait=wait)
    by_parent: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row, more in zip(rows, values, strict=True):
        by_parent[row["parent_"]].append(row | more)
    return by_parent, {rows[place]["parent_"] for place in busy}
