"""Records that are about a record of any entity, such as a follow-up of a lead or of a contract.

Whoever declares a `Related` field need not know those entities, nor they it. The rule is the same
everywhere: such a record is reached, with whatever action, only by who may read the one it is
about. It is AND-ed to what roles, shares and deputies reach, also for administrators, who reach
everything but what belongs to a module that is off. Without a record it is about nothing, and roles
decide alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, or_

from core.entities.changes import Change
from core.entities.origins import reached_otherwise
from core.errors import Problem
from core.fields import EntitySpec
from core.fields.types import Related
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = ["check_related", "is_about", "relatable", "related_clause", "related_ids"]


def relatable(uow: UnitOfWork) -> tuple[EntitySpec, ...]:
    """The entities that records can be about: those with lists of their own.

    Neither lines, which are part of others, nor what is about others itself, nor what the core keeps.
    """
    found: tuple[EntitySpec, ...] | None = uow.snapshot.memo.get("relatable")
    if found is None:
        found = tuple(spec for spec in uow.snapshot.entities.values() if _can_be_meant(spec))
        uow.snapshot.memo["relatable"] = found
    return found


def _can_be_meant(spec: EntitySpec) -> bool:
    return (
        spec.navigable
        and spec.plugin != "core"
        and spec.scope is None
        and spec.parent_field is None
        and spec.related is None
        and "id" in spec.table.c
    )


def related_clause(
    uow: UnitOfWork, spec: EntitySpec, table: FromClause
) -> ColumnElement[bool] | None:
    """Rows of ``table`` that are about nothing, or about a record that the actor may read.

    None for an entity whose records are about no others, and for the system.
    """
    if spec.related is None or uow.actor.is_system:
        return None
    if uow.write or table is not spec.table or reached_otherwise(uow) is not None:
        return _clause(uow, spec, table)
    # A page of such records asks several times, of the same actor, and nothing changes meanwhile.
    kept: dict[str, tuple[Actor, ColumnElement[bool]]] = uow.memo.setdefault("related clauses", {})
    if spec.name not in kept or kept[spec.name][0] is not uow.actor:
        kept[spec.name] = uow.actor, _clause(uow, spec, table)
    return kept[spec.name][1]


def _clause(uow: UnitOfWork, spec: EntitySpec, table: FromClause) -> ColumnElement[bool]:
    from core.entities.scope import may, scope_clause

    of, key = _columns(spec, table)
    whole, parts = [], []
    if (known := reached_otherwise(uow)) is not None:
        parts.append(and_(of == known[0], key == known[1]))
    for target in relatable(uow):
        if not may(uow, target, "read"):
            continue
        other = uow.alias(target.table)
        clause = scope_clause(uow, target, "read", other)
        if clause is None:
            whole.append(target.name)
        else:
            # By the key of each row: a list of all records within reach would be long.
            parts.append(and_(of == target.name, exists().where(other.c.id == key, clause)))
    return or_(key.is_(None), of.in_(whole), *parts)


def _columns(spec: EntitySpec, table: FromClause) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    item = spec.related
    assert item is not None
    assert isinstance(item.type, Related)
    names = (spec[item.type.entity_field].column, item.column)
    of, key = (table.c[name] for name in names if name is not None)
    return of, key


def is_about(spec: EntitySpec, rows: Iterable[Mapping[str, Any]]) -> bool:
    """True when one of the rows is about another record."""
    item = spec.related
    return item is not None and any(row.get(item.name) is not None for row in rows)


def related_ids(spec: EntitySpec, rows: Iterable[Mapping[str, Any]]) -> dict[str, set[int]]:
    """What rows that hold both fields are about: ids by entity."""
    found: dict[str, set[int]] = {}
    item = spec.related
    if item is not None:
        assert isinstance(item.type, Related)
        for row in rows:
            entity, key = row.get(item.type.entity_field), row.get(item.name)
            if isinstance(entity, str) and isinstance(key, int):
                found.setdefault(entity, set()).add(key)
    return found


def check_related(uow: UnitOfWork, changes: Sequence[Change]) -> list[Problem]:
    """What is wrong with the records that these are about: half a name, or none that one may read."""
    from core.entities.incoming import readable

    item = changes[0].entity.related if changes else None
    if item is None:
        return []
    assert isinstance(item.type, Related)
    of = item.type.entity_field
    known = {spec.name for spec in relatable(uow)}
    touched = [change for change in changes if change.changed(of) or change.changed(item.name)]
    wanted = related_ids(changes[0].entity, (change.after for change in touched))
    found = {name: readable(uow, name, keys) for name, keys in wanted.items() if name in known}
    problems = []
    for change in touched:
        entity, key = change.after.get(of), change.after.get(item.name)
        if (entity is None) != (key is None):
            message = _("Name the kind of record and its number, or neither.")
            problems.append(change.problem(item.name, "related", message))
        elif key is not None and key not in found.get(entity or "", ()):
            message = _("There is no such record, or you may not see it.")
            problems.append(change.problem(item.name, "reference", message))
    return problems
