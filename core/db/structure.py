"""The structure of tables: described in words, made again, and out of the way while rows are loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    inspect,
)
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from core.db.base import metadata
from core.db.portable import ColumnShape, shape_of

__all__ = [
    "ForeignKey",
    "TableIndex",
    "TableShape",
    "Types",
    "broken_references",
    "describe_tables",
    "drop_tables",
    "empty_tables",
    "make_again",
    "make_missing",
    "without_indexes",
]


#: Types of columns that no table declares, by table and column.
Types = Mapping[tuple[str, str], TypeEngine[Any]]
_ONE_CONDITION = re.compile(
    r"\(?(?:\w+\.)?(?:\"?(?P<filled>\w+)\"? IS NOT NULL|\"?(?P<empty>\w+)\"? IS NULL)\)?", re.I
)


@dataclass(frozen=True)
class ForeignKey:
    """A reference from ``columns`` to the columns ``remote`` of ``table``."""

    columns: tuple[str, ...]
    table: str
    remote: tuple[str, ...]
    on_delete: str | None = None


@dataclass(frozen=True)
class TableIndex:
    """An index over plain columns, maybe only of rows where one column is filled in or is empty."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    filled: str | None = None
    empty: str | None = None


@dataclass(frozen=True)
class TableShape:
    """A table as both databases can make it."""

    name: str
    columns: tuple[ColumnShape, ...]
    key: tuple[str, ...]
    references: tuple[ForeignKey, ...] = ()
    indexes: tuple[TableIndex, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that put its rows in one order."""
        return self.key or tuple(column.name for column in self.columns)


def describe_tables(
    connection: Connection, names: Iterable[str], types: Types | None = None
) -> list[TableShape]:
    """The tables as they are. A type is the declared one, else that of ``types``, else as it looks:
    SQLite does not tell decimals from whole numbers, nor JSON from text."""
    inspector = inspect(connection)
    return [_describe(inspector, name, types or {}) for name in sorted(names)]


def _describe(inspector: Any, name: str, types: Types) -> TableShape:
    declared = metadata.tables.get(name)
    known = {} if declared is None else {column.name: column.type for column in declared.columns}
    columns = []
    for found in inspector.get_columns(name):
        column = found["name"]
        type_ = types.get((name, column)) or known.get(column) or found["type"]
        if found.get("computed") is None:  # the database works those out by itself
            columns.append(shape_of(column, type_, nullable=found["nullable"]))
    references = [
        ForeignKey(
            tuple(each["constrained_columns"]),
            each["referred_table"],
            tuple(each["referred_columns"]),
            each.get("options", {}).get("ondelete"),
        )
        for each in inspector.get_foreign_keys(name)
    ]
    indexes = [
        _index_of(each)
        for each in inspector.get_indexes(name)
        if None not in each["column_names"] and not each.get("duplicates_constraint")
    ]
    return TableShape(
        name,
        tuple(columns),
        tuple(inspector.get_pk_constraint(name)["constrained_columns"]),
        tuple(sorted(references, key=repr)),
        tuple(sorted(indexes, key=repr)),
    )


def _index_of(found: Any) -> TableIndex:
    options = found.get("dialect_options", {})
    where = str(options.get("sqlite_where", options.get("postgresql_where", "")))
    matched = _ONE_CONDITION.fullmatch(where.strip())
    filled, empty = (matched["filled"], matched["empty"]) if matched else (None, None)
    columns = tuple(found["column_names"])
    return TableIndex(found["name"], columns, bool(found["unique"]), filled, empty)


def make_missing(connection: Connection, shapes: Sequence[TableShape]) -> None:
    """Make what migrations do not: the company's own tables and columns, with their indexes."""
    inspector = inspect(connection)
    real = {
        name: {column["name"] for column in inspector.get_columns(name)}
        for name in inspector.get_table_names()
    }
    described = MetaData()
    for shape in shapes:
        _as_table(shape, described)
    for shape in _in_order(shapes):
        table = described.tables[shape.name]
        if shape.name not in real:
            table.create(connection)
            continue
        made = {column.name for column in shape.columns} - real[shape.name]
        for name in [column.name for column in shape.columns if column.name in made]:
            _add_column(connection, table, name)
        for index in table.indexes:
            if made & {column.name for column in index.columns}:
                index.create(connection)


def _in_order(shapes: Sequence[TableShape]) -> list[TableShape]:
    """Tables after those they point at, as far as that goes."""
    left, done, found = list(shapes), set[str](), list[TableShape]()
    names = {shape.name for shape in shapes}
    while left:
        free = [s for s in left if not ({r.table for r in s.references} & names - done - {s.name})]
        for shape in free or left[:1]:
            found.append(shape)
            done.add(shape.name)
            left.remove(shape)
    return found


def _as_table(shape: TableShape, described: MetaData) -> Table:
    columns = [
        Column(each.name, each.type(), nullable=each.nullable, primary_key=each.name in shape.key)
        for each in shape.columns
    ]
    keys = [
        ForeignKeyConstraint(
            each.columns, [f"{each.table}.{c}" for c in each.remote], ondelete=each.on_delete
        )
        for each in shape.references
    ]
    numbered = shape.key == ("id",)
    table = Table(shape.name, described, *columns, *keys, sqlite_autoincrement=numbered)
    for index in shape.indexes:
        where = None
        if index.filled:
            where = table.c[index.filled].is_not(None)
        elif index.empty:
            where = table.c[index.empty].is_(None)
        Index(
            index.name,
            *(table.c[name] for name in index.columns),
            unique=index.unique,
            sqlite_where=where,
            postgresql_where=where,
        )
    return table


def _add_column(connection: Connection, table: Table, name: str) -> None:
    column = table.c[name]
    quote = connection.dialect.identifier_preparer.quote
    text = str(CreateColumn(column).compile(dialect=connection.dialect))
    for constraint in table.foreign_key_constraints:
        if constraint.column_keys == [name]:
            element = constraint.elements[0]
            table_name, _dot, remote = element.target_fullname.partition(".")
            text += f" REFERENCES {quote(table_name)} ({quote(remote)})"
            if constraint.ondelete:
                text += f" ON DELETE {constraint.ondelete}"
    connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {text}")


def empty_tables(connection: Connection, names: Iterable[str]) -> None:
    """Delete the rows that migrations have put in."""
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        connection.exec_driver_sql(f"DELETE FROM {quote(name)}")


def drop_tables(connection: Connection, names: Iterable[str]) -> None:
    """Drop tables with all that hangs on them."""
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        connection.exec_driver_sql(f"DROP TABLE {quote(name)} CASCADE")


def without_indexes(connection: Connection) -> list[str]:
    """Drop indexes, and references on PostgreSQL; the statements that make them again, in order."""
    if connection.dialect.name == "sqlite":
        return _drop_on_sqlite(connection)
    return _drop_on_postgresql(connection)


def _drop_on_sqlite(connection: Connection) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    rows = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).all()
    for name, _sql in rows:
        connection.exec_driver_sql(f"DROP INDEX {quote(name)}")
    return [sql for _name, sql in rows]


_INDEXES = """
SELECT c.relname, pg_get_indexdef(i.indexrelid)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY c.relname
"""
_REFERENCES = """
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace
ORDER BY c.relname, k.conname
"""


def _drop_on_postgresql(connection: Connection) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    references = connection.exec_driver_sql(_REFERENCES).all()
    for table, name, _definition in references:
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} DROP CONSTRAINT {quote(name)}")
    indexes = connection.exec_driver_sql(_INDEXES).all()
    for name, _definition in indexes:
        connection.exec_driver_sql(f"DROP INDEX {quote(name)}")
    return [definition for _name, definition in indexes] + [
        f"ALTER TABLE {quote(table)} ADD CONSTRAINT {quote(name)} {definition}"
        for table, name, definition in references
    ]


def make_again(connection: Connection, statements: Iterable[str]) -> None:
    """Run what `without_indexes` gave."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
    for statement in statements:
        connection.exec_driver_sql(statement)


def broken_references(connection: Connection) -> list[str]:
    """Tables with rows that point at nothing, on SQLite; PostgreSQL says so when references return."""
    if connection.dialect.name != "sqlite":
        return []
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return sorted({str(row[0]) for row in rows})
