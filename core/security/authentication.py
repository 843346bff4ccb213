"""Proving a password or a code, and sessions as rows.

Sessions end at once, in every process, with signing in anew, signing out, a new password, other roles,
another sign-in address, and when the person may no longer sign in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from core.audit.recorder import record_act
from core.errors import Forbidden, NotFound, Refusal
from core.i18n import gettext as _
from core.security import impersonation
from core.security.actor import Actor
from core.security.credentials import lock_account, set_password
from core.security.devices import Browser, greet_device
from core.security.directory import find_user, load_actor
from core.security.models import credential_table, session_table
from core.security.oneself import require_oneself
from core.security.passwords import (
    hash_password,
    needs_rehash,
    verify_nothing,
    verify_password,
)
from core.security.second_factor import second_factor_of, take_code
from core.security.sessions import revoke_sessions
from core.security.throttle import Claim, claim_code, claim_try, give_back
from core.settings.service import get_setting
from core.work.events import UserSignedIn
from core.work.uow import inserted_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "NewSession",
    "Proof",
    "SignInRefused",
    "accept",
    "actor_of_session",
    "change_password",
    "end_one_session",
    "end_session",
    "end_sessions_of",
    "open_session",
    "prove",
    "prove_code",
    "revoke_session",
    "touch_session",
]

#: ``begin(write)`` opens a transaction.
Begin = Callable[[bool], AbstractContextManager["UnitOfWork"]]

#: A session's "last seen" is written at most this often, and ten times within the time after which one
#: that is not used ends.
SEEN_EVERY = timedelta(minutes=5)


class SignInRefused(Refusal):
    """Wrong address or password, or too soon after wrong ones: the text does not tell which."""

    status = 401
    code = "sign_in"

    def __init__(self, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class NewSession:
    """A session just made; ``token`` goes into the cookie and nowhere else."""

    token: str
    user_id: int
    expires_at: datetime


@dataclass(frozen=True)
class Proof:
    """A password that was right, to be acted upon in a writing transaction."""

    user_id: int
    claim: Claim
    #: The hash that the password fits.
    password: str = field(repr=False)
    #: A stronger hash to keep instead, when the cost has risen.
    rehashed: str | None = field(repr=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Proofs


def prove(begin: Begin, email: str, password: str, *, address: str) -> Proof:
    """Check a password from a network address. Raises `SignInRefused` for a wrong one, or too soon.

    The try is counted in one transaction before the slow hash is worked out, while nobody is locked
    out, in another. An address that nobody has takes as long.
    """
    email = email.strip().lower()[:254]
    with begin(True) as uow:
        user_id = find_user(uow, email)
        claim = claim_try(uow, email, user_id, address)
    _check_claim(claim)
    with begin(False) as uow:
        stored = _stored_password(uow, user_id)
        is_right = _fits(stored, password)
    if not is_right or stored is None or user_id is None:
        with begin(True) as uow:
            _note_wrong(uow, user_id, claim, "sign_in_failed")
        raise _wrong()
    return Proof(user_id, claim, stored, hash_password(password) if needs_rehash(stored) else None)


def prove_code(begin: Begin, user_id: int, code: str, *, address: str) -> None:
    """Take a code of somebody's second factor, counted like a password before it is looked at.

    Raises `SignInRefused` for a wrong one or too soon, and `NotFound` where there is no second factor.
    """
    with begin(True) as uow:
        if second_factor_of(uow, user_id) is None:
            raise NotFound(_("There is no second factor."))
        claim = claim_code(uow, user_id, address)
    _check_claim(claim)
    with begin(True) as uow:
        if is_right := take_code(uow, user_id, code[:100]):
            give_back(uow, claim)
        else:
            _note_wrong(uow, user_id, claim, "code_failed")
    if not is_right:
        raise SignInRefused(_("The code is wrong, or it was used before."))


def _check_claim(claim: Claim) -> None:
    if claim.is_locked:
        message = _("Too many wrong tries: locked. Wait, or ask an administrator.")
        raise SignInRefused(message, retry_after=claim.wait)
    if claim.wait:
        message = _("Too many wrong tries. Wait %(n)s seconds.", n=claim.wait)
        raise SignInRefused(message, retry_after=claim.wait)


def _note_wrong(uow: UnitOfWork, user_id: int | None, claim: Claim, act: str) -> None:
    record_act(uow, act, entity="user", record_ids=[user_id])
    if claim.locks:
        record_act(uow, "lock_sign_in", entity="user", record_ids=[user_id])


def _wrong() -> SignInRefused:
    return SignInRefused(_("The address or the password is wrong."))


def _fits(stored: str | None, password: str) -> bool:
    if stored is None:
        return verify_nothing(password)
    return verify_password(stored, password)


def accept(uow: UnitOfWork, proof: Proof) -> Actor:
    """The person whose password was proven: the try counts no more.

    Raises `SignInRefused` when the password was changed since, or the person may not sign in any more.
    The password stays as it is until the transaction ends.
    """
    table = credential_table
    mine = table.c.user_id == proof.user_id
    stored = uow.execute(select(table.c.password).where(mine).with_for_update())
    actor = load_actor(uow, proof.user_id)
    if proof.password != stored.scalar_one_or_none() or actor is None:
        raise _wrong()
    give_back(uow, proof.claim)
    if proof.rehashed is not None:
        uow.execute(update(table).where(mine).values(password=proof.rehashed))
    return actor


def change_password(uow: UnitOfWork, proof: Proof, password: str, browser: Browser) -> NewSession:
    """Set one's own password after the old one was proven: all sessions end, and a new one begins.

    API tokens stay: programs do not know the password. Raises `Invalid`, `SignInRefused`.
    """
    lock_account(uow, proof.user_id)
    actor = accept(uow, proof)
    set_password(uow, proof.user_id, password, email=actor.email, name=actor.name)
    return open_session(uow, actor, browser)


def _stored_password(uow: UnitOfWork, user_id: int | None) -> str | None:
    table = credential_table
    found: str | None = uow.execute(
        select(table.c.password).where(table.c.user_id == user_id)
    ).scalar_one_or_none()
    return found


# Sessions


def open_session(uow: UnitOfWork, actor: Actor, browser: Browser) -> NewSession:
    """A session of somebody who has proven all that is asked for; `core.security.steps` sees to that."""
    assert actor.user_id is not None
    uow.actor = actor
    token, now = secrets.token_urlsafe(32), uow.now()
    expires = now + timedelta(days=get_setting(uow, "core_security", "session_days"))
    is_new = greet_device(uow, actor.user_id, browser)
    result = uow.execute(
        insert(session_table).values(
            token_hash=_hash(token),
            user_id=actor.user_id,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            expires_at=expires,
            address=browser.address[:64],
            agent=browser.agent[:300],
            device=browser.mark_hash,
        )
    )
    if is_new:
        uow.enqueue("core.tell_new_device", {"session_id": inserted_key(result)})
    record_act(uow, "sign_in", entity="user", record_ids=[actor.user_id])
    uow.publish(UserSignedIn(actor.user_id))
    return NewSession(token, actor.user_id, expires)


def actor_of_session(uow: UnitOfWork, token: str) -> tuple[Actor, str, bool] | None:
    """(actor, CSRF token, "seen" is due) of a living session; None when it is over or unknown."""
    table = session_table
    row = uow.execute(select(table).where(table.c.token_hash == _hash(token))).one_or_none()
    if row is None or row.revoked_at is not None:
        return None
    now = uow.now()
    idle = timedelta(minutes=get_setting(uow, "core_security", "session_idle_minutes"))
    if now >= row.expires_at or now >= row.seen_at + idle:
        return None
    actor = load_actor(uow, row.user_id)
    if actor is None or not impersonation.holds(uow, actor, row.behind_id):
        return None
    # The access worked out so far is shared with the cached actor.
    found = replace(actor, session_id=row.id, behind=row.behind_id)
    return found, row.csrf, now >= row.seen_at + min(SEEN_EVERY, idle / 10)


def touch_session(uow: UnitOfWork, session_id: int) -> None:
    """Note that a session is in use."""
    uow.execute(
        update(session_table).where(session_table.c.id == session_id).values(seen_at=uow.now())
    )


def end_session(uow: UnitOfWork, session_id: int) -> None:
    """Sign out: the token is refused from now on, in every process."""
    revoke_session(uow, session_id)
    record_act(uow, "sign_out", entity="user", record_ids=[uow.actor.user_id])


def end_one_session(uow: UnitOfWork, user_id: int, session_id: int) -> None:
    """End a session, one's own or as an administrator. `NotFound` when that person has no such one.

    An administrator's ends with all in which they stand behind another's name: it may be from this one
    that those were begun.
    """
    require_oneself(uow)
    if user_id != uow.actor.user_id and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators sign others out."))
    table = session_table
    open_ = (table.c.id == session_id) & (table.c.user_id == user_id) & table.c.revoked_at.is_(None)
    if not uow.execute(update(table).where(open_).values(revoked_at=uow.now())).rowcount:
        raise NotFound(_("There is no such page."))
    behind = (table.c.behind_id == user_id) & table.c.revoked_at.is_(None)
    uow.execute(update(table).where(behind).values(revoked_at=uow.now()))
    record_act(uow, "sign_out", entity="user", record_ids=[user_id])


def end_sessions_of(uow: UnitOfWork, user_id: int) -> int:
    """Sign a person out everywhere, by an administrator or the person; returns how many sessions ended."""
    require_oneself(uow)
    if user_id != uow.actor.user_id and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators sign others out."))
    ended = revoke_sessions(uow, [user_id])
    record_act(uow, "sign_out_everywhere", entity="user", record_ids=[user_id])
    return ended


def revoke_session(uow: UnitOfWork, session_id: int) -> None:
    """End one session, whoever's."""
    uow.execute(
        update(session_table).where(session_table.c.id == session_id).values(revoked_at=uow.now())
    )
