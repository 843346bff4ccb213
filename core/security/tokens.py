"""API tokens: stored as hashes, limited in scope and time, shown once.

They stand apart from signing in: whoever made one was signed in, and a program has no second factor.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, insert, or_, select, update

from core.audit.recorder import record_act
from core.errors import Forbidden, Invalid, Problem
from core.i18n import gettext as _
from core.runtime import bump_access
from core.security.actor import Actor
from core.security.directory import load_actor
from core.security.models import api_token_table
from core.security.oneself import require_oneself
from core.security.sessions import revoke_tokens
from core.settings.service import get_setting
from core.work.uow import inserted_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Token",
    "actor_of_token",
    "create_token",
    "note_token_use",
    "revoke_token",
    "revoke_tokens_of",
    "token_use_is_due",
]

#: "Last used" is written at most this often.
USED_EVERY = timedelta(minutes=1)
#: So that a leaked token is recognised by those who scan for them.
TOKEN_PREFIX = "dg_"  # noqa: S105


@dataclass(frozen=True)
class Token:
    """A new API token; its text is shown once."""

    id: int
    text: str
    expires_at: datetime | None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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
    require_oneself(uow)
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
    require_oneself(uow)
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
    require_oneself(uow)
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
