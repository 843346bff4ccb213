"""Signing in: passwords with growing delay, sessions as rows, API tokens as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

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
    sign_in_table,
)
from core.security.passwords import (
    check_strength,
    hash_password,
    needs_rehash,
    verify_nothing,
    verify_password,
)
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
    "create_token",
    "end_session",
    "end_sessions_of",
    "prove",
    "set_password",
    "sign_in",
]

#: How long a wrong password blocks the next try: nothing for the first three, then 1 s, 2 s, 4 s … 15 min.
FREE_TRIES = 3
LONGEST_BLOCK = timedelta(minutes=15)
#: A session's "last seen" is written at most this often.
SEEN_EVERY = timedelta(minutes=5)
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
    """The outcome of checking a password, to be acted upon in a writing transaction."""

    key: str
    user_id: int | None
    #: The hash that the password fits; None when it was wrong.
    password: str | None = field(repr=False)
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
    """Set a password and end the person's other sessions. Raises `Invalid` for a weak one."""
    if weak := check_strength(password, email=email, name=name):
        problems = [Problem("password", reason.code, str(reason.message)) for reason in weak]
        raise Invalid(problems[0].message, problems)
    values = {"user_id": user_id, "password": hash_password(password), "changed_at": uow.now()}
    uow.execute(delete(credential_table).where(credential_table.c.user_id == user_id))
    uow.execute(insert(credential_table).values(values))
    _revoke_sessions(uow, user_id)
    record_act(uow, "set_password", entity="user", record_ids=[user_id])


def prove(uow: UnitOfWork, email: str, password: str) -> Proof:
    """Check a password; it writes nothing, so the slow hash is worked out while nobody is locked out.

    It takes as long for an address that nobody has. Raises `SignInRefused` when it is too soon
    after wrong tries.
    """
    email = email.strip().lower()[:254]
    key = _hash(f"sign-in:{email}")
    _check_delay(uow, key)
    user_id = find_user(uow, email)
    stored = _stored_password(uow, user_id)
    if stored is None:
        verify_nothing(password[:200])
        return Proof(key, user_id, None, None)
    if len(password) > 200 or not verify_password(stored, password):
        return Proof(key, user_id, None, None)
    return Proof(key, user_id, stored, hash_password(password) if needs_rehash(stored) else None)


def sign_in(uow: UnitOfWork, proof: Proof, *, address: str, agent: str) -> NewSession:
    """Make a session. The caller commits also when this raises `SignInRefused`: failures are counted."""
    _check_delay(uow, proof.key)
    stored, user_id = proof.password, proof.user_id
    if stored is None or user_id is None or stored != _stored_password(uow, user_id):
        _count_failure(uow, proof.key)
        record_act(uow, "sign_in_failed", entity="user", record_ids=[user_id])
        raise SignInRefused(_("The address or the password is wrong."))
    uow.execute(delete(sign_in_table).where(sign_in_table.c.key == proof.key))
    if proof.rehashed is not None:
        uow.execute(
            update(credential_table)
            .where(credential_table.c.user_id == user_id)
            .values(password=proof.rehashed)
        )
    return _new_session(uow, user_id, address, agent)


def _stored_password(uow: UnitOfWork, user_id: int | None) -> str | None:
    table = credential_table
    found: str | None = uow.execute(
        select(table.c.password).where(table.c.user_id == user_id)
    ).scalar_one_or_none()
    return found


def _check_delay(uow: UnitOfWork, key: str) -> None:
    row = uow.execute(select(sign_in_table).where(sign_in_table.c.key == key)).one_or_none()
    if row is not None and row.blocked_until > uow.now():
        wait = int((row.blocked_until - uow.now()).total_seconds()) + 1
        message = _("Too many wrong tries. Wait %(n)s seconds.", n=wait)
        raise SignInRefused(message, retry_after=wait)


def _count_failure(uow: UnitOfWork, key: str) -> None:
    make: Any = sqlite_insert if uow.runtime.database.is_sqlite else postgresql_insert
    table, now = sign_in_table, uow.now()
    failures = uow.execute(
        make(table)
        .values(key=key, failures=1, blocked_until=now)
        .on_conflict_do_update(
            index_elements=[table.c.key], set_={"failures": table.c.failures + 1}
        )
        .returning(table.c.failures)
    ).scalar_one()
    if failures > FREE_TRIES:
        seconds = min(2 ** min(failures - FREE_TRIES - 1, 20), LONGEST_BLOCK.total_seconds())
        until = now + timedelta(seconds=seconds)
        uow.execute(update(table).where(table.c.key == key).values(blocked_until=until))


# Sessions


def _new_session(uow: UnitOfWork, user_id: int, address: str, agent: str) -> NewSession:
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
    actor = load_actor(uow, user_id)
    uow.actor = actor or uow.actor
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
    uow.execute(
        update(session_table).where(session_table.c.id == session_id).values(revoked_at=uow.now())
    )
    record_act(uow, "sign_out", entity="user", record_ids=[uow.actor.user_id])


def end_sessions_of(uow: UnitOfWork, user_id: int) -> int:
    """Sign a person out everywhere, by an administrator or the person; returns how many sessions ended."""
    if user_id != uow.actor.user_id and not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators sign others out."))
    ended = _revoke_sessions(uow, user_id)
    record_act(uow, "sign_out_everywhere", entity="user", record_ids=[user_id])
    return ended


def _revoke_sessions(uow: UnitOfWork, user_id: int) -> int:
    table = session_table
    open_ = (table.c.user_id == user_id) & table.c.revoked_at.is_(None)
    return uow.execute(update(table).where(open_).values(revoked_at=uow.now())).rowcount


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
    if user_id != uow.actor.user_id and not (uow.actor.is_admin or uow.actor.is_system):
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
    if not (uow.actor.is_admin or uow.actor.is_system):
        statement = statement.where(table.c.user_id == uow.actor.user_id)
    changed = uow.execute(statement.values(revoked_at=uow.now())).rowcount
    if changed:
        bump_access(uow.connection)
        record_act(uow, "revoke_token", entity="user", details={"token": token_id})
    return bool(changed)


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
    kept = uow.access.token_actors
    found = kept.get(row.id)
    if found is None:
        found = replace(actor, token_scopes=frozenset(row.scopes), _access={})
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


def same_token(given: str | None, expected: str) -> bool:
    """Compare without telling by time how much of it was right."""
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
