"""Tables as lines of JSON that are the same whichever database they come from.

A line is the list of a row's values in the order of the columns: numbers and texts as they are,
true as 1, decimals as text with all digits of their scale, moments as ``2026-01-31 08:00:00.000000``
in UTC, days as ``2026-01-31``, bytes in hex, JSON as it is with sorted keys. The database does the conversions,
so that a value passes through Python once each way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    String,
    types,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

__all__ = ["ColumnShape", "load_rows", "read_lines", "shape_of"]

#: Lines are handed on when they have this many bytes: a row may be a word or a hundred kilobytes.
_PORTION = 1 << 20
Row = list[Any]


@dataclass(frozen=True)
class ColumnShape:
    """What a column holds, in words that both databases understand."""

    name: str
    kind: str
    #: Digits after the point of a decimal, characters of a text.
    size: int | None = None
    precision: int | None = None
    nullable: bool = True

    def type(self) -> TypeEngine[Any]:
        """The column type to make it with."""
        if self.kind == "decimal":
            return ExactDecimal(self.precision or 18, self.size or 0)
        if self.kind == "text":
            return PlainText(self.size)
        return _TYPES[self.kind]


_TYPES: dict[str, TypeEngine[Any]] = {
    "integer": BigId,
    "boolean": Boolean(),
    "moment": UtcDateTime(),
    "date": Date(),
    "json": Json(),
    "text": PlainText(),
    "decimal": ExactDecimal(),
    "bytes": LargeBinary(),
}


def shape_of(name: str, type_: TypeEngine[Any], *, nullable: bool) -> ColumnShape:
    """The shape of a column by its type, declared or reflected. Raises `TypeError` for others."""
    if isinstance(type_, (ExactDecimal, Numeric)):
        return ColumnShape(name, "decimal", type_.scale or 0, type_.precision, nullable)
    for known, kind in _KINDS:
        if isinstance(type_, known):
            size = getattr(type_, "length", None) if kind == "text" else None
            return ColumnShape(name, kind, size, nullable=nullable)
    raise TypeError(f"{name}: a backup cannot hold values of the type {type_!r}")


_KINDS: tuple[tuple[type[Any], str], ...] = (
    (Json, "json"),
    (types.JSON, "json"),
    (JSONB, "json"),
    (UtcDateTime, "moment"),
    (DateTime, "moment"),
    (Date, "date"),
    (Boolean, "boolean"),
    (BigInteger, "integer"),
    (Integer, "integer"),
    (PlainText, "text"),
    (String, "text"),
    (LargeBinary, "bytes"),
)


def read_lines(
    connection: Connection, table: str, columns: Sequence[ColumnShape], order: Sequence[str]
) -> Iterator[tuple[int, bytes]]:
    """The rows in the order of the columns ``order``, as (how many, their lines), about 1 MB each."""
    sqlite = connection.dialect.name == "sqlite"
    quote = connection.dialect.identifier_preparer.quote
    read = _read_on_sqlite if sqlite else _read_on_postgresql
    chosen = ", ".join(read(quote(column.name), column) for column in columns)
    kinds = {column.name: column.kind for column in columns}
    by_code = "" if sqlite else ' COLLATE "C"'
    sorting = ", ".join(
        quote(name) + (by_code if kinds.get(name) == "text" else "") for name in order
    )
    statement = f"SELECT {chosen} FROM {quote(table)}" + (f" ORDER BY {sorting}" if sorting else "")
    nested = [place for place, column in enumerate(columns) if column.kind == "json"]
    rows = _fetch_sqlite if sqlite else _fetch_postgresql
    lines: list[bytes] = []
    size = 0
    for row in rows(connection, statement, columns):
        lines.append(orjson.dumps(_nest(row, nested), option=_SORTED))
        size += len(lines[-1])
        if size >= _PORTION:
            yield len(lines), b"".join(lines)
            lines, size = [], 0
    yield len(lines), b"".join(lines)


_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def _nest(row: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    if not places:
        return row
    values = list(row)
    for place in places:
        if values[place] is not None:
            values[place] = orjson.loads(values[place])
    return values


def _read_on_sqlite(name: str, column: ColumnShape) -> str:
    if column.kind == "moment":  # the database's own clock leaves the fraction out
        return f"CASE WHEN length({name}) = 19 THEN {name} || '.000000' ELSE {name} END"
    if column.kind == "decimal" and column.size:
        unit, zeros = 10**column.size, "0" * column.size
        return (
            f"CASE WHEN {name} < 0 THEN '-' ELSE '' END || (abs({name}) / {unit}) || '.'"
            f" || substr('{zeros}' || (abs({name}) % {unit}), -{column.size})"
        )
    if column.kind == "bytes":
        return f"lower(hex({name}))"
    return f"CAST({name} AS TEXT)" if column.kind == "decimal" else name


def _read_on_postgresql(name: str, column: ColumnShape) -> str:
    if column.kind == "moment":
        return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    if column.kind == "date":
        return f"to_char({name}, 'YYYY-MM-DD')"
    if column.kind == "bytes":
        return f"encode({name}, 'hex')"
    if column.kind == "decimal":
        return f"round({name}, {column.size or 0})::text"
    return f"{name}::{_WIRES[column.kind]}"


_WIRES = {"integer": "int8", "boolean": "int4", "text": "text", "json": "text"}


def _fetch_sqlite(
    connection: Connection, statement: str, _columns: Sequence[ColumnShape]
) -> Iterator[Sequence[Any]]:
    driver: Any = connection.connection.driver_connection
    yield from driver.execute(statement)


def _fetch_postgresql(
    connection: Connection, statement: str, columns: Sequence[ColumnShape]
) -> Iterator[Sequence[Any]]:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT") as copy:
        copy.set_types([_WIRES.get(column.kind, "text") for column in columns])
        yield from copy.rows()


def load_rows(
    connection: Connection, table: str, columns: Sequence[ColumnShape], lines: Iterable[bytes]
) -> None:
    """Insert what `read_lines` gave. Raises `ValueError` for a line that is no row of ``columns``,
    or that the database refuses."""
    try:
        _load(connection, table, columns, lines)
    except connection.dialect.loaded_dbapi.Error as error:
        raise ValueError(f"{table}: {' '.join(str(error).split())}") from error


def _load(
    connection: Connection, table: str, columns: Sequence[ColumnShape], lines: Iterable[bytes]
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    driver: Any = connection.connection.driver_connection
    sqlite = connection.dialect.name == "sqlite"
    rows = _parse(columns, lines, bytes.fromhex if sqlite else "\\x{}".format)
    if sqlite:
        places = ", ".join(map(_write_on_sqlite, columns))
        driver.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({places})", rows)
        return
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {quote(table)} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _write_on_sqlite(column: ColumnShape) -> str:
    return "CAST(replace(?, '.', '') AS INTEGER)" if column.kind == "decimal" else "?"


def _parse(
    columns: Sequence[ColumnShape], lines: Iterable[bytes], from_hex: Callable[[str], Any]
) -> Iterator[Row]:
    nested = [place for place, column in enumerate(columns) if column.kind == "json"]
    binary = [place for place, column in enumerate(columns) if column.kind == "bytes"]
    width = len(columns)
    for line in lines:
        row = orjson.loads(line)
        if type(row) is not list or len(row) != width:
            raise ValueError("a line is not a row of this table")
        for place in nested:
            if row[place] is not None:
                row[place] = orjson.dumps(row[place]).decode()
        for place in binary:
            if row[place] is not None:
                row[place] = from_hex(row[place])
        yield row
