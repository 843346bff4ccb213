"""What happens one at a time: changes of structure, and whatever else takes turns under a name."""

from __future__ import annotations

from hashlib import blake2b

from sqlalchemy import Connection, func, select

__all__ = ["lock_structure", "take_turns"]


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


def take_turns(connection: Connection, name: str) -> None:
    """Wait until no other transaction has taken its turn under ``name``; held until this one ends.

    Waiting is bounded by the statement's time limit alone: a turn may well last longer than locks
    of rows do. Must come before what it guards is read.
    """
    if connection.dialect.name != "postgresql":
        return
    key = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
    statement = select(func.pg_try_advisory_xact_lock(key))
    if connection.execute(statement).scalar_one():
        return
    usual = connection.execute(select(func.current_setting("lock_timeout"))).scalar_one()
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.execute(select(func.pg_advisory_xact_lock(key)))
    connection.execute(select(func.set_config("lock_timeout", usual, True)))
