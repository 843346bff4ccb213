"""Link tables: where references to many live. One table a field, made with the entity."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from core.db.base import metadata
from core.db.types import BigId
from core.fields import EntitySpec, FieldSpec

__all__ = ["define_link_table", "link_table", "link_table_name"]


def link_table_name(table: str, field: str) -> str:
    """``core_user__roles``"""
    return f"{table}__{field}"


def define_link_table(source: str, field: str, target: str) -> Table:
    """Declare the table of the field ``field`` of table ``source``; both ends are indexed."""
    name = link_table_name(source, field)
    existing = metadata.tables.get(name)
    if existing is not None:
        return existing
    return Table(
        name,
        metadata,
        Column(
            "source_id", BigId, ForeignKey(f"{source}.id", ondelete="CASCADE"), primary_key=True
        ),
        Column(
            "target_id", BigId, ForeignKey(f"{target}.id", ondelete="CASCADE"), primary_key=True
        ),
        Column("position", Integer, nullable=False),
        Index(f"ix_{name}_target_id", "target_id"),
    )


def link_table(spec: EntitySpec, field: FieldSpec) -> Table:
    """The link table of a field, declared when the registry was built."""
    return metadata.tables[link_table_name(spec.table.name, field.name)]
