"""Sums and averages stay exact beyond what a database adds up by itself."""

from __future__ import annotations

from decimal import Decimal

from core.entities import service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery

PRICES = [
    Decimal(text) for text in ("9999999999999999.99", "9999999999999999.98", "-0.01", "-1.07")
]


def test_sums_beyond_64_bits_are_exact(unit_of_work, admin_id):
    """M1: SQLite itself gives up at 64 bits of cents, PostgreSQL does not."""
    with unit_of_work(admin_id) as uow:
        items = [{"name": f"样品{n}", "price": price} for n, price in enumerate(PRICES * 8)]
        service.create(uow, "specimen", [*items, {"name": "没有价格"}])
    measures = ["sum:price", "avg:price", "min:price", "max:price", "count"]
    with unit_of_work(admin_id, write=False) as uow:
        (row,) = aggregate(uow, "specimen", [], measures, ListQuery())
    assert row == {
        "sum:price": str(8 * sum(PRICES)),
        "avg:price": "4999999999999999.722500",
        "min:price": "-1.07",
        "max:price": "9999999999999999.99",
        "count": 33,
    }


def test_whole_numbers_are_added_as_whole_numbers(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        service.create(uow, "specimen", [{"name": "甲", "quantity": n} for n in (2, 3, 1)])
    with unit_of_work(admin_id, write=False) as uow:
        (row,) = aggregate(uow, "specimen", [], ["sum:quantity", "avg:quantity"], ListQuery())
    assert row == {"sum:quantity": 6, "avg:quantity": "2.000000"}
