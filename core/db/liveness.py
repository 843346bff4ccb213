"""Whether a pooled connection of PostgreSQL is still there, told without asking the server."""

from __future__ import annotations

import select
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

__all__ = ["check_on_checkout"]

#: After lying this long a connection is asked: a firewall on the way may have dropped it silently.
ASK_AFTER = 30.0


def check_on_checkout(engine: Engine) -> None:
    """Replace dead connections when they are taken from the pool.

    `pool_pre_ping` would cost three round trips every time. A server that ended a connection has
    said so, which makes its socket readable; nothing else is sent to one that lies idle.
    """
    event.listen(engine, "checkin", _note)
    event.listen(engine, "checkout", _check)


def _note(connection: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _check(connection: Any, record: Any, _proxy: Any) -> None:
    since = record.info.get("idle_since")
    if since is None:
        return  # opened a moment ago
    if time.monotonic() - since < ASK_AFTER and not _has_news(connection):
        return
    import psycopg

    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError(str(error)) from error


def _has_news(connection: Any) -> bool:
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
