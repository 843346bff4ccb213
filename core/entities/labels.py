"""What references are called: one query for each entity, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, select

from core.entities.masking import mask_value
from core.entities.related import related_ids
from core.entities.scope import scope_clause
from core.fields import EntitySpec
from core.fields import types as t
from core.security.actor import FieldAccess

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Labels", "label_column", "reference_ids", "resolve_labels"]

#: ``{entity: {id: label}}``; a record that the reader may not see has no entry.
Labels = dict[str, dict[int, str]]


def label_column(spec: EntitySpec, table: FromClause | None = None) -> ColumnElement[Any]:
    """The column that names a record."""
    physical = spec[spec.label_field].column
    assert physical is not None
    return (spec.table if table is None else table).c[physical]


def reference_ids(
    spec: EntitySpec, names: Iterable[str], rows: Iterable[Mapping[str, Any]]
) -> dict[str, set[int]]:
    """The ids that the reference fields ``names`` of ``rows`` hold, by entity."""
    found: dict[str, set[int]] = {}
    names = list(names)
    fields = [spec[name] for name in names if name in spec]
    targets = [
        (field.name, "file" if isinstance(field.type, t.File) else field.type.entity)
        for field in fields
        if isinstance(field.type, (t.Reference, t.References, t.File))
    ]
    about = spec.related is not None and spec.related.name in names
    rows = list(rows) if targets or about else ()
    if about:
        found = related_ids(spec, rows)
    for name, entity in targets:
        values = [row.get(name) for row in rows]
        ids = {value for value in values if isinstance(value, int)}
        ids.update(*(value for value in values if isinstance(value, list)))
        if ids:
            found.setdefault(entity, set()).update(ids)
    return found


def resolve_labels(uow: UnitOfWork, wanted: Mapping[str, set[int]]) -> Labels:
    """Labels of the records that the actor may read."""
    found: Labels = {}
    for entity, ids in wanted.items():
        # Those of a module that is off are not shown, and its scopes cannot be asked for.
        spec = uow.entities.get(entity)
        if spec is not None and ids:
            found[entity] = _entity_labels(uow, spec, ids)
    return found


def _entity_labels(uow: UnitOfWork, spec: EntitySpec, ids: set[int]) -> dict[int, str]:
    name = spec.name
    actor = uow.actor
    memo: dict[int, str | None] = uow.memo.setdefault(
        ("labels", name, actor.user_id, actor.is_system), {}
    )
    shared = spec.shapes_access and _sees_all(uow, spec)
    kept = uow.access.labels
    if shared:
        memo.update({key: kept[name, key] for key in ids - memo.keys() if (name, key) in kept})
    missing = sorted(ids - memo.keys())
    for start in range(0, len(missing), 900):
        chunk = missing[start : start + 900]
        memo.update(dict.fromkeys(chunk))
        memo.update(_read(uow, spec, chunk))
    if shared and missing and uow.sees_what_holds:
        kept.update({(name, key): label for key in missing if (label := memo[key]) is not None})
    return {key: label for key in ids if (label := memo[key]) is not None}


def _sees_all(uow: UnitOfWork, spec: EntitySpec) -> bool:
    """True when the actor sees the plain labels of all records: only such may share them."""
    if uow.actor.is_system:
        return True
    return (
        uow.actor.access(spec).can_use(spec[spec.label_field])
        and scope_clause(uow, spec, "read") is None
    )


def _read(uow: UnitOfWork, spec: EntitySpec, ids: list[int]) -> dict[int, str]:
    access = FieldAccess.READ
    if not uow.actor.is_system:
        access = uow.actor.access(spec).field(spec.label_field)
    if access == FieldAccess.HIDDEN:
        return {}
    statement = select(spec.table.c.id, label_column(spec).label("label")).where(
        spec.table.c.id.in_(ids)
    )
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    rows = [(row.id, row.label) for row in uow.execute(statement)]
    if access == FieldAccess.MASKED:
        pattern = spec[spec.label_field].mask
        return {key: mask_value(label, pattern) or f"#{key}" for key, label in rows}
    return {key: f"#{key}" if label is None else str(label) for key, label in rows}
