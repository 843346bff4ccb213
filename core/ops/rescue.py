"""Letting somebody in again from the server, when nobody can do it on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import Refused
from core.i18n import gettext as _
from core.security.credentials import set_password
from core.security.directory import load_actor
from core.security.locks import release
from core.security.second_factor import remove_second_factor, second_factor_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["let_in"]


def let_in(uow: UnitOfWork, user_id: int, password: str | None = None) -> None:
    """Take away what keeps a person out: second factor, locks, and with ``password`` the old one."""
    person = load_actor(uow, user_id)
    if person is None:
        raise Refused(_("This person may not sign in."))
    if second_factor_of(uow, user_id) is not None:
        remove_second_factor(uow, user_id)
    release(uow, user_id)
    if password is not None:
        set_password(uow, user_id, password, email=person.email, name=person.name, must_change=True)
