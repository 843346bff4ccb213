"""Python and SQL give the same results, on SQLite always and on PostgreSQL when there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.pool import StaticPool

from core.db.types import ExactDecimal, PlainText, UtcDateTime
from core.expressions import (
    EvaluationContext,
    Expression,
    Kind,
    NoSqlForm,
    Scope,
    Symbol,
    compile_expression,
    register_sql_functions,
)

POSTGRES_URL = os.environ.get("DOUGONG_TEST_POSTGRES_URL")
DATABASES = [
    "sqlite",
    pytest.param(
        "postgresql",
        marks=[
            pytest.mark.postgres,
            pytest.mark.skipif(not POSTGRES_URL, reason="DOUGONG_TEST_POSTGRES_URL is not set"),
        ],
    ),
]

SCOPE = Scope(
    [
        Symbol("money", Kind.NUMBER, ("金额",)),
        Symbol("rate", Kind.NUMBER, ("折扣 率",)),
        Symbol("count", Kind.NUMBER),
        Symbol("name", Kind.TEXT, ("名称",)),
        Symbol("status", Kind.TEXT),
        Symbol("flag", Kind.BOOLEAN),
        Symbol("day", Kind.DATE, ("日子",)),
        Symbol("other_day", Kind.DATE),
        Symbol("moment", Kind.DATETIME),
        Symbol("customer", Kind.NUMBER, target=Scope([Symbol("level", Kind.TEXT)])),
        Symbol("lines", Kind.NUMBER, lines=Scope([Symbol("amount", Kind.NUMBER)])),
    ]
)
TABLE = Table(
    "expression_rows",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("money", ExactDecimal(18, 2)),
    Column("rate", ExactDecimal(18, 6)),
    Column("count", BigInteger),
    Column("name", PlainText()),
    Column("status", PlainText(40)),
    Column("flag", Boolean),
    Column("day", Date),
    Column("other_day", Date),
    Column("moment", UtcDateTime),
    Column("level", PlainText(20)),
    prefixes=["TEMPORARY"],
)
CONTEXT = EvaluationContext(
    datetime(2024, 3, 1, 16, 30, 1, 250, tzinfo=UTC), date(2024, 3, 2), ZoneInfo("Asia/Shanghai")
)

_MONEY = ["0", "0.01", "-0.01", "2.50", "-2.50", "1234.56", "9999999999999.99", "-80000.05", None]
_RATES = ["0", "0.130000", "1", "-1", "0.333333", "0.000001", "-7.5", "3", None]
_COUNTS = [0, 1, -1, 3, 7, 2**62, -(2**62), 12, None]
_NAMES = ["", "a", "A", "斗拱", " 两 \t", "100%", 'it\'s \\ "q"', "😀é", None]
_STATUSES = ["won", "lost", "wo", "", "斗", "Z", "z", "𝒳", None]
_FLAGS = [True, False, None]
_DAYS = [
    date(1, 1, 1),
    date(9999, 12, 31),
    date(2024, 2, 29),
    date(2023, 1, 31),
    date(1999, 12, 31),
    date(2024, 3, 2),
    None,
]
_MOMENTS = [
    datetime(2024, 3, 1, 16, 30, 1, 250, tzinfo=UTC),
    datetime(2000, 12, 31, 15, 59, 59, 999999, tzinfo=UTC),
    datetime(2000, 12, 31, 16, 0, tzinfo=UTC),
    None,
]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _rows() -> list[dict[str, Any]]:
    """Rows that pair ordinary, extreme and missing values in many ways."""

    def pick(values: list[Any], index: int) -> Any:
        return values[index % len(values)]

    return [
        {
            "id": i,
            "money": _decimal(pick(_MONEY, i)),
            "rate": _decimal(pick(_RATES, i * 5 + i // 9)),
            "count": pick(_COUNTS, i * 7 + i // 9),
            "name": pick(_NAMES, i * 2 + 1),
            "status": pick(_STATUSES, i + i // 9),
            "flag": pick(_FLAGS, i + i // 3),
            "day": pick(_DAYS, i),
            "other_day": pick(_DAYS, i * 3 + i // 7),
            "moment": pick(_MOMENTS, i + i // 4),
            "level": pick(_STATUSES, i * 4),
        }
        for i in range(27)
    ]


ROWS = _rows()


def column(path: str) -> Any:
    return TABLE.c["level" if path == "customer.level" else path]


@pytest.fixture(scope="module", params=DATABASES)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    if request.param == "sqlite":
        engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(engine, "connect", lambda raw, _record: register_sql_functions(raw))
    else:
        assert POSTGRES_URL
        engine = create_engine(POSTGRES_URL)
    with engine.connect() as opened:
        TABLE.create(opened)
        opened.execute(insert(TABLE), ROWS)
        yield opened
        opened.rollback()
    engine.dispose()


def in_python(expression: Expression) -> list[Any]:
    return [expression.evaluate({**row, "customer.level": row["level"]}, CONTEXT) for row in ROWS]


def in_sql(expression: Expression, connection: Connection) -> list[Any]:
    computed = expression.to_sql(column, CONTEXT)
    return list(connection.scalars(select(computed).select_from(TABLE).order_by(TABLE.c.id)))


def same(expression: Expression, connection: Connection) -> None:
    expected, actual = in_python(expression), in_sql(expression, connection)
    assert actual == expected
    assert [type(value) for value in actual] == [type(value) for value in expected]


_NUMBERS = ["0", "1", "-1", "2", "0.5", "12.345678901234", "5%", "1000000", "3", "７．５", "1e"][
    :-1
]
_BIG = ["9" * 48, "-" + "9" * 30 + ".999999999999", "0." + "0" * 11 + "1"]
_TEXTS = ['"won"', '"斗"', "''", "“a”", '" x "', '"100% {0} :p %s"', "'it''s'", '"😀"']


@st.composite
def sources(draw: Any, kind: Kind, depth: int = 3) -> str:
    """A well-typed expression of ``kind``."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return str(draw(st.sampled_from(_LEAVES[kind])))
    template, kinds = draw(st.sampled_from(_BRANCHES[kind]))
    return str(template).format(*(draw(sources(k, depth - 1)) for k in kinds))


