"""Data scopes as one SQL condition, and as a test of a record that is about to be written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, or_, select

from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.errors import Forbidden, Invalid
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.actor import SCOPES, FieldAccess, Scope, parent_action

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "action_label",
    "depends_on_values",
    "living",
    "may",
    "may_use",
    "require",
    "scope_alternatives",
    "scope_clause",
]

log = logging.getLogger("dougong.security")

_COMMON = {
    "read": _l("Read"),
    "create": _l("Create"),
    "update": _l("Change"),
    "delete": _l("Delete"),
    "import": _l("Import"),
    "export": _l("Export"),
}


def may(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """True when the actor has the right to ``action`` on some records of the entity."""
    actor = uow.actor
    if actor.is_system:
        return True
    if not actor.access(spec).may(action) or not _lines_open(uow, spec, action):
        return False
    permission = spec.permission(action)
    enabled = uow.snapshot.enabled
    if not uow.runtime.plugins.has("check_permission", enabled):
        return True
    answers = uow.runtime.plugins.ask_strictly(
        "check_permission", enabled, actor=actor, permission=permission
    )
    return False not in answers


def action_label(spec: EntitySpec | None, action: str) -> str:
    """A common action or a verb as a word."""
    if spec is not None and action in spec.actions_by_name:
        return str(spec.actions_by_name[action].label)
    return str(_COMMON.get(action, action))


def require(uow: UnitOfWork, spec: EntitySpec, action: str) -> None:
    """Raise `Forbidden` unless the actor has the right on some records."""
    if not may(uow, spec, action):
        raise Forbidden(
            _(
                "You do not have the right “%(action)s” for %(entity)s.",
                action=action_label(spec, action),
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
    if spec.scope is not None:
        own: ColumnElement[bool] = spec.scope(uow, action, table)
        return own
    if spec.parent_field is not None:
        return _inherited(uow, spec, action, table)
    if not may(uow, spec, action):
        return false()
    alternatives, clauses = _reached(uow, spec, action, table)
    if alternatives is not None:
        clauses = [or_(false(), *alternatives), *clauses]
    return and_(*clauses) if clauses else None


def scope_alternatives(
    uow: UnitOfWork, spec: EntitySpec, action: str
) -> list[ColumnElement[bool]] | None:
    """The conditions of which `scope_clause` is the OR, when it is one of several; else None.

    For a database that reads an OR of conditions in no order, though it has an index for each.
    """
    own_rules = spec.scope is not None or spec.parent_field is not None
    if uow.actor.is_system or own_rules or not may(uow, spec, action):
        return None
    alternatives, clauses = _reached(uow, spec, action, spec.table)
    if alternatives is None or len(alternatives) < 2:
        return None
    return [and_(one, *clauses) for one in alternatives]


def _reached(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> tuple[list[ColumnElement[bool]] | None, list[ColumnElement[bool]]]:
    """(what the scopes reach, any of them; None for everything; what narrows it further)."""
    access = uow.actor.access(spec)
    reached: list[ColumnElement[bool]] | None = None
    if not access.is_unlimited(action):
        reached = [
            one
            for scope in access.scopes.get(action, ())
            for one in _scope(uow, spec, scope, table)
        ]
        verb = spec.actions_by_name.get(action)
        if verb is not None and verb.scope is not None:
            reached.append(verb.scope(uow, table))
    return reached, _narrowed(uow, spec, action, table)


def depends_on_values(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """True when any field may decide whether a row is reached, not only owner and department."""
    if uow.actor.is_system or spec.parent_field is not None:
        return False
    if spec.scope is not None or uow.runtime.plugins.has("scope_query", uow.snapshot.enabled):
        return True
    scopes = uow.actor.access(spec).scopes.get(action, ())
    return any(not isinstance(scope, str) or scope not in SCOPES for scope in scopes)


def living(
    uow: UnitOfWork, spec: EntitySpec, table: FromClause | None = None
) -> list[ColumnElement[bool]]:
    """Rows that are not in the recycle bin; lines go into it and out of it with their parent."""
    return [~gone for gone in _gone(uow, spec, spec.table if table is None else table)]


def _gone(uow: UnitOfWork, spec: EntitySpec, table: FromClause) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if "archived_at" in table.c:
        found.append(table.c.archived_at.is_not(None))
    if spec.parent_field is not None:
        parent = _parent(uow, spec)
        above = uow.alias(parent.table)
        column = spec[spec.parent_field].column
        assert column is not None
        if reasons := _gone(uow, parent, above):
            found.append(exists().where(above.c.id == table.c[column], or_(*reasons)))
    return found


def may_use(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec) -> bool:
    """True when the actor may filter, sort, group and search on the field."""
    if uow.actor.is_system:
        return True
    access = uow.actor.access(spec)
    return access.may("read") and access.can_use(item)


def _parent(uow: UnitOfWork, spec: EntitySpec) -> EntitySpec:
    assert spec.parent_field is not None
    return uow.snapshot.installed_entities[spec[spec.parent_field].type.entity]  # type: ignore[attr-defined]


def _lines_open(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """Lines are as open as the parent's field that holds them: there is no way around it."""
    if spec.parent_field is None:
        return True
    parent = _parent(uow, spec)
    access = uow.actor.access(parent)
    levels = [
        access.field(item.name)
        for item in parent
        if isinstance(item.type, t.Lines) and item.type.entity == spec.name
    ]
    reading = parent_action(action) != "update"
    wanted = FieldAccess.READ if reading else FieldAccess.WRITE
    return not levels or max(levels) >= wanted


def _inherited(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> ColumnElement[bool] | None:
    assert spec.parent_field is not None
    if not _lines_open(uow, spec, action):
        return false()
    parent = _parent(uow, spec)
    above = uow.alias(parent.table)
    clause = scope_clause(uow, parent, parent_action(action), above)
    if clause is None:
        return None
    column = spec[spec.parent_field].column
    assert column is not None
    return table.c[column].in_(select(above.c.id).where(clause))


def _scope(
    uow: UnitOfWork, spec: EntitySpec, scope: Scope, table: FromClause
) -> list[ColumnElement[bool]]:
    """The alternatives that make up one scope."""
    actor = uow.actor
    if isinstance(scope, Mapping):
        with uow.elevated():  # the rule looks at fields that its subject may not see
            try:
                node = parse_condition(scope["condition"], spec, uow)
            except Invalid:
                # A field it names is gone, e.g. with its plugin: nothing is reached, and nobody
                # but the administrator learns what the rule looks at.
                log.warning("a scope of %s no longer fits the entity", spec.name)
                return []
            return [condition_sql(node, spec, uow, table)]
    people = table.c.get("owner_id" if spec.owned else "created_by")
    if people is None:
        return []  # such rows have no owner and no maker
    mine = people == actor.user_id
    match scope:
        case "own":
            return [mine]
        case "subordinates":
            return [mine, people.in_(_members(uow, actor.headed))]
        case "department" | "department_below":
            ids = actor.departments if scope == "department" else actor.departments_below
            if spec.owned:
                return [mine, table.c.department_id.in_(ids)]
            return [mine, people.in_(_members(uow, ids))]
    own = spec.scopes_by_name.get(scope)
    # A scope that a newer version of the plugin no longer has reaches nothing.
    return [] if own is None else [own.clause(uow, table)]


def _members(uow: UnitOfWork, departments: tuple[int, ...]) -> Any:
    users = uow.alias(uow.snapshot.installed_entities["user"].table)
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
