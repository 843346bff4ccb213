"""Computed fields: expressions compiled once for each structure, evaluated at each write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, update

from core.entities.changes import Change
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

if TYPE_CHECKING:
    from core.runtime import Snapshot
    from core.work.uow import UnitOfWork

__all__ = ["check_expression", "compute", "compute_from_lines", "expression_scope", "kind_of"]

LoadLines = Callable[[Iterable[int]], Mapping[int, list[dict[str, Any]]]]


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


def expression_scope(snapshot_entities: Mapping[str, EntitySpec], spec: EntitySpec) -> Scope:
    """The names an expression of this entity may use: its own fields, and those of its lines."""
    return Scope(_symbols(snapshot_entities, spec, lines=True))


def _symbols(entities: Mapping[str, EntitySpec], spec: EntitySpec, *, lines: bool) -> list[Symbol]:
    found = []
    for field in spec:
        labels = (str(field.label),)
        if isinstance(field.type, t.Lines):
            child = entities.get(field.type.entity)
            if lines and child is not None:
                inner = Scope(_symbols(entities, child, lines=False))
                found.append(Symbol(field.name, Kind.NUMBER, labels, lines=inner))
        elif (kind := kind_of(field.type)) is not None:
            found.append(Symbol(field.name, kind, labels))
    return found


def check_expression(
    entities: Mapping[str, EntitySpec], spec: EntitySpec, source: str, result: t.FieldType
) -> Expression:
    """Compile an expression for a computed field; raises `ExpressionError`.

    A stored value must not depend on the day it was written, so TODAY and NOW are refused.
    """
    expression = compile_expression(source, expression_scope(entities, spec), kind_of(result))
    if expression.volatile:
        raise ExpressionError("TODAY and NOW cannot be used in a stored field", 1, len(source))
    return expression


@dataclass(frozen=True)
class _Plan:
    """The computed fields of an entity, in an order in which each finds what it needs."""

    own: tuple[tuple[FieldSpec, Expression], ...]
    from_lines: tuple[tuple[FieldSpec, Expression], ...]


def _plan(snapshot: Snapshot, spec: EntitySpec) -> _Plan:
    key = ("computed", spec.name)
    if key not in snapshot.memo:
        snapshot.memo[key] = _make_plan(snapshot, spec)
    plan: _Plan = snapshot.memo[key]
    return plan


def _make_plan(snapshot: Snapshot, spec: EntitySpec) -> _Plan:
    compiled = {
        field.name: (
            field,
            check_expression(
                snapshot.installed_entities, spec, field.type.expression, field.type.result
            ),
        )
        for field in spec.stored
        if isinstance(field.type, t.Computed)
    }
    ordered: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ExpressionError(f"{spec.name}.{name} is computed from itself", 1, 1)
        if name in ordered:
            return
        for needed in sorted(compiled[name][1].dependencies):
            if needed in compiled:
                visit(needed, (*above, name))
        ordered.append(name)

    for name in compiled:
        visit(name, ())
    lines = {f.name for f in spec.detached if isinstance(f.type, t.Lines)}
    late: set[str] = set()
    for name in ordered:
        needs = compiled[name][1].dependencies
        if any(path.partition(".")[0] in lines for path in needs) or needs & late:
            late.add(name)
    return _Plan(
        tuple(compiled[name] for name in ordered if name not in late),
        tuple(compiled[name] for name in ordered if name in late),
    )


def compute(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Set the computed fields that depend on the record alone."""
    if not changes:
        return
    plan = _plan(uow.snapshot, changes[0].entity)
    if plan.own:
        context = _context(uow)
        for change in changes:
            for field, expression in plan.own:
                value = expression.evaluate(change.after, context)
                change.after[field.name] = _fitted(field.value_type, value)


def compute_from_lines(
    uow: UnitOfWork, changes: Sequence[Change], load: LoadLines, name: str
) -> None:
    """Set what depends on the lines ``name``, once they are written, and store it."""
    spec = changes[0].entity
    plan = _plan(uow.snapshot, spec)
    if not plan.from_lines:
        return
    lines = load([change.id for change in changes if change.id is not None])
    context = _context(uow)
    columns = [spec.column(field.name) for field, _expression in plan.from_lines]
    rows = []
    for change in changes:
        assert change.id is not None
        values = {**change.after, name: lines.get(change.id, [])}
        for field, expression in plan.from_lines:
            value = _fitted(field.value_type, expression.evaluate(values, context))
            change.after[field.name] = values[field.name] = value
        row = {f"v_{field.name}": change.after[field.name] for field, _ in plan.from_lines}
        rows.append({"key_": change.id, **row})
    names = [field.name for field, _expression in plan.from_lines]
    uow.execute(
        update(spec.table)
        .where(spec.table.c.id == bindparam("key_"))
        .values(
            {
                column: bindparam(f"v_{name}", type_=column.type)
                for column, name in zip(columns, names, strict=True)
            }
        ),
        rows,
    )


def _context(uow: UnitOfWork) -> EvaluationContext:
    return EvaluationContext.at(uow.clock)


def _fitted(type_: t.FieldType, value: Any) -> Any:
    if isinstance(type_, t.Number) and value is not None:
        fitted = Decimal(value).quantize(Decimal(1).scaleb(-type_.scale), ROUND_HALF_UP)
        return fitted if len(fitted.as_tuple().digits) <= type_.precision else None
    if isinstance(type_, t.Integer) and value is not None:
        return int(Decimal(value).to_integral_value(ROUND_HALF_UP))
    return value
