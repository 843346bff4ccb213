"""Making an installation: tables, the first administrator, modules, the demonstration story."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from core.audit.recorder import STORY
from core.db.migrate import CORE_MIGRATIONS, migrating, upgrade
from core.entities import service
from core.errors import Refused
from core.i18n import gettext as _
from core.ops.lifecycle import apply_roles, enable
from core.runtime import epoch_table
from core.security.actor import SYSTEM
from core.security.credentials import set_password
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = [
    "CLI",
    "create_user",
    "ensure_department",
    "initialise",
    "prepare_database",
    "role_ids",
    "run_demo",
]

CLI = Origin("cli")
DEMO = Origin(STORY)


def prepare_database(runtime: Runtime) -> None:
    """Make or update the core's tables, the epoch row and the core's roles. Safe to repeat."""
    with migrating(runtime.database) as connection:
        upgrade(connection, "core", CORE_MIGRATIONS)
        if connection.execute(select(epoch_table.c.id)).first() is None:
            connection.execute(insert(epoch_table).values(id=1, structure=1, access=1))
    with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
        roles = [c.item for c in runtime.installed("register_roles") if c.owner == "core"]
        apply_roles(uow, roles)


def initialise(
    runtime: Runtime,
    *,
    admin: str,
    password: str,
    name: str | None = None,
    plugins: Sequence[str] = (),
) -> None:
    """A usable installation. Raises `Refused` when there is one already."""
    prepare_database(runtime)
    with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
        users = uow.entity("user").table
        if uow.execute(select(users.c.id).limit(1)).first() is not None:
            raise Refused(_("This database holds an installation already."))
        create_user(uow, admin, name=name or _("Administrator"), password=password, roles=["admin"])
    for plugin in plugins:
        with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
            enable(uow, plugin)


def run_demo(runtime: Runtime, tell: Callable[[], None] = lambda: None) -> list[str]:
    """Tell the demonstration story of all enabled plugins; the lines that the steps want printed.

    ``tell`` is called after each step.
    """
    with UnitOfWork(runtime, SYSTEM, origin=CLI, write=False) as uow:
        steps = uow.snapshot.contributions.get("register_demo", ())
    told: list[str] = []
    for contribution in sorted(steps, key=lambda c: c.item.order):
        with UnitOfWork(runtime, SYSTEM, origin=DEMO) as uow:
            told += contribution.item.run(uow) or ()
        tell()
    return told


def create_user(
    uow: UnitOfWork,
    email: str,
    *,
    name: str,
    password: str | None,
    roles: Sequence[str] = (),
    department: str | None = None,
    title: str | None = None,
) -> int:
    """A person with roles by name, and a department by path that is made when it is missing."""
    values = {
        "name": name,
        "email": email,
        "title": title,
        "department": ensure_department(uow, department) if department else None,
        "roles": role_ids(uow, roles),
    }
    (user_id,) = service.create(uow, "user", [values])
    if password is not None:
        set_password(uow, user_id, password, email=email, name=name)
    return user_id


def role_ids(uow: UnitOfWork, names: Sequence[str]) -> list[int]:
    """The ids of roles by name; `Refused` names one that does not exist."""
    table = uow.entity("role").table
    rows = uow.execute(select(table.c.name, table.c.id).where(table.c.archived_at.is_(None)))
    known: dict[str, int] = {row.name: row.id for row in rows}
    for name in names:
        if name not in known:
            choices = ", ".join(sorted(known))
            raise Refused(
                _("There is no role %(name)s; there are %(choices)s.", name=name, choices=choices)
            )
    return [known[name] for name in names]


def ensure_department(uow: UnitOfWork, path: str) -> int:
    """The id of ``销售部/华东组``; what is missing on the way is made."""
    table = uow.entity("department").table
    parent: int | None = None
    for name in (part.strip() for part in path.split("/") if part.strip()):
        above = table.c.parent_id.is_(None) if parent is None else table.c.parent_id == parent
        found = uow.execute(
            select(table.c.id).where(table.c.name == name, above, table.c.archived_at.is_(None))
        ).scalar_one_or_none()
        if found is None:
            (found,) = service.create(uow, "department", [{"name": name, "parent": parent}])
        parent = found
    if parent is None:
        raise Refused(_("Give the name of a department."))
    return parent
