"""The typed tree to Python closures, built once and run many times by any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from core.clock import Clock
from core.expressions.arithmetic import plain
from core.expressions.errors import ExpressionError, Refused
from core.expressions.limits import MAX_STEPS
from core.expressions.parser import refusal
from core.expressions.symbols import Kind
from core.expressions.tree import Aggregate, Call, Column, Const, Node
from core.expressions.values import READERS
from core.i18n import gettext as _

__all__ = ["Closure", "EvaluationContext", "Lookup", "Run", "Watch", "build"]

Lookup = Callable[[str, Any, str, bool], Any]


@dataclass(frozen=True)
class EvaluationContext:
    """What an expression may ask of its surroundings.

    ``now`` is aware; ``timezone`` decides the day of a moment. ``lookup`` answers LOOKUP: it is
    given the table, the key, the column and whether the greatest key below will do, and returns
    the cell, None for no such row. Without ``is_workday`` Monday to Friday are workdays.
    """

    now: datetime
    today: date
    timezone: tzinfo = UTC
    lookup: Lookup | None = None
    is_workday: Callable[[date], bool] | None = None

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("an evaluation needs an aware moment")

    @classmethod
    def at(
        cls,
        clock: Clock,
        *,
        lookup: Lookup | None = None,
        is_workday: Callable[[date], bool] | None = None,
    ) -> EvaluationContext:
        """The context of this moment, in the company's zone."""
        return cls(clock.now(), clock.today(), clock.timezone, lookup, is_workday)


class Run:
    """One evaluation: its values, the child line it looks at, and the steps it has taken."""

    __slots__ = ("context", "row", "steps", "values")

    def __init__(self, values: Mapping[str, Any], context: EvaluationContext) -> None:
        self.values = values
        self.context = context
        self.row: Mapping[str, Any] = {}
        self.steps = 0

    def charge(self, steps: int) -> None:
        """Pay for ``steps`` of work, as long as there is budget left."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            message = _("This takes more than %(n)s steps; work on less at a time.", n=MAX_STEPS)
            raise Refused(message)


Closure = Callable[[Run], Any]
#: Puts itself around the function of each part, to see what comes out of it.
Watch = Callable[[Node, Closure], Closure]


def build(tree: Node, watch: Watch | None = None) -> Closure:
    """The function that computes ``tree``; ``watch`` sees the parts at work, those of lines excepted."""
    run = _build(tree, watch)
    if tree.kind is not Kind.NUMBER:
        return run

    def finish(state: Run) -> Any:
        value = run(state)
        return None if value is None else plain(value)

    return finish


def _build(node: Node, watch: Watch | None = None) -> Closure:
    closure = _bare(node, watch)
    return closure if watch is None else watch(node, closure)


def _bare(node: Node, watch: Watch | None) -> Closure:
    if isinstance(node, Const):
        value = node.value
        return lambda run: value
    if isinstance(node, Column):
        return _column(node)
    if isinstance(node, Aggregate):
        return _aggregate(node)
    return _call(node, watch)


def _column(node: Column) -> Closure:
    read, key = READERS[node.kind], node.row_key or node.path

    def check(value: Any) -> Any:
        known = read(value)
        if known is None:
            message = _(
                "%(name)s should hold %(kind)s, but its value is something else or too large.",
                name=node.path,
                kind=node.kind.label,
            )
            raise refusal(message, node.start, node.end)
        return known

    def from_record(run: Run) -> Any:
        value = run.values.get(key)
        return None if value is None else check(value)

    def from_line(run: Run) -> Any:
        value = run.row.get(key)
        return None if value is None else check(value)

    return from_record if node.row_key is None else from_line


def _aggregate(node: Aggregate) -> Closure:
    body = None if node.body is None else _build(node.body)
    combine, collection = node.function.aggregate, node.collection
    assert combine is not None

    def run_lines(run: Run) -> Any:
        lines = run.values.get(collection)
        if lines is None:
            lines = ()
        if not isinstance(lines, Sequence) or isinstance(lines, str):
            message = _("%(name)s should hold a list of lines.", name=collection)
            raise refusal(message, node.start, node.end)
        try:
            run.charge(len(lines) * node.size)
        except Refused as reason:
            raise refusal(str(reason), node.start, node.end) from None
        return combine(lines if body is None else list(_each(body, run, lines)))

    def _each(body: Closure, run: Run, lines: Sequence[Any]) -> Any:
        for line in lines:
            if not isinstance(line, Mapping):
                message = _("%(name)s should hold a list of lines.", name=collection)
                raise refusal(message, node.start, node.end)
            run.row = line
            yield body(run)

    return run_lines


def _call(node: Call, watch: Watch | None) -> Closure:
    function, parts = node.function, [_build(operand, watch) for operand in node.operands]
    implementation = function.implementation
    assert implementation is not None
    if function.nulls == "lazy":
        closure: Closure = implementation(*parts)
        return closure
    if function.aware:
        return _aware(node, implementation, parts)
    if function.nulls == "plain":
        return _plain(implementation, parts)
    if len(parts) == 2:
        return _strict_two(implementation, *parts)
    if len(parts) == 1:
        return _strict_one(implementation, *parts)
    return _strict(implementation, parts)


def _strict_one(implementation: Callable[..., Any], part: Closure) -> Closure:
    def call(run: Run) -> Any:
        value = part(run)
        return None if value is None else implementation(value)

    return call


def _strict_two(implementation: Callable[..., Any], first: Closure, second: Closure) -> Closure:
    def call(run: Run) -> Any:
        left = first(run)
        if left is None:
            return None
        right = second(run)
        return None if right is None else implementation(left, right)

    return call


def _strict(implementation: Callable[..., Any], parts: Sequence[Closure]) -> Closure:
    def call(run: Run) -> Any:
        values = [part(run) for part in parts]
        return None if any(value is None for value in values) else implementation(*values)

    return call


def _plain(implementation: Callable[..., Any], parts: Sequence[Closure]) -> Closure:
    if len(parts) == 2:
        first, second = parts
        return lambda run: implementation(first(run), second(run))
    return lambda run: implementation(*[part(run) for part in parts])


def _aware(node: Call, implementation: Callable[..., Any], parts: Sequence[Closure]) -> Closure:
    strict = node.function.nulls == "strict"

    def call(run: Run) -> Any:
        values = [part(run) for part in parts]
        if strict and any(value is None for value in values):
            return None
        try:
            return implementation(run, *values)
        except Refused as reason:
            raise ExpressionError(str(reason), node.start + 1, node.end - node.start) from None

    return call
