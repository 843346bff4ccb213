"""A scope like that of a quote, a record to go with it, and a fixed moment."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.expressions import EvaluationContext, Kind, Scope, Symbol, compile_expression


@pytest.fixture(scope="session")
def scope() -> Scope:
    customer = Scope(
        [
            Symbol("level", Kind.TEXT, ("级别",)),
            Symbol("since", Kind.DATE),
            Symbol("owner", Kind.NUMBER, target=Scope([Symbol("name", Kind.TEXT)])),
        ]
    )
    lines = Scope(
        [
            Symbol("quantity", Kind.NUMBER, ("数量",)),
            Symbol("unit_price", Kind.NUMBER, ("单价", "Unit price")),
            Symbol("due_on", Kind.DATE),
            Symbol("note", Kind.TEXT),
        ]
    )
    return Scope(
        [
            Symbol("amount", Kind.NUMBER, ("金额", "Amount due")),
            Symbol("paid", Kind.NUMBER, ("已付", "金额（元）")),
            Symbol("discount", Kind.NUMBER, ("折扣",)),
            Symbol("markdown", Kind.NUMBER, ("折扣",)),
            Symbol("status", Kind.TEXT, ("状态",)),
            Symbol("nothing", Kind.NUMBER),
            Symbol("no_text", Kind.TEXT),
            Symbol("no_flag", Kind.BOOLEAN),
            Symbol("is_urgent", Kind.BOOLEAN, ("加急",)),
            Symbol("signed_on", Kind.DATE, ("签订日期",)),
            Symbol("created_at", Kind.DATETIME, ("创建时间",)),
            Symbol("customer", Kind.NUMBER, ("客户",), target=customer),
            Symbol("lines", Kind.NUMBER, ("明细",), lines=lines),
            Symbol("costs", Kind.NUMBER, lines=Scope([Symbol("amount", Kind.NUMBER)])),
        ]
    )


@pytest.fixture(scope="session")
def record() -> dict[str, Any]:
    return {
        "amount": Decimal("100.50"),
        "paid": 40,
        "discount": Decimal("0.05"),
        "status": "Won 赢单",
        "is_urgent": True,
        "signed_on": date(2024, 1, 31),
        # Already the next day in Shanghai.
        "created_at": datetime(2024, 2, 28, 17, 30, 5, tzinfo=UTC),
        "customer": 7,
        "customer.level": "A",
        "customer.since": date(2020, 2, 29),
        "customer.owner.name": "王芳",
        "lines": [
            {"quantity": Decimal(2), "unit_price": Decimal("1.50"), "due_on": date(2024, 5, 1)},
            {"quantity": Decimal(3), "unit_price": Decimal(10), "note": "x"},
            {"quantity": None, "unit_price": Decimal(99), "due_on": date(2024, 4, 1)},
        ],
        "costs": [],
    }


@pytest.fixture(scope="session")
def context() -> EvaluationContext:
    rates = {
        ("rates", "A", "rate"): Decimal("0.9"),
        ("rates", Decimal(7), "name"): "seven",
        ("rates", "B", "rate"): "1,250.5",
        ("rates", "B", "share"): "8.5%",
        ("rates", "B", "since"): "2024-05-01",
        ("rates", "B", "open"): "是",
        ("rates", "C", "rate"): "much",
    }

    def lookup(table: str, key: Any, column: str, below: bool) -> Any:
        return rates.get((table, Decimal(7) if below and key > 7 else key, column))

    return EvaluationContext(
        now=datetime(2024, 3, 1, 16, 30, tzinfo=UTC),
        today=date(2024, 3, 2),
        timezone=ZoneInfo("Asia/Shanghai"),
        lookup=lookup,
        is_workday=None,
    )


@pytest.fixture(scope="session")
def value(scope: Scope, record: dict[str, Any], context: EvaluationContext) -> Any:
    """What an expression gives for the record; keyword arguments replace fields."""

    def evaluate(source: str, **changes: Any) -> Any:
        return compile_expression(source, scope).evaluate({**record, **changes}, context)

    return evaluate
