"""Link tables: where references to many live. One table a field, made with the entity."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    TableClause,
    column,
    table,
)

from core.db.base import metadata
from core.db.names import physical_name
from core.db.types import BigId
from core.fields import EntitySpec, FieldSpec

__all__ = ["define_link_table", "link_table", "link_table_name"]


def link_table_name(table: str, field: str) -> str:
    """``core_user__roles``"""
    return physical_name(f"{table}__{field}")


def define_link_table(
    source: str, field: str, target: str, within: MetaData | None = None
) -> Table:
    """Declare the table of the field ``field`` of table ``source``; both ends are indexed.

    ``within`` is the metadata of what code declares, unless another is given.
    """
    within = metadata if within is None else within
    name = link_table_name(source, field)
    existing = within.tables.get(name)
    if existing is not None:
        return existing
    return Table(
        name,
        within,
        Column(
            "source_id", BigId, ForeignKey(f"{source}.id", ondelete="CASCADE"), primary_key=True
        ),
        Column(
            "target_id", BigId, ForeignKey(f"{target}.id", ondelete="CASCADE"), primary_key=True
        ),
        Column("position", Integer, nullable=False),
        Index(physical_name(f"ix_{name}_target_id"), "target_id"),
    )


def link_table(spec: EntitySpec, field: FieldSpec) -> TableClause:
    """The link table of a field, for statements: its name says all there is to know."""
    return _links(link_table_name(spec.table.name, field.name))


@lru_cache(maxsize=1000)
def _links(name: str) -> TableClause:
    return table(
        name, column("source_id", BigId), column("target_id", BigId), column("position", Integer())
    )
