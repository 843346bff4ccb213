"""From a user's id to an `Actor` with everything that rights depend on, kept per access epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from core.db.base import metadata
from core.entities.links import link_table_name
from core.security.actor import Actor, RoleGrants
from core.security.models import Department, Role, User

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["find_user", "load_actor"]

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
    home, own = _departments(uow, user_id, row.department_id)
    actor = Actor(
        user_id,
        name=row.name,
        email=row.email,
        locale=row.locale or "zh_CN",
        is_admin=any(role.is_admin for role in roles),
        roles=roles,
        departments=home,
        departments_below=own,
        headed=_headed(uow, user_id),
    )
    if not uow.write:  # what a writing transaction sees may yet be rolled back
        kept[user_id] = actor
    return actor


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
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(the person's departments, the main one first; those and all below)."""
    links = metadata.tables[link_table_name("core_user", "departments")]
    further = uow.execute(
        select(links.c.target_id).where(links.c.source_id == user_id).order_by(links.c.position)
    ).scalars()
    own = tuple(dict.fromkeys(([main] if main else []) + list(further)))
    return own, _below(uow, own)


def _below(uow: UnitOfWork, ids: tuple[int, ...]) -> tuple[int, ...]:
    if not ids:
        return ()
    table = Department.__table__
    top = table.alias()
    paths = uow.execute(select(top.c.path).where(top.c.id.in_(ids))).scalars().all()
    under = or_(*(table.c.path.like(f"{path}%") for path in paths))
    found = uow.execute(select(table.c.id).where(under).order_by(table.c.id)).scalars()
    return tuple(found)


def _headed(uow: UnitOfWork, user_id: int) -> tuple[int, ...]:
    table = Department.__table__
    headed = uow.execute(
        select(table.c.id).where(table.c.head_id == user_id, table.c.archived_at.is_(None))
    ).scalars()
    return _below(uow, tuple(headed))
