"""The sums below the number columns of a list: of all that the list finds, not of the page alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities.aggregate import MAX_MEASURES, aggregate
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_text
from core.entities.scope import may_use
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["column_totals", "has_total", "total_text"]


def has_total(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec) -> bool:
    """True for a number that this reader may add up: where it is added up by another field, the
    reader must be able to use that one too."""
    type_ = item.value_type
    is_number = isinstance(type_, (t.Number, t.Integer)) and not isinstance(type_, t.Related)
    if not is_number or not item.is_stored or not item.totals or not may_use(uow, spec, item):
        return False
    by = spec.by_name.get(item.totals) if isinstance(item.totals, str) else None
    return item.totals is True or (by is not None and may_use(uow, spec, by))


def column_totals(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Sequence[FieldSpec],
    wanted: ListQuery,
    reader: Reader,
) -> dict[str, str]:
    """The sum of each number among ``fields``, as it is read; amounts in several currencies are
    added up apart, and so is what a field's ``totals`` names. One statement for each such way."""
    summed = [item for item in fields if has_total(uow, spec, item)][:MAX_MEASURES]
    wanted = replace(wanted, fields=None, sort="", after=None, count="none")
    found: dict[str, str] = {}
    apart: dict[tuple[str, ...], list[FieldSpec]] = {}
    for item in summed:
        apart.setdefault(_added_up_by(spec, item), []).append(item)
    for groups, items in apart.items():
        measures = [f"sum:{item.name}" for item in items]
        rows = aggregate(uow, spec.name, groups, measures, wanted)
        for item in items:
            totals = [(row, row[f"sum:{item.name}"]) for row in rows]
            found[item.name] = _joined(
                item, [(row, total) for row, total in totals if total is not None], reader
            )
    return found


def _joined(
    item: FieldSpec, totals: Sequence[tuple[Mapping[str, Any], object]], reader: Reader
) -> str:
    texts = [(row, total_text(item, total, row, reader)) for row, total in totals]
    if not isinstance(item.totals, str):
        return " + ".join(text for _row, text in texts)
    named = [(row[item.totals]["label"], text) for row, text in texts]
    return " · ".join(f"{label} {text}" if label else text for label, text in named)


def _added_up_by(spec: EntitySpec, item: FieldSpec) -> tuple[str, ...]:
    names = (item.totals if isinstance(item.totals, str) else None, _currency_field(spec, item))
    return tuple(name for name in names if name)


def _currency_field(spec: EntitySpec, item: FieldSpec) -> str | None:
    type_ = item.value_type
    name = type_.currency_field if isinstance(type_, t.Money) else None
    return name if name and name in spec else None


def total_text(item: FieldSpec, total: object, row: Mapping[str, object], reader: Reader) -> str:
    """A sum as it is read; ``row`` is the row of `aggregate`, which may name a currency."""
    type_ = item.value_type
    value = Decimal(str(total)) if isinstance(type_, t.Number) else int(str(total))
    known = {name: group.get("id") for name, group in row.items() if isinstance(group, Mapping)}
    return display_text(type_, value, reader, known)
