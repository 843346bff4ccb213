"""Building an index beside all other work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Index
from sqlalchemy.schema import CreateIndex, DropIndex

if TYPE_CHECKING:
    from core.db.engine import Database

__all__ = ["build_index"]


def build_index(database: Database, index: Index) -> None:
    """Make an index unless it is there. On PostgreSQL nobody waits for it, not even writers.

    What an attempt that was cut off has left there is removed first.
    """
    if database.is_sqlite:
        with database.connect(write=True) as connection, connection.begin():
            connection.execute(CreateIndex(index, if_not_exists=True))
        return
    index.dialect_options["postgresql"]["concurrently"] = True
    with database.engine.connect() as connection:
        apart = connection.execution_options(isolation_level="AUTOCOMMIT")
        apart.exec_driver_sql("SET statement_timeout = 0")
        apart.exec_driver_sql("SET lock_timeout = 0")
        try:
            if _is_broken(apart, str(index.name)):
                apart.execute(DropIndex(index))
            apart.execute(CreateIndex(index, if_not_exists=True))
        finally:
            connection.invalidate()  # with its settings


def _is_broken(connection: Connection, name: str) -> bool:
    """True for an index that exists and is not kept."""
    valid = connection.exec_driver_sql(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (f'"{name}"',)
    ).scalar()
    return valid is False
