"""The lock that a company may switch on: after so many wrong tries nobody tries further for a while.

Places where the person never signed in are counted together, and each of the others apart: whoever
guesses elsewhere locks nobody out of where they work. Addresses that nobody has are locked alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Table, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.audit.recorder import record_act
from core.errors import Forbidden
from core.i18n import gettext as _
from core.security.models import lock_table
from core.settings.service import get_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.work.uow import UnitOfWork

__all__ = [
    "FOR_GOOD",
    "Counted",
    "Lock",
    "count_try",
    "forget_locks",
    "held_row",
    "locks_of",
    "release",
]

#: "Until an administrator releases it", in seconds: what a program is told to wait.
FOR_GOOD = 24 * 3600
#: Counts that locked nothing are dropped after a day; locks of addresses that nobody has, later.
COUNTS_KEPT = timedelta(days=1)
NOBODYS_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Counted:
    """What counting a try came to: seconds to wait when it is locked, and whether this one locks."""

    wait: int = 0
    locks: bool = False
    #: Of the row that it was counted in, if it was.
    key: str = ""


@dataclass(frozen=True)
class Lock:
    """A lock that holds: of the place, or of all unknown ones (``""``), and until when if ever."""

    place: str
    since: datetime
    until: datetime | None


def held_row(
    uow: UnitOfWork, table: Table, key: str, values: Mapping[str, Any]
) -> tuple[Row[Any], bool]:
    """The row of a key, made of ``values`` when it is missing, and whether it was.

    Nobody else counts on it until the transaction ends.
    """
    make: Any = sqlite_insert if uow.runtime.database.is_sqlite else postgresql_insert
    made = uow.execute(
        make(table)
        .values(key=key, **values)
        .on_conflict_do_nothing(index_elements=[table.c.key])
        .returning(table.c.key)
    ).scalar_one_or_none()
    row = uow.execute(select(table).where(table.c.key == key).with_for_update()).one()
    return row, made is not None


def count_try(uow: UnitOfWork, key: str, user_id: int | None, place: str) -> Counted:
    """Count a try as if it were wrong; nothing at all while the company has no such lock."""
    limit = get_setting(uow, "core_sign_in", "lock_failures")
    if not limit:
        return Counted()
    now = uow.now()
    fresh = {"user_id": user_id, "place": place, "failures": 0, "since": now}
    row, _made = held_row(uow, lock_table, key, fresh)
    failures, since = row.failures, row.since
    if row.locked_at is not None:
        until = _until(uow, row.locked_at)
        if until is None:
            return Counted(FOR_GOOD)
        if now < until:
            return Counted(int((until - now).total_seconds()) + 1)
        failures, since = 0, now
    if now >= since + timedelta(minutes=get_setting(uow, "core_sign_in", "lock_within")):
        failures, since = 0, now
    locks = failures + 1 >= limit
    values = {"failures": failures + 1, "since": since, "locked_at": now if locks else None}
    uow.execute(update(lock_table).where(lock_table.c.key == key).values(values))
    return Counted(0, locks, key)


def _until(uow: UnitOfWork, locked_at: datetime) -> datetime | None:
    minutes = get_setting(uow, "core_sign_in", "lock_minutes")
    return locked_at + timedelta(minutes=minutes) if minutes else None


def locks_of(uow: UnitOfWork, user_id: int) -> list[Lock]:
    """The locks that hold for a person now, newest first."""
    if not get_setting(uow, "core_sign_in", "lock_failures"):
        return []
    table = lock_table
    rows = uow.execute(
        select(table.c.place, table.c.locked_at)
        .where(table.c.user_id == user_id, table.c.locked_at.is_not(None))
        .order_by(table.c.locked_at.desc())
    )
    found = [Lock(row.place, row.locked_at, _until(uow, row.locked_at)) for row in rows]
    return [lock for lock in found if lock.until is None or uow.now() < lock.until]


def release(uow: UnitOfWork, user_id: int) -> int:
    """End all locks of a person, by an administrator; returns how many."""
    if not uow.actor.manages_security:
        raise Forbidden(_("Only administrators release a lock."))
    held = len(locks_of(uow, user_id))
    uow.execute(delete(lock_table).where(lock_table.c.user_id == user_id))
    record_act(uow, "release_lock", entity="user", record_ids=[user_id])
    return held


def forget_locks(uow: UnitOfWork) -> int:
    """Drop counts and locks that hold nobody back any more; returns how many rows."""
    table, now = lock_table, uow.now()
    minutes = get_setting(uow, "core_sign_in", "lock_minutes")
    gone = table.c.locked_at.is_(None) & (table.c.since < now - COUNTS_KEPT)
    gone |= table.c.user_id.is_(None) & (table.c.since < now - NOBODYS_KEPT)
    if minutes:
        gone |= table.c.locked_at < now - timedelta(minutes=minutes)
    return uow.execute(delete(table).where(gone)).rowcount
