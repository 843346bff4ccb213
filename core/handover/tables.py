"""What became of each record of a hand-over, until its protocol is no longer needed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table

from core.db.base import metadata
from core.db.types import BigId, PlainText

__all__ = ["hand_over_line_table"]

#: Written in the transaction of the batch, so that a resumed hand-over still tells of all. Goes
#: with the act on many that it belongs to (`core.entities.bulk`).
hand_over_line_table = Table(
    "core_hand_over_line",
    metadata,
    Column("bulk_id", BigId, ForeignKey("core_bulk.id", ondelete="CASCADE"), primary_key=True),
    Column("record_id", BigId, primary_key=True, autoincrement=False),
    #: Whose it is now; null for what stays.
    Column("successor_id", BigId),
    #: Why it stays.
    Column("reason", PlainText()),
    sqlite_with_rowid=False,
)
