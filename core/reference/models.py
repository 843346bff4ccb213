"""Reference tables with their rows, the days that differ from the week, and how often each moved."""

from __future__ import annotations

from datetime import date as Day

from sqlalchemy import BigInteger, Column, Index, Table, text
from sqlalchemy.orm import Mapped

from core.db.base import metadata
from core.db.types import PlainText
from core.fields import Choice, ChoiceField, Date, Entity, Reference, Text, field
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l

__all__ = ["COLUMNS", "CalendarDay", "LookupRow", "LookupTable", "revision_table"]

#: How many columns a table has beside its key.
COLUMNS = 8
_LIVING = text("archived_at IS NULL")

#: One row for ``lookup`` and one for ``calendar``: a number that grows with each change. Who reads
#: the tables within a write locks it shared, so that a change waits, or is waited for.
revision_table = Table(
    "core_reference_revision",
    metadata,
    Column("source", PlainText(20), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)


class LookupTable(Entity):
    """A table of the company's own, which LOOKUP reads."""

    __tablename__ = "core_lookup_table"

    name: Mapped[str | None] = field(
        Text(60),
        label=_l("Name"),
        required=True,
        unique=True,
        searchable=True,
        help=_l('As formulas call it: LOOKUP("name", …)'),
    )
    label: Mapped[str | None] = field(Text(100), label=_l("Label"), required=True, searchable=True)
    key_label: Mapped[str | None] = field(Text(60), label=_l("What the key is"))
    column_1: Mapped[str | None] = field(Text(60), label=_l("Column 1"), required=True)
    column_2: Mapped[str | None] = field(Text(60), label=_l("Column 2"))
    column_3: Mapped[str | None] = field(Text(60), label=_l("Column 3"))
    column_4: Mapped[str | None] = field(Text(60), label=_l("Column 4"))
    column_5: Mapped[str | None] = field(Text(60), label=_l("Column 5"))
    column_6: Mapped[str | None] = field(Text(60), label=_l("Column 6"))
    column_7: Mapped[str | None] = field(Text(60), label=_l("Column 7"))
    column_8: Mapped[str | None] = field(Text(60), label=_l("Column 8"))


class LookupRow(Entity):
    """One row: a key, and a cell for each column."""

    __tablename__ = "core_lookup_row"
    __table_args__ = (
        Index(
            "uq_core_lookup_row_table_id_key",
            "table_id",
            "key",
            unique=True,
            sqlite_where=_LIVING,
            postgresql_where=_LIVING,
        ),
        *entity_indexes("core_lookup_row"),
    )

    table: Mapped[int | None] = field(
        Reference("lookup_table"),
        label=_l("Table"),
        table="core_lookup_table",
        column="table_id",
        required=True,
    )
    key: Mapped[str | None] = field(Text(120), label=_l("Key"), required=True, searchable=True)
    value_1: Mapped[str | None] = field(Text(255), label=_l("Column 1"))
    value_2: Mapped[str | None] = field(Text(255), label=_l("Column 2"))
    value_3: Mapped[str | None] = field(Text(255), label=_l("Column 3"))
    value_4: Mapped[str | None] = field(Text(255), label=_l("Column 4"))
    value_5: Mapped[str | None] = field(Text(255), label=_l("Column 5"))
    value_6: Mapped[str | None] = field(Text(255), label=_l("Column 6"))
    value_7: Mapped[str | None] = field(Text(255), label=_l("Column 7"))
    value_8: Mapped[str | None] = field(Text(255), label=_l("Column 8"))


class CalendarDay(Entity):
    """A day that is not as its weekday says: a holiday, or a weekend day that is worked."""

    __tablename__ = "core_calendar_day"
    __table_args__ = (
        Index(
            "uq_core_calendar_day_date",
            "date",
            unique=True,
            sqlite_where=_LIVING,
            postgresql_where=_LIVING,
        ),
        *entity_indexes("core_calendar_day"),
    )

    date: Mapped[Day | None] = field(Date(), label=_l("Date"), required=True, synonyms=("日期",))
    kind: Mapped[str | None] = field(
        ChoiceField(
            (Choice("off", _l("Day off"), "good"), Choice("working", _l("Working day"), "info"))
        ),
        label=_l("Kind of day"),
        required=True,
        default="off",
    )
    name: Mapped[str | None] = field(Text(100), label=_l("Occasion"), searchable=True)
