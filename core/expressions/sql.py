"""An expression as SQL.

PostgreSQL computes natively. SQLite has no exact decimals, and before 3.46 a small parser stack, so
there the whole expression is one call of a function of ours that runs the Python form on the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Boolean, Date, Numeric, String, TypeDecorator, literal
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from core.db.types import ExactDecimal, PlainText, UtcDateTime
from core.expressions.arithmetic import number_text, plain
from core.expressions.checker import Checked, Found, check
from core.expressions.errors import ExpressionError, NoSqlForm
from core.expressions.evaluate import Closure, EvaluationContext, Run, build
from core.expressions.parser import parse
from core.expressions.postgresql import build_postgresql, zone_name
from core.expressions.symbols import Kind

__all__ = ["ExactNumber", "register_sql_functions", "to_sql", "type_of"]

_FUNCTION = "dougong_expression"
_COLLATION = "dougong_number"
#: SQLite takes at most 127 arguments; two of ours go before the columns.
_MOST_COLUMNS = 125


class ExactNumber(TypeDecorator[Decimal]):
    """A computed number: NUMERIC on PostgreSQL; plain decimal text on SQLite, sorted as numbers."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        return number_text(Decimal(value)) if dialect.name == "sqlite" else Decimal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else plain(Decimal(value))


_RESULT_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.NUMBER: ExactNumber(),
    Kind.TEXT: PlainText(),
    Kind.BOOLEAN: Boolean(),
    Kind.DATE: Date(),
    Kind.DATETIME: UtcDateTime(),
}


def type_of(kind: Kind) -> TypeEngine[Any]:
    """The column type of a result of ``kind``."""
    return _RESULT_TYPES[kind]


class _ByDialect(FunctionElement[Any]):
    """Both spellings of an expression, of which the compiler picks one."""

    inherit_cache = True

    def __init__(self, kind: Kind, sqlite: ColumnElement[Any], native: ColumnElement[Any]) -> None:
        self.type = type_of(kind)
        super().__init__(sqlite, native)


@compiles(_ByDialect, "sqlite")
def _compile_sqlite(element: _ByDialect, compiler: Any, **options: Any) -> str:
    return str(compiler.process(list(element.clauses)[0], **options))


@compiles(_ByDialect, "postgresql")
def _compile_postgresql(element: _ByDialect, compiler: Any, **options: Any) -> str:
    return str(compiler.process(list(element.clauses)[1], **options))


class _SqliteCall(FunctionElement[Any]):
    """The call of our function: the program, the context, and the columns it reads."""

    inherit_cache = True

    def __init__(self, kind: Kind, arguments: Sequence[ColumnElement[Any]]) -> None:
        self.type = type_of(kind)
        super().__init__(*arguments)


@compiles(_SqliteCall)
def _compile_call(element: _SqliteCall, compiler: Any, **options: Any) -> str:
    arguments = compiler.process(element.clause_expr, **options)
    collation = f" COLLATE {_COLLATION}" if isinstance(element.type, ExactNumber) else ""
    return f"({_FUNCTION}{arguments}{collation})"


def to_sql(
    source: str,
    checked: Checked,
    column: Callable[[str], ColumnElement[Any]],
    context: EvaluationContext,
    dialect_name: str | None,
) -> ColumnElement[Any]:
    """The SQL of a checked expression, for one database or for whichever compiles it."""
    known: dict[str, ColumnElement[Any]] = {}

    def once(path: str) -> ColumnElement[Any]:
        return known[path] if path in known else known.setdefault(path, column(path))

    if dialect_name not in (None, "sqlite", "postgresql"):
        raise NoSqlForm(f"expressions have no SQL form for {dialect_name}")
    if dialect_name == "sqlite":
        return _sqlite_form(source, checked, once, context)
    native = build_postgresql(checked.tree, once, context)
    if checked.kind is Kind.TEXT:
        native = native.collate("C")
    if dialect_name == "postgresql":
        return native
    return _ByDialect(checked.kind, _sqlite_form(source, checked, once, context), native)


def _sqlite_form(
    source: str,
    checked: Checked,
    column: Callable[[str], ColumnElement[Any]],
    context: EvaluationContext,
) -> ColumnElement[Any]:
    kinds = {found.path: found.kind for found in checked.names.values()}
    if len(kinds) > _MOST_COLUMNS:
        raise NoSqlForm(f"SQLite takes at most {_MOST_COLUMNS} columns in an expression")
    columns = {path: column(path) for path in sorted(kinds)}
    program = {
        "source": source,
        "kind": checked.kind.value,
        "names": [[list(n), f.path, f.kind.value] for n, f in checked.names.items()],
        "columns": [[path, kinds[path].value, _scale(columns[path])] for path in columns],
    }
    surroundings = {
        "now": context.now.astimezone(UTC).isoformat(),
        "today": context.today.isoformat(),
        "zone": zone_name(context.timezone),
    }
    texts = [literal(orjson.dumps(part).decode(), String()) for part in (program, surroundings)]
    return _SqliteCall(checked.kind, [*texts, *columns.values()])


def _scale(column: ColumnElement[Any]) -> int:
    """By how many digits SQLite's integer is larger than the number it stands for."""
    return column.type.scale if isinstance(column.type, ExactDecimal) else 0


def register_sql_functions(dbapi_connection: Any) -> None:
    """Give one sqlite3 connection what the SQL of expressions calls; without it they fail."""
    dbapi_connection.create_function(_FUNCTION, -1, _evaluate, deterministic=True)
    dbapi_connection.create_collation(_COLLATION, _compare)


def _compare(left: str, right: str) -> int:
    first, second = Decimal(left), Decimal(right)
    return (first > second) - (first < second)


def _evaluate(program: str, surroundings: str, *raw: Any) -> Any:
    run, columns, kind = _load(program)
    values = {
        path: None if value is None else _decode(value, kind_of, scale)
        for value, (path, kind_of, scale) in zip(raw, columns, strict=True)
    }
    try:
        result = run(Run(values, _surroundings(surroundings)))
    except ExpressionError:
        # One row that is beyond the limits must not take the whole list down.
        return None
    return None if result is None else _encode(result, kind)


@lru_cache(maxsize=512)
def _load(program: str) -> tuple[Closure, list[tuple[str, Kind, int]], Kind]:
    content = orjson.loads(program)
    names = {tuple(parts): Found(path, Kind(kind)) for parts, path, kind in content["names"]}
    kind = Kind(content["kind"])
    checked = check(parse(content["source"]), lambda name: names[name.parts], kind)
    columns = [(path, Kind(of), scale) for path, of, scale in content["columns"]]
    return build(checked.tree), columns, kind


@lru_cache(maxsize=64)
def _surroundings(text: str) -> EvaluationContext:
    content = orjson.loads(text)
    return EvaluationContext(
        datetime.fromisoformat(content["now"]),
        date.fromisoformat(content["today"]),
        ZoneInfo(content["zone"]),
    )


def _decode(value: Any, kind: Kind, scale: int) -> Any:
    if kind is Kind.NUMBER:
        return Decimal(value).scaleb(-scale) if scale else Decimal(value)
    if kind is Kind.BOOLEAN:
        return bool(value)
    if kind is Kind.DATE:
        return date.fromisoformat(value)
    if kind is Kind.DATETIME:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def _encode(value: Any, kind: Kind) -> Any:
    if kind is Kind.NUMBER:
        return number_text(value)
    if kind is Kind.BOOLEAN:
        return int(value)
    if kind is Kind.DATE:
        return value.isoformat()
    if kind is Kind.DATETIME:
        return value.isoformat(" ", "microseconds")[:26]
    return value
