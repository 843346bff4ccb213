"""Signing in: passwords, sessions as rows, API tokens as hashes.

Sessions end at once, in every process, with signing in anew, signing out, a new password, other roles,
another sign-in address, and when the person may no longer sign in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, or_, select, update

from core.audit.recorder import record_act
from core.errors import Forbidden, Invalid, Problem, Refusal
from core.i18n import gettext as _
from core.runtime import bump_access
from core.security.actor import Actor
from core.security.directory import find_user, load_actor
from core.security.models import (
    api_token_table,
    credential_table,
    session_table,
)
from core.security.passwords import (
    check_strength,
    hash_password,
    needs_rehash,
    verify_nothing,
    verify_password,
)
from core.security.sessions import revoke_sessions, revoke_tokens
from core.security.throttle import Claim, claim_try, give_back
from core.settings.service import get_setting
from core.work.events import UserSignedIn
from core.work.uow import inserted_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "NewSession",
    "Proof",
    "SignInRefused",
    "Token",
    "actor_of_session",
    "actor_of_token",
    "change_password",
    "create_token",
    "end_session",
    "end_sessions_of",
    "note_token_use",
    "prove",
    "revoke_token",
    "revoke_tokens_of",
    "set_password",
    "sign_in",
    "token_use_is_due",
    "touch_session",
]

#: A session's "last seen" is written at most this often.
SEEN_EVERY = timedelta(minutes=5)
#: A token's "last used" likewise.
USED_EVERY = timedelta(minutes=1)
#: So that a leaked token is recognised by those who scan for them.
TOKEN_PREFIX = "dg_"  # noqa: S105


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


@dataclass(frozen=True)
class Token:
    """A new API token; its text is shown once."""

    id: int
    text: str
    expires_at: datetime | None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Passwords


def set_password(uow: UnitOfWork, user_id: int, password: str, *, email: str, name: str) -> None:
    """Set a password, one's own or as who manages security; all sessions of the person end.

    With a password that somebody else set the person's API tokens end too. Raises `Invalid` for a
    weak one.
    """
    is_own = user_id == uow.actor.user_id
    if not is_own and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators set the passwords of others."))
    if weak := check_strength(password, email=email, name=name):
        problems = [Problem("password", reason.code, str(reason.message)) for reason in weak]
        raise Invalid(problems[0].message, problems)
    values = {"user_id": user_id, "password": hash_password(password), "changed_at": uow.now()}
    uow.execute(delete(credential_table).where(credential_table.c.user_id == user_id))
    uow.execute(insert(credential_table).values(values))
    revoke_sessions(uow, [user_id])
    if not is_own:
        revoke_tokens(uow, [user_id])
    record_act(uow, "set_password", entity="user", record_ids=[user_id])


def prove(
    begin: Callable[[bool], AbstractContextManager[UnitOfWork]],
    email: str,
    password: str,
    *,
    address: str,
) -> Proof:
    """Check a password from a network address. Raises `SignInRefused` for a wrong one, or too soon.

    ``begin(write)`` opens a transaction. The try is counted in one before the slow hash is worked
    out, while nobody is locked out, in another. An address that nobody has takes as long.
    """
    email = email.strip().lower()[:254]
    with begin(True) as uow:
        user_id = find_user(uow, email)
        claim = claim_try(uow, email, user_id, address)
    if claim.wait:
        message = _("Too many wrong tries. Wait %(n)s seconds.", n=claim.wait)
        raise SignInRefused(message, retry_after=claim.wait)
    with begin(False) as uow:
        stored = _stored_password(uow, user_id)
        is_right = _fits(stored, password)
    if not is_right or stored is None or user_id is None:
        with begin(True) as uow:
            record_act(uow, "sign_in_failed", entity="user", record_ids=[user_id])
        raise SignInRefused(_("The address or the password is wrong."))
    return Proof(user_id, claim, stored, hash_password(password) if needs_rehash(stored) else None)


def _fits(stored: str | None, password: str) -> bool:
    if stored is None:
        verify_nothing(password[:200])
        return False
    return len(password) <= 200 and verify_password(stored, password)


def sign_in(
    uow: UnitOfWork, proof: Proof, *, address: str, agent: str, instead_of: int | None = None
) -> NewSession:
    """Make a session; the one that the browser had before (``instead_of``) ends.

    Raises `SignInRefused` when the password was changed since it was proven.
    """
    _accept(uow, proof)
    if instead_of is not None:
        _revoke_session(uow, instead_of)
    return _new_session(uow, proof.user_id, address, agent)


def change_password(
    uow: UnitOfWork, proof: Proof, password: str, *, address: str, agent: str
) -> NewSession:
    """Set one's own password after the old one was proven: all sessions end, and a new one begins.

    API tokens stay: programs do not know the password. Raises `Invalid`, `SignInRefused`.
    """
    _accept(uow, proof)
    actor = uow.actor
    set_password(uow, proof.user_id, password, email=actor.email, name=actor.name)
    return _new_session(uow, proof.user_id, address, agent)


def _accept(uow: UnitOfWork, proof: Proof) -> None:
    if proof.password != _stored_password(uow, proof.user_id):
        raise SignInRefused(_("The address or the password is wrong."))
    give_back(uow, proof.claim)
    if proof.rehashed is not None:
        uow.execute(
            update(credential_table)
            .where(credential_table.c.user_id == proof.user_id)
            .values(password=proof.rehashed)
        )


def _stored_password(uow: UnitOfWork, user_id: int | None) -> str | None:
    table = credential_table
    found: str | None = uow.execute(
        select(table.c.password).where(table.c.user_id == user_id)
    ).scalar_one_or_none()
    return found


# Sessions


def _new_session(uow: UnitOfWork, user_id: int, address: str, agent: str) -> NewSession:
    actor = load_actor(uow, user_id)
    if actor is None:  # disabled or deleted since the password was proven
        raise SignInRefused(_("The address or the password is wrong."))
    uow.actor = actor
    token, now = secrets.token_urlsafe(32), uow.now()
    expires = now + timedelta(days=get_setting(uow, "core_security", "session_days"))
    uow.execute(
        insert(session_table).values(
            token_hash=_hash(token),
            user_id=user_id,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            expires_at=expires,
            address=address[:64],
            agent=agent[:300],
        )
    )
    record_act(uow, "sign_in", entity="user", record_ids=[user_id])
    uow.publish(UserSignedIn(user_id))
    return NewSession(token, user_id, expires)


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
    if actor is None:
        return None
    # The access worked out so far is shared with the cached actor.
    return replace(actor, session_id=row.id), row.csrf, now >= row.seen_at + SEEN_EVERY


def touch_session(uow: UnitOfWork, session_id: int) -> None:
    """Note that a session is in use."""
    uow.execute(
        update(session_table).where(session_table.c.id == session_id).values(seen_at=uow.now())
    )


def end_session(uow: UnitOfWork, session_id: int) -> None:
    """Sign out: the token is refused from now on, in every process."""
    _revoke_session(uow, session_id)
    record_act(uow, "sign_out", entity="user", record_ids=[uow.actor.user_id])


def end_sessions_of(uow: UnitOfWork, user_id: int) -> int:
    """Sign a person out everywhere, by an administrator or the person; returns how many sessions ended."""
    if user_id != uow.actor.user_id and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators sign others out."))
    ended = revoke_sessions(uow, [user_id])
    record_act(uow, "sign_out_everywhere", entity="user", record_ids=[user_id])
    return ended


def _revoke_session(uow: UnitOfWork, session_id: int) -> None:
    uow.execute(
        update(session_table).where(session_table.c.id == session_id).values(revoked_at=uow.now())
    )


# API tokens


def create_token(
    uow: UnitOfWork,
    user_id: int,
    *,
    title: str,
    scopes: list[str] | None = None,
    days: int | None = None,
) -> Token:
    """A token for a person: for oneself, or for anyone by an administrator.

    ``scopes`` limit it to ``lead.read``, ``lead.*``, ``*.read``; it never exceeds the person.
    """
    if user_id != uow.actor.user_id and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators make tokens for others."))
    if uow.actor.token_scopes is not None:
        raise Forbidden(_("A token cannot make tokens."))
    limits = scopes or ["*"]
    if any(not _is_scope(scope) for scope in limits):
        message = _("A scope is an entity and an action such as lead.read, or *.")
        raise Invalid(message, [Problem("scopes", "scope", message)])
    days = days or get_setting(uow, "core_security", "token_days")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires = uow.now() + timedelta(days=days)
    result = uow.execute(
        insert(api_token_table).values(
            token_hash=_hash(text),
            user_id=user_id,
            title=title[:100],
            scopes=limits,
            created_at=uow.now(),
            expires_at=expires,
        )
    )
    key = inserted_key(result)
    record_act(uow, "create_token", entity="user", record_ids=[user_id], details={"token": key})
    return Token(key, text, expires)


def _is_scope(scope: Any) -> bool:
    if not isinstance(scope, str) or len(scope) > 100:
        return False
    entity, dot, action = scope.partition(".")
    return scope == "*" or bool(dot and entity and action)


def revoke_token(uow: UnitOfWork, token_id: int) -> bool:
    """End a token of one's own, or anyone's as an administrator; False when there is none."""
    table = api_token_table
    statement = update(table).where(table.c.id == token_id, table.c.revoked_at.is_(None))
    if not uow.actor.manages_security:
        statement = statement.where(table.c.user_id == uow.actor.user_id)
    changed = uow.execute(statement.values(revoked_at=uow.now())).rowcount
    if changed:
        bump_access(uow.connection)
        record_act(uow, "revoke_token", entity="user", details={"token": token_id})
    return bool(changed)


def revoke_tokens_of(uow: UnitOfWork, user_id: int) -> int:
    """End all API tokens of a person, by an administrator or the person; returns how many ended."""
    if user_id != uow.actor.user_id and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators end the tokens of others."))
    ended = revoke_tokens(uow, [user_id])
    record_act(uow, "revoke_tokens", entity="user", record_ids=[user_id])
    return ended


def actor_of_token(uow: UnitOfWork, text: str) -> Actor | None:
    """Who presents a token; None when it is unknown, over, or its person may not sign in."""
    if not text.startswith(TOKEN_PREFIX) or len(text) > 100:
        return None
    row = _token_row(uow, _hash(text))
    if row is None or row.revoked_at is not None:
        return None
    if row.expires_at is not None and uow.now() >= row.expires_at:
        return None
    actor = load_actor(uow, row.user_id)
    if actor is None:
        return None
    if row.used_at is not None:
        uow.access.token_uses.setdefault(row.id, row.used_at)
    kept = uow.access.token_actors
    found = kept.get(row.id)
    if found is None:
        found = replace(actor, token_id=row.id, token_scopes=frozenset(row.scopes), _access={})
        if not uow.write:
            kept[row.id] = found
    return found


def _token_row(uow: UnitOfWork, digest: str) -> Row[Any] | None:
    """The token's row, kept for as long as nobody's access changes: to revoke one is such a change."""
    kept = uow.access.tokens
    found = kept.get(digest)
    if found is None:
        table = api_token_table
        found = uow.execute(select(table).where(table.c.token_hash == digest)).one_or_none()
        if found is not None and not uow.write:
            kept[digest] = found
    return found


def token_use_is_due(uow: UnitOfWork, token_id: int) -> bool:
    """True once a minute in each process; the caller then writes it with `note_token_use`."""
    uses, now = uow.access.token_uses, uow.now()
    if token_id in uses and now < uses[token_id] + USED_EVERY:
        return False
    uses[token_id] = now
    return True


def note_token_use(uow: UnitOfWork, token_id: int) -> None:
    """Note that a token is in use, unless another process just did."""
    table, now = api_token_table, uow.now()
    is_due = or_(table.c.used_at.is_(None), table.c.used_at <= now - USED_EVERY)
    uow.execute(update(table).where(table.c.id == token_id, is_due).values(used_at=now))


def same_token(given: str | None, expected: str) -> bool:
    """Compare without telling by time how much of it was right."""
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
