"""What happens one at a time: changes of structure, and whatever else takes turns under a name."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import blake2b

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from core.errors import Refused
from core.i18n import gettext as _

__all__ = ["lock_structure", "patiently", "take_turns"]

#: Whoever waits for a lock on a table holds up all who come after, so each wait is short …
_WAIT = "50ms"
#: … and there are several, with pauses between them (seconds).
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6, 1.6)
_LOCK_NOT_AVAILABLE = "55P03"


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


def patiently(connection: Connection, step: Callable[[], object]) -> None:
    """Run a step that locks a table, without ever keeping others waiting for it.

    PostgreSQL lets nobody pass who comes after a waiting ALTER TABLE; a step that does not get its
    lock at once gives its place up and comes again later. Raises `Refused` in the end.
    """
    if connection.dialect.name != "postgresql":
        step()
        return
    usual = connection.execute(select(func.current_setting("lock_timeout"))).scalar_one()
    connection.execute(select(func.set_config("lock_timeout", _WAIT, True)))
    for pause in (*_PAUSES, None):
        try:
            with connection.begin_nested():
                step()
            break
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
                raise
            if pause is None:
                raise Refused(_("The table is busy just now. Please try again.")) from error
        time.sleep(pause)
    connection.execute(select(func.set_config("lock_timeout", usual, True)))
