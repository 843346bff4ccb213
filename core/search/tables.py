"""The tables of the search, but for the index itself, which each database keeps in its own way."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime

__all__ = ["INDEX", "entity_table", "todo_table"]

#: The index of tokens: FTS5 on SQLite, a GIN index over lists of tokens on PostgreSQL.
INDEX = "core_search_index"

#: What is indexed of each entity, and how far.
entity_table = Table(
    "core_search_entity",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False, unique=True),
    #: What the tokens were made of; when that changes they are made anew.
    Column("content", PlainText(64), nullable=False),
    #: Records up to this id are in the index; null when all are.
    Column("filled_to", BigId),
    sqlite_autoincrement=True,
)

#: Records that were written and are not indexed yet.
todo_table = Table(
    "core_search_todo",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False),
    Column("ids", Json, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)
