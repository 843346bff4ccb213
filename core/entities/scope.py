"""Data scopes as one SQL condition, and as a test of a record that is about to be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_, select

from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.errors import Forbidden
from core.fields import EntitySpec, FieldSpec
from core.i18n import gettext as _
from core.security.actor import Scope, parent_action

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["may", "may_use", "require", "scope_clause"]


def may(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """True when the actor has the right to ``action`` on some records of the entity."""
    actor = uow.actor
    if actor.is_system:
        return True
    if not actor.access(spec).may(action):
        return False
    permission = spec.permission(action)
    enabled = uow.snapshot.enabled
    if not uow.runtime.plugins.has("check_permission", enabled):
        return True
    answers = uow.runtime.plugins.ask_strictly(
        "check_permission", enabled, actor=actor, permission=permission
    )
    return False not in answers


def require(uow: UnitOfWork, spec: EntitySpec, action: str) -> None:
    """Raise `Forbidden` unless the actor has the right on some records."""
    if not may(uow, spec, action):
        raise Forbidden(
            _(
                "You do not have the right “%(action)s” for %(entity)s.",
                action=action,
                entity=str(spec.label_plural),
            )
        )


def scope_clause(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause | None = None
) -> ColumnElement[bool] | None:
    """Which rows of ``table`` the actor reaches with ``action``; None when all of them.

    Without the right it is false, so forgetting to ask `may` first shows nothing.
    """
    table = spec.table if table is None else table
    if uow.actor.is_system:
        return None
    if spec.parent_field is not None:
        return _inherited(uow, spec, action, table)
    if not may(uow, spec, action):
        return false()
    access = uow.actor.access(spec)
    clauses: list[ColumnElement[bool]] = []
    if not access.is_unlimited(action):
        scopes = (_scope(uow, spec, scope, table) for scope in access.scopes.get(action, ()))
        clauses.append(or_(false(), *scopes))
    clauses += _narrowed(uow, spec, action, table)
    return and_(*clauses) if clauses else None


def may_use(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec) -> bool:
    """True when the actor may filter, sort, group and search on the field."""
    if uow.actor.is_system:
        return True
    access = uow.actor.access(spec)
    return access.may("read") and access.can_use(item)


def _parent(uow: UnitOfWork, spec: EntitySpec) -> EntitySpec:
    assert spec.parent_field is not None
    return uow.snapshot.installed_entities[spec[spec.parent_field].type.entity]  # type: ignore[attr-defined]


def _inherited(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> ColumnElement[bool] | None:
    assert spec.parent_field is not None
    parent = _parent(uow, spec)
    above = parent.table.alias()
    clause = scope_clause(uow, parent, parent_action(action), above)
    if clause is None:
        return None
    column = spec[spec.parent_field].column
    assert column is not None
    return table.c[column].in_(select(above.c.id).where(clause))


def _scope(
    uow: UnitOfWork, spec: EntitySpec, scope: Scope, table: FromClause
) -> ColumnElement[bool]:
    actor = uow.actor
    if isinstance(scope, Mapping):
        with uow.elevated():  # the rule looks at fields that its subject may not see
            node = parse_condition(scope["condition"], spec, uow)
            return condition_sql(node, spec, uow, table)
    people = table.c.owner_id if spec.owned else table.c.created_by
    match scope:
        case "own":
            return people == actor.user_id
        case "subordinates":
            return or_(people == actor.user_id, people.in_(_members(uow, actor.headed)))
        case "department" | "department_below":
            ids = actor.departments if scope == "department" else actor.departments_below
            if spec.owned:
                return or_(people == actor.user_id, table.c.department_id.in_(ids))
            return or_(people == actor.user_id, people.in_(_members(uow, ids)))
    raise ValueError(f"unknown scope {scope!r}")


def _members(uow: UnitOfWork, departments: tuple[int, ...]) -> Any:
    users = uow.snapshot.installed_entities["user"].table.alias()
    return select(users.c.id).where(users.c.department_id.in_(departments))


def _narrowed(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> list[ColumnElement[bool]]:
    plugins, enabled = uow.runtime.plugins, uow.snapshot.enabled
    if not plugins.has("scope_query", enabled):
        return []
    clauses = plugins.ask_strictly(
        "scope_query", enabled, entity=spec, action=action, actor=uow.actor
    )
    if table is spec.table:
        return clauses
    narrowed = select(spec.table.c.id).where(and_(*clauses)) if clauses else None
    return [table.c.id.in_(narrowed)] if narrowed is not None else []
