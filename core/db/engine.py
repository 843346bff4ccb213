"""Connections: one engine a process, with the settings each database needs to be safe."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from core.db.liveness import check_on_checkout

__all__ = ["Database"]

ConnectHook = Callable[[Any], None]

#: Waiting longer for a lock is an error that the caller may retry (milliseconds).
LOCK_TIMEOUT = 5_000
#: SQLite has one writer at a time for the whole database, and its queue is not fair.
SQLITE_LOCK_TIMEOUT = 30_000
#: Kilobytes of pages that each connection keeps: what a batch of an import touches. Whatever else is
#: read often lies in the memory of the operating system, a copy away.
SQLITE_CACHE = 4_000
#: Seconds between two looks whether SQLite's one writer is free. SQLite itself looks ever more
#: rarely, up to every 0.1 s, and misses the moments between two transactions of a long job.
SQLITE_LOOK = 0.005
#: Who held the writer for so long in the background leaves it to others, for so long.
SQLITE_HELD, SQLITE_PAUSE = 0.02, 0.01
STATEMENT_TIMEOUT = 60_000
IDLE_IN_TRANSACTION_TIMEOUT = 60_000


class Database:
    """Opens connections for reading and for writing.

    On SQLite a writing transaction begins with BEGIN IMMEDIATE: with a deferred one two writers
    that both began by reading fail instead of waiting for each other.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        on_sqlite_connect: Sequence[ConnectHook] = (),
    ) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._make_engine(pool_size, on_sqlite_connect)
        self._writing = self.engine.execution_options(dougong_write=True)

    def connect(self, *, write: bool) -> Connection:
        """A connection whose transaction has not begun yet."""
        return (self._writing if write else self.engine).connect()

    def give_way(self, held: float) -> None:
        """After ``held`` seconds of writing in the background: let those write who wait for it."""
        if self.is_sqlite and held > SQLITE_HELD:
            time.sleep(SQLITE_PAUSE)

    def dispose(self) -> None:
        """Close all pooled connections, e.g. after a fork."""
        self.engine.dispose()

    def _make_engine(self, pool_size: int, hooks: Sequence[ConnectHook]) -> Engine:
        options: dict[str, Any] = {
            "json_serializer": lambda value: orjson.dumps(value).decode(),
            "json_deserializer": orjson.loads,
            "pool_size": pool_size,
            "max_overflow": pool_size,
            # The one used last has its pages and prepared statements at hand; others rest.
            "pool_use_lifo": True,
            # An error names the statement, and not whose telephone number it was about.
            "hide_parameters": True,
        }
        if not self.is_sqlite:
            settings = (
                f"-c lock_timeout={LOCK_TIMEOUT} -c statement_timeout={STATEMENT_TIMEOUT}"
                f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT}"
                " -c timezone=UTC"
                # Compiling a statement takes longer than running any of ours.
                " -c jit=off"
            )
            engine = create_engine(self.url, connect_args={"options": settings}, **options)
            check_on_checkout(engine)
            return engine
        if self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url, connect_args={"timeout": SQLITE_LOCK_TIMEOUT / 1000}, **options
        )
        event.listen(engine, "connect", lambda connection, _: _prepare_sqlite(connection, hooks))
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _prepare_sqlite(connection: Any, hooks: Sequence[ConnectHook]) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL",
        "PRAGMA foreign_keys=ON",
        f"PRAGMA busy_timeout={SQLITE_LOCK_TIMEOUT}",
        f"PRAGMA cache_size=-{SQLITE_CACHE}",
        "PRAGMA temp_store=MEMORY",
    ):
        cursor.execute(pragma)
    cursor.close()
    for hook in hooks:
        hook(connection)


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("dougong_write"):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.dbapi_connection
    (patience,) = driver.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + patience / 1000
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while _is_taken(driver):
            if time.monotonic() > deadline:
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails as any statement does
                return
            time.sleep(SQLITE_LOOK)
    finally:
        driver.execute("PRAGMA busy_timeout = 30000")  # as `_prepare_sqlite` does


def _is_taken(driver: Any) -> bool:
    """False when the writing transaction has begun; True while somebody else has one."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return True
    return False