N, T, B, D, M = Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN, Kind.DATE, Kind.DATETIME
_LEAVES: dict[Kind, list[str]] = {
    N: ["money", "金额", "rate", "[折扣 率]", "count", "null", *_NUMBERS, *_BIG],
    T: ["name", "名称", "status", "customer.level", "[customer.LEVEL]", "null", *_TEXTS],
    B: ["flag", "true", "假", "null", "flag"],
    D: ["day", "日子", "other_day", "TODAY()", "DATE(2024, 2, 29)", "null", "DATE(moment)"],
    M: ["moment", "NOW()", "moment", "null"],
}
_ANY = [
    ("IF({0}, {1}, {2})", (B, None, None)),
    ("如果（{0}，{1}）", (B, None)),
    ("IFNULL({0}, {1})", (None, None)),
    ("IFS({0}, {1}, {2}, {3})", (B, None, B, None)),
    ("IFS({0}, {1}, {2})", (B, None, None)),
    ("SWITCH({0}, {1}, {3}, {2}, {4}, {5})", (T, T, T, None, None, None)),
    ("SWITCH({0}, {1}, {2})", (N, N, None)),
]
_OWN: dict[Kind, list[tuple[str, tuple[Kind | None, ...]]]] = {
    N: [
        ("({0} + {1})", (N, N)),
        ("({0} - {1} + {2} － {3})", (N, N, N, N)),
        ("({0} * {1})", (N, N)),
        ("({0} × {1} ÷ {2})", (N, N, N)),
        ("({0} / {1})", (N, N)),
        ("(-{0})", (N,)),
        ("({0})%", (N,)),
        ("ROUND({0})", (N,)),
        ("ROUND({0}, 2)", (N,)),
        ("ROUND({0}, -2)", (N,)),
        ("四舍五入({0}, {1})", (N, N)),
        ("FLOOR({0})", (N,)),
        ("CEILING({0})", (N,)),
        ("ABS({0})", (N,)),
        ("MIN({0}, {1})", (N, N)),
        ("MAX({0}, {1}, {2})", (N, N, N)),
        ("LEN({0})", (T,)),
        ("YEAR({0})", (D,)),
        ("MONTH({0})", (M,)),
        ("DAY({0})", (D,)),
        ("DATEDIFF({0}, {1})", (D, D)),
        ("DAYS({0}, {1})", (M, D)),
    ],
    T: [
        ("({0} & {1})", (T, T)),
        ("({0} & {1} & {2} & {3})", (T, N, D, B)),
        ("({0} & {1})", (M, T)),
        ("CONCAT({0}, {1}, {2})", (N, M, T)),
        ("LEFT({0}, {1})", (T, N)),
        ("RIGHT({0}, 2)", (T,)),
        ("RIGHT({0}, {1})", (T, N)),
        ("MID({0}, {1}, {2})", (T, N, N)),
        ("MID({0}, 2, 3)", (T,)),
        ("TRIM({0})", (T,)),
    ],
    B: [
        ("({0} AND {1})", (B, B)),
        ("({0} or {1} or {2})", (B, B, B)),
        ("({0} 且 {1})", (B, B)),
        ("NOT({0})", (B,)),
        ("(not {0})", (B,)),
        ("或({0}, {1})", (B, B)),
        *[(f"({{0}} {sign} {{1}})", (N, N)) for sign in ("=", "<>", "<", "<=", ">", "≥")],
        *[(f"({{0}} {sign} {{1}})", (T, T)) for sign in ("=", "<>", "<", ">=")],
        *[(f"({{0}} {sign} {{1}})", (D, D)) for sign in ("＝", "≠", "<", ">=")],
        *[(f"({{0}} {sign} {{1}})", (M, M)) for sign in ("=", "<>", "<", ">=")],
        ("({0} = {1})", (B, B)),
        ("({0} <> null)", (T,)),
        ("CONTAINS({0}, {1})", (T, T)),
        ("STARTSWITH({0}, {1})", (T, T)),
    ],
    D: [
        ("DATEADD({0}, {1})", (D, N)),
        ('DATEADD({0}, {1}, "day")', (D, N)),
        ('DATEADD({0}, {1}, "month")', (D, N)),
        ('DATEADD({0}, -13, "month")', (D,)),
        ('DATEADD({0}, {1}, "年")', (D, N)),
        ("(DATE({0}) + {1})", (D, N)),
        ("(DATE({0}) - {1} + 1)", (M, N)),
        ("DATE({0})", (M,)),
        ("MIN({0}, {1})", (D, D)),
        ("MAX({0}, {1})", (D, D)),
    ],
    M: [("MIN({0}, {1})", (M, M)), ("MAX({0}, {1})", (M, M))],
}
_BRANCHES: dict[Kind, list[tuple[str, tuple[Kind, ...]]]] = {
    kind: [(template, tuple(k or kind for k in kinds)) for template, kinds in [*_OWN[kind], *_ANY]]
    for kind in Kind
}


