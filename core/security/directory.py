"""From a user's id to an `Actor` with everything that rights depend on, kept per access epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, or_, select

from core.db.base import metadata
from core.entities.links import link_table_name
from core.plugins.state import closed_to
from core.security.actor import Actor, RoleGrants, StandIn
from core.security.models import Absence, Department, Role, User, share_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["administrators_of", "find_user", "load_actor", "without_plugins"]

_COLUMNS = ("name", "email", "locale", "department_id", "is_active", "archived_at")


def find_user(uow: UnitOfWork, email: str) -> int | None:
    """The id of the active person with that address."""
    table = User.__table__
    if "\x00" in email:
        return None  # no text of a database holds it
    found: int | None = uow.execute(
        select(table.c.id).where(
            table.c.email == email.strip().lower(), table.c.is_active, table.c.archived_at.is_(None)
        )
    ).scalar_one_or_none()
    return found


def administrators_of(uow: UnitOfWork) -> list[int]:
    """The active people with a role that may do everything."""
    user, role = User.__table__.c, Role.__table__.c
    held = metadata.tables[link_table_name("core_user", "roles")].c
    asked = (
        select(user.id)
        .join(metadata.tables[link_table_name("core_user", "roles")], held.source_id == user.id)
        .join(Role.__table__, role.id == held.target_id)
        .where(role.is_admin, role.archived_at.is_(None))
        .where(user.is_active, user.archived_at.is_(None))
    )
    return list(uow.execute(asked.distinct().order_by(user.id)).scalars())


def load_actor(uow: UnitOfWork, user_id: int) -> Actor | None:
    """The actor of an active person; None when there is none of that id."""
    kept = uow.access.actors
    if user_id in kept:
        return kept[user_id]
    users = User.__table__
    # Named one by one: a field of the company's own may be declared before its column is there.
    columns = (users.c[name] for name in _COLUMNS)
    row = uow.execute(select(*columns).where(users.c.id == user_id)).one_or_none()
    if row is None or not row.is_active or row.archived_at is not None:
        return None
    roles = _roles(uow, user_id)
    home, above, below = _departments(uow, user_id, row.department_id)
    is_admin = any(role.is_admin for role in roles)
    actor = Actor(
        user_id,
        name=row.name,
        email=row.email,
        locale=row.locale or "zh_CN",
        is_admin=is_admin,
        roles=roles,
        departments=home,
        departments_below=below,
        departments_above=above,
        headed=_headed(uow, user_id),
        shared=_shared(uow, user_id, above),
        stands_in=_stands_in(uow, user_id),
        closed=frozenset() if is_admin else closed_to(uow.snapshot.pilots, above),
    )
    if not uow.write:  # what a writing transaction sees may yet be rolled back
        kept[user_id] = actor
    return actor


def without_plugins(uow: UnitOfWork, people: Collection[int], plugins: Collection[str]) -> set[int]:
    """Those of the people to whom one of the plugins is closed; three statements, if any."""
    asked = {name: uow.snapshot.pilots[name] for name in plugins if name in uow.snapshot.pilots}
    if not asked or not people:
        return set()
    users, tree = User.__table__.c, Department.__table__.c
    further = metadata.tables[link_table_name("core_user", "departments")].c
    roles, held = Role.__table__.c, metadata.tables[link_table_name("core_user", "roles")].c
    within: tuple[Select[Any], ...] = (
        select(users.id, tree.path).join(Department, tree.id == users.department_id),
        select(further.source_id, tree.path).join(Department, tree.id == further.target_id),
    )
    above: dict[int, set[int]] = defaultdict(set)
    for statement in within:
        mine = statement.where(statement.selected_columns[0].in_(people))
        found: Iterable[Any] = uow.execute(mine)
        for person, path in found:
            above[person].update(int(part) for part in path.strip("/").split("/"))
    living = (roles.is_admin, roles.archived_at.is_(None), held.source_id.in_(people))
    administering = select(held.source_id).join(Role, roles.id == held.target_id).where(*living)
    left = set(people) - set(uow.execute(administering).scalars())
    return {person for person in left if closed_to(asked, above[person])}


def _roles(uow: UnitOfWork, user_id: int) -> tuple[RoleGrants, ...]:
    table, links = Role.__table__, metadata.tables[link_table_name("core_user", "roles")]
    rows = uow.execute(
        select(table)
        .join(links, links.c.target_id == table.c.id)
        .where(links.c.source_id == user_id, table.c.archived_at.is_(None))
        .order_by(table.c.id)
    )
    return tuple(
        RoleGrants(
            row.name,
            bool(row.is_admin),
            row.grants or {},
            row.field_rules or {},
            frozenset(row.permissions or ()),
        )
        for row in rows
    )


def _departments(
    uow: UnitOfWork, user_id: int, main: int | None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(the person's departments, the main one first; those and all above; those and all below)."""
    links = metadata.tables[link_table_name("core_user", "departments")]
    further = uow.execute(
        select(links.c.target_id).where(links.c.source_id == user_id).order_by(links.c.position)
    ).scalars()
    own = tuple(dict.fromkeys(([main] if main else []) + list(further)))
    paths = _paths(uow, own)
    above = {int(key) for path in paths for key in path.strip("/").split("/")}
    return own, tuple(sorted(above)), _below(uow, paths)


