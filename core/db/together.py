"""Several SELECTs in one statement: one way to the database and back for what a page reads at once.

They become the parts of a UNION ALL. Columns of one type share a place, and what a part has not is
null there, so that each value comes back through the type of its own column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    Label,
    Row,
    Select,
    String,
    cast,
    column,
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
#: (type's class, what else tells how it is read): columns of one kind are read alike.
_Kind = tuple[type[TypeEngine[Any]], Any]
#: Shapes of parts that are kept ready; a page has about five, and each a few parts.
_KEPT = 2_000


def fetch_together(
    connection: Connection, statements: Sequence[Select[Any]]
) -> list[Sequence[Row[Any]]]:
    """The rows of each statement, in its order: one statement for all of them.

    Only what has a LIMIT keeps its order: a database may leave out the ORDER BY of a part without one.
    A column without a name or of an unknown type cannot share one; then each is asked by itself.
    """
    columns = [list(each.selected_columns) for each in statements]
    if len(statements) < 2 or not all(_can_share(each) for own in columns for each in own):
        return [connection.execute(each).all() for each in statements]
    kinds = [tuple(_kind(each.type) for each in own) for own in columns]
    places = _places(kinds)
    parts = [
        _part(number, tuple(each.name for each in own), own_kinds, places).select_from(
            rows.subquery()
        )
        for number, (rows, own, own_kinds) in enumerate(
            zip(statements, columns, kinds, strict=True)
        )
    ]
    spots = [_spots(own_kinds, places) for own_kinds in kinds]
    # What has a LIMIT is read in its order by one process, and parts are appended as they are.
    found: list[list[tuple[Any, ...]]] = [[] for _statement in statements]
    for row in connection.execute(union_all(*parts)).all():
        part = row[0]
        found[part].append(tuple([row[spot + 1] for spot in spots[part]]))
    return [
        _named([str(each.key) for each in own], rows)
        for own, rows in zip(columns, found, strict=True)
    ]


def _named(keys: list[str], rows: list[tuple[Any, ...]]) -> Sequence[Row[Any]]:
    result: IteratorResult[Any] = IteratorResult(SimpleResultMetaData(keys), iter(rows))
    return result.all()


def _can_share(found: ColumnElement[Any]) -> bool:
    return isinstance(found, (Column, Label)) and not isinstance(found.type, NullType)


def _kind(type_: TypeEngine[Any]) -> _Kind:
    own = type(type_)
    if own in _PLAIN:
        return own, None
    return (own, type_.scale) if isinstance(type_, ExactDecimal) else (own, type_)


def _places(kinds: Sequence[tuple[_Kind, ...]]) -> tuple[_Kind, ...]:
    """Of each kind as many as the part has that holds most of it."""
    most: Counter[_Kind] = Counter()
    for own in kinds:
        most |= Counter(own)
    return tuple(most.elements())


@lru_cache(_KEPT)
def _spots(kinds: tuple[_Kind, ...], places: tuple[_Kind, ...]) -> tuple[int, ...]:
    """At which place each column of one part stands."""
    free: dict[_Kind, list[int]] = {}
    for spot in reversed(range(len(places))):
        free.setdefault(places[spot], []).append(spot)
    return tuple(free[kind].pop() for kind in kinds)


@lru_cache(_KEPT)
def _part(
    number: int, names: tuple[str, ...], kinds: tuple[_Kind, ...], places: tuple[_Kind, ...]
) -> Select[Any]:
    """All places of one part, still without that which it is read from."""
    filled = [_nothing(kind) for kind in places]
    for name, spot in zip(names, _spots(kinds, places), strict=True):
        filled[spot] = column(name, _type_of(places[spot]))
    named = (each.label(f"c{spot}") for spot, each in enumerate(filled))
    return select(literal(number, Integer).label("part"), *named)


@lru_cache(_KEPT)
def _type_of(kind: _Kind) -> TypeEngine[Any]:
    own, more = kind
    if own is ExactDecimal:
        return ExactDecimal(38, more)
    return own() if more is None else more


def _nothing(kind: _Kind) -> ColumnElement[Any]:
    """Null of a type; of texts without their collation, which has no place in a cast."""
    type_ = _type_of(kind)
    if isinstance(type_, (PlainText, String)):
        return type_coerce(cast(null(), String()), type_)
    return cast(null(), type_)
