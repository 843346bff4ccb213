"""Data scopes as one SQL condition, and as a test of a record that is about to be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, or_, select

from core.entities.related import is_about, related_clause
from core.entities.scope_sql import narrowing, scope_conditions
from core.errors import Forbidden
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.actor import SCOPES, FieldAccess, parent_action
from core.security.delegation import deputy_clause
from core.security.shared import shared_clause

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "about_readable",
    "action_label",
    "depends_on_values",
    "is_about_others",
    "is_limited",
    "is_refused",
    "lines_open",
    "living",
    "may",
    "may_use",
    "parent_of",
    "plainly_within",
    "require",
    "roles_clause",
    "scope_alternatives",
    "scope_clause",
]

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
    if not actor.access(spec).may(action) or not lines_open(uow, spec, action):
        return False
    return not is_refused(uow, spec, action)


def is_refused(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """True when a plugin takes the right away from the actor."""
    enabled = uow.open_plugins
    if not uow.runtime.plugins.has("check_permission", enabled):
        return False
    permission = spec.permission(action)
    answers = uow.runtime.plugins.ask_strictly(
        "check_permission", enabled, actor=uow.actor, permission=permission
    )
    return False in answers


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
    uow: UnitOfWork,
    spec: EntitySpec,
    action: str,
    table: FromClause | None = None,
    *,
    about_seen: bool = False,
) -> ColumnElement[bool] | None:
    """Which rows of ``table`` the actor reaches with ``action``; None when all of them.

    Without the right it is false, so forgetting to ask `may` first shows nothing. ``about_seen``
    says that the rows are chosen by what they are about, and that the actor reads all of that.
    """
    table = spec.table if table is None else table
    if uow.actor.is_system:
        return None
    if spec.plugin in uow.actor.closed:
        return false()
    if spec.scope is not None:
        own: ColumnElement[bool] = spec.scope(uow, action, table)
        return own
    if spec.parent_field is not None:
        return _inherited(uow, spec, action, table)
    if not may(uow, spec, action):
        return false()
    return _any_of(*_reached(uow, spec, action, table, about_seen=about_seen))


def is_limited(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """Whether there may be rows that the actor does not reach; without making their condition."""
    if uow.actor.is_system:
        return False
    own_rules = spec.scope is not None or spec.parent_field is not None
    if own_rules or uow.runtime.plugins.has("scope_query", uow.open_plugins):
        return True
    return not uow.actor.access(spec).is_unlimited(action)


def roles_clause(uow: UnitOfWork, spec: EntitySpec, action: str) -> ColumnElement[bool] | None:
    """Which rows the actor's own roles reach: neither by a share nor as a deputy; None for all."""
    if not may(uow, spec, action):
        return false()
    return _any_of(*_reached(uow, spec, action, spec.table, by_roles_only=True))


def _any_of(
    alternatives: list[ColumnElement[bool]] | None, clauses: list[ColumnElement[bool]]
) -> ColumnElement[bool] | None:
    if alternatives is not None:
        clauses = [or_(false(), *alternatives), *clauses]
    return and_(*clauses) if clauses else None


def scope_alternatives(
    uow: UnitOfWork, spec: EntitySpec, action: str, *, about_seen: bool = False
) -> list[ColumnElement[bool]] | None:
    """The conditions of which `scope_clause` is the OR, when it is one of several; else None.

    For a database that reads an OR of conditions in no order, though it has an index for each.
    """
    own_rules = spec.scope is not None or spec.parent_field is not None
    if uow.actor.is_system or own_rules or not may(uow, spec, action):
        return None
    alternatives, clauses = _reached(uow, spec, action, spec.table, about_seen=about_seen)
    if alternatives is None or len(alternatives) < 2:
        return None
    return [and_(one, *clauses) for one in alternatives]


def _reached(
    uow: UnitOfWork,
    spec: EntitySpec,
    action: str,
    table: FromClause,
    *,
    by_roles_only: bool = False,
    about_seen: bool = False,
) -> tuple[list[ColumnElement[bool]] | None, list[ColumnElement[bool]]]:
    """(what the scopes reach, any of them; None for everything; what narrows it further).

    A page asks it many times of the same table; whoever writes may change what it says.
    """
    actor, kept = uow.actor, {} if uow.write else uow.memo
    key = ("reached", id(actor), spec.name, action, table, by_roles_only)
    if key not in kept:  # with the actor, so that no other one comes to have its id
        kept[key] = actor, _reach(uow, spec, action, table, by_roles_only=by_roles_only)
    reached, narrowed = kept[key][1]
    if not about_seen and (related := related_clause(uow, spec, table)) is not None:
        narrowed = [*narrowed, related]
    return reached, narrowed


