"""Making and dropping the columns and tables of the company's own fields and entities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Index, MetaData, Table, func, inspect, select
from sqlalchemy.schema import DropIndex, DropTable

from core.customize.reading import field_column
from core.db.base import metadata
from core.db.locks import patiently
from core.db.names import physical_name
from core.db.types import BigId
from core.entities.links import define_link_table, link_table_name
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.storage import column_type

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = [
    "INLINE_ROWS",
    "create_table",
    "drop_field",
    "drop_table",
    "field_index",
    "is_large",
    "make_field",
]

#: Above so many rows the index of a new field is made by a job, beside the work that goes on.
INLINE_ROWS = 20_000


def create_table(connection: Connection, table: Table) -> None:
    """Make the table with its foreign keys and indexes."""
    _add_targets(table)
    patiently(connection, lambda: table.create(connection))


def _add_targets(table: Table) -> None:
    """Foreign keys name their table; here it needs to be no more than a name and a key."""
    for key in list(table.foreign_keys):
        name = key.target_fullname.rpartition(".")[0]
        if name not in table.metadata.tables:
            Table(name, table.metadata, Column("id", BigId, primary_key=True))


def make_field(
    connection: Connection, spec: EntitySpec, item: FieldSpec, tables: Mapping[str, str]
) -> None:
    """Make the column, or the link table, of a field of an entity whose table there is."""
    if isinstance(item.type, t.References):
        make_links(connection, spec, item, tables)
    elif item.is_stored:
        column = field_column(spec.table.name, item, tables)
        # SQLAlchemy looks for the table that a foreign key names.
        _add_targets(Table(spec.table.name, _scratch(), column))
        add = _operations(connection).add_column
        patiently(connection, lambda: add(spec.table.name, column, inline_references=True))


def make_links(
    connection: Connection, spec: EntitySpec, item: FieldSpec, tables: Mapping[str, str]
) -> None:
    """Make the link table of a field of references."""
    assert isinstance(item.type, t.References)
    table = define_link_table(
        spec.table.name, item.name, tables[item.type.entity], within=_scratch()
    )
    create_table(connection, table)


def field_index(spec: EntitySpec, item: FieldSpec, *, wanted: bool) -> Index | None:
    """The index of a field that is unique, points to something, or whose maker ``wanted`` one.

    Only of rows that have a value: making it writes nothing, and rows without cost nothing.
    """
    points = isinstance(item.type, (t.Reference, t.File))
    if not item.is_stored or not (item.unique or wanted or points):
        return None
    prefix = "uq" if item.unique else "ix"
    # Over a throw-away description of the table, so that the real one stays as it is.
    shadow = Table(spec.table.name, _scratch(), Column(item.name, column_type(item.type)))
    column = shadow.c[item.name]
    has_value = column.is_not(None)
    return Index(
        physical_name(f"{prefix}_{spec.table.name}_{item.name}"),
        column,
        unique=item.unique,
        sqlite_where=has_value,
        postgresql_where=has_value,
    )


def is_large(connection: Connection, table: Table) -> bool:
    """True when reading the whole table takes longer than others should wait."""
    last = connection.execute(select(func.max(table.c.id))).scalar()
    return last is not None and last > INLINE_ROWS


def drop_field(connection: Connection, table: str, name: str) -> bool:
    """Drop the column or the link table of a field; False when there is neither."""
    inspector = inspect(connection)
    links = link_table_name(table, name)
    if inspector.has_table(links):
        drop_table(connection, links)
        return True
    if name not in {column["name"] for column in inspector.get_columns(table)}:
        return False
    for index in inspector.get_indexes(table):
        if name in index["column_names"]:
            column: Column[int] = Column(name, BigId)
            Table(table, _scratch(), column)
            connection.execute(DropIndex(Index(index["name"], column)))
    _operations(connection).drop_column(table, name)
    return True


def drop_table(connection: Connection, name: str) -> None:
    """Drop a table with all that is in it."""
    connection.execute(DropTable(Table(name, _scratch()), if_exists=True))


def _scratch() -> MetaData:
    return MetaData(naming_convention=metadata.naming_convention)


def _operations(connection: Connection) -> Operations:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    return Operations(MigrationContext.configure(connection))
