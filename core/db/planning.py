"""What is said to a database's planner where it would choose badly by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Connection, Table, text
from sqlalchemy.sql.elements import Grouping, UnaryExpression
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.visitors import iterate

__all__ = [
    "count_on_memory",
    "count_values",
    "in_no_order",
    "lies_in_an_index",
    "through_indexes",
]


def count_values(connection: Connection) -> None:
    """Let PostgreSQL look at tables that were just filled; by itself it does so a minute later.

    SQLite plans by its indexes alone, here as everywhere.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE")


def in_no_order(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same value or condition on SQLite, with no index for it.

    SQLite would read a whole table through an index on a group's column, a jump for each row, to
    save half of a sort; and takes all that somebody owns for fewer than sixty records by number.
    """
    return UnaryExpression(Grouping(column), operator=custom_op("+"), type_=column.type)


def lies_in_an_index(
    table: Table, groups: Sequence[ColumnElement[Any]], looked_at: Iterable[ClauseElement]
) -> bool:
    """True when one index of the table holds all its columns that are looked at, the groups' first.

    A database that reads such an index has the groups one after the other and needs not the table.
    """
    columns = {
        each
        for part in looked_at
        for each in iterate(part)
        if isinstance(each, Column) and each.table is table and not each.primary_key
    }
    return any(
        set(held[: len(groups)]) == set(groups) and columns <= set(held)
        for held in (list(index.columns) for index in table.indexes)
    )


def count_on_memory(connection: Connection) -> None:
    """Let PostgreSQL plan the next statements of this transaction for sums over many rows.

    It reckons that starting a helper costs as much as reading 1,000 rows' pages, which keeps a sum
    over 100,000 rows in one process; measured, a helper pays from a tenth of that on. And it reckons
    with a disk that has to turn for each page of an index, where most pages lie in memory.
    """
    connection.exec_driver_sql(
        "SELECT set_config('parallel_setup_cost', '100', true),"
        " set_config('random_page_cost', '1.1', true)"
    )


@contextmanager
def through_indexes(connection: Connection) -> Iterator[None]:
    """Keep PostgreSQL, for the statements of the block, from reading a table from its beginning,
    and from sorting what an index has in order.

    It knows how common the commonest tokens of a text search are, takes all others for as common as
    one in two hundred, and would look for them row by row. It takes all entities for equally large,
    and would sort all records of one to find its newest.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(_SWITCHES, {"state": "off"})
    yield
    connection.execute(_SWITCHES, {"state": "on"})


_SWITCHES = text(
    "SELECT set_config('enable_seqscan', :state, true), set_config('enable_sort', :state, true)"
)
