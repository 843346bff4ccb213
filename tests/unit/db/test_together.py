"""Several statements sent as one give what each gives by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    MetaData,
    Table,
    event,
    func,
    null,
    select,
)

from core.db.together import fetch_together
from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

MADE = MetaData()
THINGS = Table(
    "together_things",
    MADE,
    Column("id", BigId, primary_key=True),
    Column("name", PlainText(40)),
    Column("amount", ExactDecimal(18, 2)),
    Column("rate", ExactDecimal(18, 6)),
    Column("at", UtcDateTime()),
    Column("day", Date()),
    Column("told", Json()),
    Column("is_good", Boolean()),
)
NOTES = Table(
    "together_notes", MADE, Column("id", Integer, primary_key=True), Column("text", PlainText())
)
_AT = datetime(2026, 5, 1, 8, 30, 0, 5, UTC)


@pytest.fixture
def connection(runtime: Any) -> Iterator[Connection]:
    with runtime.database.connect(write=True) as found:
        transaction = found.begin()
        MADE.create_all(found)
        found.execute(
            THINGS.insert(),
            [
                {
                    "id": n,
                    "name": f"码垛机{n}",
                    "amount": Decimal(n) / 3,
                    "rate": Decimal("7.123456"),
                    "at": _AT,
                    "day": date(2026, 5, n),
                    "told": {"键": [n, None]},
                    "is_good": n % 2 == 0,
                }
                for n in (1, 2, 3)
            ],
        )
        found.execute(NOTES.insert(), [{"id": n, "text": "一\n二"} for n in range(5, 9)])
        yield found
        transaction.rollback()


def test_each_part_keeps_its_order_its_names_and_its_types(connection: Connection) -> None:
    of_notes = select(func.count().label("total")).select_from(NOTES)
    parts = [
        select(THINGS).order_by(THINGS.c.id.desc()).limit(2),
        select(NOTES.c.text, NOTES.c.id).order_by(NOTES.c.id.desc()).limit(3),
        select(THINGS.c.rate, THINGS.c.amount, THINGS.c.name).where(THINGS.c.id > 9),
        of_notes,
        select(THINGS.c.id.label("key"), THINGS.c.id.label("again")).order_by(THINGS.c.id),
    ]
    alone = [connection.execute(each).all() for each in parts]
    sent = []

    def note(*arguments: Any) -> None:
        sent.append(arguments[2])

    event.listen(connection.engine, "before_cursor_execute", note)
    try:
        together = fetch_together(connection, parts)
    finally:
        event.remove(connection.engine, "before_cursor_execute", note)
    assert len(sent) == 1
    for one, other in zip(alone, together, strict=True):
        assert [row._mapping for row in one] == [row._mapping for row in other]
    assert together[0][0].told == {"键": [3, None]}
    assert together[0][0].at == _AT
    assert [row.id for row in together[1]] == [8, 7, 6]


def test_what_has_no_type_is_asked_by_itself(connection: Connection) -> None:
    parts = [select(null().label("missing")), select(THINGS.c.id).order_by(THINGS.c.id)]
    nothing, ids = fetch_together(connection, parts)
    assert nothing[0].missing is None
    assert [row.id for row in ids] == [1, 2, 3]
    assert fetch_together(connection, []) == []
