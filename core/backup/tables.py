"""The list of backups that were made by the clock or from the page; the files lie in a folder."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table

from core.db.base import metadata
from core.db.types import BigId, PlainText, UtcDateTime

__all__ = ["backup_table"]

backup_table = Table(
    "core_backup",
    metadata,
    Column("id", BigId, primary_key=True),
    #: The name of the file in the folder of its day.
    Column("name", PlainText(120), nullable=False),
    Column("folder", PlainText(1000), nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
    Column("size", BigId, nullable=False),
    Column("row_count", BigId, nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("encrypted", Boolean, nullable=False),
    #: When every checksum was last found right, and what was wrong since.
    Column("verified_at", UtcDateTime),
    Column("problem", PlainText(500)),
    sqlite_autoincrement=True,
)
