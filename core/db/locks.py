"""Changes of structure happen one at a time, and do not hold up everybody else for long."""

from __future__ import annotations

from sqlalchemy import Connection

__all__ = ["lock_structure"]


def lock_structure(connection: Connection, *, patient: bool = False) -> None:
    """Wait for other changes of structure; then give up on a busy table after 2 s (``patient``: 10 s).

    SQLite needs neither: its writing transactions exclude each other anyhow.
    """
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7415963201)")
    if patient:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    else:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