def _reach(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause, *, by_roles_only: bool
) -> tuple[list[ColumnElement[bool]] | None, list[ColumnElement[bool]]]:
    access = uow.actor.access(spec)
    reached: list[ColumnElement[bool]] | None = None
    if not access.is_unlimited(action):
        reached = [
            one
            for scope in access.scopes.get(action, ())
            for one in scope_conditions(uow, spec, scope, table)
        ]
        verb = spec.actions_by_name.get(action)
        if verb is not None and verb.scope is not None:
            reached.append(verb.scope(uow, table))
        if not by_roles_only:
            beyond = (find(uow, spec, action, table) for find in (shared_clause, deputy_clause))
            reached += [clause for clause in beyond if clause is not None]
    return reached, narrowing(uow, spec, action, table)


def plainly_within(
    uow: UnitOfWork, spec: EntitySpec, action: str, rows: Iterable[Mapping[str, Any]]
) -> bool:
    """True when the commonest scopes already say, without the database, that the actor reaches the rows.

    ``rows`` have the stored values of living records, by field name.
    """
    actor = uow.actor
    access = actor.access(spec)
    rows = list(rows)
    if is_about(spec, rows):
        return False
    if uow.runtime.plugins.has("scope_query", uow.open_plugins) or spec.parent_field:
        return False
    if access.is_unlimited(action):
        return True
    scopes = access.scopes.get(action, ())
    if not any(isinstance(scope, str) and scope in SCOPES for scope in scopes):
        return False
    key = "owner" if spec.owned else "created_by"
    return all(row.get(key) == actor.user_id for row in rows)


def depends_on_values(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """True when any field may decide whether a row is reached, not only owner and department."""
    if uow.actor.is_system or spec.parent_field is not None:
        return False
    if (
        spec.scope is not None
        or spec.related is not None
        or uow.runtime.plugins.has("scope_query", uow.open_plugins)
    ):
        return True
    scopes = uow.actor.access(spec).scopes.get(action, ())
    return any(not isinstance(scope, str) or scope not in SCOPES for scope in scopes)


def living(uow: UnitOfWork, spec: EntitySpec) -> list[ColumnElement[bool]]:
    """Rows that are not in the recycle bin; lines go into it and out of it with their parent."""
    if spec.parent_field is not None:
        return [~gone for gone in _gone(uow, spec, spec.table)]
    kept: dict[str, list[ColumnElement[bool]]] = uow.snapshot.memo.setdefault("living", {})
    if spec.name not in kept:
        kept[spec.name] = [~gone for gone in _gone(uow, spec, spec.table)]
    return list(kept[spec.name])


def _gone(uow: UnitOfWork, spec: EntitySpec, table: FromClause) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if "archived_at" in table.c:
        found.append(table.c.archived_at.is_not(None))
    if spec.parent_field is not None:
        parent = parent_of(uow, spec)
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


def is_about_others(spec: EntitySpec) -> bool:
    """Whether its rows name a record of any entity, as files and comments do."""
    return {"entity", "record_id"} <= spec.by_name.keys()


def about_readable(
    uow: UnitOfWork, table: FromClause, entity: str | None = None
) -> Iterator[tuple[EntitySpec, ColumnElement[bool]]]:
    """For rows that name a record by ``entity`` and ``record_id``: for each entity that the actor
    may read, or for the one that all are about, the condition that the row is about one of its records
    within reach. What itself is about any record, as a file is, is no record in this sense."""
    for spec in uow.entities.values() if entity is None else (uow.entity(entity),):
        if is_about_others(spec) or "id" not in spec.table.c or not may(uow, spec, "read"):
            continue
        named, parent = table.c.entity == spec.name, uow.alias(spec.table)
        clause = scope_clause(uow, spec, "read", parent)
        if clause is None:  # all of them: none need be looked at
            yield spec, named
        else:
            yield spec, and_(named, exists().where(parent.c.id == table.c.record_id, clause))


def parent_of(uow: UnitOfWork, spec: EntitySpec) -> EntitySpec:
    """The entity whose records hold these lines."""
    assert spec.parent_field is not None
    return uow.snapshot.installed_entities[spec[spec.parent_field].type.entity]  # type: ignore[attr-defined]


def lines_open(uow: UnitOfWork, spec: EntitySpec, action: str) -> bool:
    """Lines are as open as the parent's field that holds them: there is no way around it."""
    if spec.parent_field is None:
        return True
    parent = parent_of(uow, spec)
    if parent.plugin in uow.actor.closed:
        return False
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
    if not lines_open(uow, spec, action):
        return false()
    parent = parent_of(uow, spec)
    above = uow.alias(parent.table)
    clause = scope_clause(uow, parent, parent_action(action), above)
    if clause is None:
        return None
    column = spec[spec.parent_field].column
    assert column is not None
    return table.c[column].in_(select(above.c.id).where(clause))
