"""How a value came about: what each part of an expression was, in the order it was worked out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from core.expressions.arithmetic import plain
from core.expressions.evaluate import Closure, EvaluationContext, Run, build
from core.expressions.tree import Aggregate, Call, Column, Const, Node

__all__ = ["Step", "explain"]

#: Why a part is null: a field that is empty, a division by zero, a row that a table does not hold,
#: or parts that are null themselves.
Lack = Literal["", "empty", "zero", "not_found", "from_parts"]


@dataclass(frozen=True, slots=True)
class Step:
    """One part: how it was written, where (0-based), its value, and what it lacks when that is null."""

    text: str
    start: int
    end: int
    value: Any
    lack: Lack = ""


def explain(
    source: str, tree: Node, values: Mapping[str, Any], context: EvaluationContext
) -> tuple[Any, tuple[Step, ...]]:
    """The value of ``tree``, and the parts that were worked out for it, each once.

    Branches that were not taken are not among them, nor are constants and the insides of sums over
    lines. Raises `ExpressionError` as evaluating does.
    """
    found: dict[int, Any] = {}
    steps: dict[tuple[int, int], Step] = {}
    named: set[str] = set()

    def watch(node: Node, closure: Closure) -> Closure:
        def run(state: Run) -> Any:
            value = found[id(node)] = closure(state)
            if isinstance(node, Const) or (isinstance(node, Column) and node.path in named):
                return value
            if isinstance(node, Column):
                named.add(node.path)
            shown = plain(value) if isinstance(value, Decimal) else value
            text = _written(source, node.start, node.end)
            lack = _lack(node, found) if value is None else ""
            steps[node.start, node.end] = Step(text, node.start, node.end, shown, lack)
            return value

        return run

    value = build(tree, watch)(Run(values, context))
    return value, tuple(steps.values())


def _written(source: str, start: int, end: int) -> str:
    """The text of a part with the brackets that belong to it: its place leaves outer ones out."""
    opened = closed = 0  # brackets without their other half
    for sign in source[start:end]:
        if sign in "(（":
            opened += 1
        elif sign in ")）" and opened:
            opened -= 1
        elif sign in ")）":
            closed += 1
    while closed and start > 0:
        start -= 1
        closed -= source[start] in "(（"
    while opened and end < len(source):
        opened -= source[end] in ")）"
        end += 1
    return source[start:end].strip()


def _lack(node: Node, found: Mapping[int, Any]) -> Lack:
    if isinstance(node, Column):
        return "empty"
    if isinstance(node, Call):
        operands = [found.get(id(operand)) for operand in node.operands]
        if node.function.name == "/" and operands[1] is not None and not operands[1]:
            return "zero"
        if node.function.reads == "lookup" and None not in operands:
            return "not_found"
    return "from_parts" if isinstance(node, (Call, Aggregate)) else ""
