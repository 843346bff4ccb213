"""Price formulas: checked when they are saved, computed for a line, and told step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from core.expressions import (
    EvaluationContext,
    Expression,
    ExpressionError,
    Kind,
    Scope,
    Step,
    Symbol,
    compile_expression,
)
from core.i18n import gettext as _
from plugins.crm_sales.products.parameters import Parameter

__all__ = ["Computed", "Refused", "check", "compute"]

_OWN = (
    Symbol("quantity", Kind.NUMBER, ("数量",)),
    Symbol("list_price", Kind.NUMBER, ("标准价", "目录价")),
    Symbol("day", Kind.DATE, ("报价日",)),
    #: 20261130, so that a table of prices by day is looked into with "at or below".
    Symbol("day_number", Kind.NUMBER, ("报价日数",)),
)
#: More than anybody reads; a formula has at most 500 tokens.
_MOST_STEPS = 60


class Refused(Exception):
    """A formula that gives no price; the message says why, in the reader's language."""


class Computed(NamedTuple):
    """A price, and each part of the formula with its value, as text."""

    price: Decimal
    steps: list[dict[str, str]]


def check(formula: str, parameters: Sequence[Parameter]) -> None:
    """Raise `ExpressionError` for unknown names, wrong kinds, and what gives no number."""
    expression = _compiled(formula, _symbols(parameters))
    if expression.volatile is not None:
        start, end = expression.volatile
        message = _("Use day instead: a price counts for the day of its quote.")
        raise ExpressionError(message, start + 1, end - start)


def compute(
    formula: str,
    parameters: Sequence[Parameter],
    values: Mapping[str, Any],
    *,
    quantity: Decimal,
    list_price: Decimal | None,
    day: date,
    context: EvaluationContext,
) -> Computed:
    """The price of one unit; raises `Refused` when there is none, or when it is negative."""
    given = {
        **values,
        "quantity": quantity,
        "list_price": list_price,
        "day": day,
        "day_number": Decimal(day.year * 10_000 + day.month * 100 + day.day),
    }
    try:
        expression = _compiled(formula, _symbols(parameters))
        price, steps = expression.explain(given, context)
    except ExpressionError as error:
        raise Refused(_("The price formula fails: %(why)s", why=error.message)) from error
    if price is None:
        raise Refused(_why_nothing(steps))
    if price < 0:
        raise Refused(_("The price formula gives a negative price: %(price)s", price=_text(price)))
    told = [{"text": step.text, "value": _text(step.value)} for step in steps[-_MOST_STEPS:]]
    return Computed(price, told)


def _symbols(parameters: Sequence[Parameter]) -> tuple[Symbol, ...]:
    return _OWN + tuple(Symbol(each.name, each.value_kind) for each in parameters)


@lru_cache(maxsize=512)
def _compiled(formula: str, symbols: tuple[Symbol, ...]) -> Expression:
    try:
        scope = Scope(symbols)
    except ValueError as error:  # two parameters of one name, or one with a dot
        raise ExpressionError(_("Two names of parameters are the same.")) from error
    return compile_expression(formula, scope, Kind.NUMBER)


def _why_nothing(steps: Sequence[Step]) -> str:
    """The first part that is to blame."""
    for step in steps:
        match step.lack:
            case "zero":
                return _("The price formula divides by zero: %(part)s", part=step.text)
            case "not_found":
                return _("The price formula finds nothing in its table: %(part)s", part=step.text)
            case "empty":
                return _("The price formula needs %(part)s, which is empty.", part=step.text)
    return _("The price formula gives no price.")


def _text(value: Any) -> str:
    match value:
        case None:
            return "—"
        case bool():
            return _("yes") if value else _("no")
        case Decimal():
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case date():
            return value.isoformat()
    return str(value)
