"""What may be written, what it means, and how a refusal shows the place and the way out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.expressions import (
    EvaluationContext,
    ExpressionError,
    Kind,
    Scope,
    Symbol,
    compile_expression,
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 2 - 3", "5"),
        ("2 - -3", "5"),
        ("100 / 10 / 2", "5"),
        ("-5 + 2", "-3"),
        ("+5", "5"),
        (".5 + 12.5", "13"),
        ("5%", "0.05"),
        ("-50%", "-0.5"),
        ("(amount + 99.5)%", "2"),
        ("0.1 + 0.2", "0.3"),
        ("１２．５ ＋ ２ × ３ － ４ ÷ ２", "16.5"),
        ("6 ＊ 2", "12"),
        ("（1＋2）×3", "9"),
        ("round（2.345，2）", "2.35"),
        ("ROUND(2.345; 2)", "2.35"),
        ("MAX(1；2)", "2"),
        ("8 − 3", "5"),
        ("1\n+\t2　+\u00a03", "6"),
    ],
)
def test_arithmetic(value: Any, source: str, expected: str) -> None:
    assert value(source) == Decimal(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("“大” & '小' & \"中\"", "大小中"),
        ("'it''s'", "it's"),
        ('"say ""hi"""', 'say "hi"'),
        ("“a'b\"c”", "a'b\"c"),
        ('"a" & 1.50 & true & signed_on', "a1.5true2024-01-31"),
        ("'' & 1000", "1000"),
        ("'' & 0 * -1", "0"),
        ("'' & created_at", "2024-02-29 01:30:05"),
    ],
)
def test_text(value: Any, source: str, expected: str) -> None:
    assert value(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "1 < 2",
        "1 ＜ 2",
        "2 ＞＝ 2",
        "2 ≥ 2 and 2 ≤ 2 and 1 ≠ 2",
        "1 <> 2",
        "'a' < 'b'",
        "'Z' < 'a'",
        "'中' < '𝒳'",
        "真",
        "非(假)",
        "not false",
        "NOT false and true",
        "not (amount) = 1",
        "NOT(amount = 1) = true",
        "1 = 1 or 1 / 0 = 1 and false",
        "1 < 2 且 2 < 3",
        "1 > 2 或者 2 < 3",
        "与(true, 真)",
        "或(false, 真)",
        "AND(1 < 2, 2 < 3, 3 < 4)",
        "True = TRUE",
        "amount > 1 AND (status = 'x' OR is_urgent)",
        "created_at < NOW()",
        "signed_on < TODAY()",
    ],
)
def test_truths(value: Any, source: str) -> None:
    assert value(source) is True


@pytest.mark.parametrize(
    ("source", "dependencies"),
    [
        ("amount", {"amount"}),
        ("金额", {"amount"}),
        ("[金额]", {"amount"}),
        ("[Amount due]", {"amount"}),
        ("[ amount DUE ]", {"amount"}),
        ("［金额（元）］ + amount", {"paid", "amount"}),
        ("Ａｍｏｕｎｔ", {"amount"}),
        ("客户.级别 & customer.level", {"customer.level"}),
        ("customer.owner.name", {"customer.owner.name"}),
        ("[客户].[级别]", {"customer.level"}),
        ("[客户.级别] & [ customer．OWNER.name ]", {"customer.level", "customer.owner.name"}),
        ("customer = null", {"customer"}),
        (
            "SUM(明细.[Unit price] * lines.数量 * amount)",
            {"lines.unit_price", "lines.quantity", "amount"},
        ),
        ("COUNT(明细)", {"lines"}),
        ("IF(true, 1, paid)", {"paid"}),
        ("TODAY() - TODAY()", set()),
    ],
)
def test_dependencies_are_canonical(scope: Scope, source: str, dependencies: set[str]) -> None:
    assert compile_expression(source, scope).dependencies == dependencies


def test_a_label_with_a_dot_is_that_label() -> None:
    """``[a.b]`` is a path only when nothing is called so."""
    customer = Scope([Symbol("level", Kind.TEXT)])
    symbols = [
        Symbol("customer", Kind.NUMBER, target=customer),
        Symbol("n", Kind.NUMBER, ("v1.5",)),
    ]
    scope = Scope(lambda: symbols)
    assert compile_expression("[v1.5]", scope).dependencies == {"n"}
    assert compile_expression("[customer.level]", scope).dependencies == {"customer.level"}
    with pytest.raises(ExpressionError, match="no field lavel here; did you mean level") as refused:
        compile_expression("'' & [customer.lavel]", scope)
    assert (refused.value.column, refused.value.length) == (6, 16)


