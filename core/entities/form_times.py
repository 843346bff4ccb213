"""How long people take to fill in the form of a new record: counts of seconds, of nobody in particular (S-237)."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Column, Date, Integer, Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.db.base import metadata
from core.db.types import PlainText

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MOST", "form_time_table", "median_times", "note_opened", "stamp"]

#: A form that lies open for longer counts as so many seconds.
MOST = 3_600
#: Seconds are counted in steps of so many: a month of an entity has 720 rows at most.
STEP = 5

#: Neither who filled a form in is kept, nor when, but for the month.
form_time_table = Table(
    "core_form_time",
    metadata,
    Column("entity", PlainText(63), primary_key=True),
    Column("month", Date, primary_key=True),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
)


def stamp(key: str, entity: str, now: datetime) -> str:
    """What a form carries of when it was opened, so that nobody else can have written it."""
    second = str(int(now.timestamp()))
    return f"{second}.{_proof(key, entity, second)}"


def _proof(key: str, entity: str, second: str) -> str:
    said = f"form opened:{entity}:{second}".encode()
    return hmac.new(key.encode(), said, hashlib.sha256).hexdigest()[:32]


def note_opened(uow: UnitOfWork, entity: str, opened: str) -> None:
    """Count the time since a form with that stamp was opened; one without a stamp of ours is not counted."""
    second, _dot, proof = opened.partition(".")
    key = uow.runtime.config.secret_key
    if not second.isdecimal() or not second.isascii() or len(second) > 12:
        return
    if not hmac.compare_digest(proof.encode(), _proof(key, entity, second).encode()):
        return
    passed = int(uow.now().timestamp()) - int(second)
    if passed < 0:
        return
    table = form_time_table
    insert = sqlite_insert if uow.runtime.database.is_sqlite else postgresql_insert
    row = {
        "entity": entity,
        "month": uow.clock.today().replace(day=1),
        "seconds": min(passed, MOST) // STEP * STEP,
        "count": 1,
    }
    uow.execute(
        insert(table)
        .values(row)
        .on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={"count": table.c.count + 1}
        )
    )


def median_times(uow: UnitOfWork, since: date) -> dict[str, tuple[int, int]]:
    """``{entity: (seconds that half of the forms took at most, how many forms)}``, of the months from ``since``."""
    c = form_time_table.c
    counted = select(c.entity, c.seconds, c.count).where(c.month >= since).order_by(c.seconds)
    steps: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in uow.execute(counted):
        steps[row.entity].append((row.seconds, row._mapping["count"]))
    return {entity: _median(pairs) for entity, pairs in steps.items()}


def _median(pairs: list[tuple[int, int]]) -> tuple[int, int]:
    total = sum(count for _seconds, count in pairs)
    passed = 0
    for seconds, count in pairs:
        passed += count
        if passed * 2 >= total:
            return seconds, total
    return 0, 0
