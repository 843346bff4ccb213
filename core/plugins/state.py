"""Which plugins are on: one row each, read with every snapshot."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, Table, select

from core.db.base import metadata
from core.db.types import PlainText, UtcDateTime

__all__ = ["plugin_table", "read_enabled"]

plugin_table = Table(
    "core_plugin",
    metadata,
    Column("name", PlainText(63), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    #: The version whose migrations ran last.
    Column("version", PlainText(40), nullable=False),
    #: Why the last attempt to switch it failed.
    Column("error", PlainText()),
    Column("changed_at", UtcDateTime, nullable=False),
)


def read_enabled(connection: Connection) -> frozenset[str]:
    """The names that are switched on, whether or not their code is still there."""
    rows = connection.execute(select(plugin_table.c.name).where(plugin_table.c.enabled))
    return frozenset(rows.scalars())
