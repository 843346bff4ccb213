"""Rules of absences: a period that makes sense, and a deputy whom only the person may name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from core.security.models import User

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["validate_absences"]


def validate_absences(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    """Problems of absences that are about to be written.

    A deputy reaches the person's records: the person and administrators alone name one, and move,
    remove or restore an absence that has one.
    """
    problems = []
    for change in changes:
        if change.after["ends_on"] < change.after["starts_on"]:
            problems.append(
                change.problem("ends_on", "range", _("The end lies before the beginning."))
            )
        if not _may_delegate(change, uow):
            message = _("Only the person and administrators name a deputy.")
            problems.append(change.problem("deputy", "readonly", message))
        elif (deputy := change.after.get("deputy")) is not None and change.changed("deputy"):
            if deputy == change.after["user"]:
                problems.append(
                    change.problem("deputy", "circle", _("Somebody else must stand in."))
                )
            elif not _is_active(uow, deputy):
                problems.append(
                    change.problem(
                        "deputy", "inactive", _("This person does not sign in any more.")
                    )
                )
    return problems


def _may_delegate(change: Change, uow: UnitOfWork) -> bool:
    """True where no rights pass, or the absent person passes their own."""
    before, after = change.before.get("deputy"), change.after.get("deputy")
    if (before is None and after is None) or uow.actor.manages_security:
        return True
    if uow.actor.is_limited or uow.actor.behind is not None:
        return False
    people = {change.after.get("user"), change.before.get("user", change.after.get("user"))}
    return people == {uow.actor.user_id}


def _is_active(uow: UnitOfWork, user_id: int) -> bool:
    table = User.__table__
    found = uow.execute(select(table.c.is_active).where(table.c.id == user_id)).scalar_one_or_none()
    return bool(found)
