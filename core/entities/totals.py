"""The sums below the number columns of a list: of all that the list finds, not of the page alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

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
    """True for a number that this reader may add up."""
    is_number = isinstance(item.value_type, (t.Number, t.Integer))
    return is_number and item.is_stored and may_use(uow, spec, item)


def column_totals(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Sequence[FieldSpec],
    wanted: ListQuery,
    reader: Reader,
) -> dict[str, str]:
    """The sum of each number among ``fields``, as it is read; amounts in several currencies are
    added up apart. One statement, and one more for each field that names a currency."""
    summed = [item for item in fields if has_total(uow, spec, item)][:MAX_MEASURES]
    wanted = replace(wanted, fields=None, sort="", after=None, count="none")
    found: dict[str, str] = {}
    by_currency: dict[str | None, list[FieldSpec]] = {}
    for item in summed:
        by_currency.setdefault(_currency_field(spec, item), []).append(item)
    for currency, items in by_currency.items():
        groups = [currency] if currency else []
        measures = [f"sum:{item.name}" for item in items]
        rows = aggregate(uow, spec.name, groups, measures, wanted)
        for item in items:
            totals = [(row, row[f"sum:{item.name}"]) for row in rows]
            texts = [
                total_text(item, total, row, reader) for row, total in totals if total is not None
            ]
            found[item.name] = " + ".join(texts)
    return found


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
