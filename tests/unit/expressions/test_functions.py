"""Each function, by its English and its Chinese name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.clock import Clock
from core.expressions import (
    EvaluationContext,
    ExpressionError,
    Scope,
    Source,
    compile_expression,
    describe_functions,
)
from core.expressions.functions import FUNCTIONS

NUMBERS = [
    ("ROUND(2.5)", "3"),
    ("ROUND(-2.5)", "-3"),
    ("ROUND(0.125, 2)", "0.13"),
    ("ROUND(1.005, 2)", "1.01"),
    ("四舍五入(1250, -2)", "1300"),
    ("ROUND(-1250, -2)", "-1300"),
    ("ROUND(1.26, 1.9)", "1.3"),
    ("ROUND(1.23456, 99)", "1.23456"),
    ("ROUND(123, -99)", "0"),
    ("FLOOR(-1.5)", "-2"),
    ("向下取整(1.5)", "1"),
    ("CEILING(-1.5)", "-1"),
    ("向上取整(1.2)", "2"),
    ("ABS(-3.5)", "3.5"),
    ("绝对值(3)", "3"),
    ("MIN(3, 1, 2)", "1"),
    ("MAX(3, null, 5)", "5"),
    ("最大(3, 1)", "3"),
    ("如果(金额 > 100, 1, 2)", "1"),
    ("空值(nothing, 9)", "9"),
    ("IFS(amount < 1, 1, amount < 1000, 2, 3)", "2"),
    ("IFS(amount < 1, 1, amount < 2, 2, 3)", "3"),
    ("SWITCH(customer.level, 'A', 0.9, 'B', 0.95, 1)", "0.9"),
    ("切换(customer.level, 'B', 0.95, 1)", "1"),
    ("SWITCH(nothing, 1, 2, null, 3)", "3"),
    ("SUM(lines.quantity * lines.unit_price)", "33"),
    ("求和(明细.单价)", "110.5"),
    ("SUM(lines.quantity * amount) + 1", "503.5"),
    ("SUM(costs.amount)", "0"),
    ("SUM(IF(lines.unit_price > 5, 1, 0))", "2"),
    ("SUM(MAX(lines.unit_price, 5))", "114"),
    ("COUNT(lines)", "3"),
    ("计数(明细.数量)", "2"),
    ("COUNT(costs)", "0"),
    ("AVG(lines.quantity)", "2.5"),
    ("平均(明细.数量)", "2.5"),
    ("MIN(lines.unit_price)", "1.5"),
    ("MAX(lines.unit_price) - MIN(lines.unit_price)", "97.5"),
    ("YEAR(signed_on)", "2024"),
    ("月(signed_on)", "1"),
    ("日(signed_on)", "31"),
    ("DAY(created_at)", "29"),
    ("DATEDIFF(DATE(2024, 3, 1), signed_on)", "30"),
    ("DAYS(signed_on, DATE(2024, 3, 1))", "-30"),
    ("天数(TODAY(), signed_on)", "31"),
    ("WORKDAYS(DATE(2024, 3, 1), DATE(2024, 3, 11))", "7"),
    ("工作日(DATE(2024, 3, 11), DATE(2024, 3, 1))", "-7"),
    ("WORKDAYS(DATE(2024, 3, 2), DATE(2024, 3, 3))", "0"),
    ("LOOKUP('rates', 'B', 'rate')", "1250.5"),
    ("LOOKUP('rates', 'B', 'share')", "0.085"),
    ("LOOKUP('rates', customer.level, 'rate')", "0.9"),
    ("LEN('斗拱😀')", "3"),
    ("长度('')", "0"),
]


LOOKED_UP = [
    ("WORKDAY(DATE(2024, 3, 1), 1)", date(2024, 3, 4)),
    ("工作日推移(DATE(2024, 3, 2), 5)", date(2024, 3, 8)),
    ("WORKDAY(DATE(2024, 3, 4), -1.9)", date(2024, 3, 1)),
    ("WORKDAY(DATE(2024, 3, 2), 0)", date(2024, 3, 2)),
    ("WORKDAY(DATE(9999, 12, 30), 9)", None),
    ("WORKDAY(null, 9)", None),
    ("LOOKUP('rates', 'B', 'since', 'date')", date(2024, 5, 1)),
    ("LOOKUP('rates', 'B', 'open', '是否')", True),
    ("LOOKUP('rates', 9, 'name', 'text', 'at or below')", "seven"),
    ("LOOKUP('rates', 9, 'name', 'text', 'exact')", None),
    ("LOOKUP('rates', 9, 'name', '文本', '不大于')", "seven"),
]


@pytest.mark.parametrize(("source", "expected"), LOOKED_UP)
def test_days_and_tables(value: Any, source: str, expected: Any) -> None:
    assert value(source) == expected


@pytest.mark.parametrize(("source", "expected"), NUMBERS)
def test_numbers(value: Any, source: str, expected: str) -> None:
    assert value(source) == Decimal(expected)


TEXTS = [
    ("TEXT(1234.5, '0.00')", "1234.50"),
    ("TEXT(1234567.891, '#,##0.00')", "1,234,567.89"),
    ("TEXT(-0.005, '0.00')", "-0.01"),
    ("TEXT(-0.001, '0.00')", "0.00"),
    ("TEXT(5, '000')", "005"),
    ("TEXT(5, '#,##0000')", "0,005"),
    ("TEXT(0.125, '0%')", "13%"),
    ("文本(0.125, '0.0%')", "12.5%"),
    ("TEXT(signed_on, 'yyyy-mm-dd')", "2024-01-31"),
    ("TEXT(signed_on, 'yy/m/d')", "24/1/31"),
    ("TEXT(signed_on, 'yyyy年mm月dd日')", "2024年01月31日"),
    ("TEXT(created_at, 'YYYY-MM-DD hh:mm:ss')", "2024-02-29 01:30:05"),
    ("LEFT('斗拱文', 2)", "斗拱"),
    ("LEFT('abc')", "a"),
    ("LEFT('abc', -1)", ""),
    ("左('abc', 99)", "abc"),
    ("RIGHT('abc', 2)", "bc"),
    ("RIGHT('abc', 0)", ""),
    ("右('abc', 99)", "abc"),
    ("MID('abcdef', 2, 3)", "bcd"),
    ("MID('abc', 0, 2)", "ab"),
    ("中间('abc', 9, 2)", ""),
    ("UPPER('straße')", "STRASSE"),
    ("小写('ABC')", "abc"),
    ("TRIM('\u3000 a b \t')", "a b"),
    ("去空格(' ')", ""),
    ("CONCAT('a', null, 1, true)", "a1true"),
    ("连接('a', signed_on)", "a2024-01-31"),
    ("CONCAT(null)", ""),
    ("LOOKUP('rates', customer, 'name', 'text')", "seven"),
    ("IFNULL(no_text, status)", "Won 赢单"),
]


@pytest.mark.parametrize(("source", "expected"), TEXTS)
def test_texts(value: Any, source: str, expected: str) -> None:
    assert value(source) == expected


DATES = [
    ("DATE(2024, 2, 29)", date(2024, 2, 29)),
    ("DATE(2023, 2, 29)", None),
    ("DATE(amount * 1000, 1, 1)", None),
    ("日期(2024, 1, 1)", date(2024, 1, 1)),
    ("DATE(created_at)", date(2024, 2, 29)),
    ("DATEADD(signed_on, 1)", date(2024, 2, 1)),
    ("DATEADD(signed_on, 1, 'month')", date(2024, 2, 29)),
    ("日期加(signed_on, -11, '月')", date(2023, 2, 28)),
    ("DATEADD(customer.since, 1, 'YEAR')", date(2021, 2, 28)),
    ("DATEADD(signed_on, 1.9, 'day')", date(2024, 2, 1)),
    ("DATEADD(signed_on, 8000, 'year')", None),
    ("DATEADD(DATE(9999, 12, 31), 1)", None),
    ("DATEADD(DATE(1, 1, 1), -1, 'month')", None),
    ("signed_on + 1 - 2 + 3", date(2024, 2, 2)),
    ("signed_on - 31", date(2023, 12, 31)),
    ("MAX(lines.due_on)", date(2024, 5, 1)),
    ("MIN(signed_on, TODAY())", date(2024, 1, 31)),
    ("TODAY()", date(2024, 3, 2)),
    ("现在()", datetime(2024, 3, 1, 16, 30, tzinfo=UTC)),
    ("MIN(costs.amount)", None),
    ("AVG(costs.amount)", None),
    ("LOOKUP('rates', 'none', 'rate')", None),
]


@pytest.mark.parametrize(("source", "expected"), DATES)
def test_dates_and_nothing(value: Any, source: str, expected: Any) -> None:
    assert value(source) == expected


TRUTHS = [
    ("CONTAINS(status, '赢')", True),
    ("包含(status, 'won')", False),
    ("CONTAINS('a', '')", True),
    ("STARTSWITH(status, 'Won')", True),
    ("开头是('a', 'ab')", False),
    ("并且(true, false)", False),
    ("NOT(is_urgent)", False),
]


@pytest.mark.parametrize(("source", "expected"), TRUTHS)
def test_truths(value: Any, source: str, expected: bool) -> None:
    assert value(source) is expected


CASES = (NUMBERS, TEXTS, DATES, TRUTHS, LOOKED_UP)


def test_every_function_is_tried_here() -> None:
    sources = " ".join(case[0] for cases in CASES for case in cases)
    untried = {
        function.name
        for function in FUNCTIONS
        if not any(f"{name}(" in sources for name in (function.name, *function.chinese))
    }
    assert untried <= {"OR"}


def test_workdays_ask_the_calendar(scope: Scope) -> None:
    context = EvaluationContext(
        datetime(2024, 2, 1, tzinfo=UTC),
        date(2024, 2, 1),
        is_workday=lambda day: day.day % 2 == 0,
    )
    expression = compile_expression("WORKDAYS(DATE(2024, 2, 1), DATE(2024, 2, 10))", scope)
    assert expression.evaluate({}, context) == 5


def test_a_workday_in_the_calendar(scope: Scope) -> None:
    """A Saturday that is worked, and a week off."""
    worked, off = date(2024, 3, 2), range(4, 9)
    context = EvaluationContext(
        datetime(2024, 2, 1, tzinfo=UTC),
        date(2024, 2, 1),
        is_workday=lambda day: (
            day == worked or (day.weekday() < 5 and not (day.month == 3 and day.day in off))
        ),
    )
    moved = compile_expression("WORKDAY(DATE(2024, 3, 1), 2)", scope)
    assert moved.evaluate({}, context) == date(2024, 3, 11)
    back = compile_expression("WORKDAY(DATE(2024, 3, 11), -2)", scope)
    assert back.evaluate({}, context) == date(2024, 3, 1)


def test_what_is_looked_into_is_known(scope: Scope) -> None:
    """The dependency graph asks for it."""
    source = "LOOKUP('rates', 1, 'a') + LOOKUP(no_text, 1, 'a') + WORKDAYS(signed_on, signed_on)"
    sources = compile_expression(source, scope).sources
    assert sources == {
        Source("lookup", "rates"): (0, 23),
        Source("lookup", None): (26, 49),
        Source("calendar", None): (52, 82),
    }


def test_only_numbers_are_looked_up_at_or_below(scope: Scope) -> None:
    with pytest.raises(ExpressionError, match="Only a number") as refused:
        compile_expression("1 + LOOKUP('rates', 'A', 'rate', 'number', 'at or below')", scope)
    assert refused.value.column == 5
    with pytest.raises(ExpressionError, match='"at or below", "exact"'):
        compile_expression("LOOKUP('rates', 1, 'rate', 'number', 'roughly')", scope)


def test_lookup_refuses_what_it_cannot_answer(scope: Scope, context: EvaluationContext) -> None:
    bare = EvaluationContext(context.now, context.today)
    with pytest.raises(ExpressionError, match="no tables") as refused:
        compile_expression("1 + LOOKUP('rates', 'A', 'rate')", scope).evaluate({}, bare)
    assert refused.value.column == 5
    with pytest.raises(ExpressionError, match="is not text"):
        compile_expression("LOOKUP('rates', 'A', 'rate', 'text')", scope).evaluate({}, context)
    with pytest.raises(ExpressionError, match="is not a number"):
        compile_expression("LOOKUP('rates', 'C', 'rate')", scope).evaluate({}, context)


def test_the_context_of_a_clock() -> None:
    clock = Clock(source=lambda: datetime(2024, 3, 1, 16, 30, tzinfo=UTC))
    context = EvaluationContext.at(clock)
    assert context.today == date(2024, 3, 2)
    expression = compile_expression("TODAY() = DATE(NOW())", Scope([]))
    assert expression.evaluate({}, context) is True


def test_a_context_needs_an_aware_moment() -> None:
    with pytest.raises(ValueError, match="aware"):
        EvaluationContext(datetime(2024, 1, 1), date(2024, 1, 1))


def test_help_lists_every_function() -> None:
    rows = describe_functions()
    assert [row.name for row in rows] == [function.name for function in FUNCTIONS]
    for row in rows:
        assert row.signature.startswith(row.name + "(")
        assert row.summary.endswith(".")
        assert row.other_names
    assert {row.name for row in rows if not row.has_sql} == {
        "SUM", "COUNT", "AVG", "DATE", "WORKDAYS", "WORKDAY", "LOOKUP", "TEXT", "UPPER", "LOWER",
    }  # fmt: skip
