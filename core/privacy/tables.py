"""The list of erasures, without a word about whom: kept so that a restored backup is erased again."""

from __future__ import annotations

from sqlalchemy import Column, Table, UniqueConstraint

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime

__all__ = ["erasure_table"]

erasure_table = Table(
    "core_erasure",
    metadata,
    Column("id", BigId, primary_key=True),
    #: The same in the file beside the database.
    Column("key", PlainText(32), nullable=False),
    Column("entity", PlainText(63), nullable=False),
    Column("record_id", BigId, nullable=False),
    #: ``[[entity, id], …]`` of all records that were erased with it.
    Column("records", Json, nullable=False),
    Column("counts", Json, nullable=False),
    Column("actor_id", BigId),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("key"),
    sqlite_autoincrement=True,
)
