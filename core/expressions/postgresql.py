"""PostgreSQL's spelling of each function: native numeric, date and text with the rules of Python.

A form is a template whose ``{0}``, ``{1}`` … are operands, each used once so that nesting cannot
multiply the text; ``{*, }`` stands for all operands joined by what follows the star. A value that
is needed twice gets a name in a subquery, fenced by OFFSET 0: the planner would otherwise put the
whole expression in place of each use, which doubles at every level of nesting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, Numeric, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeEngine

from core.db.types import UtcDateTime
from core.expressions.errors import NoSqlForm
from core.expressions.limits import BLANKS, DECIMALS, MAX_TEXT, WHOLE_DIGITS
from core.expressions.symbols import Kind
from core.expressions.tree import Call, Column, Const, Node

if TYPE_CHECKING:
    from core.expressions.evaluate import EvaluationContext

__all__ = ["SqlForm", "Template", "build_postgresql", "zone_name"]

Parts = list[ColumnElement[Any]]
#: A template, or what makes one: the call, its operands and the context to template and operands.
SqlForm = str | Callable[[Call, Parts, "EvaluationContext"], tuple[str, Parts]]

_TYPES: dict[Kind, str] = {
    Kind.NUMBER: "numeric",
    Kind.TEXT: "text",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.DATETIME: "timestamp with time zone",
}


class Template(FunctionElement[Any]):
    """SQL text around operands. The text is ours; what users wrote is only ever an operand."""

    _traverse_internals = [
        *FunctionElement._traverse_internals,
        ("template", InternalTraversal.dp_string),
    ]
    inherit_cache = True

    def __init__(
        self, template: str, parts: Sequence[ColumnElement[Any]], type_: TypeEngine[Any]
    ) -> None:
        self.template = template
        self.type = type_
        super().__init__(*parts)


@compiles(Template)
def _compile_template(element: Template, compiler: Any, **options: Any) -> str:
    return element.template.format(*(compiler.process(part, **options) for part in element.clauses))


def build_postgresql(
    node: Node, column: Callable[[str], ColumnElement[Any]], context: EvaluationContext
) -> ColumnElement[Any]:
    """``node`` as native SQL; raises `NoSqlForm` for what only Python can do."""
    if isinstance(node, Const):
        return _constant(node)
    if isinstance(node, Column):
        return _field(node, column(node.path))
    if not isinstance(node, Call) or node.function.sql is None:
        raise NoSqlForm(f"{node.function.name} has no SQL form")
    parts = [build_postgresql(operand, column, context) for operand in node.operands]
    form = node.function.sql
    template, parts = (form, parts) if isinstance(form, str) else form(node, parts, context)
    return _element(template, parts, node.kind)


def _element(template: str, parts: Parts, kind: Kind | None) -> ColumnElement[Any]:
    from core.expressions.sql import type_of

    before, star, rest = template.partition("{*")
    if star:
        separator, _brace, after = rest.partition("}")
        template = before + separator.join(f"{{{i}}}" for i in range(len(parts))) + after
    return Template(template, parts, type_of(kind or Kind.TEXT))


def _constant(node: Const) -> ColumnElement[Any]:
    kind = node.kind or Kind.TEXT
    if node.value is None:
        return _element(f"CAST(NULL AS {_TYPES[kind]})", [], kind)
    if kind is Kind.BOOLEAN:
        return _element("TRUE" if node.value else "FALSE", [], kind)
    return _element(f"CAST({{0}} AS {_TYPES[kind]})", [_bind(node.value, kind)], kind)


def _bind(value: Any, kind: Kind) -> ColumnElement[Any]:
    if kind is Kind.NUMBER:
        return literal(value, Numeric())
    if kind is Kind.DATE:
        return literal(value, Date())
    return literal(value, UtcDateTime() if kind is Kind.DATETIME else String())


def _field(node: Column, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if node.kind is Kind.NUMBER:
        return _element("CAST({0} AS numeric)", [column], node.kind)
    return column


_LIMIT = "1" + "0" * WHOLE_DIGITS
#: LEAST and GREATEST skip nulls, so a null ends up at the lower bound and is made null again.
_BETWEEN = "nullif(nullif(greatest(least({value}, {high}), {low}), {high}), {low})"


def _bounded(value: str) -> str:
    return _BETWEEN.format(value=value, low=f"-{_LIMIT}", high=_LIMIT)


PRODUCT = _bounded(f"round({{0}} * {{1}}, {DECIMALS})")
#: PostgreSQL rounds a quotient at the scale of its operands; at 100 decimals no quotient of
#: numbers that fit can look like a tie at the twelfth, so rounding twice is harmless.
QUOTIENT = _bounded(f"round(round({{0}}, 100) / nullif({{1}}, 0), {DECIMALS})")


def compare(operator: str, call: Call, parts: Parts, _context: Any) -> tuple[str, Parts]:
    """A comparison; text is compared by code point whatever the columns' collation."""
    collate = ' COLLATE "C"' if call.operands[0].kind is Kind.TEXT else ""
    return f"({{0}}{collate} {operator} {{1}}{collate})", parts


def comparison(operator: str) -> SqlForm:
    """The form of one comparison operator."""
    return partial(compare, operator)


def _whole(node: Node, index: int, low: int, high: int) -> str:
    """Operand ``index`` as an integer between two bounds; null stays null."""
    if isinstance(node, Const) and node.value is not None:
        return f"{{{index}}}"
    inner = f"(SELECT trunc({{{index}}}) AS dougong_n OFFSET 0) AS dougong_w"
    return (
        f"(SELECT CAST(least(greatest(dougong_n, {low}), {high}) AS integer) FROM {inner}"
        " WHERE dougong_n IS NOT NULL)"
    )


