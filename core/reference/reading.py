"""Reference tables and the calendar as formulas see them, read once and kept until they change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Table, select

from core.expressions import EvaluationContext, Kind, fold, read_cell
from core.reference.models import COLUMNS, CalendarDay, LookupRow, LookupTable, revision_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "CALENDAR",
    "LOOKUP",
    "Calendar",
    "LookupTables",
    "evaluation_context",
    "has_table",
]

T = TypeVar("T")
#: The sources that formulas name, and the rows of `revision_table`.
LOOKUP, CALENDAR = "lookup", "calendar"

_tables: Table = LookupTable.__table__  # type: ignore[assignment]
_rows: Table = LookupRow.__table__  # type: ignore[assignment]
_days: Table = CalendarDay.__table__  # type: ignore[assignment]


def evaluation_context(uow: UnitOfWork) -> EvaluationContext:
    """The surroundings of formulas at this moment; tables are read when one is looked into."""

    def lookup(table: str, key: Any, column: str, below: bool) -> str | None:
        return _kept(uow, LOOKUP, LookupTables).find(uow, table, key, column, below=below)

    def is_workday(day: date) -> bool:
        return _kept(uow, CALENDAR, Calendar).is_workday(uow, day)

    return EvaluationContext.at(uow.clock, lookup=lookup, is_workday=is_workday)


def _kept(uow: UnitOfWork, source: str, make: Callable[[], T]) -> T:
    """What was read of ``source``: by this transaction, or by any since the last change."""
    found: T | None = uow.memo.get(("reference", source))
    if found is None:
        revision = _revision(uow, source)
        kept = uow.snapshot.memo.get(("reference", source))
        if revision is None:  # changed here and not yet committed: nobody else may see it
            found = make()
        elif kept is not None and kept[0] == revision:
            found = kept[1]
        else:
            found = make()
            uow.snapshot.memo["reference", source] = (revision, found)
        uow.memo["reference", source] = found
    assert found is not None
    return found


def _revision(uow: UnitOfWork, source: str) -> int | None:
    if ("reference changed", source) in uow.memo:
        return None
    statement = select(revision_table.c.revision).where(revision_table.c.source == source)
    if uow.write:
        statement = statement.with_for_update(read=True)
    found: int | None = uow.execute(statement).scalar()
    return found


@dataclass
class _Content:
    """The rows of one table, by key."""

    columns: Mapping[str, int]
    by_text: dict[str, tuple[str | None, ...]]
    #: Keys that are numbers, ascending, and their rows.
    numbers: list[Decimal]
    numbered: list[tuple[str | None, ...]]


@dataclass
class LookupTables:
    """All tables; the rows of each are read when it is first looked into."""

    _contents: dict[str, _Content | None] = field(default_factory=dict)

    def find(
        self, uow: UnitOfWork, table: str, key: Any, column: str, *, below: bool
    ) -> str | None:
        """The cell, or None. Tables go by name or label, columns by name; capitals do not count."""
        name = fold(table)
        if name not in self._contents:
            self._contents[name] = _content(uow, name)
        content = self._contents[name]
        if content is None:
            return None
        place = content.columns.get(fold(column))
        row = _below(content, key) if below else _exact(content, key)
        return None if place is None or row is None else row[place]


def has_table(uow: UnitOfWork, name: str) -> bool:
    """True when LOOKUP finds a table of this name or label."""
    return _table(uow, fold(name)) is not None


def _table(uow: UnitOfWork, name: str) -> Mapping[str, Any] | None:
    living = select(_tables).where(_tables.c.archived_at.is_(None)).order_by(_tables.c.id)
    tables: list[Mapping[str, Any]] = [dict(row) for row in uow.execute(living).mappings()]
    named = [each for each in tables if fold(each["name"]) == name]
    labelled = [each for each in tables if fold(each["label"]) == name]
    return next(iter(named or labelled), None)


def _content(uow: UnitOfWork, name: str) -> _Content | None:
    table = _table(uow, name)
    if table is None:
        return None
    places = {"key": 0, fold(table["key_label"] or "key"): 0}
    for place in range(1, COLUMNS + 1):
        places.setdefault(fold(table[f"column_{place}"] or f"column_{place}"), place)
    cells = [_rows.c.key, *(_rows.c[f"value_{place}"] for place in range(1, COLUMNS + 1))]
    statement = select(*cells).where(_rows.c.table_id == table["id"], _rows.c.archived_at.is_(None))
    rows = [tuple(row) for row in uow.execute(statement.order_by(_rows.c.id))]
    by_number: dict[Decimal, tuple[str | None, ...]] = {}
    for row in rows:
        number = read_cell(row[0], Kind.NUMBER)
        if number is not None:
            by_number.setdefault(number, row)
    numbers = sorted(by_number)
    return _Content(
        places,
        {fold(row[0]): row for row in rows},
        numbers,
        [by_number[number] for number in numbers],
    )


def _exact(content: _Content, key: Any) -> tuple[str | None, ...] | None:
    row = content.by_text.get(fold(_key_text(key)))
    if row is None and isinstance(key, Decimal):
        place = bisect_right(content.numbers, key) - 1
        if place >= 0 and content.numbers[place] == key:
            row = content.numbered[place]
    return row


def _below(content: _Content, key: Decimal) -> tuple[str | None, ...] | None:
    place = bisect_right(content.numbers, key) - 1
    return content.numbered[place] if place >= 0 else None


def _key_text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, Decimal):
        return format(key, "f").rstrip("0").rstrip(".") if key % 1 else format(key, ".0f")
    return key.isoformat() if isinstance(key, (date, datetime)) else str(key)


@dataclass
class Calendar:
    """The company's days: what is written down, else Monday to Friday."""

    _exceptions: dict[date, bool] | None = None

    def is_workday(self, uow: UnitOfWork, day: date) -> bool:
        """True when the company works on ``day``."""
        if self._exceptions is None:
            living = select(_days.c.date, _days.c.kind).where(_days.c.archived_at.is_(None))
            self._exceptions = {row.date: row.kind == "working" for row in uow.execute(living)}
        known = self._exceptions.get(day)
        return day.weekday() < 5 if known is None else known
