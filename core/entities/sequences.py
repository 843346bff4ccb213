"""Gap-free numbers: counted in the transaction that uses them, so a roll-back gives them back; and how far
a job has come that goes on from there the next time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.db.base import metadata
from core.db.types import BigId, PlainText

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["check_pattern", "next_numbers", "remember", "remembered", "sequence_table"]

sequence_table = Table(
    "core_sequence",
    metadata,
    Column("key", PlainText(200), primary_key=True),
    Column("last", BigId, nullable=False),
)

_PART = re.compile(r"\{(yyyy|yy|mm|dd|seq)(?::([1-9][0-9]?))?\}")


def check_pattern(pattern: str) -> None:
    """Raise `ValueError` unless the pattern has exactly one ``{seq}`` and only known parts."""
    parts = [match[1] for match in _PART.finditer(pattern)]
    if parts.count("seq") != 1 or "{" in _PART.sub("", pattern) or len(pattern) > 40:
        raise ValueError(f"not a number pattern: {pattern!r}")


def next_numbers(uow: UnitOfWork, key: str, pattern: str, day: date, count: int) -> Sequence[str]:
    """``count`` consecutive numbers. The counter's row stays locked until the transaction ends.

    The counter restarts with the shortest period that the pattern names: ``L{yyyy}{mm}-{seq:4}``
    begins anew each month.
    """
    fixed = _PART.sub(lambda match: _part(match, day), pattern)
    full_key = f"{key}:{fixed}"
    last = _advance(uow, full_key, count)
    return [
        fixed.replace("\0", str(number).rjust(_width(pattern), "0"))
        for number in range(last - count + 1, last + 1)
    ]


def remembered(uow: UnitOfWork, key: str) -> int | None:
    """The number that was last remembered under the key, which begins with the plugin's name."""
    asked = select(sequence_table.c.last).where(sequence_table.c.key == key)
    found: int | None = uow.execute(asked).scalar()
    return found


def remember(uow: UnitOfWork, key: str, number: int) -> None:
    """Remember a number under the key, for who comes next; of several at once only one may."""
    uow.execute(delete(sequence_table).where(sequence_table.c.key == key))
    uow.execute(insert(sequence_table).values(key=key, last=number))


def _part(match: re.Match[str], day: date) -> str:
    match match[1]:
        case "yyyy":
            return f"{day.year:04}"
        case "yy":
            return f"{day.year % 100:02}"
        case "mm":
            return f"{day.month:02}"
        case "dd":
            return f"{day.day:02}"
        case _:
            return "\0"


def _width(pattern: str) -> int:
    found = re.search(r"\{seq:([0-9]+)\}", pattern)
    return int(found[1]) if found else 1


def _advance(uow: UnitOfWork, key: str, count: int) -> int:
    key = key.replace("\0", "#")
    table = sequence_table
    insert: Any = sqlite_insert if uow.runtime.database.is_sqlite else postgresql_insert
    upsert = (
        insert(table)
        .values(key=key, last=count)
        .on_conflict_do_update(index_elements=[table.c.key], set_={"last": table.c.last + count})
        .returning(table.c.last)
    )
    return int(uow.execute(upsert).scalar_one())
