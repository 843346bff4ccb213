"""The rules that keep people, departments and roles sound.

What grants rights is changed by administrators alone: a role; a person's roles, departments, sign-in
address, active flag and password; a department's parent and head; and the recycle bin for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, true, update

from core.db.base import metadata
from core.db.locks import take_turns
from core.entities.changes import Change
from core.entities.links import link_table, link_table_name
from core.entities.scope import may, may_use, scope_clause
from core.errors import Problem, Refused
from core.fields import EntitySpec, Reference, References
from core.i18n import gettext as _
from core.security.absences import validate_absences
from core.security.actor import FIELD_ACCESS, SCOPES
from core.security.models import LONGEST_PATH, Department, Role, User
from core.security.sessions import revoke_sessions, revoke_tokens

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["follow", "prepare", "validate"]

#: Fields of people and departments that say how far somebody reaches, or who may sign in.
GRANTING = {
    "user": ("roles", "department", "departments", "email", "is_active"),
    "department": ("parent", "head"),
}
#: Without a password nobody signs in as a new person: these a new one may be given by whoever adds people.
_FREE_AT_FIRST = frozenset({"email", "is_active"})


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to people, departments and roles; none for other entities."""
    match changes[0].entity.name:
        case "user":
            return _validate_users(changes, uow)
        case "department":
            return _validate_departments(changes, uow)
        case "role":
            if not uow.actor.manages_security:
                return [_reserved(change, "grants") for change in changes]
            return [problem for change in changes for problem in _validate_role(change, uow)]
        case "absence":
            return validate_absences(changes, uow)
    return ()