def test_a_path_leads_over_three_records() -> None:
    person: list[Symbol] = []
    scope = Scope(lambda: person)
    person += [Symbol("name", Kind.TEXT), Symbol("boss", Kind.NUMBER, target=scope)]
    assert compile_expression("boss.boss.boss.name", scope).dependencies == {"boss.boss.boss.name"}
    with pytest.raises(ExpressionError, match="at most 3 records") as refused:
        compile_expression("boss.boss.boss.boss.name", scope)
    assert (refused.value.column, refused.value.length) == (21, 4)


def test_volatile_means_the_time(scope: Scope) -> None:
    assert compile_expression("signed_on < 今天()", scope).volatile
    assert compile_expression("IF(is_urgent, NOW(), created_at)", scope).volatile
    assert not compile_expression("signed_on < DATE(2024, 1, 1)", scope).volatile


def test_threads_share_an_expression(scope: Scope, context: EvaluationContext) -> None:
    expression = compile_expression("amount * 2 + SUM(lines.quantity * amount)", scope)

    def work(number: int) -> bool:
        record = {"amount": number, "lines": [{"quantity": number}] * 50}
        wanted = number * 2 + number * number * 50
        return all(expression.evaluate(record, context) == wanted for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(1, 33)))


def test_expressions_are_immutable(scope: Scope) -> None:
    expression = compile_expression("amount + 1", scope)
    with pytest.raises(FrozenInstanceError):
        expression.source = "2"  # type: ignore[misc]
    assert expression.source == "amount + 1"
    assert expression.kind is Kind.NUMBER


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nothing + 1", None),
        ("1 - nothing", None),
        ("nothing * 0", None),
        ("nothing / 2", None),
        ("-nothing", None),
        ("1 / 0", None),
        ("0 / 0", None),
        ("amount / (paid - 40)", None),
        ("no_text & 'a'", None),
        ("null & 'a'", None),
        ("nothing > 1", None),
        ("nothing <= nothing", None),
        ("'a' < null", None),
        ("nothing = null", True),
        ("nothing <> null", False),
        ("null = null", True),
        ("amount = null", False),
        ("amount <> null", True),
        ("nothing = nothing", True),
        ("no_text = ''", False),
        ("IF(null, 1, 2)", Decimal(2)),
        ("IF(nothing > 1, 1, 2)", Decimal(2)),
        ("IF(nothing > 1, 1)", None),
        ("no_flag and false", False),
        ("no_flag and true", None),
        ("no_flag or true", True),
        ("no_flag or false", None),
        ("not no_flag", None),
        ("IFNULL(nothing, 1 / 0, 3)", Decimal(3)),
        ("IFNULL(no_text, null)", None),
        ("ROUND(nothing, 2)", None),
        ("ROUND(1.5, nothing)", None),
        ("CONTAINS(no_text, 'a')", None),
        ("null", None),
    ],
)
def test_null(value: Any, source: str, expected: Any) -> None:
    result = value(source)
    assert result == expected
    assert type(result) is type(expected)


def test_a_missing_value_is_null(scope: Scope, context: EvaluationContext) -> None:
    assert compile_expression("IFNULL(amount, 3)", scope).evaluate({}, context) == 3


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("1", Kind.NUMBER),
        ("'1'", Kind.TEXT),
        ("1 = 1", Kind.BOOLEAN),
        ("signed_on", Kind.DATE),
        ("signed_on + 1", Kind.DATE),
        ("signed_on - signed_on", Kind.NUMBER),
        ("NOW()", Kind.DATETIME),
        ("DATE(NOW())", Kind.DATE),
        ("IF(is_urgent, null, 1)", Kind.NUMBER),
        ("IFNULL(null, signed_on)", Kind.DATE),
        ("MAX(null, signed_on)", Kind.DATE),
        ("null", Kind.TEXT),
        ("IF(is_urgent, null, null)", Kind.TEXT),
    ],
)
def test_kinds(scope: Scope, source: str, kind: Kind) -> None:
    assert compile_expression(source, scope).kind is kind


def test_null_takes_the_kind_that_is_expected(scope: Scope) -> None:
    for kind in Kind:
        assert compile_expression("null", scope, kind).kind is kind


