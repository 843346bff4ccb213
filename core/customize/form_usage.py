"""Which fields of forms nobody fills in, and how long the forms take (S-237)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from core.entities.form_fields import editable_fields
from core.entities.form_times import median_times
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["HARDLY", "LATEST", "FieldUse", "FormUse", "use_of_forms"]

#: So many records of each entity are looked at, the latest.
LATEST = 1_000
#: Fewer say nothing yet.
FEWEST = 20
#: A field that is filled in less often is hardly ever filled in.
HARDLY = 0.05
#: Months before this one whose forms count.
MONTHS = 2


@dataclass(frozen=True)
class FieldUse:
    """How often one field was filled in, 0 to 1."""

    field: FieldSpec
    share: float


@dataclass(frozen=True)
class FormUse:
    """The form of one entity: the fields hardly ever filled in, and how long it takes."""

    spec: EntitySpec
    records: int
    asked: int
    unused: tuple[FieldUse, ...]
    #: Seconds that half of the forms took at most; None where none was measured.
    seconds: int | None
    forms: int


def use_of_forms(uow: UnitOfWork) -> list[FormUse]:
    """Of each entity that people fill in, the one with most unused fields first; one statement an entity."""
    today = uow.clock.today()
    index = today.year * 12 + today.month - 1 - MONTHS
    times = median_times(uow, date(index // 12, index % 12 + 1, 1))
    found = [
        use
        for spec in uow.snapshot.entities.values()
        if spec.creatable and spec.parent_field is None
        if (use := _use(uow, spec, times.get(spec.name))) is not None
    ]
    return sorted(found, key=lambda use: (-len(use.unused), str(use.spec.label_plural)))


def _use(uow: UnitOfWork, spec: EntitySpec, time: tuple[int, int] | None) -> FormUse | None:
    items = list(_optional(uow, spec))
    if not items:
        return None
    table = spec.table
    columns = {item.name: table.c[item.column] for item in items if item.column}
    latest = (
        select(*columns.values())
        .where(table.c.archived_at.is_(None))
        .order_by(table.c.id.desc())
        .limit(LATEST)
        .subquery()
    )
    counts = (func.count(latest.c[column.key]) for column in columns.values())
    asked = select(func.count(), *counts).select_from(latest)
    records, *filled = map(int, uow.execute(asked).one())
    if records < FEWEST and time is None:
        return None
    shares = [
        FieldUse(item, count / records)
        for item, count in zip(items, filled, strict=True)
        if records
    ]
    unused = [use for use in shares if records >= FEWEST and use.share < HARDLY]
    return FormUse(
        spec,
        records,
        len(items),
        tuple(sorted(unused, key=lambda use: use.share)),
        time[0] if time else None,
        time[1] if time else 0,
    )


def _optional(uow: UnitOfWork, spec: EntitySpec) -> Iterator[FieldSpec]:
    """What the form asks and somebody may leave empty, as far as its record holds it itself."""
    for item in editable_fields(uow, spec):
        if item.column is None or item.is_always_required or item.default is not None:
            continue
        if item.name in ("owner", "department") or isinstance(item.type, t.Boolean):
            continue  # filled in by itself
        yield item
