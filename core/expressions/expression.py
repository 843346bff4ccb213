"""Compiling an expression, and what can be done with a compiled one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.sql.elements import ColumnElement

from core.expressions.checker import Checked, Source, check, resolver
from core.expressions.errors import NoSqlForm
from core.expressions.evaluate import Closure, EvaluationContext, Run, build
from core.expressions.explain import Step, explain
from core.expressions.parser import parse
from core.expressions.sql import to_sql
from core.expressions.symbols import Kind, Scope

__all__ = ["Expression", "compile_expression"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: immutable, and safe to run in several threads at once.

    ``dependencies`` are canonical paths such as ``amount``, ``lines.amount``, ``customer.level``;
    ``volatile`` is where the first function stands whose result changes with the time alone;
    ``sources`` are the tables and the calendar that it looks into, each with its place.
    """

    source: str
    kind: Kind
    dependencies: frozenset[str]
    volatile: tuple[int, int] | None
    sources: Mapping[Source, tuple[int, int]] = field(hash=False)
    has_sql: bool
    _checked: Checked = field(repr=False, compare=False)
    _run: Closure = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, Any], context: EvaluationContext) -> Any:
        """The result for ``values``, which go by canonical path; a missing one is null.

        Child lines are a sequence of mappings under the name of their collection. Raises
        `ExpressionError` for a value of the wrong kind and for work beyond the limits.
        """
        return self._run(Run(values, context))

    def explain(
        self, values: Mapping[str, Any], context: EvaluationContext
    ) -> tuple[Any, tuple[Step, ...]]:
        """What `evaluate` gives, and the parts it was made of, in the order they were worked out."""
        return explain(self.source, self._checked.tree, values, context)

    def to_sql(
        self,
        column: Callable[[str], ColumnElement[Any]],
        context: EvaluationContext,
        dialect_name: str | None = None,
    ) -> ColumnElement[Any]:
        """The same as SQL over the columns that ``column`` gives for canonical paths.

        Without ``dialect_name`` the result suits SQLite and PostgreSQL. On SQLite the connection
        needs `register_sql_functions`, and numbers come as text with a numeric collation: compare
        and sort them, but do not calculate with them. Raises `NoSqlForm` where `has_sql` is false.
        """
        if not self.has_sql:
            raise NoSqlForm(f"{self._checked.python_only} can only be computed in Python")
        return to_sql(self.source, self._checked, column, context, dialect_name)


def compile_expression(source: str, scope: Scope, expected: Kind | None = None) -> Expression:
    """Parse and check ``source``; raises `ExpressionError` with the place and what to do.

    With ``expected`` the result must be of that kind. An expression that is always null is of the
    expected kind, or else text.
    """
    checked = check(parse(source), resolver(scope), expected)
    return Expression(
        source,
        checked.kind,
        checked.dependencies,
        checked.volatile,
        checked.sources,
        checked.python_only is None,
        checked,
        build(checked.tree),
    )
