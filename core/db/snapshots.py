"""Transactions that take as long as they take: reading all tables as of one moment, loading them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from core.db.engine import Database

__all__ = ["one_moment", "without_limits"]


@contextmanager
def one_moment(database: Database) -> Iterator[Connection]:
    """A transaction that reads all tables as they were at its beginning, while others write."""
    with database.connect(write=False) as connection:
        if database.is_sqlite:
            with connection.begin():
                yield connection
            return
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            without_limits(connection)
            yield connection


def without_limits(connection: Connection) -> None:
    """No limit of time for the statements of this transaction, nor for the pauses between them."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
