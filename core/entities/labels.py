"""What references are called: one statement, whatever the number of rows and of entities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, Select, select

from core.db.together import fetch_together
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
#: Numbers in one list of a statement.
_IN_CHUNK = 900


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
    """Labels of the records that the actor may read: one statement for all entities."""
    found: Labels = {}
    # Those of a module that is off are not shown, and its scopes cannot be asked for.
    asked = [
        _Wanted(uow, spec, ids)
        for entity, ids in wanted.items()
        if ids and (spec := uow.entities.get(entity)) is not None
    ]
    parts = [(each, chunk) for each in asked for chunk in each.chunks()]
    statements = [each.statement(chunk) for each, chunk in parts]
    for (each, _chunk), rows in zip(parts, fetch_together(uow.connection, statements), strict=True):
        each.take(rows)
    for each in asked:
        found[each.spec.name] = each.labels()
    return found


class _Wanted:
    """The labels of some records of one entity: what is known of them, and what is to be read."""

    def __init__(self, uow: UnitOfWork, spec: EntitySpec, ids: set[int]) -> None:
        self.uow, self.spec, self.ids = uow, spec, ids
        actor, name = uow.actor, spec.name
        self.memo: dict[int, str | None] = uow.memo.setdefault(
            ("labels", name, actor.user_id, actor.is_system), {}
        )
        self.is_shared = spec.shapes_access and _sees_all(uow, spec)
        if self.is_shared:
            kept = uow.access.labels
            known = {key: kept[name, key] for key in ids - self.memo.keys() if (name, key) in kept}
            self.memo.update(known)
        self.missing = sorted(ids - self.memo.keys())
        self.memo.update(dict.fromkeys(self.missing))
        self.access = FieldAccess.READ
        if not actor.is_system:
            self.access = actor.access(spec).field(spec.label_field)

    def chunks(self) -> list[list[int]]:
        """What is to be read, in parts that a database takes."""
        if self.access == FieldAccess.HIDDEN:
            return []
        return [
            self.missing[start : start + _IN_CHUNK]
            for start in range(0, len(self.missing), _IN_CHUNK)
        ]

    def statement(self, chunk: list[int]) -> Select[Any]:
        table = self.spec.table
        found = select(table.c.id, label_column(self.spec).label("label"))
        found = found.where(table.c.id.in_(chunk))
        if (clause := scope_clause(self.uow, self.spec, "read")) is not None:
            found = found.where(clause)
        return found

    def take(self, rows: Iterable[Any]) -> None:
        is_masked, pattern = (
            self.access == FieldAccess.MASKED,
            self.spec[self.spec.label_field].mask,
        )
        names_another = isinstance(self.spec[self.spec.label_field].type, (t.Reference, t.Related))
        for key, label in rows:
            if names_another:  # the number of that one says nothing
                label = None
            shown = mask_value(label, pattern) or None if is_masked else label
            self.memo[key] = f"#{key}" if shown is None else str(shown)

    def labels(self) -> dict[int, str]:
        if self.is_shared and self.missing and self.uow.sees_what_holds:
            read = {key: self.memo[key] for key in self.missing}
            self.uow.access.labels.update(
                {(self.spec.name, key): label for key, label in read.items() if label is not None}
            )
        return {key: label for key in self.ids if (label := self.memo[key]) is not None}


def _sees_all(uow: UnitOfWork, spec: EntitySpec) -> bool:
    """True when the actor sees the plain labels of all records: only such may share them."""
    if uow.actor.is_system:
        return True
    return (
        uow.actor.access(spec).can_use(spec[spec.label_field])
        and scope_clause(uow, spec, "read") is None
    )
