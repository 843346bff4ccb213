"""Many rows into one table at once or out of it, and one question about many keys.

Rows go by COPY on PostgreSQL and by one prepared statement on SQLite: what an ordinary INSERT does
once for each row (binding by name, a protocol message, a parse) is more work than storing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnClause,
    ColumnElement,
    Connection,
    CursorResult,
    Insert,
    Select,
    TableClause,
    TableValuedAlias,
    any_,
    collate,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy import column as column_
from sqlalchemy import table as table_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

__all__ = [
    "bulk_insert",
    "in_code_order",
    "insert_into",
    "numbers_as_rows",
    "one_of",
    "streamed",
]

Columns = Mapping[str, Sequence[Any]]


@lru_cache(500)
def insert_into(table: TableClause, *, wants_key: bool = False) -> Insert:
    """The INSERT of a table, to be given its values as parameters; kept, as making one takes a while.

    Only with ``wants_key`` does the database tell the key that it gave.
    """
    return insert(table) if wants_key else insert(table).inline()


def bulk_insert(
    connection: Connection, table: TableClause, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows whose values stand in the order of the columns ``names``.

    Values are stored as by an ordinary INSERT, and errors are those of SQLAlchemy. Defaults that a
    column has in Python are not filled in; those of the database are, for columns not named.
    """
    if len(rows) < 2:
        _insert(connection, table, names, rows)
        return
    columns = _bound(connection, table, dict(zip(names, zip(*rows, strict=True), strict=True)))
    if connection.dialect.name == "sqlite":
        _execute_many(connection, table, columns)
    elif wires := _wires(connection, table, columns):
        _copy(connection, table, columns, wires)
    else:
        _insert(connection, table, names, rows)


def one_of(
    connection: Connection, column: ColumnClause[Any], numbers: Iterable[int]
) -> ColumnElement[bool]:
    """``column IN (…)`` for any number of 64-bit numbers, which are sent as one value.

    A statement with a thousand parameters takes longer to put together than to answer.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(numbers), ARRAY(BigInteger)))
    return column.in_(select(numbers_as_rows(connection, numbers).c.value))


def numbers_as_rows(connection: Connection, numbers: Iterable[int]) -> TableValuedAlias:
    """Any number of 64-bit numbers as rows with the column ``value``, sent as one value."""
    if connection.dialect.name == "postgresql":
        sent = literal(list(numbers), ARRAY(BigInteger))
        return func.unnest(sent).table_valued(column_("value", BigInteger)).render_derived()
    sent = literal(orjson.dumps(list(numbers)).decode())
    return func.json_each(sent).table_valued(column_("value", BigInteger))


def streamed(connection: Connection, statement: Select[Any]) -> CursorResult[Any]:
    """The rows a portion at a time, however many: PostgreSQL's driver takes all of them at once."""
    return connection.execute(statement.execution_options(stream_results=True))


def in_code_order(connection: Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """The text, ordered and compared as Python does, whatever language the database sorts by."""
    return column if connection.dialect.name == "sqlite" else collate(column, "C")


def _insert(
    connection: Connection, table: TableClause, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    for_each = [dict(zip(names, row, strict=True)) for row in rows]
    if for_each:
        connection.execute(insert_into(table), for_each if len(for_each) > 1 else for_each[0])


def _bound(connection: Connection, table: TableClause, columns: Columns) -> Columns:
    """The columns as the driver takes them, without those that stay empty."""
    bound: dict[str, Sequence[Any]] = {}
    for name, values in columns.items():
        column = table.c[name]
        impl = column.type.dialect_impl(connection.dialect)
        convert = impl.bind_processor(connection.dialect)
        if len(set(map(id, values))) == 1:  # the moment of writing, or nothing at all
            value = convert(values[0]) if convert else values[0]
            if value is not None or not column.nullable or column.server_default is not None:
                bound[name] = [value] * len(values)
        else:
            bound[name] = [convert(value) for value in values] if convert else values
    return bound or columns


def _execute_many(connection: Connection, table: TableClause, columns: Columns) -> None:
    plain = table_(table.name, *map(column_, columns))  # without defaults, in the order given
    statement = str(insert(plain).compile(dialect=connection.dialect))
    connection.exec_driver_sql(statement, list(zip(*columns.values(), strict=True)))


# PostgreSQL


@cache
def _known_wires() -> Mapping[str, tuple[str, type]]:
    """Column types that COPY is told of, each with the one Python type that is sent as such."""
    from psycopg.types.json import Jsonb

    return {
        "string": ("text", str),
        "integer": ("int4", int),
        "big_integer": ("int8", int),
        "numeric": ("numeric", Decimal),
        "datetime": ("timestamptz", datetime),
        "date": ("date", date),
        "boolean": ("bool", bool),
        "JSONB": ("jsonb", Jsonb),
    }


_LIMITS = {"int4": 2**31, "int8": 2**63}


def _wires(connection: Connection, table: TableClause, columns: Columns) -> list[str]:
    """The type that each column is sent as; empty when a value needs the server to convert it."""
    wires = []
    for name, values in columns.items():
        impl: Any = table.c[name].type.dialect_impl(connection.dialect)
        impl = getattr(impl, "impl_instance", impl)
        wire, expected = _known_wires().get(impl.__visit_name__, ("", None))
        found = set(map(type, values)) - {type(None)}
        if not wire or not found <= {expected} or (wire == "timestamptz" and not impl.timezone):
            return []
        if limit := _LIMITS.get(wire):
            numbers = [value for value in values if value is not None]
            if numbers and not (-limit <= min(numbers) and max(numbers) < limit):
                return []
        wires.append(wire)
    return wires


def _copy(
    connection: Connection, table: TableClause, columns: Columns, wires: Sequence[str]
) -> None:
    """The server stores the first rows while the last are sent."""
    quoted = connection.dialect.identifier_preparer
    names = ", ".join(quoted.format_column(table.c[name]) for name in columns)
    statement = f"COPY {quoted.format_table(table)} ({names}) FROM STDIN (FORMAT BINARY)"
    driver, dialect = connection.connection, connection.dialect
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
            copy.set_types(wires)
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)
    except dialect.loaded_dbapi.Error as error:
        gone = dialect.is_disconnect(error, driver.dbapi_connection, None)
        if gone:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement, None, error, dialect.loaded_dbapi.Error, connection_invalidated=gone,
            dialect=dialect,
        ) from error  # fmt: skip
