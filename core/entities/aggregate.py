"""Counts and sums by groups, in one statement, within the reader's scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Row,
    column,
    func,
    select,
    type_coerce,
)

from core.db.planning import count_on_memory, in_no_order, lies_in_an_index
from core.db.types import ExactDecimal
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, conditions
from core.entities.reading import Reading, read
from core.entities.scope import may_use, require, scope_clause
from core.entities.veils import seen
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["aggregate", "expect_many", "reading_aggregate"]

MAX_GROUPS = 3
MAX_MEASURES = 10
MAX_ROWS = 5_000
_FUNCTIONS: dict[str, Any] = {"sum": None, "avg": None, "min": func.min, "max": func.max}
#: SQLite adds up integers of 64 bits and no larger ones: high and low parts are added apart.
_PART = 10**9


@dataclass(frozen=True)
class _Group:
    text: str
    expression: ColumnElement[Any]
    field: FieldSpec


def aggregate(
    uow: UnitOfWork,
    entity: str,
    groups: Sequence[str],
    measures: Sequence[str],
    query: ListQuery,
) -> list[dict[str, Any]]:
    """Rows ``{group: {"id", "label"}, …, measure: value}``, the largest first measure first.

    ``measures`` are ``count`` and ``sum:f avg:f min:f max:f`` over number fields; decimals come as
    text. Raises `Invalid` for more than 3 groups, unknown fields, or more than 5,000 rows.
    """
    reading = reading_aggregate(uow, entity, groups, measures, query)
    expect_many(uow)
    return read(uow, reading)


def expect_many(uow: UnitOfWork) -> None:
    """Have the database plan what this transaction reads next for sums over many records."""
    if not uow.runtime.database.is_sqlite:
        count_on_memory(uow.connection)


def reading_aggregate(
    uow: UnitOfWork,
    entity: str,
    groups: Sequence[str],
    measures: Sequence[str],
    query: ListQuery,
) -> Reading[list[dict[str, Any]]]:
    """What `aggregate` reads, to be read together with more: for sums over few records, unless
    `expect_many` tells the database that there may be many."""
    spec = uow.entity(entity)
    require(uow, spec, "read")
    if len(groups) > MAX_GROUPS or not 1 <= len(measures) <= MAX_MEASURES:
        raise _bad("group", _("Use at most three groups and one to ten measures."))
    is_sqlite = uow.runtime.database.is_sqlite
    by = [_group(uow, spec, text) for text in dict.fromkeys(groups)]
    values = [_measure(uow, spec, text) for text in dict.fromkeys(measures)]
    columns = [part for value in values for part in value.columns]
    keys, where = [group.expression for group in by], conditions(uow, spec, query)
    if is_sqlite and not lies_in_an_index(spec.table, keys, (*keys, *columns, *where)):
        keys = [in_no_order(key) for key in keys]
    statement = (
        select(
            *(key.label(f"g{i}") for i, key in enumerate(keys)),
            *(value.label(f"m{i}") for i, value in enumerate(columns)),
        )
        .select_from(spec.table)
        .where(*where)
    )
    if by:
        # By the names of the output: an expression with parameters would not be taken for the same.
        names: list[ColumnElement[Any]] = [column(f"g{i}") for i in range(len(by))]
        statement = statement.group_by(*names).order_by(column("m0").desc(), *names)

    def finish(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
        if len(rows) > MAX_ROWS:
            raise _bad("group", _("More than %(n)s groups. Filter first.", n=MAX_ROWS))
        return _rendered(uow, by, values, rows)

    def named(rows: Sequence[Row[Any]]) -> Mapping[str, set[int]]:
        return _named(by, rows) if len(rows) <= MAX_ROWS else {}

    return Reading((statement.limit(MAX_ROWS + 1),), finish, named)


def _group(uow: UnitOfWork, spec: EntitySpec, text: str) -> _Group:
    *steps, last = text.split(".")
    if len(steps) > 2:
        raise _bad("group", _("At most two references in a row."))
    key: ColumnElement[Any] | None = None
    root = spec.table
    for name in steps:
        field = _usable(uow, spec, name, "group")
        if not isinstance(field.type, t.Reference):
            raise _bad("group", _("%(field)s does not refer to another record.", field=name))
        key = _value(uow, spec, field, key, root)
        spec = uow.entity(field.type.entity)
    field = _usable(uow, spec, last, "group")
    if isinstance(field.value_type, (t.MultiChoice, t.Tags, t.Document, t.LongText)):
        raise _bad("group", _("Cannot group by %(name)s.", name=last[:60]))
    return _Group(text, _value(uow, spec, field, key, root), field)


def _value(
    uow: UnitOfWork,
    spec: EntitySpec,
    field: FieldSpec,
    key: ColumnElement[Any] | None,
    root: FromClause,
) -> ColumnElement[Any]:
    """The field's column, or that of the record ``key`` points to: null where it may not be read.

    However deep it lies, ``key`` belongs to the row of ``root`` that is being grouped.
    """
    if key is None:
        return seen(uow, spec, field, spec.table)
    other = uow.alias(spec.table)
    statement = select(seen(uow, spec, field, other)).where(other.c.id == key).correlate(root)
    if (clause := scope_clause(uow, spec, "read", other)) is not None:
        statement = statement.where(clause)
    return statement.scalar_subquery()


def _usable(uow: UnitOfWork, spec: EntitySpec, name: str, place: str) -> FieldSpec:
    field = spec.by_name.get(name)
    if field is None or not field.is_stored or not may_use(uow, spec, field):
        raise _bad(place, _("There is no field %(name)s.", name=name[:60]))
    return field


@dataclass(frozen=True)
class _Measure:
    """A measure: what SQL works out, and how the answer is made of it."""

    text: str
    columns: tuple[ColumnElement[Any], ...]
    #: From the values of the columns to that of the measure.
    finish: Callable[..., Any] = lambda value: value

    def value(self, parts: Sequence[Any]) -> Any:
        """As JSON has it: decimals as text."""
        value = self.finish(*parts)
        return str(value) if isinstance(value, Decimal) else value


def _measure(uow: UnitOfWork, spec: EntitySpec, text: str) -> _Measure:
    if text == "count":
        return _Measure(text, (func.count(),))
    name, _colon, field_name = text.partition(":")
    if name not in _FUNCTIONS or not field_name:
        raise _bad("measure", _("Use count, or sum:, avg:, min: or max: with a number field."))
    field = _usable(uow, spec, field_name, "measure")
    if not isinstance(field.value_type, (t.Number, t.Integer)):
        raise _bad("measure", _("%(name)s is not a number.", name=field_name[:60]))
    number = seen(uow, spec, field, spec.table)
    if name == "sum":
        return _Measure(text, *_sum(uow, number))
    if name == "avg":
        columns, total = _sum(uow, number)
        return _Measure(
            text,
            (*columns, func.count(number)),
            lambda *parts: _divided(total(*parts[:-1]), parts[-1]),
        )
    return _Measure(text, (_FUNCTIONS[name](number, type_=number.type),))


def _sum(
    uow: UnitOfWork, number: ColumnElement[Any]
) -> tuple[tuple[ColumnElement[Any], ...], Callable[..., Any]]:
    """The columns of a sum, and how its value is made of theirs."""
    scale = number.type.scale if isinstance(number.type, ExactDecimal) else None
    if not uow.runtime.database.is_sqlite:
        whole = scale is None  # a sum of integers comes as a decimal, whose places are none
        return (func.sum(number, type_=number.type),), (
            lambda total: int(total) if whole and total is not None else total
        )
    units = type_coerce(number, BigInteger)
    high, low = func.sum(units.op("/")(_PART)), func.sum(units.op("%")(_PART))

    def joined(high: int | None, low: int | None) -> Any:
        if high is None or low is None:
            return None
        total = high * _PART + low
        return total if scale is None else Decimal(total).scaleb(-scale, Context(prec=60))

    return (high, low), joined


def _divided(total: Any, count: int) -> Decimal | None:
    """An average, exactly and alike for both databases: 6 decimals, half up."""
    if not count:
        return None
    context = Context(prec=60, rounding=ROUND_HALF_UP)
    return context.divide(Decimal(total), count).quantize(Decimal("0.000001"), context=context)


def _rendered(
    uow: UnitOfWork, groups: Sequence[_Group], measures: Sequence[_Measure], rows: Sequence[Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    labels = resolve_labels(uow, _named(groups, rows))
    for row in rows:
        item: dict[str, Any] = {}
        for index, group in enumerate(groups):
            item[group.text] = _group_value(group.field, row[index], labels)
        rest = list(row[len(groups) :])
        for measure in measures:
            parts = [rest.pop(0) for _column in measure.columns]
            item[measure.text] = measure.value(parts)
        found.append(item)
    return found


def _named(groups: Sequence[_Group], rows: Sequence[Any]) -> dict[str, set[int]]:
    """The records that stand for groups, by entity."""
    ids: dict[str, set[int]] = {}
    for index, group in enumerate(groups):
        if isinstance(group.field.type, t.Reference):
            values = {row[index] for row in rows if row[index] is not None}
            ids.setdefault(group.field.type.entity, set()).update(values)
    return ids


def _group_value(field: FieldSpec, value: Any, labels: Any) -> dict[str, Any]:
    type_ = field.value_type
    if isinstance(type_, t.Reference):
        return {"id": value, "label": labels.get(type_.entity, {}).get(value)}
    if isinstance(type_, t.ChoiceField):
        label = type_.labels().get(value)
        return {"id": value, "label": None if label is None else str(label)}
    plain = value.isoformat() if hasattr(value, "isoformat") else value
    plain = str(plain) if isinstance(plain, Decimal) else plain
    return {"id": plain, "label": None if plain is None else str(plain)}


def _bad(place: str, message: str) -> Invalid:
    return Invalid(message, [Problem(place, "aggregate", message)])
