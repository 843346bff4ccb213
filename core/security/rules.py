"""The rules that keep people, departments and roles sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal, or_, select, true, update

from core.db.base import metadata
from core.entities.changes import Change
from core.entities.links import link_table_name
from core.errors import Problem
from core.fields import References
from core.i18n import gettext as _
from core.security.actor import FIELD_ACCESS, SCOPES
from core.security.models import Department, Role, User, session_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["follow", "prepare", "validate"]


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to people, departments and roles; none for other entities."""
    match changes[0].entity.name:
        case "user":
            return _validate_users(changes, uow)
        case "department":
            return _validate_departments(changes, uow)
        case "role":
            if not (uow.actor.is_admin or uow.actor.is_system):
                message = _("Only administrators change this.")
                return [change.problem("grants", "readonly", message) for change in changes]
            return [problem for change in changes for problem in _validate_role(change, uow)]
        case "absence":
            return [
                change.problem("ends_on", "range", _("The end lies before the beginning."))
                for change in changes
                if change.after["ends_on"] < change.after["starts_on"]
            ]
    return ()


def _validate_users(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    problems = []
    if not (uow.actor.is_admin or uow.actor.is_system):
        for change in changes:
            given = "roles" in change.detached and change.changed("roles")
            sensitive = [
                name
                for name in ("email", "is_active")
                if change.kind == "update" and change.changed(name)
            ]
            for name in (["roles"] if given else []) + sensitive:
                message = _("Only administrators change this.")
                problems.append(change.problem(name, "readonly", message))
    if not problems and any(_ends_admin(change) for change in changes):
        problems += _keep_an_administrator(changes, uow)
    return problems


def _ends_admin(change: Change) -> bool:
    if change.kind == "delete":
        return True
    return change.kind == "update" and (
        (change.changed("is_active") and not change.after["is_active"])
        or "roles" in change.detached
    )


def _keep_an_administrator(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    """Somebody must be able to administer after this."""
    users, roles = User.__table__, Role.__table__
    links = metadata.tables[link_table_name("core_user", "roles")]
    admin_roles = set(uow.execute(select(roles.c.id).where(roles.c.is_admin)).scalars())
    leaving = {
        change.id
        for change in changes
        if change.kind == "delete"
        or not change.after["is_active"]
        or ("roles" in change.detached and not admin_roles & set(change.detached["roles"] or ()))
    }
    staying = uow.execute(
        select(func.count(func.distinct(users.c.id)))
        .join(links, links.c.source_id == users.c.id)
        .where(
            links.c.target_id.in_(admin_roles),
            users.c.is_active,
            users.c.archived_at.is_(None),
            users.c.id.not_in(leaving),
        )
    ).scalar_one()
    had = uow.execute(
        select(links.c.source_id).where(
            links.c.target_id.in_(admin_roles), links.c.source_id.in_(leaving)
        )
    ).first()
    if staying or had is None:
        return []
    return [changes[0].problem("roles", "last_admin", _("One administrator must remain."))]


def _validate_departments(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    problems = []
    for change in changes:
        if change.kind == "delete" and (held := _held_by(uow, change.id)):
            message = _("Not empty: %(what)s. Move them first.", what=", ".join(held))
            problems.append(change.problem("name", "in_use", message))
        parent = change.after.get("parent")
        if change.kind == "update" and parent is not None and change.changed("parent"):
            path = _path(uow, parent)
            if f"/{change.id}/" in path:
                message = _("A department cannot lie below itself.")
                problems.append(change.problem("parent", "circle", message))
    return problems


def _held_by(uow: UnitOfWork, department: int | None) -> list[str]:
    """What is in a department, as ``People (3)``: people, departments below, records."""
    found = []
    for spec in uow.snapshot.entities.values():
        living = spec.table.c.archived_at.is_(None) if "archived_at" in spec.table.c else true()
        within = []
        for field in spec:
            if getattr(field.type, "entity", None) != "department":
                continue
            if field.is_stored:
                within.append(spec.column(field.name) == department)
            elif isinstance(field.type, References):
                links = metadata.tables[link_table_name(spec.table.name, field.name)]
                linked = select(links.c.source_id).where(links.c.target_id == department)
                within.append(spec.table.c.id.in_(linked))
        if within:
            statement = select(func.count()).select_from(spec.table).where(living, or_(*within))
            if count := uow.execute(statement).scalar_one():
                found.append(f"{spec.label_plural} ({count})")
    return found


def _validate_role(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    if change.kind == "delete" and change.before.get("is_admin"):
        yield change.problem("name", "last_admin", _("The administrator's role cannot be removed."))
    yield from _validate_grants(change, change.after.get("grants") or {}, uow)
    rules = change.after.get("field_rules") or {}
    for entity, fields in rules.items() if isinstance(rules, Mapping) else [("?", None)]:
        levels = fields.values() if isinstance(fields, Mapping) else [None]
        if any(not isinstance(level, str) or level not in FIELD_ACCESS for level in levels):
            message = _("Field rules are hidden, masked, read or write.")
            yield change.problem("field_rules", "field_rules", f"{entity}: {message}")
    permissions = change.after.get("permissions") or []
    if not isinstance(permissions, list) or any(not isinstance(one, str) for one in permissions):
        yield change.problem("permissions", "permissions", _("Permissions are a list of names."))


def _validate_grants(change: Change, grants: Any, uow: UnitOfWork) -> Iterable[Problem]:
    from core.entities.conditions import parse_condition
    from core.errors import Invalid

    for entity, row in grants.items() if isinstance(grants, Mapping) else [("?", None)]:
        if not isinstance(row, Mapping):
            yield change.problem("grants", "grants", _("Grants name an action and its scope."))
            continue
        spec = uow.snapshot.installed_entities.get(entity)
        own = () if spec is None else tuple(spec.scopes_by_name)
        scopes = (
            (action, one)
            for action, scope in row.items()
            for one in (scope if isinstance(scope, list) else [scope])
        )
        for action, scope in scopes:
            if scope in (None, "none", *SCOPES, *own):
                continue
            if not isinstance(scope, Mapping) or set(scope) != {"condition"} or spec is None:
                message = _("%(scope)s is not a scope.", scope=str(scope)[:60])
                yield change.problem("grants", "grants", f"{entity}.{action}: {message}")
                continue
            try:
                parse_condition(scope["condition"], spec, uow)
            except Invalid as error:
                yield change.problem("grants", "grants", f"{entity}.{action}: {error.message}")


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Addresses are compared without regard to case."""
    if changes[0].entity.name == "user":
        for change in changes:
            if change.after.get("email"):
                change.set("email", change.after["email"].lower())


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Paths of departments, and the end of sessions of people who may no longer sign in."""
    name = changes[0].entity.name
    if name == "department":
        for change in changes:
            if change.kind == "create" or change.changed("parent"):
                _move(uow, change)
    elif name == "user":
        gone = [
            change.id
            for change in changes
            if change.kind == "delete" or not change.after.get("is_active")
        ]
        if gone:
            uow.execute(
                update(session_table)
                .where(session_table.c.user_id.in_(gone), session_table.c.revoked_at.is_(None))
                .values(revoked_at=uow.now())
            )


def _move(uow: UnitOfWork, change: Change) -> None:
    table = Department.__table__
    parent = change.after.get("parent")
    new = f"{_path(uow, parent) if parent else '/'}{change.id}/"
    old = change.before.get("path")
    if old:
        below = table.c.path.like(f"{old}%")
        tail = func.substr(table.c.path, len(old) + 1)
        uow.execute(update(table).where(below).values(path=literal(new).concat(tail)))  # type: ignore[arg-type]
    else:
        uow.execute(update(table).where(table.c.id == change.id).values(path=new))  # type: ignore[arg-type]
    change.after["path"] = new


def _path(uow: UnitOfWork, department: int) -> str:
    table = Department.__table__
    return uow.execute(select(table.c.path).where(table.c.id == department)).scalar_one() or "/"
