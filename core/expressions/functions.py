"""The table of functions and operators. To add a function is to add one entry here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from core.expressions import arithmetic, dates, postgresql, texts
from core.expressions.errors import Refused
from core.expressions.evaluate import Closure, Run
from core.expressions.limits import BLANKS, MAX_TEXT
from core.expressions.symbols import Kind, fold
from core.expressions.tree import Choice, Const, Function, Node
from core.expressions.values import READERS, read_cell
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

__all__ = [
    "FUNCTIONS",
    "LOCAL_DAY",
    "OPERATORS",
    "PRINTERS",
    "FunctionHelp",
    "describe_functions",
    "functions_by_name",
]

_UNITS = Choice(
    {
        **dict.fromkeys(("day", "days", "d", "日", "天"), "day"),
        **dict.fromkeys(("month", "months", "m", "月"), "month"),
        **dict.fromkeys(("year", "years", "y", "年"), "year"),
    }
)
_KINDS = Choice(
    {
        **{kind.value: kind.value for kind in Kind},
        **dict.fromkeys(("数字", "数"), "number"),
        **dict.fromkeys(("文本", "文字"), "text"),
        **dict.fromkeys(("是否", "真假"), "boolean"),
        "日期": "date",
        **dict.fromkeys(("日期时间", "时间"), "datetime"),
    }
)
_MATCHES = Choice(
    {
        **dict.fromkeys(("exact", "精确"), "exact"),
        **dict.fromkeys(("at or below", "不大于", "近似"), "at or below"),
    }
)


def _if(condition: Closure, then: Closure, otherwise: Closure) -> Closure:
    return lambda run: then(run) if condition(run) else otherwise(run)


def _first_known(*parts: Closure) -> Closure:
    def run_first(run: Run) -> Any:
        for part in parts:
            value = part(run)
            if value is not None:
                return value
        return None

    return run_first


def _junction(decisive: bool, *parts: Closure) -> Closure:
    """AND and OR of three-valued logic: one decisive operand settles it, else null wins."""

    def run_junction(run: Run) -> bool | None:
        result: bool | None = not decisive
        for part in parts:
            value: bool | None = part(run)
            if value is decisive:
                return decisive
            if value is None:
                result = None
        return result

    return run_junction


def _switch(value: Closure, *parts: Closure) -> Closure:
    pairs = tuple(zip(parts[::2], parts[1::2], strict=False))
    otherwise = parts[-1] if len(parts) % 2 else None

    def run_switch(run: Run) -> Any:
        wanted = value(run)
        for case, result in pairs:
            if case(run) == wanted:
                return result(run)
        return None if otherwise is None else otherwise(run)

    return run_switch


def _ifs(*parts: Closure) -> Closure:
    pairs = tuple(zip(parts[::2], parts[1::2], strict=False))
    otherwise = parts[-1] if len(parts) % 2 else None

    def run_ifs(run: Run) -> Any:
        for condition, result in pairs:
            if condition(run):
                return result(run)
        return None if otherwise is None else otherwise(run)

    return run_ifs


def _switch_parameters(count: int) -> tuple[str, ...] | None:
    if count < 3:
        return None
    return ("T", *("T", "U") * ((count - 1) // 2), *("U",) * ((count - 1) % 2))


def _ifs_parameters(count: int) -> tuple[str, ...] | None:
    if count < 2:
        return None
    return (*("boolean", "U") * (count // 2), *("U",) * (count % 2))


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _smallest(*values: Any) -> Any:
    return min(_known(values), default=None)


def _largest(*values: Any) -> Any:
    return max(_known(values), default=None)


def _checked(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Refused(_("Text has at most %(n)s characters.", n=MAX_TEXT))
    return text


def _join(run: Run, *values: str | None) -> str:
    text = _checked("".join(_known(values)))
    run.charge(len(text) >> 6)
    return text


def _recase(change: Any, run: Run, text: str) -> str:
    run.charge(len(text) >> 6)
    return _checked(change(text))


def _workdays(run: Run, start: date, end: date) -> Decimal:
    run.charge(abs((end - start).days) + 1)
    return dates.count_workdays(start, end, run.context.is_workday)


def _workday(run: Run, start: date, count: Decimal) -> date | None:
    def charged(day: date) -> bool:
        run.charge(1)
        return works(day)

    works = run.context.is_workday or dates.is_weekday
    return dates.add_workdays(start, int(count), charged)


def _lookup(run: Run, table: str, key: Any, column: str, kind: str, match: str) -> Any:
    if run.context.lookup is None:
        raise Refused(_("LOOKUP has no tables to look into here."))
    value = run.context.lookup(table, key, column, match != "exact")
    if value is None:
        return None
    wanted = Kind(kind)
    if isinstance(value, str) and wanted is not Kind.TEXT:
        value = read_cell(value, wanted)
    known = READERS[wanted](value)
    if known is None:
        message = _(
            "%(column)s of %(table)s is not %(kind)s.",
            column=column,
            table=table,
            kind=Kind(kind).label,
        )
        raise Refused(message)
    return known


def _lookup_kind(operands: Sequence[Node]) -> Kind:
    kind = operands[3]
    assert isinstance(kind, Const)
    return Kind(kind.value)


def _check_match(operands: Sequence[Node]) -> None:
    key, match = operands[1], operands[4]
    exact = not isinstance(match, Const) or match.value == "exact"
    if not exact and key.kind is not Kind.NUMBER:
        raise Refused(_('Only a number can be looked up "at or below"; use "exact".'))


def _format(run: Run, value: Any, pattern: str) -> str | None:
    if isinstance(value, Decimal):
        return texts.format_number(value, pattern)
    if isinstance(value, datetime):
        value = dates.local(value, run.context.timezone)
    return None if value is None else texts.format_date(value, pattern)


def _check_format(operands: Sequence[Node]) -> None:
    value, pattern = operands
    if not isinstance(pattern, Const):
        raise Refused(_("Write the pattern of TEXT in quotation marks."))
    texts.check_pattern(pattern.value, value.kind)


def _local_day(run: Run, moment: datetime) -> date | None:
    here = dates.local(moment, run.context.timezone)
    return None if here is None else here.date()


def _moment_text(run: Run, moment: datetime) -> str | None:
    here = dates.local(moment, run.context.timezone)
    return None if here is None else here.isoformat(" ")[:19]


def _part_of_date(name: str) -> postgresql.SqlForm:
    return f"CAST(extract({name} FROM {{0}}) AS numeric)"


def _operator(
    name: str,
    parameters: tuple[str, ...],
    result: Kind | str,
    implementation: Any,
    sql: postgresql.SqlForm,
    **options: Any,
) -> Function:
    return Function(name, (), parameters, result, implementation, sql, **options)


_AND = partial(_junction, False)
_OR = partial(_junction, True)
_LOGIC: dict[str, Any] = {"nulls": "lazy"}

OPERATORS: dict[str, Function] = {
    function.name: function
    for function in (
        _operator("+", ("number*",), Kind.NUMBER, arithmetic.add, "({* + })"),
        _operator("-", ("number",) * 2, Kind.NUMBER, arithmetic.subtract, "({0} - {1})"),
        _operator("*", ("number",) * 2, Kind.NUMBER, arithmetic.multiply, postgresql.PRODUCT),
        _operator("/", ("number",) * 2, Kind.NUMBER, arithmetic.divide, postgresql.QUOTIENT),
        _operator("negate", ("number",), Kind.NUMBER, arithmetic.negate, "(- {0})"),
        _operator("&", ("printed*",), Kind.TEXT, _join, "({* || })", aware=True),
        _operator("and", ("boolean*",), Kind.BOOLEAN, _AND, "({* AND })", **_LOGIC),
        _operator("or", ("boolean*",), Kind.BOOLEAN, _OR, "({* OR })", **_LOGIC),
        _operator("not", ("boolean",), Kind.BOOLEAN, lambda a: not a, "(NOT {0})"),
        _operator(
            "=",
            ("T", "T"),
            Kind.BOOLEAN,
            lambda a, b: a == b,
            postgresql.comparison("IS NOT DISTINCT FROM"),
            nulls="plain",
        ),
        _operator(
            "<>",
            ("T", "T"),
            Kind.BOOLEAN,
            lambda a, b: a != b,
            postgresql.comparison("IS DISTINCT FROM"),
            nulls="plain",
        ),
        *(
            _operator(sign, ("O", "O"), Kind.BOOLEAN, implementation, postgresql.comparison(sign))
            for sign, implementation in (
                ("<", lambda a, b: a < b),
                ("<=", lambda a, b: a <= b),
                (">", lambda a, b: a > b),
                (">=", lambda a, b: a >= b),
            )
        ),
    )
}

#: The company's day of a moment, wherever a date is wanted and a moment is given.
LOCAL_DAY = _operator(
    "local day",
    ("datetime",),
    Kind.DATE,
    _local_day,
    partial(postgresql.in_zone, "CAST({0} AT TIME ZONE {1} AS date)"),
    aware=True,
)
#: How ``&`` and CONCAT write what is not text.
PRINTERS: dict[Kind, Function] = {
    Kind.NUMBER: _operator(
        "print number",
        ("number",),
        Kind.TEXT,
        arithmetic.number_text,
        "CAST(trim_scale({0}) AS text)",
    ),
    Kind.BOOLEAN: _operator(
        "print boolean",
        ("boolean",),
        Kind.TEXT,
        lambda value: "true" if value else "false",
        "CAST({0} AS text)",
    ),
    Kind.DATE: _operator(
        "print date", ("date",), Kind.TEXT, date.isoformat, "to_char({0}, 'YYYY-MM-DD')"
    ),
    Kind.DATETIME: _operator(
        "print moment",
        ("datetime",),
        Kind.TEXT,
        _moment_text,
        partial(postgresql.in_zone, "to_char({0} AT TIME ZONE {1}, 'YYYY-MM-DD HH24:MI:SS')"),
        aware=True,
    ),
}

FUNCTIONS: tuple[Function, ...] = (
    Function(
        "IF",
        ("如果",),
        ("boolean", "T", "T"),
        "T",
        _if,
        "(CASE WHEN {0} THEN {1} ELSE {2} END)",
        _l("One value when the condition is true, another when it is false or empty."),
        "IF(condition, then, else)",
        nulls="lazy",
        defaults=(Const(None, None),),
    ),
    Function(
        "IFS",
        ("多条件",),
        _ifs_parameters,
        "U",
        _ifs,
        postgresql.ifs,
        _l("The value after the first condition that is true, or the last one when it is alone."),
        "IFS(condition, value, …, else)",
        nulls="lazy",
    ),
    Function(
        "SWITCH",
        ("切换",),
        _switch_parameters,
        "U",
        _switch,
        postgresql.switch,
        _l("The result after the first case that equals the value, or the last one."),
        "SWITCH(value, case, result, …, else)",
        nulls="lazy",
    ),
    Function(
        "IFNULL",
        ("空值",),
        ("T", "T*"),
        "T",
        _first_known,
        "coalesce({*, })",
        _l("The first value that is not empty."),
        "IFNULL(value, other, …)",
        nulls="lazy",
    ),
    Function(
        "AND",
        ("且", "并且", "与"),
        ("boolean*",),
        Kind.BOOLEAN,
        _AND,
        "({* AND })",
        _l("True when all conditions are."),
        "AND(condition, …)",
        nulls="lazy",
    ),
    Function(
        "OR",
        ("或", "或者"),
        ("boolean*",),
        Kind.BOOLEAN,
        _OR,
        "({* OR })",
        _l("True when any condition is."),
        "OR(condition, …)",
        nulls="lazy",
    ),
    Function(
        "NOT",
        ("非",),
        ("boolean",),
        Kind.BOOLEAN,
        lambda value: not value,
        "(NOT {0})",
        _l("True when the condition is false."),
        "NOT(condition)",
    ),
    Function(
        "ROUND",
        ("四舍五入",),
        ("number", "number"),
        Kind.NUMBER,
        arithmetic.round_half_up,
        postgresql.ROUND,
        _l("Rounds half up, away from zero; negative digits round to tens and hundreds."),
        "ROUND(number, digits)",
        defaults=(Const(arithmetic.ZERO, Kind.NUMBER),),
    ),
    Function(
        "FLOOR",
        ("向下取整",),
        ("number",),
        Kind.NUMBER,
        arithmetic.floor,
        "floor({0})",
        _l("The whole number at or below."),
        "FLOOR(number)",
    ),
    Function(
        "CEILING",
        ("向上取整",),
        ("number",),
        Kind.NUMBER,
        arithmetic.ceiling,
        "ceil({0})",
        _l("The whole number at or above."),
        "CEILING(number)",
    ),
    Function(
        "ABS",
        ("绝对值",),
        ("number",),
        Kind.NUMBER,
        abs,
        "abs({0})",
        _l("The number without its sign."),
        "ABS(number)",
    ),
    Function(
        "MIN",
        ("最小", "最小值"),
        ("M*",),
        "M",
        _smallest,
        "least({*, })",
        _l("The smallest of some values, or of a field of child lines; empty ones are skipped."),
        "MIN(value, …)",
        nulls="plain",
        aggregate=lambda values: _smallest(*values),
    ),
    Function(
        "MAX",
        ("最大", "最大值"),
        ("M*",),
        "M",
        _largest,
        "greatest({*, })",
        _l("The largest of some values, or of a field of child lines; empty ones are skipped."),
        "MAX(value, …)",
        nulls="plain",
        aggregate=lambda values: _largest(*values),
    ),
    Function(
        "SUM",
        ("求和", "合计"),
        ("number",),
        Kind.NUMBER,
        None,
        None,
        _l("Adds up a field, or a calculation, over child lines; 0 when there are none."),
        "SUM(lines.quantity * lines.price)",
        aggregate=arithmetic.total,
    ),
    Function(
        "COUNT",
        ("计数",),
        ("any",),
        Kind.NUMBER,
        None,
        None,
        _l("How many child lines there are, or how many have a value in a field."),
        "COUNT(lines)",
        aggregate=lambda values: Decimal(len(_known(values))),
    ),
    Function(
        "AVG",
        ("平均", "平均值", "AVERAGE"),
        ("number",),
        Kind.NUMBER,
        None,
        None,
        _l("The mean over the child lines that have a value."),
        "AVG(lines.price)",
        aggregate=arithmetic.average,
    ),
    Function(
        "DATE",
        ("日期",),
        ("day",),
        Kind.DATE,
        lambda day: day,
        "{0}",
        _l("The company's day of a date with time."),
        "DATE(moment)",
    ),
    Function(
        "DATE",
        ("日期",),
        ("number", "number", "number"),
        Kind.DATE,
        dates.make_date,
        None,
        _l("The day of a year, month and day; empty when there is no such day."),
        "DATE(year, month, day)",
    ),
    Function(
        "YEAR",
        ("年", "年份"),
        ("day",),
        Kind.NUMBER,
        lambda day: Decimal(day.year),
        _part_of_date("year"),
        _l("The year of a date."),
        "YEAR(date)",
    ),
    Function(
        "MONTH",
        ("月", "月份"),
        ("day",),
        Kind.NUMBER,
        lambda day: Decimal(day.month),
        _part_of_date("month"),
        _l("The month of a date, 1 to 12."),
        "MONTH(date)",
    ),
    Function(
        "DAY",
        ("日",),
        ("day",),
        Kind.NUMBER,
        lambda day: Decimal(day.day),
        _part_of_date("day"),
        _l("The day of the month, 1 to 31."),
        "DAY(date)",
    ),
    Function(
        "DATEADD",
        ("日期加",),
        ("day", "number", _UNITS),
        Kind.DATE,
        dates.add_to_date,
        postgresql.add_to_date,
        _l("A date moved by days, months or years; a shorter month gives its last day."),
        'DATEADD(date, number, "day")',
        defaults=(Const("day", Kind.TEXT),),
    ),
    Function(
        "DATEDIFF",
        ("DAYS", "天数", "日期差"),
        ("day", "day"),
        Kind.NUMBER,
        dates.days_between,
        "CAST({0} - {1} AS numeric)",
        _l("Days from the second date to the first."),
        "DATEDIFF(end, start)",
    ),
    Function(
        "WORKDAYS",
        ("工作日",),
        ("day", "day"),
        Kind.NUMBER,
        _workdays,
        None,
        _l("Workdays between two dates, both included."),
        "WORKDAYS(start, end)",
        aware=True,
        reads="calendar",
    ),
    Function(
        "WORKDAY",
        ("工作日推移", "推移工作日"),
        ("day", "number"),
        Kind.DATE,
        _workday,
        None,
        _l("The day that lies so many workdays after a date, or before it when negative."),
        "WORKDAY(start, number)",
        aware=True,
        reads="calendar",
    ),
    Function(
        "TODAY",
        ("今天",),
        (),
        Kind.DATE,
        lambda run: run.context.today,
        postgresql.today,
        _l("The company's day."),
        "TODAY()",
        aware=True,
        volatile=True,
    ),
    Function(
        "NOW",
        ("现在",),
        (),
        Kind.DATETIME,
        lambda run: run.context.now,
        postgresql.now,
        _l("This moment."),
        "NOW()",
        aware=True,
        volatile=True,
    ),
    Function(
        "LOOKUP",
        ("查找",),
        ("text", "any", "text", _KINDS, _MATCHES),
        _lookup_kind,
        _lookup,
        None,
        _l(
            "A column of the row with this key in a reference table; a number unless a kind is"
            ' named. "at or below" takes the greatest key that is not above a number.'
        ),
        'LOOKUP("table", key, "column", "number", "exact")',
        aware=True,
        reads="lookup",
        defaults=(Const(Kind.NUMBER.value, Kind.TEXT), Const("exact", Kind.TEXT)),
        verify=_check_match,
    ),
    Function(
        "TEXT",
        ("文本",),
        ("M", "text"),
        Kind.TEXT,
        _format,
        None,
        _l("A number or date as text, by a pattern such as 0.00, #,##0 or yyyy-mm-dd hh:mm."),
        'TEXT(value, "0.00")',
        aware=True,
        verify=_check_format,
    ),
    Function(
        "CONTAINS",
        ("包含",),
        ("text", "text"),
        Kind.BOOLEAN,
        lambda text, part: part in text,
        '(strpos({0} COLLATE "C", {1}) > 0)',
        _l("Whether a text occurs in another; capitals count."),
        "CONTAINS(text, part)",
    ),
    Function(
        "STARTSWITH",
        ("开头是",),
        ("text", "text"),
        Kind.BOOLEAN,
        str.startswith,
        'starts_with({0} COLLATE "C", {1})',
        _l("Whether a text begins with another; capitals count."),
        "STARTSWITH(text, beginning)",
    ),
    Function(
        "LEN",
        ("长度",),
        ("text",),
        Kind.NUMBER,
        lambda text: Decimal(len(text)),
        "CAST(char_length({0}) AS numeric)",
        _l("How many characters a text has."),
        "LEN(text)",
    ),
    Function(
        "LEFT",
        ("左", "左边"),
        ("text", "number"),
        Kind.TEXT,
        texts.left,
        postgresql.LEFT,
        _l("The first characters of a text."),
        "LEFT(text, count)",
        defaults=(Const(Decimal(1), Kind.NUMBER),),
    ),
    Function(
        "RIGHT",
        ("右", "右边"),
        ("text", "number"),
        Kind.TEXT,
        texts.right,
        postgresql.RIGHT,
        _l("The last characters of a text."),
        "RIGHT(text, count)",
        defaults=(Const(Decimal(1), Kind.NUMBER),),
    ),
    Function(
        "MID",
        ("中间",),
        ("text", "number", "number"),
        Kind.TEXT,
        texts.middle,
        postgresql.MID,
        _l("Characters from the middle of a text; the first one is 1."),
        "MID(text, start, count)",
    ),
    Function(
        "UPPER",
        ("大写",),
        ("text",),
        Kind.TEXT,
        partial(_recase, str.upper),
        None,
        _l("The text in capitals."),
        "UPPER(text)",
        aware=True,
    ),
    Function(
        "LOWER",
        ("小写",),
        ("text",),
        Kind.TEXT,
        partial(_recase, str.lower),
        None,
        _l("The text in small letters."),
        "LOWER(text)",
        aware=True,
    ),
    Function(
        "TRIM",
        ("去空格",),
        ("text",),
        Kind.TEXT,
        lambda text: text.strip(BLANKS),
        postgresql.trim,
        _l("The text without blanks at either end."),
        "TRIM(text)",
    ),
    Function(
        "CONCAT",
        ("连接",),
        ("printed*",),
        Kind.TEXT,
        _join,
        "concat({*, })",
        _l("All values as one text; empty ones are skipped."),
        "CONCAT(value, …)",
        nulls="plain",
        aware=True,
    ),
)


def _index() -> dict[str, tuple[Function, ...]]:
    index: dict[str, tuple[Function, ...]] = {}
    for function in FUNCTIONS:
        for name in (function.name, *function.chinese):
            key = fold(name)
            if any(other.name != function.name for other in index.get(key, ())):
                raise ValueError(f"two functions are called {name}")
            index[key] = (*index.get(key, ()), function)
    return index


_BY_NAME = _index()


def functions_by_name() -> dict[str, tuple[Function, ...]]:
    """Every function by each of its folded names; more than one where the operands decide."""
    return _BY_NAME


@dataclass(frozen=True)
class FunctionHelp:
    """A row of the help page; texts are in the language of the moment they are read."""

    name: str
    other_names: tuple[str, ...]
    signature: str
    summary: str
    has_sql: bool


def describe_functions() -> list[FunctionHelp]:
    """What the help page lists, in the order of the table."""
    return [
        FunctionHelp(
            function.name,
            function.chinese,
            function.signature,
            str(function.summary),
            function.sql is not None,
        )
        for function in FUNCTIONS
    ]
