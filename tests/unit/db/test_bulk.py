"""Rows written at once are the rows that ordinary statements write, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.db.bulk import bulk_insert, one_of
from core.db.types import BigId
from core.fields import types as t
from core.fields.storage import column_type

CHINA = timezone(timedelta(hours=8))
#: A field type of each kind that has a column, with values that ask something of it.
KINDS: dict[str, tuple[t.FieldType, list[Any]]] = {
    "text": (t.Text(200), ["重庆\t斗拱", 'a\\b\n"c"', "\\N", "", "🔥", "'; --", None]),
    "long_text": (t.LongText(), ["一\r\n二\\.", "x" * 70_000, None]),
    "integer": (t.Integer(), [0, -1, 2**63 - 1, -(2**63), None]),
    "money": (t.Money(), [Decimal("12000"), Decimal("-0.005"), Decimal("1E+3"), 7, "3.1", None]),
    "boolean": (t.Boolean(), [True, False, None]),
    "date": (t.Date(), [date(2026, 2, 28), date(1, 1, 1), date(9999, 12, 31), None]),
    "datetime": (
        t.DateTime(),
        [
            datetime(2026, 1, 1, 8, 30, 0, 123456, CHINA),
            datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
            None,
        ],
    ),
    "choice": (t.ChoiceField(choices=()), ["线上推广", None]),
    "multi_choice": (t.MultiChoice(choices=()), [["b", "a"], None]),
    "tags": (t.Tags(), [["重点", '"\\'], [], None]),
    "document": (t.Document(), [{"键": [1, "二", None, True, 1.5]}, [], {}, None]),
    "region": (t.Region(), ["500000", None]),
    "reference": (t.Reference("user"), [1, 10**17, None]),
}


@pytest.fixture
def connection(runtime: Any) -> Iterator[Connection]:
    with runtime.database.connect(write=True) as found:
        transaction = found.begin()
        yield found
        transaction.rollback()


@pytest.fixture
def table(connection: Connection) -> Table:
    """A table with a column of each kind, and one that must be unique."""
    columns = [Column(name, column_type(type_)) for name, (type_, _values) in KINDS.items()]
    made = Table(
        "Bulk test",
        MetaData(),
        Column("id", BigId, primary_key=True, autoincrement=True),
        Column("version", Integer, nullable=False, server_default=text("5"), unique=True),
        *columns,
    )
    made.create(connection)
    return made


def test_values_are_stored_as_an_ordinary_insert_stores_them(connection, table):
    longest = max(len(values) for _type, values in KINDS.values())
    rows = [
        tuple(values[number % len(values)] for _type, values in KINDS.values())
        for number in range(longest * 2)
    ]
    for number, row in enumerate(rows):
        connection.execute(insert(table), dict(zip(KINDS, row, strict=True)) | {"version": number})
    columns = [table.c[name] for name in KINDS]
    usual = connection.execute(select(*columns).order_by(table.c.id)).all()
    stored = raw(connection, table)
    connection.execute(table.delete())
    numbered = [(*row, number) for number, row in enumerate(rows)]
    ordinary: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *seen: ordinary.append(seen[2]))
    bulk_insert(connection, table, [*KINDS, "version"], numbered)
    by_copy = connection.dialect.name == "postgresql"
    assert len(ordinary) == (0 if by_copy else 1), "every kind of field takes the quick way"
    assert connection.execute(select(*columns).order_by(table.c.id)).all() == usual
    assert raw(connection, table) == stored
    assert [type(value) for row in usual for value in row].count(type(None)) >= len(KINDS)


def raw(connection, table):
    """The rows as the database has them, without our types in between."""
    names = ", ".join(f'"{name}"' for name in KINDS)
    if connection.dialect.name == "postgresql":
        names = ", ".join(f'"{name}"::text' for name in KINDS)
    found = connection.exec_driver_sql(f'SELECT {names} FROM "Bulk test" ORDER BY id')
    return [tuple(row) for row in found]


@pytest.mark.parametrize("count", [0, 1, 2, 3_000])
def test_any_number_of_rows(count, connection, table):
    rows = [(number, f"公司{number}") for number in range(count)]
    bulk_insert(connection, table, ("version", "text"), rows)
    found = connection.execute(select(table.c.version, table.c.text).order_by(table.c.id))
    assert [tuple(row) for row in found] == rows


@pytest.mark.databases("postgresql")
def test_values_that_the_database_has_to_convert(connection, table):
    """They take the ordinary way, and need not be of one type."""
    rows = [(1, Decimal("3"), 5), (2, 4, 6), (3, None, 7)]
    bulk_insert(connection, table, ("version", "integer", "money"), rows)
    found = connection.execute(select(table.c.integer, table.c.money).order_by(table.c.id))
    assert [tuple(row) for row in found] == [(3, 5), (4, 6), (None, 7)]


def test_columns_that_are_not_named_have_the_default_of_the_database(connection, table):
    bulk_insert(connection, table, ("text",), [("only",)])
    assert connection.execute(select(table.c.version, table.c.text)).all() == [(5, "only")]


@pytest.mark.parametrize("place", [0, 500, 999])
def test_a_failing_row_leaves_nothing_half_written(place, connection, table):
    rows = [(number, f"公司{number}") for number in range(1_000)]
    bulk_insert(connection, table, ("version", "text"), [(-1, "before"), (-2, "before")])
    rows[place] = (-1, "again")
    with pytest.raises(IntegrityError, match="version"), connection.begin_nested():
        bulk_insert(connection, table, ("version", "text"), rows)
    assert connection.execute(select(table.c.version).order_by(table.c.id)).all() == [(-1,), (-2,)]
    bulk_insert(connection, table, ("version", "text"), [(1, "after"), (2, "after")])
    assert len(connection.execute(select(table.c.id)).all()) == 4


def test_a_value_that_cannot_be_sent_leaves_nothing(connection, table):
    rows = [(number, datetime(2026, 1, 1, tzinfo=UTC)) for number in range(10)]
    rows[7] = (7, datetime(2026, 1, 1))
    with pytest.raises(Exception, match="time zone"), connection.begin_nested():
        bulk_insert(connection, table, ("version", "datetime"), rows)
    assert connection.execute(select(table.c.id)).all() == []


@pytest.mark.databases("postgresql")
def test_errors_of_the_server_are_those_of_sqlalchemy(connection, table):
    for value, column in (("x" * 300, "text"), ("a\0b", "text"), (2**40, "version")):
        names = ("version", column) if column != "version" else ("version", "integer")
        bad = (9, value) if column != "version" else (value, 1)
        with pytest.raises(DBAPIError) as error, connection.begin_nested():
            bulk_insert(connection, table, names, [(1, None), bad])
        assert error.value.orig is not None
        assert connection.execute(select(table.c.id)).all() == []


def test_one_of_many_numbers(connection, table):
    bulk_insert(connection, table, ("version", "integer"), [(n, n * 10**15) for n in range(5_000)])
    wanted = [n * 10**15 for n in range(0, 6_000, 2)] + [-(2**63), 2**63 - 1]
    chosen = select(table.c.version).where(one_of(connection, table.c.integer, wanted))
    found = connection.execute(chosen).scalars().all()
    assert sorted(found) == list(range(0, 5_000, 2))
    nothing = select(table.c.version).where(one_of(connection, table.c.integer, []))
    assert connection.execute(nothing).all() == []
    others = select(table.c.version).where(~one_of(connection, table.c.integer, wanted))
    assert sorted(connection.execute(others).scalars()) == list(range(1, 5_000, 2))
