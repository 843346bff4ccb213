"""Tables behind imports: the keys by which duplicates are found, and the rows that were refused."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table

from core.db.base import metadata
from core.db.types import BigId, PlainText

__all__ = ["duplicate_key_table", "import_refusal_table"]

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
