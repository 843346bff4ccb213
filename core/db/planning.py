"""What is said to a database's planner where it would choose badly by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, text
from sqlalchemy.sql.elements import Grouping, UnaryExpression
from sqlalchemy.sql.operators import custom_op

__all__ = ["count_values", "in_no_order", "share_the_work", "through_indexes"]


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


def share_the_work(connection: Connection) -> None:
    """Let PostgreSQL share the next statements of this transaction among its processes.

    It reckons that starting a helper costs as much as reading 1,000 rows' pages, which keeps a sum
    over 100,000 rows in one process; measured, a helper pays from a tenth of that on.
    """
    connection.exec_driver_sql("SET LOCAL parallel_setup_cost = 100")


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
