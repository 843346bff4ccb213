"""How reference tables and the calendar are named and arranged."""

from __future__ import annotations

from core.fields import EntityDef, Section
from core.i18n import lazy_gettext as _l
from core.reference.models import COLUMNS, CalendarDay, LookupRow, LookupTable

__all__ = ["calendar_day", "lookup_row", "lookup_table"]

lookup_table = EntityDef(
    name="lookup_table",
    model=LookupTable,
    label=_l("Reference table"),
    label_plural=_l("Reference tables"),
    label_field="label",
    icon="list-numbers",
    list_columns=("name", "label", "key_label", "column_1", "column_2", "column_3"),
    sections=(
        Section(_l("Table"), ("name", "label", "key_label")),
        Section(_l("Columns"), tuple(f"column_{n}" for n in range(1, COLUMNS + 1))),
    ),
    default_sort="name",
    duplicate_keys=("name",),
)

lookup_row = EntityDef(
    name="lookup_row",
    model=LookupRow,
    label=_l("Row of a reference table"),
    label_plural=_l("Rows of reference tables"),
    label_field="key",
    icon="list",
    list_columns=("table", "key", "value_1", "value_2", "value_3"),
    default_sort="table,key",
    duplicate_keys=("table", "key"),
    navigable=False,
)

calendar_day = EntityDef(
    name="calendar_day",
    model=CalendarDay,
    label=_l("Day of the calendar"),
    label_plural=_l("Calendar"),
    label_field="name",
    icon="calendar",
    list_columns=("date", "kind", "name"),
    default_sort="-date",
    duplicate_keys=("date",),
)
