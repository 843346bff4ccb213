"""One scope, and what plugins demand beside, as conditions of SQL."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    and_,
    any_,
    bindparam,
    func,
    select,
)

from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.errors import Invalid
from core.fields import EntitySpec
from core.security.actor import Scope

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["narrowing", "scope_conditions"]

log = logging.getLogger("dougong.security")
#: A longer list of departments is passed as one parameter.
FEW = 32


def scope_conditions(
    uow: UnitOfWork, spec: EntitySpec, scope: Scope, table: FromClause
) -> list[ColumnElement[bool]]:
    """The alternatives that make up one scope; none when it reaches nothing."""
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
                return [mine, _among(uow, table.c.department_id, ids)]
            return [mine, people.in_(_members(uow, ids))]
    own = spec.scopes_by_name.get(scope)
    # A scope that a newer version of the plugin no longer has reaches nothing.
    return [] if own is None else [own.clause(uow, table)]


def _members(uow: UnitOfWork, departments: tuple[int, ...]) -> Any:
    users = uow.alias(uow.snapshot.installed_entities["user"].table)
    return select(users.c.id).where(_among(uow, users.c.department_id, departments))


def _among(uow: UnitOfWork, column: Any, ids: tuple[int, ...]) -> ColumnElement[bool]:
    """The column is one of the ids, through its index; however many, they are one parameter."""
    found: ColumnElement[bool]
    if len(ids) <= FEW:
        found = column.in_(ids)
    elif uow.runtime.database.is_sqlite:
        listed = func.json_each(orjson.dumps(ids).decode()).table_valued("value")
        found = column.in_(select(listed.c.value))
    else:
        found = column == any_(bindparam(None, list(ids), ARRAY(BigInteger)))
    return found


def narrowing(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> list[ColumnElement[bool]]:
    """What plugins demand of a row beside."""
    plugins, enabled = uow.runtime.plugins, uow.open_plugins
    if not plugins.has("scope_query", enabled):
        return []
    clauses = plugins.ask_strictly(
        "scope_query", enabled, entity=spec, action=action, actor=uow.actor
    )
    if table is spec.table:
        return clauses
    narrowed = select(spec.table.c.id).where(and_(*clauses)) if clauses else None
    return [table.c.id.in_(narrowed)] if narrowed is not None else []
