"""The descriptions of the company's own entities and fields."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, UniqueConstraint

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime

__all__ = ["custom_entity_table", "custom_field_table"]

custom_entity_table = Table(
    "core_custom_entity",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", PlainText(63), nullable=False),
    #: ``{"zh_CN": …, "en": …}``
    Column("labels", Json, nullable=False),
    Column("plural_labels", Json, nullable=False),
    Column("icon", PlainText(40), nullable=False),
    Column("owned", Boolean, nullable=False),
    #: The entity whose child lines these are.
    Column("parent", PlainText(63)),
    Column("label_field", PlainText(63), nullable=False),
    Column("list_columns", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", BigId),
    #: Hidden everywhere since then; its table and its rows stay until they are purged.
    Column("retired_at", UtcDateTime),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

custom_field_table = Table(
    "core_custom_field",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False),
    Column("name", PlainText(63), nullable=False),
    Column("kind", PlainText(30), nullable=False),
    #: ``{"zh_CN": …, "en": …}``
    Column("labels", Json, nullable=False),
    #: What the kind needs (choices, entity, scale …) and what holds for any (required, default …).
    Column("options", Json, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", BigId),
    #: Hidden everywhere since then; its column and its values stay until they are purged.
    Column("retired_at", UtcDateTime),
    UniqueConstraint("entity", "name"),
    Index("ix_core_custom_field_entity", "entity"),
    sqlite_autoincrement=True,
)
