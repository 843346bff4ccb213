"""Making and dropping the columns and tables of the company's own fields and entities."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Index, MetaData, Table, func, inspect, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import DropIndex, DropTable

from core.customize.reading import field_column
from core.db.base import metadata
from core.db.names import physical_name
from core.db.types import BigId
from core.entities.links import define_link_table, link_table_name
from core.errors import Refused
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.storage import column_type
from core.i18n import gettext as _

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
#: Whoever waits for a lock on a table holds up all who come after, so each wait is short …
_WAIT = "50ms"
#: … and there are several, with pauses between them (seconds).
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6, 1.6)
_LOCK_NOT_AVAILABLE = "55P03"


def create_table(connection: Connection, table: Table) -> None:
    """Make the table with its foreign keys and indexes."""
    _add_targets(table)
    _patiently(connection, lambda: table.create(connection))


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
        _patiently(connection, lambda: add(spec.table.name, column, inline_references=True))


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


def _patiently(connection: Connection, step: Callable[[], object]) -> None:
    """Run a step that locks a table, without ever keeping others waiting for it.

    PostgreSQL lets nobody pass who comes after a waiting ALTER TABLE; a step that does not get its
    lock at once gives its place up and comes again later. Raises `Refused` in the end.
    """
    if connection.dialect.name != "postgresql":
        step()
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT}'")
    for pause in (*_PAUSES, None):
        try:
            with connection.begin_nested():
                step()
            break
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
                raise
            if pause is None:
                raise Refused(_("The table is busy just now. Please try again.")) from error
        time.sleep(pause)
    connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