@pytest.mark.parametrize(
    ("source", "column", "length", "hint"),
    [
        ("", 1, 0, "empty"),
        ("  ", 1, 0, "empty"),
        ("1 +", 4, 0, "stops too early"),
        ("amount +* 2", 9, 1, "does not belong"),
        ("amount 2", 8, 1, "operator or a comma is missing"),
        ("(1 + 2", 1, 1, "add a )"),
        ("1 + 2)", 6, 1, "does not belong"),
        ("ROUND(1, 2", 6, 1, "add a )"),
        ("'abc", 1, 4, "closing quotation"),
        ("1 & “abc", 5, 4, "closing quotation"),
        ("[abc", 1, 4, "closing bracket"),
        ("1,234", 2, 1, "without separators"),
        ("12.", 3, 1, "does not belong"),
        ("12abc", 1, 5, "operator between"),
        ("1e5", 1, 3, "operator between"),
        ("1.2.3", 1, 5, "operator between"),
        ("2 ** 3", 4, 1, "does not belong"),
        ("2 ^ 3", 3, 1, "no meaning"),
        ("1 == 1", 4, 1, "single ="),
        ("1 != 2", 3, 2, "<>"),
        ("1 < amount < 5", 12, 1, "AND"),
        ("amout + 1", 1, 5, "did you mean amount?"),
        ("1 + 金颔", 5, 2, "did you mean 金额?"),
        ("qqqqqq", 1, 6, "no field qqqqqq"),
        ("1 + 折扣", 5, 2, "discount, markdown"),
        ("customer.levle", 10, 5, "did you mean level?"),
        ("customer.", 10, 0, "after the dot"),
        ("amount.level", 8, 5, "no fields of its own"),
        ("amount.level(1)", 1, 12, "cannot be called"),
        ("lines", 1, 5, "SUM(lines"),
        ("1 + lines.quantity", 5, 14, "SUM, COUNT"),
        ("SUM(amount)", 1, 11, "works on lines"),
        ("SUM(SUM(lines.quantity))", 5, 19, "inside another"),
        ("SUM(COUNT(lines))", 5, 12, "inside another"),
        ("SUM(lines.quantity * costs.amount)", 22, 12, "one list"),
        ("MAX(lines.quantity, 1)", 1, 22, "one operand"),
        ("SUM(lines.note)", 5, 10, "a number is needed"),
        ("status + 1", 1, 6, "text, but a number is needed"),
        ("amount & 1 + status", 14, 6, "a number is needed"),
        ("not amount", 5, 6, "true or false is needed"),
        ("IF(amount, 1, 2)", 4, 6, "true or false is needed"),
        ("IF(is_urgent, 1, 'a')", 18, 3, "both must be the same"),
        ("amount = 'a'", 10, 3, "both must be the same"),
        ("signed_on < created_at", 13, 10, "both must be the same"),
        ("is_urgent < true", 1, 9, "does not fit"),
        ("MAX('a', 'b')", 5, 3, "does not fit"),
        ("1 + signed_on", 5, 9, "a number is needed"),
        ("IF(is_urgent)", 1, 13, "IF(condition, then, else)"),
        ("DATE(1, 2)", 1, 10, "DATE(moment) or DATE(year, month, day)"),
        ("TODAY(1)", 1, 8, "Write it as"),
        ("SUM()", 1, 5, "Write it as"),
        ("FOO(1)", 1, 3, "no function FOO"),
        ("RUOND(1)", 1, 5, "did you mean ROUND?"),
        ("DATEADD(signed_on, 1, 'week')", 23, 6, '"day", "month", "year"'),
        ("DATEADD(signed_on, 1, status)", 23, 6, '"day", "month", "year"'),
        ("TEXT(amount, 'x')", 1, 17, "number pattern"),
        ("TEXT(signed_on, '0.00')", 1, 23, "date pattern"),
        ("TEXT(amount, status)", 1, 20, "quotation marks"),
        ("amount()", 1, 6, "no function amount"),
        ("and", 1, 3, "does not belong"),
        ("1 + [空]", 5, 3, "no field"),
    ],
)
def test_refusals_show_the_place(
    scope: Scope, source: str, column: int, length: int, hint: str
) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(source, scope)
    error = refused.value
    assert (error.column, error.length) == (column, length)
    assert hint in error.message
    assert str(error) == error.message


def test_the_expected_kind_is_required(scope: Scope) -> None:
    with pytest.raises(ExpressionError, match="true or false is needed") as refused:
        compile_expression(" amount + 1", scope, Kind.BOOLEAN)
    assert (refused.value.column, refused.value.length) == (2, 10)


