"""Idempotency keys of REST: a request with a key has its effect once, whoever repeats it when."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import update

from core.errors import Refused
from core.work.idempotency import (
    KeptAnswer,
    find_answer,
    idempotency_table,
    keep_answer,
    request_hash,
)

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "KeptAnswer",
    "answer_once",
    "find_answer",
    "idempotency_table",
    "keep_answer",
    "request_hash",
]

#: How often a request that met its twin looks for the twin's answer.
TRIES = 3


class _Taken(Exception):
    """Another transaction claimed the key first; the cause says so to the caller."""


def answer_once(
    begin: Callable[[], AbstractContextManager[UnitOfWork]],
    key: str | None,
    digest: str,
    work: Callable[[UnitOfWork], KeptAnswer],
    again: Callable[[UnitOfWork, KeptAnswer], KeptAnswer],
) -> KeptAnswer:
    """What ``work`` answers in a transaction of ``begin``; with a key it has its effect once.

    A kept answer is given through ``again``, which refuses what the caller may do or see no longer.

    The key is claimed before the work, so that an equal request at the same instant waits for the
    first to end instead of failing half-way. A refusal rolls the claim back too: the request may be
    tried again. Raises `Refused` when the key was used for another request.
    """
    for _attempt in range(TRIES):
        try:
            with begin() as uow:
                return work(uow) if key is None else _claimed(uow, key, digest, work, again)
        except _Taken as taken:
            refusal = taken.__cause__
    assert refusal is not None
    raise refusal


def _claimed(
    uow: UnitOfWork,
    key: str,
    digest: str,
    work: Callable[[UnitOfWork], KeptAnswer],
    again: Callable[[UnitOfWork, KeptAnswer], KeptAnswer],
) -> KeptAnswer:
    kept = find_answer(uow, key, digest)
    if kept is not None:
        return again(uow, kept)
    try:
        keep_answer(uow, key, digest, 0, "")
    except Refused as refusal:
        raise _Taken from refusal
    answer = work(uow)
    table = idempotency_table
    uow.execute(
        update(table)
        .where(table.c.user_id == uow.actor.user_id, table.c.key == key)
        .values(status=answer.status, body=answer.body)
    )
    return answer
