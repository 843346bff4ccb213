"""Several SELECTs in one statement: one way to the database and back for what a page reads at once.

They become the parts of a UNION ALL. Columns of one type share a place, and what a part has not is
null there, so that each value comes back through the type of its own column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Date,
    Integer,
    Row,
    Select,
    String,
    cast,
    literal,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.types import NullType, TypeEngine

from core.db.types import ExactDecimal, Json, PlainText, UtcDateTime

__all__ = ["fetch_together"]

#: Types of which one column is read like another, whatever its length.
_PLAIN = frozenset({BigInteger, Boolean, Date, Integer, Json, PlainText, String, UtcDateTime})


def fetch_together(
    connection: Connection, statements: Sequence[Select[Any]]
) -> list[Sequence[Row[Any]]]:
    """The rows of each statement, in its order: one statement for all of them.

    A column whose type is unknown cannot share one; then each is asked by itself.
    """
    columns = [list(each.selected_columns) for each in statements]
    kinds = [[_kind(column.type) for column in each] for each in columns]
    if len(statements) < 2 or any(None in each for each in kinds):
        return [connection.execute(each).all() for each in statements]
    places = _places(columns, kinds)
    empty = [_nothing(type_) for _kind, type_ in places]
    spots = [_spots(each, places) for each in kinds]
    parts = []
    for number, (statement, mine) in enumerate(zip(statements, spots, strict=True)):
        rows = statement.subquery()
        filled: list[ColumnElement[Any]] = list(empty)
        for spot, column in zip(mine, rows.c, strict=True):
            filled[spot] = column
        named = (each.label(f"c{spot}") for spot, each in enumerate(filled))
        parts.append(select(literal(number, Integer).label("part"), *named))
    # Each part comes in its own order: what has a LIMIT is read by one process, and parts are
    # appended as they are.
    found: list[list[tuple[Any, ...]]] = [[] for _statement in statements]
    for row in connection.execute(union_all(*parts)):
        part = row[0]
        found[part].append(tuple(row[spot + 1] for spot in spots[part]))
    return [
        IteratorResult(SimpleResultMetaData([str(column.key) for column in own]), iter(rows)).all()
        for own, rows in zip(columns, found, strict=True)
    ]


def _kind(type_: TypeEngine[Any]) -> Any:
    """What tells whether two columns are read alike; None where that cannot be known."""
    if isinstance(type_, NullType):
        return None
    if isinstance(type_, ExactDecimal):
        return ExactDecimal, type_.scale
    return type(type_) if type(type_) in _PLAIN else (type(type_), id(type_))


def _places(
    columns: Sequence[Sequence[ColumnElement[Any]]], kinds: Sequence[Sequence[Any]]
) -> list[tuple[Any, TypeEngine[Any]]]:
    """(kind, type) of each place: as many of a kind as the part has that holds most of it."""
    most: dict[Any, list[TypeEngine[Any]]] = {}
    for own, own_kinds in zip(columns, kinds, strict=True):
        held: dict[Any, list[TypeEngine[Any]]] = {}
        for column, kind in zip(own, own_kinds, strict=True):
            held.setdefault(kind, []).append(column.type)
        for kind, types in held.items():
            if len(types) > len(most.get(kind, ())):
                most[kind] = types
    return [(kind, type_) for kind, types in most.items() for type_ in types]


def _spots(kinds: Sequence[Any], places: Sequence[tuple[Any, TypeEngine[Any]]]) -> list[int]:
    """At which place each column of one part stands."""
    free: dict[Any, list[int]] = {}
    for spot, (kind, _type) in reversed(list(enumerate(places))):
        free.setdefault(kind, []).append(spot)
    return [free[kind].pop() for kind in kinds]


def _nothing(type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """Null of a type; of texts without their collation, which has no place in a cast."""
    if isinstance(type_, (PlainText, String)):
        return type_coerce(cast(null(), String()), type_)
    return cast(null(), type_)
