"""The table of notifications."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from core.db.base import metadata
from core.db.types import BigId, PlainText, UtcDateTime

__all__ = ["notification_table"]

#: No text of a record is kept here: what it is called is read when the notification is, by whoever
#: reads it, with the rights of that moment.
notification_table = Table(
    "core_notification",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", BigId, ForeignKey("core_user.id", ondelete="CASCADE"), nullable=False),
    Column("kind", PlainText(63), nullable=False),
    #: Who brought it about; null for the system.
    Column("actor_id", BigId, ForeignKey("core_user.id", ondelete="SET NULL"), index=True),
    Column("entity", PlainText(63)),
    #: Null where several records are meant.
    Column("record_id", BigId),
    Column("count", Integer, nullable=False, server_default="1"),
    Column("at", UtcDateTime, nullable=False),
    #: From when on it is shown; later than ``at`` where it was put off.
    Column("due_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
    Index("ix_core_notification_user_id_read_at_due_at", "user_id", "read_at", "due_at"),
    sqlite_autoincrement=True,
)
