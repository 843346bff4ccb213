"""Idempotency keys: the first answer to a request is kept and given again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, Table, UniqueConstraint, delete, insert, select
from sqlalchemy.exc import IntegrityError

from core.db.base import metadata
from core.db.types import BigId, PlainText, UtcDateTime
from core.errors import Invalid, Refused
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "KeptAnswer",
    "find_answer",
    "forget_answers",
    "idempotency_table",
    "keep_answer",
    "request_hash",
    "was_used",
]

#: How long an answer is kept.
KEPT_FOR = timedelta(days=2)

idempotency_table = Table(
    "core_idempotency",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", BigId, nullable=False),
    Column("key", PlainText(200), nullable=False),
    Column("request_hash", PlainText(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", PlainText(), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("user_id", "key"),
)


@dataclass(frozen=True)
class KeptAnswer:
    """The first answer to a request."""

    status: int
    body: str


def request_hash(method: str, path: str, body: bytes, token_id: int | None = None) -> str:
    """What makes two requests of a person the same one: also that they came with the same token."""
    parts = [method.encode(), path.encode(), body]
    if token_id is not None:
        parts.insert(0, f"token {token_id}".encode())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def find_answer(uow: UnitOfWork, key: str, digest: str) -> KeptAnswer | None:
    """The kept answer; `Refused` when the key was used for another request."""
    if not 1 <= len(key) <= 200:
        raise Invalid(_("An Idempotency-Key has 1 to 200 characters."))
    table = idempotency_table
    row = uow.execute(
        select(table).where(
            table.c.user_id == uow.actor.user_id,
            table.c.key == key,
            table.c.at > uow.now() - KEPT_FOR,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.request_hash != digest:
        raise Refused(_("This Idempotency-Key was used for another request."))
    return KeptAnswer(row.status, row.body)


def forget_answers(uow: UnitOfWork, before: datetime) -> int:
    """Drop the answers kept before a moment; returns how many."""
    return uow.execute(delete(idempotency_table).where(idempotency_table.c.at < before)).rowcount


def was_used(uow: UnitOfWork, prefix: str) -> bool:
    """True when an answer is kept under a key that begins so."""
    table = idempotency_table
    mine = (table.c.user_id == uow.actor.user_id) & table.c.key.startswith(prefix, autoescape=True)
    return uow.execute(select(table.c.id).where(mine).limit(1)).first() is not None


def keep_answer(uow: UnitOfWork, key: str, digest: str, status: int, body: str) -> None:
    """Keep an answer in the transaction of its effect.

    Of two equal requests at the same instant one fails here, is rolled back whole, and finds the
    other's answer when it is tried again: `Refused`.
    """
    table = idempotency_table
    mine = (table.c.user_id == uow.actor.user_id) & (table.c.key == key)
    uow.execute(delete(table).where(mine, table.c.at <= uow.now() - KEPT_FOR))
    try:
        uow.execute(
            insert(table).values(
                user_id=uow.actor.user_id,
                key=key,
                request_hash=digest,
                status=status,
                body=body,
                at=uow.now(),
            )
        )
    except IntegrityError:
        raise Refused(_("The same request is being worked on. Try again.")) from None
