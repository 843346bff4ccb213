"""Records on the days of a month, by one of their dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import redirect

from core.entities import query
from core.entities.filters import FilterRow, filter_fields
from core.entities.form_fields import editable_fields
from core.entities.list_views import ListView
from core.entities.periods import month_weeks
from core.entities.query import ListQuery
from core.entities.rendering import display_text
from core.entities.scope import may
from core.errors import Invalid
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.presenting import page_url, reader_of, record_address
from core.http.rendering import render
from core.http.requests import runtime
from core.i18n.formats import format_date, format_month, format_time, format_weekday
from core.web.layouts import calendar_fields
from core.web.list_page import frame, kept_pairs, list_base
from core.web.list_state import ListState
from core.web.moving import MORNING
from core.work.uow import UnitOfWork

__all__ = ["calendar"]

#: Records read for a month, and those shown on one of its days.
MOST, ON_A_DAY = 500, 3


@dataclass
class Day:
    """One day of the calendar as it is drawn."""

    date: date
    text: str
    weekday: str
    in_month: bool
    is_today: bool
    entries: list[dict[str, Any]] = field(default_factory=list)
    #: How many more there are than are shown, and the list of all.
    more: int = 0
    url: str = ""
    new_url: str = ""


def calendar(uow: UnitOfWork, spec: EntitySpec, state: ListState, views: Sequence[ListView]) -> Any:
    """The page of the month that holds the day of the address."""
    fields = calendar_fields(uow, spec)
    by = next((item for item in fields if item.name == state.by), fields[0] if fields else None)
    if by is None:
        return redirect(replace(state, layout="table", by="").url(list_base(spec)))
    zone = runtime().clock.timezone
    today = uow.now().astimezone(zone).date()
    day, refusal = _day(state.day) or today, ""
    weeks = month_weeks(day)
    days = {each: _drawn(uow, spec, by, each, day, today) for week in weeks for each in week}
    has_more = False
    try:
        has_more = _fill(uow, spec, state, by, days, zone)
    except Invalid as error:
        refusal = error.message
    base = list_base(spec)
    first = day.replace(day=1)
    context = {
        **frame(uow, spec, state, views),
        "weeks": [[days[each] for each in week] for week in weeks],
        "title": format_month(day),
        "weekdays": [format_weekday(each) for each in weeks[0]],
        "previous_url": replace(state, day=str(first - timedelta(days=1))).url(base),
        "next_url": replace(state, day=str(_following(first))).url(base),
        "today_url": replace(state, day="").url(base),
        "by": by.name,
        "by_options": [(item.name, str(item.label)) for item in fields],
        "by_kept": kept_pairs(state, without="by") + ([("day", state.day)] if state.day else []),
        "has_more": has_more,
        "can_move": spec.updatable
        and may(uow, spec, "update")
        and by.name in {item.name for item in editable_fields(uow, spec)},
        "refusal": refusal,
        "is_empty": False,
    }
    return render("core/records/calendar.html", **context), 422 if refusal else 200


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2200 else None


def _following(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _drawn(
    uow: UnitOfWork, spec: EntitySpec, by: FieldSpec, each: date, day: date, today: date
) -> Day:
    can_create = spec.creatable and may(uow, spec, "create") and not by.readonly
    value = f"{each}T{MORNING:%H:%M}" if isinstance(by.type, t.DateTime) else str(each)
    given = {by.name: value}
    new_url = page_url("web.new_record", entity=spec.name, **given) if can_create else None
    return Day(
        each,
        format_date(each),
        format_weekday(each, "wide"),
        each.month == day.month,
        each == today,
        new_url=new_url or "",
    )


def _fill(
    uow: UnitOfWork,
    spec: EntitySpec,
    state: ListState,
    by: FieldSpec,
    days: Mapping[date, Day],
    zone: ZoneInfo,
) -> bool:
    """Put the records into their days; true when there are more than one page can show."""
    first, last = min(days), max(days)
    within = {"field": by.name, "op": "between", "value": [str(first), str(last)]}
    asked = state.conditions(filter_fields(uow, spec))
    tone = next((f for f in spec.stored if type(f.type) is t.ChoiceField), None)
    seen = {item.name for item in query.visible(uow, spec)}
    tone = tone if tone is not None and tone.name in seen else None
    page = query.page(
        uow,
        spec.name,
        ListQuery(
            fields=tuple({spec.label_field, by.name, *([tone.name] if tone else [])}),
            filter={"all": [asked, within]} if asked else within,
            search=state.search,
            sort=by.name,
            limit=MOST,
        ),
    )
    reader, address = reader_of(uow, page.labels), record_address(uow)
    label_type = spec[spec.label_field].type
    for row in page.items:
        value = row[by.name]
        is_moment = isinstance(value, datetime)
        day = days.get(value.astimezone(zone).date() if is_moment else value)
        if day is None:
            continue
        if len(day.entries) >= ON_A_DAY:
            day.more += 1
            continue
        title = display_text(label_type, row.get(spec.label_field), reader, row)
        day.entries.append(
            {
                "id": row["id"],
                "version": row.get("version", 0),
                "title": title or f"#{row['id']}",
                "url": address(spec.name, row["id"]),
                "time": format_time(value, zone) if is_moment else "",
                "tone": _tone(tone, row),
            }
        )
    for day in days.values():
        if day.more:
            day.url = _list_of(spec, state, by, day.date)
    return page.next is not None


def _tone(item: FieldSpec | None, row: Mapping[str, Any]) -> str:
    """The tone of the record's state."""
    if item is None or not isinstance(item.type, t.ChoiceField):
        return "neutral"
    value = row.get(item.name)
    return next((each.tone for each in item.type.choices if each.value == value), "neutral")


def _list_of(spec: EntitySpec, state: ListState, by: FieldSpec, day: date) -> str:
    row = FilterRow(by.name, "between", (str(day), str(day)))
    wanted = state.filter
    if wanted.mode == "any" and wanted.all_rows:
        return ""  # one more row would widen it
    found = replace(wanted, rows=(*wanted.rows, row))
    return replace(state, filter=found, layout="table", by="", day="").url(list_base(spec))
