"""Ending sessions and API tokens: at once, in every process, for whoever changed or left."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import update

from core.runtime import bump_access
from core.security.models import api_token_table, session_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["revoke_sessions", "revoke_tokens"]


def revoke_sessions(uow: UnitOfWork, people: Collection[int]) -> int:
    """End the open sessions of people; returns how many. Each request reads its session anew.

    Those in which they stand behind another's name end with them: whoever has such a cookie is they.
    """
    table = session_table
    if not people:
        return 0
    theirs = table.c.user_id.in_(people) | table.c.behind_id.in_(people)
    open_ = theirs & table.c.revoked_at.is_(None)
    return uow.execute(update(table).where(open_).values(revoked_at=uow.now())).rowcount


def revoke_tokens(uow: UnitOfWork, people: Collection[int]) -> int:
    """End the API tokens of people; returns how many. Processes keep tokens until access changes."""
    table = api_token_table
    if not people:
        return 0
    good = table.c.user_id.in_(people) & table.c.revoked_at.is_(None)
    ended = uow.execute(update(table).where(good).values(revoked_at=uow.now())).rowcount
    if ended:
        bump_access(uow.connection)
    return ended