def _validate_users(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    problems = _check_granting(changes, uow)
    if not problems and any(_ends_admin(change) for change in changes):
        problems += _keep_an_administrator(changes, uow)
    return problems


def _check_granting(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    """What others than administrators would change of anybody's rights."""
    if uow.actor.manages_security:
        return []
    return [_reserved(change, name) for change in changes for name in _granting(change)]


def _granting(change: Change) -> list[str]:
    names = GRANTING[change.entity.name]
    if change.kind in ("delete", "restore"):
        name = "is_active" if change.entity.name == "user" else "head"
        return [name] if change.before.get(name) else []
    if change.kind == "create":
        given = {name: change.detached.get(name) or change.after.get(name) for name in names}
        return [name for name in names if given[name] and name not in _FREE_AT_FIRST]
    return [name for name in names if _differs(change, name)]


def _differs(change: Change, name: str) -> bool:
    """True when the field changes; the order in which roles and departments are named is none."""
    if name in change.detached:
        return set(change.detached[name] or ()) != set(change.before.get(name) or ())
    return change.changed(name)


def _reserved(change: Change, name: str) -> Problem:
    return change.problem(name, "readonly", _("Only administrators change this."))


def _ends_admin(change: Change) -> bool:
    if change.kind == "delete":
        return True
    return change.kind == "update" and (
        (change.changed("is_active") and not change.after["is_active"])
        or "roles" in change.detached
    )


def _keep_an_administrator(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    """Somebody must be able to administer after this, and after what others do at the same time."""
    take_turns(uow.connection, "core.administrators")
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
    problems = _check_granting(changes, uow)
    for change in changes:
        if change.kind == "delete" and (held := _held_by(uow, change.id)):
            message = _("Not empty: %(what)s. Move them first.", what=", ".join(held))
            problems.append(change.problem("name", "in_use", message))
    moved = [change for change in changes if change.kind == "update" and change.changed("parent")]
    if moved and not problems:
        problems += _circles(moved, uow)
    return problems


def _circles(moved: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Departments that would lie below themselves, with all that moves now and at the same time."""
    take_turns(uow.connection, "core.departments")
    table = Department.__table__
    rows = uow.execute(select(table.c.id, table.c.parent_id))
    above: dict[int | None, int | None] = {row.id: row.parent_id for row in rows}
    above |= {change.id: change.after["parent"] for change in moved}
    for change in moved:
        passed, at = set(), above[change.id]
        while at is not None and at not in passed:
            passed.add(at)
            at = above[at]
        if change.id in passed:
            message = _("A department cannot lie below itself.")
            yield change.problem("parent", "circle", message)


def _held_by(uow: UnitOfWork, department: int | None) -> list[str]:
    """What is in a department, as ``People (3)``: people, departments below, records.

    Of what the asker does not reach it tells neither kind nor number.
    """
    found, unseen = [], False
    for spec in uow.snapshot.entities.values():
        living = spec.table.c.archived_at.is_(None) if "archived_at" in spec.table.c else true()
        within = _within(uow, spec, department)
        if not within:
            continue
        held = and_(living, or_(*(test for test, _shown in within)))
        told = [test for test, may_tell in within if may_tell]
        count = 0
        if told and may(uow, spec, "read"):
            count = _number(uow, spec, and_(living, or_(*told), _reach(uow, spec)))
        if count:
            found.append(f"{spec.label_plural} ({count})")
        unseen = unseen or count < _number(uow, spec, held)
    return [*found, _("records that you may not see")] if unseen else found


def _within(
    uow: UnitOfWork, spec: EntitySpec, department: int | None
) -> list[tuple[ColumnElement[bool], bool]]:
    """(lies in the department by this field, the asker may use the field), for each such field."""
    found: list[tuple[ColumnElement[bool], bool]] = []
    for field in spec:
        if not isinstance(field.type, (Reference, References)):
            continue
        if field.type.entity != "department":
            continue
        if isinstance(field.type, Reference):
            test = spec.column(field.name) == department
        else:
            links = link_table(spec, field)
            linked = select(links.c.source_id).where(links.c.target_id == department)
            test = spec.table.c.id.in_(linked)
        found.append((test, may_use(uow, spec, field)))
    return found


def _reach(uow: UnitOfWork, spec: EntitySpec) -> ColumnElement[bool]:
    clause = scope_clause(uow, spec, "read")
    return true() if clause is None else clause


def _number(uow: UnitOfWork, spec: EntitySpec, test: ColumnElement[bool]) -> int:
    counted = select(func.count()).select_from(spec.table).where(test)
    return int(uow.execute(counted).scalar_one())


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
            change.set("email", change.after["email"].lower())


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Paths of departments, and the end of sessions and tokens.

    A person's sessions end with other roles or another sign-in address; those of who may no longer
    sign in end with their tokens.
    """
    name = changes[0].entity.name
    if name == "department":
        if changes[0].kind == "create":
            for change in changes:
                _place(uow, change)
        elif any(change.changed("parent") for change in changes):
            _renew_paths(uow, changes)
    elif name == "user":
        gone = [change.id for change in changes if change.id is not None and _leaves(change)]
        changed = [change.id for change in changes if change.id is not None and _turns(change)]
        revoke_sessions(uow, [*gone, *changed])
        revoke_tokens(uow, gone)


def _leaves(change: Change) -> bool:
    return change.kind == "delete" or (
        change.kind == "update" and not change.after.get("is_active")
    )


def _turns(change: Change) -> bool:
    """True when somebody is from now on somebody else: other roles, another sign-in address."""
    return change.kind == "update" and (_differs(change, "roles") or _differs(change, "email"))


def _place(uow: UnitOfWork, change: Change) -> None:
    """Give a new department its path."""
    table, parent = change.entity.table, change.after.get("parent")
    above = select(table.c.path).where(table.c.id == parent)
    path = _not_too_long(f"{uow.execute(above).scalar_one() if parent else '/'}{change.id}/")
    uow.execute(update(table).where(table.c.id == change.id).values(path=path))
    change.after["path"] = path


def _renew_paths(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Work out all paths from who lies below whom: several departments may have moved at once."""
    table = changes[0].entity.table
    rows = uow.execute(select(table.c.id, table.c.parent_id, table.c.path)).all()
    above = {row.id: row.parent_id for row in rows}
    paths: dict[int | None, str] = {None: "/"}

    def path(key: int | None) -> str:
        if key not in paths:
            paths[key] = _not_too_long(f"{path(above[key])}{key}/")
        return paths[key]

    moved = [{"key": row.id, "new": path(row.id)} for row in rows if path(row.id) != row.path]
    if moved:  # none, when a path that was wrong had been that of the new place
        renew = update(table).where(table.c.id == bindparam("key"))
        uow.execute(renew.values(path=bindparam("new")), moved)
    for change in changes:
        change.after["path"] = paths[change.id]


def _not_too_long(path: str) -> str:
    if len(path) > LONGEST_PATH:
        raise Refused(_("Departments do not lie that deep below each other."))
    return path
