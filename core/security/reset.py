"""Links by mail that set a password: for who has forgotten it, and for who never had one.

A link is made by the job that sends it, so its token is in the mail and nowhere else. It works once,
for a short while, and only while the person's password and address are what they were.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from core.audit.recorder import record_act
from core.errors import Forbidden, Refusal
from core.i18n import gettext as _
from core.security.credentials import account_version, lock_account, set_password
from core.security.directory import load_actor
from core.security.models import lock_table, password_link_table
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = ["LinkOver", "ask_for_link", "invite", "make_link", "owner_of", "redeem", "withdraw"]

#: Nobody's mailbox is flooded: who has so many links that still work gets no further one.
OPEN_LINKS = 5


class LinkOver(Refusal):
    """The link was used, is too old, or the account has changed since."""

    status = 410
    code = "link_over"

    def __init__(self) -> None:
        super().__init__(_("This link does not work any more. Ask for another one."))


def ask_for_link(uow: UnitOfWork, email: str) -> None:
    """Leave a job that mails a link to whoever has this address, if somebody has.

    Here nothing is looked up, so that the answer and its time are the same for every address.
    """
    uow.enqueue(
        "core.send_password_link", {"email": email.replace("\x00", "").strip().lower()[:254]}
    )


def invite(uow: UnitOfWork, user_id: int) -> None:
    """Leave a job that mails a person the link to set a first password. Administrators only."""
    if not uow.actor.manages_security:
        raise Forbidden(_("Only administrators invite people."))
    uow.enqueue("core.send_password_link", {"user_id": user_id})
    record_act(uow, "invite", entity="user", record_ids=[user_id])


def make_link(uow: UnitOfWork, user_id: int) -> str | None:
    """A new link's token; None when the person has enough that still work."""
    table, now = password_link_table, uow.now()
    lock_account(uow, user_id)
    uow.execute(delete(table).where(table.c.user_id == user_id, table.c.expires_at <= now))
    mine = select(func.count()).select_from(table).where(table.c.user_id == user_id)
    if uow.execute(mine).scalar_one() >= OPEN_LINKS:
        return None
    token = secrets.token_urlsafe(32)
    lasts = timedelta(minutes=get_setting(uow, "core_sign_in", "link_minutes"))
    uow.execute(
        insert(table).values(
            token_hash=_hash(token),
            user_id=user_id,
            version=account_version(uow, user_id),
            expires_at=now + lasts,
        )
    )
    return token


def withdraw(uow: UnitOfWork, token: str) -> None:
    """Forget a link that did not reach anybody."""
    uow.execute(delete(password_link_table).where(password_link_table.c.token_hash == _hash(token)))


def owner_of(uow: UnitOfWork, token: str) -> Actor | None:
    """Whose password a link sets; None when it does not work any more."""
    table = password_link_table
    row = uow.execute(select(table).where(table.c.token_hash == _hash(token))).one_or_none()
    return _owner(uow, row)


def redeem(uow: UnitOfWork, token: str, password: str) -> None:
    """Set the password; this link and all others of the person end, and so do their sessions.

    A lock of the account is released too: what was guessed at is not the password any more.
    Raises `LinkOver`, and `Invalid` for a weak password, which leaves the link as it is.
    """
    table = password_link_table
    mine = select(table.c.user_id).where(table.c.token_hash == _hash(token))
    user_id = uow.execute(mine).scalar_one_or_none()
    if user_id is None:
        raise LinkOver()
    lock_account(uow, user_id)  # of many that come at once the others now wait, and find it gone
    actor = owner_of(uow, token)
    if actor is None:
        raise LinkOver()
    uow.actor = actor
    set_password(uow, user_id, password, email=actor.email, name=actor.name)
    uow.execute(delete(table).where(table.c.user_id == user_id))
    uow.execute(delete(lock_table).where(lock_table.c.user_id == user_id))


def _owner(uow: UnitOfWork, row: Any) -> Actor | None:
    if row is None or uow.now() >= row.expires_at:
        return None
    if account_version(uow, row.user_id) != row.version:
        return None
    return load_actor(uow, row.user_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
