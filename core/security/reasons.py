"""The reasons that `explain` gives: of the right, of the record, of the field, each asked by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, false, or_, select

from core.entities.labels import resolve_labels
from core.entities.related import related_clause
from core.entities.scope import (
    action_label,
    is_refused,
    lines_open,
    living,
    parent_of,
)
from core.entities.scope_sql import narrowing, scope_conditions
from core.i18n import gettext as _
from core.security.actor import FieldAccess, Scope, parent_action
from core.security.delegation import deputy_clause, stood_in_for
from core.security.models import Role
from core.security.shared import ACTION_LEVELS, is_shareable, shared_clause

if TYPE_CHECKING:
    from core.fields import EntitySpec, FieldSpec
    from core.work.uow import UnitOfWork

__all__ = ["Reason", "field_reason", "open_level", "reach_reasons", "right_reasons", "test_row"]


@dataclass(frozen=True)
class Reason:
    """One thing that holds or does not. With parts it holds when any of them does."""

    holds: bool
    text: str
    parts: tuple[Reason, ...] = ()


def test_row(uow: UnitOfWork, spec: EntitySpec, record_id: int, *clauses: Any) -> bool:
    """True when the record fulfils all conditions."""
    asked = select(spec.table.c.id).where(spec.table.c.id == record_id, *clauses)
    return uow.execute(asked).first() is not None


# The right to the action


def right_reasons(uow: UnitOfWork, spec: EntitySpec, action: str) -> Iterator[Reason]:
    """What gives the right to the action on some records; all of them must hold."""
    access = uow.actor.access(spec)
    yield Reason(
        access.may(action),
        _(
            "The right “%(action)s” for %(entity)s",
            action=action_label(spec, action),
            entity=str(spec.label_plural),
        ),
        tuple(_rights(uow, spec, action)),
    )
    if uow.actor.is_limited:
        held = uow.actor.token_allows(spec.governed_by, _asked(spec, action))
        yield Reason(held, _("The API token allows it."))
    if spec.parent_field is not None:
        label = str(parent_of(uow, spec).label)
        text = _("The field of %(entity)s that holds these lines is open.", entity=label)
        yield Reason(lines_open(uow, spec, action), text)
    if access.may(action) and is_refused(uow, spec, action):
        yield Reason(False, _("A module takes this right away."))


def _rights(uow: UnitOfWork, spec: EntitySpec, action: str) -> Iterator[Reason]:
    actor, asked = uow.actor, _asked(spec, action)
    if actor.is_admin:
        yield Reason(True, _("Administrators may do everything."))
    titles = _role_titles(uow)
    for role in actor.roles:
        if not role.is_admin:
            scopes = role.scopes(spec.governed_by, asked)
            text = _("Role %(role)s", role=titles[role.name])
            yield Reason(bool(scopes), text)
    if action == "read" and spec.directory:
        yield Reason(True, _("Everybody who signs in reads this."))


def _asked(spec: EntitySpec, action: str) -> str:
    return action if spec.parent_field is None else parent_action(action)


def _role_titles(uow: UnitOfWork) -> dict[str, str]:
    table = Role.__table__
    rows = uow.execute(select(table.c.name, table.c.title))
    return {row.name: row.title or row.name for row in rows}


# The record


def reach_reasons(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, action: str
) -> Iterator[Reason]:
    """What brings the record within reach; all of them must hold."""
    if not test_row(uow, spec, record_id, *living(uow, spec)):
        yield Reason(False, _("The record is in the recycle bin."))
    if spec.scope is not None:
        clause = spec.scope(uow, action, spec.table)
        text = _("%(entity)s have a rule of their own.", entity=str(spec.label_plural))
        yield Reason(test_row(uow, spec, record_id, clause), text)
    elif spec.parent_field is not None:
        yield _through_parent(uow, spec, record_id, action)
    else:
        parts = tuple(_roads(uow, spec, record_id, action))
        text = _("A way to this record; %(facts)s", facts=_facts(uow, spec, record_id))
        yield Reason(any(part.holds for part in parts), text, parts)
        for clause in narrowing(uow, spec, action, spec.table):
            held = test_row(uow, spec, record_id, clause)
            yield Reason(held, _("A module lets this record through."))
        if (related := related_clause(uow, spec, spec.table)) is not None:
            held = test_row(uow, spec, record_id, related)
            yield Reason(held, _("The person may read the record that this one is about."))


def _through_parent(uow: UnitOfWork, spec: EntitySpec, record_id: int, action: str) -> Reason:
    parent, asked = parent_of(uow, spec), parent_action(action)
    column = spec.column(spec.parent_field or "")
    above = uow.execute(select(column).where(spec.table.c.id == record_id)).scalar_one()
    text = _("The %(entity)s above it is within reach.", entity=str(parent.label))
    parts = [*right_reasons(uow, parent, asked), *reach_reasons(uow, parent, above, asked)]
    return Reason(all(part.holds for part in parts), text, tuple(parts))


def _roads(uow: UnitOfWork, spec: EntitySpec, record_id: int, action: str) -> Iterator[Reason]:
    """Every alternative of `core.entities.scope.scope_clause`, and what is not one here."""
    actor, table = uow.actor, spec.table

    def road(conditions: Sequence[ColumnElement[bool]], text: str) -> Reason:
        return Reason(test_row(uow, spec, record_id, or_(false(), *conditions)), text)

    if not actor.access(spec).may(action):
        return
    if actor.is_admin:
        yield Reason(True, _("Administrators reach all records."))
    titles = _role_titles(uow)
    for role in actor.roles:
        for scope in () if role.is_admin else role.scopes(spec.governed_by, action):
            text = _("Role %(role)s: %(scope)s", role=titles[role.name], scope=_words(spec, scope))
            if scope == "all":
                yield Reason(True, text)
            else:
                yield road(scope_conditions(uow, spec, scope, table), text)
    if action == "read" and spec.directory:
        yield Reason(True, _("Everybody who signs in reads this."))
    verb = spec.actions_by_name.get(action)
    if verb is not None and verb.scope is not None:
        yield road(
            [verb.scope(uow, table)], _("The action reaches records of its own, such as a pool.")
        )
    if action in ACTION_LEVELS and is_shareable(spec):
        shared = shared_clause(uow, spec, action, table)
        text = _("It is shared with the person, or with a department of theirs.")
        yield road([] if shared is None else [shared], text)
    deputy = deputy_clause(uow, spec, action, table)
    if deputy is not None:
        people = stood_in_for(uow, spec, action)
        names = resolve_labels(uow, {"user": set(people)}).get("user", {})
        named = ", ".join(names.get(key, f"#{key}") for key in people)
        yield road([deputy], _("The person stands in for %(names)s.", names=named))


def _words(spec: EntitySpec, scope: Scope) -> str:
    if not isinstance(scope, str):
        return _("records that fulfil a condition")
    if scope in spec.scopes_by_name:
        return str(spec.scopes_by_name[scope].label)
    return {
        "own": _("own records"),
        "subordinates": _("own records and those of the people they head"),
        "department": _("own records and those of their departments"),
        "department_below": _("own records and those of their departments and all below"),
        "all": _("all records"),
    }.get(scope, scope)


def _facts(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> str:
    """Whose the record is."""
    person = spec.table.c["owner_id" if spec.owned else "created_by"]
    columns = [person.label("person")]
    columns += [spec.table.c.department_id.label("department")] if spec.owned else []
    row = uow.execute(select(*columns).where(spec.table.c.id == record_id)).one()._mapping
    department = row.get("department")
    ids = {"user": {row["person"]} - {None}, "department": {department} - {None}}
    labels = resolve_labels(uow, ids)
    who = labels.get("user", {}).get(row["person"] or 0, _("nobody"))
    if not spec.owned:
        return _("it was made by %(name)s", name=who)
    where = labels.get("department", {}).get(department or 0, "—")
    return _("its owner is %(name)s, its department %(department)s", name=who, department=where)


# The field


def open_level(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec) -> FieldAccess:
    """How far a field is open; nobody writes one by hand that is worked out."""
    level = uow.actor.access(spec).field(field.name)
    return level if field.is_writable else min(level, FieldAccess.READ)


def field_reason(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, action: str) -> Reason:
    """How far the field is open for the action: any role may open it."""
    level = open_level(uow, spec, field)
    wanted = FieldAccess.WRITE if action in ("create", "update") else FieldAccess.MASKED
    label = str(field.label)
    text = _("The field %(field)s is %(how)s.", field=label, how=_how(level))
    return Reason(level >= wanted, text, tuple(_field_roads(uow, spec, field, wanted)))


def _field_roads(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, wanted: FieldAccess
) -> Iterator[Reason]:
    if uow.actor.is_admin:
        yield Reason(True, _("Administrators see and change every field."))
    titles = _role_titles(uow)
    for role in uow.actor.roles:
        if role.is_admin or not role.scopes(spec.governed_by, "read"):
            continue
        level = role.field_access(spec, field.name)
        text = _("Role %(role)s: %(scope)s", role=titles[role.name], scope=_how(level))
        yield Reason(level >= wanted, text)
    if not field.is_writable:
        yield Reason(wanted < FieldAccess.WRITE, _("Nobody writes this field by hand."))


def _how(level: FieldAccess) -> str:
    return {
        FieldAccess.HIDDEN: _("hidden"),
        FieldAccess.MASKED: _("masked"),
        FieldAccess.READ: _("open for reading"),
        FieldAccess.WRITE: _("open for reading and changing"),
    }[level]
