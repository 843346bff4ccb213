"""Passwords as they are kept: set, compared with earlier ones, and when another is due."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, select

from core.audit.recorder import record_act
from core.errors import Forbidden, Invalid, Problem
from core.i18n import gettext as _
from core.security.models import User, credential_table
from core.security.oneself import require_oneself
from core.security.passwords import check_strength, hash_password, verify_password
from core.security.sessions import revoke_sessions, revoke_tokens
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["account_version", "change_is_due", "lock_account", "set_password"]


def set_password(
    uow: UnitOfWork,
    user_id: int,
    password: str,
    *,
    email: str,
    name: str,
    must_change: bool = False,
) -> None:
    """Set a password, one's own or as who manages security; all sessions of the person end.

    With a password that somebody else set the person's API tokens end too, and with ``must_change``
    the person chooses another at the next sign-in. Raises `Invalid` for a weak or an earlier one.
    """
    require_oneself(uow)
    is_own = user_id == uow.actor.user_id
    if not is_own and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators set the passwords of others."))
    _check(uow, password, email, name)
    lock_account(uow, user_id)  # a form that is sent twice at once sets it once after the other
    stored = _stored(uow, user_id)
    kept = get_setting(uow, "core_sign_in", "password_history")
    earlier = [stored.password, *(stored.previous or ())] if stored else []
    _check_new(password, earlier[: max(kept, int(is_own))])
    values = {
        "user_id": user_id,
        "password": hash_password(password),
        "changed_at": uow.now(),
        "must_change": must_change and not is_own,
        "previous": earlier[:kept] or None,
    }
    uow.execute(delete(credential_table).where(credential_table.c.user_id == user_id))
    uow.execute(insert(credential_table).values(values))
    revoke_sessions(uow, [user_id])
    if not is_own:
        revoke_tokens(uow, [user_id])
    record_act(uow, "set_password", entity="user", record_ids=[user_id])


def _check(uow: UnitOfWork, password: str, email: str, name: str) -> None:
    weak = check_strength(
        password,
        email=email,
        name=name,
        company=get_setting(uow, "core", "company_name"),
        shortest=get_setting(uow, "core_sign_in", "password_length"),
    )
    if weak:
        problems = [Problem("password", reason.code, str(reason.message)) for reason in weak]
        raise Invalid(problems[0].message, problems)


def _check_new(password: str, earlier: list[str]) -> None:
    if any(verify_password(each, password) for each in earlier):
        message = _("Choose a password that you did not have before.")
        raise Invalid(message, [Problem("password", "used_before", message)])


def change_is_due(uow: UnitOfWork, user_id: int) -> bool:
    """True when another password is to be chosen before going on: somebody else set it, or it is old."""
    stored, days = _stored(uow, user_id), get_setting(uow, "core_sign_in", "password_days")
    if stored is None:
        return False
    is_old = days > 0 and uow.now() >= stored.changed_at + timedelta(days=days)
    return bool(stored.must_change or is_old)


def lock_account(uow: UnitOfWork, user_id: int) -> None:
    """Let nobody else change how this person signs in until the transaction ends.

    It comes before any lock of the credential. Records that refer to the person go on meanwhile.
    """
    users = User.__table__
    found = select(users.c.id).where(users.c.id == user_id)
    uow.execute(found.with_for_update(key_share=True))


def account_version(uow: UnitOfWork, user_id: int) -> str:
    """What changes with the person's password and address, and is no other person's."""
    users = User.__table__
    row = uow.execute(
        select(users.c.email, users.c.created_at).where(users.c.id == user_id)
    ).one_or_none()
    stored = _stored(uow, user_id)
    parts = (user_id, *(row or ()), stored.password if stored else "")
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()


def _stored(uow: UnitOfWork, user_id: int) -> Row[Any] | None:
    table = credential_table
    return uow.execute(select(table).where(table.c.user_id == user_id)).one_or_none()
