"""For whom a module is: for everybody, or for some departments while it is tried out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from core.audit.recorder import record_act
from core.entities.writing import is_key
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.i18n import gettext as _
from core.plugins.state import plugin_table, read_departments
from core.runtime import bump_access, bump_structure
from core.security.models import Department

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["open_to"]


def open_to(uow: UnitOfWork, name: str, departments: Iterable[int] | None) -> bool:
    """Open a module to these departments and all below them; None opens it to everybody.

    For whoever is in none of them it is as if it were off, and so is what needs it; administrators
    have it all the same. Its rules, subscribers, jobs and schedules go on for all. It may be on or
    off, but must have been on. True when something changed.

    Raises `Forbidden` for all but administrators, `NotFound` for what was never on, and `Invalid`
    for departments that are none, or not in use, and for an empty list.
    """
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators switch modules."))
    row = select(plugin_table.c.name).where(plugin_table.c.name == name).with_for_update()
    if uow.execute(row).first() is None:
        if name in uow.runtime.plugins.loaded:
            raise NotFound(_("%(name)s is not switched on.", name=name[:60]))
        raise NotFound(_("There is no plugin named %(name)s.", name=name[:60]))
    chosen = None if departments is None else sorted(set(departments))
    if chosen is not None:
        _check(uow, chosen)
    before = read_departments(uow.connection).get(name)
    if before == (None if chosen is None else frozenset(chosen)):
        return False
    values = {"departments": chosen, "changed_at": uow.now()}
    uow.execute(update(plugin_table).where(plugin_table.c.name == name).values(values))
    bump_structure(uow.connection)
    bump_access(uow.connection)
    record_act(uow, "open_plugin", details={"plugin": name, "departments": chosen})
    uow.refresh()
    return True


def _check(uow: UnitOfWork, chosen: list[int]) -> None:
    table = Department.__table__.c
    usable = [key for key in chosen if is_key(key)]
    living = select(table.id).where(table.id.in_(usable), table.archived_at.is_(None))
    unknown = set(chosen) - set(uow.execute(living).scalars())
    if not chosen:
        message = _("Choose at least one department, or open it to everybody.")
    elif unknown:
        message = _("There is no department with the number %(id)s.", id=min(unknown))
    else:
        return
    raise Invalid(message, [Problem("departments", "choice", message)])
