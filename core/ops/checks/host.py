"""The machine: room on the disk, the clock, the secret key, and whether the clock starts work."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, text

from core.config import key_file
from core.ops.findings import Finding, State
from core.work.tables import schedule_table

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["clock", "disk", "schedules", "secret_key"]

#: Bytes: below the first it is time to act, below the second work is about to stop.
LOW, VERY_LOW = 2_000_000_000, 200_000_000
SKEWED_AFTER, WRONG_AFTER = timedelta(seconds=30), timedelta(minutes=10)
OVERDUE_AFTER = timedelta(minutes=30)


def disk(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Room in the home, where the files and a SQLite database lie."""
    free = shutil.disk_usage(runtime.config.home).free
    state: State = "problem" if free < VERY_LOW else "warning" if free < LOW else "ok"
    yield Finding("disk", state, f"{free // 1_000_000} MB free in {runtime.config.home}")


def clock(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """This machine's clock against the database's."""
    if connection.dialect.name == "postgresql":
        there: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    else:
        seconds = connection.execute(
            text("SELECT CAST(strftime('%s', 'now') AS INTEGER)")
        ).scalar_one()
        there = datetime.fromtimestamp(seconds, UTC)
    apart = abs(runtime.clock.now() - there)
    state: State = "problem" if apart > WRONG_AFTER else "warning" if apart > SKEWED_AFTER else "ok"
    yield Finding("clock", state, f"{apart.total_seconds():.0f} s from that of the database")


def secret_key(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Who can read the key in the home."""
    path = key_file(runtime.config.home)
    if not path.exists():
        yield Finding("secret key", "ok", "from the environment")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    state: State = "problem" if mode & 0o077 else "ok"
    yield Finding("secret key", state, f"{path} has the mode {mode:o}")


def schedules(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Work that the clock should have started and did not."""
    owners = runtime.snapshot.enabled | {"core"}
    late = runtime.clock.now() - OVERDUE_AFTER
    table = schedule_table
    rows = connection.execute(select(table.c.name).where(table.c.next_at < late)).scalars()
    if overdue := sorted(name for name in rows if name.partition(".")[0] in owners):
        yield Finding("schedules", "problem", f"overdue: {', '.join(overdue)}")
    else:
        yield Finding("schedules", "ok", "none overdue")
