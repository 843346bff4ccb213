"""Expressions of computed fields: the names they may use, their compilation, what a column holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from core.expressions import (
    EvaluationContext,
    Expression,
    ExpressionError,
    Kind,
    Scope,
    Symbol,
    compile_expression,
)
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _

__all__ = ["check_expression", "evaluated", "expression_scope", "kind_of"]

_WIDE = Context(prec=80, rounding=ROUND_HALF_UP)


def kind_of(type_: t.FieldType) -> Kind | None:
    """The kind of value that an expression sees; None for what it cannot use."""
    match type_:
        case t.Computed():
            return kind_of(type_.result)
        case t.Number() | t.Integer() | t.Reference():
            return Kind.NUMBER
        case t.Text() | t.LongText() | t.ChoiceField() | t.Region() | t.AutoNumber():
            return None if isinstance(type_, t.MultiChoice) else Kind.TEXT
        case t.Boolean():
            return Kind.BOOLEAN
        case t.Date():
            return Kind.DATE
        case t.DateTime():
            return Kind.DATETIME
    return None


def expression_scope(entities: Mapping[str, EntitySpec], spec: EntitySpec) -> Scope:
    """The names an expression of this entity may use: its fields, those of its lines, and those of
    the records that either refers to."""
    return _Scopes(entities).of(spec, lines=True)


class _Scopes:
    """The scopes of entities, each made when a path leads there."""

    def __init__(self, entities: Mapping[str, EntitySpec]) -> None:
        self._entities = entities
        self._made: dict[tuple[str, bool], Scope] = {}

    def of(self, spec: EntitySpec, *, lines: bool = False) -> Scope:
        key = (spec.name, lines)
        if key not in self._made:
            self._made[key] = Scope(lambda: self._symbols(spec, lines=lines))
        return self._made[key]

    def _symbols(self, spec: EntitySpec, *, lines: bool) -> Iterator[Symbol]:
        for field in spec:
            target = self._entities.get(getattr(field.type, "entity", ""))
            if isinstance(field.type, t.Lines):
                if lines and target is not None:
                    inner = self.of(target)
                    yield Symbol(field.name, Kind.NUMBER, _labels(field), lines=inner)
            elif (kind := kind_of(field.type)) is not None:
                inner_scope = None if target is None else self.of(target)
                yield Symbol(field.name, kind, _labels(field), target=inner_scope)


def _labels(field: FieldSpec) -> tuple[str, ...]:
    """The label in every language: who reads a formula need not speak as its author did."""
    found = []
    for locale in LOCALES:
        with use_locale(locale):
            found.append(str(field.label))
    return tuple(dict.fromkeys(found))


def check_expression(
    entities: Mapping[str, EntitySpec], spec: EntitySpec, source: str, result: t.FieldType
) -> Expression:
    """Compile an expression for a computed field; raises `ExpressionError`.

    A stored value must not depend on the day it was written, so TODAY and NOW are refused.
    """
    expression = compile_expression(source, expression_scope(entities, spec), kind_of(result))
    if expression.volatile is not None:
        start, end = expression.volatile
        message = _("TODAY and NOW cannot be used in a stored field.")
        raise ExpressionError(message, start + 1, end - start)
    return expression


def evaluated(
    expression: Expression,
    type_: t.FieldType,
    values: Mapping[str, Any],
    context: EvaluationContext,
) -> Any:
    """The value as a column of ``type_`` holds it.

    What cannot be computed, or is too large for the column, is null: whoever happens to cause the
    computation is seldom the one who could mend it, and it must come out the same for everybody.
    """
    try:
        value = expression.evaluate(values, context)
    except ExpressionError:
        return None
    return None if value is None else _fitted(type_, value)


def _fitted(type_: t.FieldType, value: Any) -> Any:
    if isinstance(type_, t.Number):
        fitted = _WIDE.quantize(Decimal(value), Decimal(1).scaleb(-type_.scale))
        return fitted if len(fitted.as_tuple().digits) <= type_.precision else None
    if isinstance(type_, t.Integer):
        whole = int(Decimal(value).to_integral_value(ROUND_HALF_UP))
        return whole if type_.minimum <= whole <= type_.maximum else None
    if isinstance(type_, (t.Text, t.LongText)):
        return value if len(value) <= type_.max_length else None
    return value