def _paths(uow: UnitOfWork, ids: tuple[int, ...]) -> Sequence[str]:
    table = Department.__table__
    if not ids:
        return ()
    return uow.execute(select(table.c.path).where(table.c.id.in_(ids))).scalars().all()


def _below(uow: UnitOfWork, paths: Sequence[str]) -> tuple[int, ...]:
    if not paths:
        return ()
    table = Department.__table__
    under = or_(*(table.c.path.like(f"{path}%") for path in paths))
    found = uow.execute(select(table.c.id).where(under).order_by(table.c.id)).scalars()
    return tuple(found)


def _headed(uow: UnitOfWork, user_id: int) -> tuple[int, ...]:
    table = Department.__table__
    headed = uow.execute(
        select(table.c.id).where(table.c.head_id == user_id, table.c.archived_at.is_(None))
    ).scalars()
    return _below(uow, _paths(uow, tuple(headed)))


def _shared(
    uow: UnitOfWork, user_id: int, departments: tuple[int, ...]
) -> frozenset[tuple[str, str]]:
    table = share_table
    mine = or_(table.c.user_id == user_id, table.c.department_id.in_(departments))
    rows = uow.execute(select(table.c.entity, table.c.level).where(mine).distinct())
    return frozenset((row.entity, row.level) for row in rows)


def _stands_in(uow: UnitOfWork, user_id: int) -> tuple[StandIn, ...]:
    """The periods that are not over; whether one is now is asked whenever it matters."""
    table, users = Absence.__table__, User.__table__
    rows = uow.execute(
        select(table.c.user_id, table.c.starts_on, table.c.ends_on, users.c.department_id)
        .join(users, users.c.id == table.c.user_id)
        .where(
            table.c.deputy_id == user_id,
            table.c.user_id != user_id,
            table.c.ends_on >= uow.clock.today(),
            table.c.archived_at.is_(None),
            users.c.is_active,
            users.c.archived_at.is_(None),
        )
        .order_by(table.c.id)
    )
    return tuple(_stand_in(uow, row) for row in rows.all())


def _stand_in(uow: UnitOfWork, row: Row[Any]) -> StandIn:
    roles, closed = _roles(uow, row.user_id), frozenset[str]()
    if uow.snapshot.pilots and not any(role.is_admin for role in roles):
        _home, above, _below = _departments(uow, row.user_id, row.department_id)
        closed = closed_to(uow.snapshot.pilots, above)
    return StandIn(row.user_id, row.starts_on, row.ends_on, roles, closed)
