"""Tables behind imports: keys of duplicates, rows refused, records that an undo left, presets, plans."""

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
    "import_plan_file_table",
    "import_plan_table",
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

#: Plans of several files; ``content`` is what their TOML says.
import_plan_table = Table(
    "core_import_plan",
    metadata,
    Column("id", BigId, primary_key=True),
    Column(
        "owner_id",
        BigId,
        ForeignKey("core_user.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("title", PlainText(120), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("content", Json, nullable=False),
    #: Goes up with each change, so that two windows do not write over each other.
    Column("version", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

#: What somebody has uploaded for a plan: each person's own, under the name that the plan uses.
import_plan_file_table = Table(
    "core_import_plan_file",
    metadata,
    Column(
        "plan_id",
        BigId,
        ForeignKey("core_import_plan.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column(
        "user_id",
        BigId,
        ForeignKey("core_user.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("name", PlainText(200), primary_key=True),
    Column("file_id", BigId, nullable=False),
    sqlite_with_rowid=False,
)