def test_words_are_names_in_brackets() -> None:
    scope = Scope([Symbol("x_1", Kind.NUMBER, ("空", "and"))])
    assert compile_expression("[空] + [and]", scope).dependencies == {"x_1"}


def test_a_name_wins_over_the_label_of_another() -> None:
    scope = Scope([Symbol("price", Kind.NUMBER), Symbol("x_1", Kind.NUMBER, ("price",))])
    assert compile_expression("price", scope).dependencies == {"price"}
    with pytest.raises(ExpressionError, match="x_1"):
        compile_expression("PRICE", scope)


@pytest.mark.parametrize("names", [("a", "a"), ("a.b",)])
def test_scopes_refuse_names_that_cannot_be_told_apart(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="unique"):
        Scope([Symbol(name, Kind.NUMBER) for name in names])


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("amount", {"amount": 1.5}),
        ("amount", {"amount": "1"}),
        ("amount", {"amount": True}),
        ("amount", {"amount": Decimal("NaN")}),
        ("amount", {"amount": Decimal("sNaN")}),
        ("amount", {"amount": Decimal("Infinity")}),
        ("amount", {"amount": Decimal("1e48")}),
        ("amount", {"amount": 10**5000}),
        ("status", {"status": b"x"}),
        ("status", {"status": 3}),
        ("is_urgent", {"is_urgent": 1}),
        ("signed_on", {"signed_on": "2024-01-01"}),
        ("signed_on", {"signed_on": datetime(2024, 1, 1)}),
        ("created_at", {"created_at": date(2024, 1, 1)}),
        ("created_at", {"created_at": datetime(2024, 1, 1)}),
        ("SUM(lines.quantity)", {"lines": "abc"}),
        ("SUM(lines.quantity)", {"lines": 5}),
        ("SUM(lines.quantity)", {"lines": [1]}),
        ("SUM(lines.quantity)", {"lines": [{"quantity": 1.5}]}),
    ],
)
def test_values_of_the_wrong_kind_are_refused(
    value: Any, source: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(ExpressionError) as refused:
        value(source, **changes)
    assert refused.value.length > 0


def test_decimals_are_read_half_up_to_twelve_places(value: Any) -> None:
    assert value("amount", amount=Decimal("0.0000000000005")) == Decimal("0.000000000001")
    assert value("amount", amount=Decimal("1e-400000")) == 0


class TestExplain:
    """What each part was: taken branches alone, each name once, and what a null comes from."""

    def told(self, source, **values):
        scope = Scope([Symbol("a", Kind.NUMBER), Symbol("b", Kind.NUMBER)])
        expression = compile_expression(source, scope)
        context = EvaluationContext(
            datetime(2026, 5, 1, tzinfo=UTC), date(2026, 5, 1), lookup=lambda *_: None
        )
        value, steps = expression.explain(values, context)
        assert value == expression.evaluate(values, context)
        return value, [(step.text, step.value, step.lack) for step in steps]

    def test_parts_in_their_order(self):
        value, steps = self.told("(a + 1) * (a + b)", a=Decimal(2), b=Decimal(3))
        assert value == 15
        assert steps == [
            ("a", 2, ""),
            ("a + 1", 3, ""),
            ("b", 3, ""),
            ("a + b", 5, ""),
            ("(a + 1) * (a + b)", 15, ""),
        ]

    def test_a_branch_that_is_not_taken_is_not_told(self):
        _value, steps = self.told("IF(a > 1, a * 2, b / 0)", a=Decimal(2))
        assert [text for text, _value, _lack in steps] == [
            *("a", "a > 1", "a * 2", "IF(a > 1, a * 2, b / 0)")
        ]

    @pytest.mark.parametrize(
        ("source", "b", "text", "lack"),
        [
            ("a / (b - b) + 1", Decimal(1), "a / (b - b)", "zero"),
            ("a * b", None, "b", "empty"),
            ('LOOKUP("t", a, "x") * 2', None, 'LOOKUP("t", a, "x")', "not_found"),
        ],
    )
    def test_what_a_null_comes_from(self, source, b, text, lack):
        value, steps = self.told(source, a=Decimal(1), b=b)
        assert value is None
        assert next((each[0], each[2]) for each in steps if each[2]) == (text, lack)
        assert steps[-1][2] == "from_parts"