def _with_whole(
    template: str, bounds: dict[int, tuple[int, int]], call: Call, parts: Parts, _context: Any
) -> tuple[str, Parts]:
    pieces: dict[str, str] = {}
    parts = list(parts)
    for index, (low, high) in bounds.items():
        node = call.operands[index]
        pieces[f"n{index}"] = _whole(node, index, low, high)
        if isinstance(node, Const) and node.value is not None:
            number = max(low, min(high, int(node.value)))
            parts[index] = Template(f"CAST({number} AS integer)", [], Numeric())
    for index in range(len(parts)):
        pieces.setdefault(f"n{index}", f"{{{index}}}")
    return template.format(**pieces), parts


ROUND: SqlForm = partial(_with_whole, "round({n0}, {n1})", {1: (-WHOLE_DIGITS, DECIMALS)})
LEFT: SqlForm = partial(_with_whole, "left({n0}, {n1})", {1: (0, MAX_TEXT)})
RIGHT: SqlForm = partial(_with_whole, "right({n0}, {n1})", {1: (0, MAX_TEXT)})
MID: SqlForm = partial(
    _with_whole, "substr({n0}, {n1}, {n2})", {1: (1, MAX_TEXT + 1), 2: (0, MAX_TEXT)}
)


def trim(_call: Call, parts: Parts, _context: Any) -> tuple[str, Parts]:
    """Blanks off both ends, by the language's own list of blanks."""
    return "btrim({0}, {1})", [parts[0], literal(BLANKS, String())]


def switch(_call: Call, parts: Parts, _context: Any) -> tuple[str, Parts]:
    """The first result whose case equals the value; null equals null."""
    count = len(parts)
    collate = ' COLLATE "C"' if _call.operands[0].kind is Kind.TEXT else ""
    branches = [
        f"WHEN dougong_v{collate} IS NOT DISTINCT FROM {{{i}}}{collate} THEN {{{i + 1}}}"
        for i in range(1, count - 1, 2)
    ]
    otherwise = f" ELSE {{{count - 1}}}" if count % 2 == 0 else ""
    cases = f"CASE {' '.join(branches)}{otherwise} END"
    return f"(SELECT {cases} FROM (SELECT {{0}} AS dougong_v OFFSET 0) AS dougong_s)", parts


def ifs(_call: Call, parts: Parts, _context: Any) -> tuple[str, Parts]:
    """The result of the first condition that is true."""
    count = len(parts)
    branches = [f"WHEN {{{i}}} THEN {{{i + 1}}}" for i in range(0, count - 1, 2)]
    otherwise = f" ELSE {{{count - 1}}}" if count % 2 else ""
    return f"(CASE {' '.join(branches)}{otherwise} END)", parts


_FIRST_DAY = "DATE '0001-01-01'"
_DAYS = 3_652_059
_MOVED = _BETWEEN.format(value=f"({{0}} - {_FIRST_DAY}) + trunc({{1}})", low="-1", high=_DAYS)
_ADD_DAYS = f"({_FIRST_DAY} + CAST({_MOVED} AS integer))"
#: Months are counted from January of the year 1, to know before adding that the day exists.
_ADD_MONTHS = (
    "(SELECT CASE WHEN dougong_m BETWEEN 0 AND 119987"
    " THEN CAST(dougong_d + make_interval(months => CAST(dougong_n AS integer)) AS date) END"
    " FROM (SELECT dougong_d, dougong_n, extract(year FROM dougong_d) * 12"
    " + extract(month FROM dougong_d) - 13 + dougong_n AS dougong_m"
    " FROM (SELECT {{0}} AS dougong_d,"
    " least(greatest(trunc({{1}}), -{most}), {most}) * {months} AS dougong_n OFFSET 0)"
    " AS dougong_a)"
    " AS dougong_b)"
)


def add_to_date(call: Call, parts: Parts, _context: Any) -> tuple[str, Parts]:
    """A day moved by days, months or years, as in `core.expressions.dates`."""
    unit = call.operands[2]
    assert isinstance(unit, Const)
    if unit.value == "day":
        return _ADD_DAYS, parts[:2]
    months = 12 if unit.value == "year" else 1
    return _ADD_MONTHS.format(months=months, most=120_000 // months), parts[:2]


def zone_name(zone: tzinfo) -> str:
    """The name by which databases know ``zone``; raises `NoSqlForm` for a nameless one."""
    if zone is UTC:
        return "UTC"
    key = getattr(zone, "key", None)
    if not isinstance(key, str):
        raise NoSqlForm(f"the time zone {zone!r} has no name")
    return key


def in_zone(
    template: str, _call: Call, parts: Parts, context: EvaluationContext
) -> tuple[str, Parts]:
    """A template whose ``{1}`` is the name of the company's zone."""
    return template, [*parts, literal(zone_name(context.timezone), String())]


def today(_call: Call, _parts: Parts, context: EvaluationContext) -> tuple[str, Parts]:
    """The context's day."""
    return "CAST({0} AS date)", [_bind(context.today, Kind.DATE)]


def now(_call: Call, _parts: Parts, context: EvaluationContext) -> tuple[str, Parts]:
    """The context's moment."""
    return "CAST({0} AS timestamp with time zone)", [_bind(context.now, Kind.DATETIME)]
