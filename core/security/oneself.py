"""What only the person does: nothing of it while somebody else is signed in as them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import Forbidden
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["require_oneself"]


def require_oneself(uow: UnitOfWork) -> None:
    """Raise `Forbidden` behind another's name: passwords, second factors, tokens, sessions, deputies."""
    if uow.actor.behind is not None:
        raise Forbidden(_("You are signed in as somebody else: only the person does this."))