@settings(
    max_examples=int(os.environ.get("DOUGONG_TEST_EXAMPLES", "150")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from(list(Kind)).flatmap(lambda kind: st.tuples(st.just(kind), sources(kind))))
def test_random_expressions_agree(connection: Connection, example: tuple[Kind, str]) -> None:
    """RELIABILITY I7: no wrong value, and no error of any kind, on random expressions."""
    kind, source = example
    expression = compile_expression(source, SCOPE, kind)
    assert expression.has_sql
    same(expression, connection)


@pytest.mark.parametrize(
    "source",
    [
        "money * rate * 0.000001",
        "1 / count",
        "2 / 3 + money / rate",
        "ROUND(money / 8, 1)",
        "0.000000000001 * 0.5",
        "-0.000000000001 * 0.5",
        "money / 0",
        f"{'9' * 48} * 10 - money",
        f"{'9' * 48} + {'9' * 48} + money",
        f"{'9' * 48} / 0.000000000001",
        "null = null",
        "name = null",
        "name < status",
        "IF(null, 1, 2)",
        "IF(money > null, 1, 2)",
        "flag and null",
        "flag or null",
        "null",
        "day + 3652058",
        "day - 1",
        "DATEADD(day, 1.9)",
        'DATEADD(day, 119987, "month")',
        'DATEADD(day, -10000000000, "year")',
        "DAY(moment) & moment",
        "YEAR(DATEADD(DATE(moment), 1, 'month'))",
        "STARTSWITH(name, LEFT(name, 1))",
        "LEN(name & null)",
        "TRIM(“　” & name & ' ')",
        "'{0}' & name & '%(x)s' & \"{money}\"",
        "MAX(null, null)",
        "MAX(money, null)",
    ],
)
def test_chosen_expressions_agree(connection: Connection, source: str) -> None:
    same(compile_expression(source, SCOPE), connection)


@pytest.mark.parametrize(
    "source",
    [
        " + ".join(["money"] * 250),
        " - ".join(["money"] * 250),
        " & ".join(["name"] * 250),
        " and ".join(["flag"] * 250),
        " * ".join(["rate"] * 60),
        "(" * 60 + "money" + ")" * 60,
        "-(" * 29 + "money" + ")" * 29,
        "IF(flag, 1, " * 58 + "money" + ")" * 58,
        "ROUND(" * 58 + "money" + ", count)" * 58,
        "DATEADD(" * 58 + "day" + ", count, 'month')" * 58,
        "SWITCH(" * 58 + "name" + ", name, status)" * 58,
        "(" * 57 + "money" + " / 3)" * 57,
    ],
    ids=lambda source: f"{source[:16]} x {len(source)}",
)
def test_the_largest_expressions_have_sql(connection: Connection, source: str) -> None:
    same(compile_expression(source, SCOPE), connection)


def test_a_condition_filters(connection: Connection) -> None:
    expression = compile_expression("金额 > 2 且 CONTAINS(name, 'a') = false", SCOPE)
    wanted = [row["id"] for row, kept in zip(ROWS, in_python(expression), strict=True) if kept]
    condition = expression.to_sql(column, CONTEXT)
    found = connection.scalars(select(TABLE.c.id).where(condition).order_by(TABLE.c.id))
    assert wanted
    assert list(found) == wanted


def test_numbers_sort_and_compare_as_numbers(connection: Connection) -> None:
    expression = compile_expression("money * 2", SCOPE)
    computed = expression.to_sql(column, CONTEXT)
    known = sorted(value for value in in_python(expression) if value is not None)
    rows = connection.scalars(select(computed).where(computed.is_not(None)).order_by(computed))
    assert list(rows) == known
    above = connection.scalars(select(computed).where(computed > Decimal("9.5")))
    assert sorted(above) == [value for value in known if value > Decimal("9.5")]


def test_text_sorts_by_code_point(connection: Connection) -> None:
    computed = compile_expression("status & ''", SCOPE).to_sql(column, CONTEXT)
    rows = connection.scalars(select(computed).where(computed.is_not(None)).order_by(computed))
    assert list(rows) == sorted(row["status"] for row in ROWS if row["status"] is not None)


def test_one_dialect_or_both(connection: Connection) -> None:
    expression = compile_expression("money / 3 & name", SCOPE)
    computed = expression.to_sql(column, CONTEXT, connection.dialect.name)
    rows = connection.scalars(select(computed).select_from(TABLE).order_by(TABLE.c.id))
    assert list(rows) == in_python(expression)


def test_an_expression_may_stand_on_another(connection: Connection) -> None:
    inner = compile_expression("money / 3", SCOPE)
    outer = compile_expression("rate * 3 - 1", SCOPE)
    computed = outer.to_sql(lambda _path: inner.to_sql(column, CONTEXT), CONTEXT)
    rows = connection.scalars(select(computed).select_from(TABLE).order_by(TABLE.c.id))
    expected = [outer.evaluate({"rate": value}, CONTEXT) for value in in_python(inner)]
    assert list(rows) == expected


def test_cached_statements_keep_expressions_apart(connection: Connection) -> None:
    """The statement cache tells two templates of the same shape apart."""
    for source in (
        "money + rate",
        "money - rate",
        "money * rate",
        "FLOOR(money)",
        "CEILING(money)",
    ):
        same(compile_expression(source, SCOPE), connection)
        same(compile_expression(source, SCOPE), connection)


def test_user_text_is_always_bound() -> None:
    """RELIABILITY I2: what a user wrote never becomes SQL."""
    text = "x'); DROP TABLE t; --"
    computed = compile_expression(f'name & "{text}"', SCOPE).to_sql(column, CONTEXT)
    from sqlalchemy.dialects import postgresql, sqlite

    for dialect in (postgresql.dialect(), sqlite.dialect()):
        assert "DROP" not in str(computed.compile(dialect=dialect))


@pytest.mark.parametrize(
    "source",
    [
        "SUM(lines.amount)",
        "COUNT(lines)",
        "MAX(lines.amount)",
        "1 + WORKDAYS(day, other_day)",
        "WORKDAY(day, count)",
        'LOOKUP("t", 1, "c")',
        'TEXT(money, "0.00")',
        "UPPER(name)",
        "DATE(count, 1, 1)",
    ],
)
def test_what_only_python_can_do_says_so(source: str) -> None:
    expression = compile_expression(source, SCOPE)
    assert not expression.has_sql
    with pytest.raises(NoSqlForm):
        expression.to_sql(column, CONTEXT)
