"""Tables behind imports: keys of duplicates, rows refused, records that an undo left, presets."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    Table,
    UniqueConstraint,
)

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime

__all__ = [
    "duplicate_key_table",
    "import_kept_table",
    "import_preset_table",
    "import_refusal_table",
]

#: One row for each living record of an entity with keys; ``record_id`` 0 marks what the keys of
#: the entity were made of.
duplicate_key_table = Table(
    "core_duplicate_key",
    metadata,
    Column("entity", PlainText(63), primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

#: Written in the transaction of the batch, so that a resumed import still reports all.
import_refusal_table = Table(
    "core_import_refusal",
    metadata,
    Column("job_id", BigId, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("field", PlainText(), nullable=False),
    Column("reason", PlainText(), nullable=False),
    sqlite_with_rowid=False,
)

#: Records that an undo left alone; written in the transaction of the chunk, read for its report.
import_kept_table = Table(
    "core_import_kept",
    metadata,
    Column("job_id", BigId, primary_key=True, autoincrement=False),
    Column("entity", PlainText(63), primary_key=True),
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", PlainText(), nullable=False),
    sqlite_with_rowid=False,
)

#: Mappings of columns with all that belongs to them, kept under a name for the next file.
import_preset_table = Table(
    "core_import_preset",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False),
    Column("name", PlainText(80), nullable=False),
    Column("owner_id", BigId, ForeignKey("core_user.id", ondelete="CASCADE"), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("content", Json, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("entity", "owner_id", "name"),
    sqlite_autoincrement=True,
)
