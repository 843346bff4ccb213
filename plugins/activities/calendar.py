"""A month or a week of one person: tasks, follow-ups, and the dates that records keep themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.periods import month_weeks
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from core.http.addresses import record_url
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_month, format_number
from plugins.activities.about import about_pairs, dated, name_about
from plugins.activities.models import KINDS
from plugins.activities.people import people_in_reach
from plugins.activities.weeks import add_months, week_of

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

#: Entries of one kind that a page holds, and those of a day in a month.
_MOST, _A_DAY = 500, 4
_ICONS = {
    "call": "phone",
    "visit": "map-pin",
    "wechat": "brand-wechat",
    "email": "mail",
    "meeting": "users",
}
_FIRST, _LAST = date(1970, 1, 1), date(2200, 1, 1)


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows: ``view`` is ``month`` or ``week``, ``day`` lies within, ``who`` is a person."""
    view = "week" if sent.get("view") == "week" else "month"
    today = uow.clock.today()
    day = _day(sent.get("day", ""), today)
    people = people_in_reach(uow, "task")
    who = _person(sent.get("who", ""), people, uow.actor.user_id or 0)
    weeks: Sequence[Sequence[date]] = month_weeks(day) if view == "month" else (week_of(day),)
    entries = _entries(uow, who, weeks[0][0], weeks[-1][-1])
    kept: dict[str, Any] = {"who": who} if who != uow.actor.user_id else {}

    def address(view: str, day: date) -> str:
        return url_for("activities.calendar", view=view, day=day.isoformat(), **kept)

    step = {
        "month": (add_months(day.replace(day=1), -1), add_months(day.replace(day=1), 1)),
        "week": (day - timedelta(days=7), day + timedelta(days=7)),
    }[view]
    return {
        "title": _title(view, day, weeks),
        "view": view,
        "views": [
            (_("Month"), address("month", day), view == "month"),
            (_("Week"), address("week", day), view == "week"),
        ],
        "previous_url": address(view, step[0]),
        "next_url": address(view, step[1]),
        "today_url": f"{address(view, today)}#today",
        "day": day.isoformat(),
        "people": [(str(key), name) for key, name in people] if len(people) > 1 else [],
        "who": str(who),
        "weekdays": _weekdays(),
        "weeks": [
            [_cell(each, day, today, view, entries, address("week", each)) for each in week]
            for week in weeks
        ],
        "is_empty": not any(entries.values()),
        "may_plan": uow.actor.access(uow.entity("task")).may("create"),
    }


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return min(max(day, _FIRST), _LAST)


def _person(text: str, people: Sequence[tuple[int, str]], me: int) -> int:
    known = {str(key): key for key, _name in people}
    return known.get(text, me)


def _title(view: str, day: date, weeks: Sequence[Sequence[date]]) -> str:
    if view == "month":
        return format_month(day)
    return _(
        "%(first)s to %(last)s", first=format_date(weeks[0][0]), last=format_date(weeks[0][-1])
    )


def _weekdays() -> list[str]:
    return [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")]


Entry = dict[str, Any]


def _cell(
    each: date,
    day: date,
    today: date,
    view: str,
    entries: Mapping[date, list[Entry]],
    more_url: str,
) -> dict[str, Any]:
    found = sorted(entries.get(each, ()), key=lambda entry: entry["at"])
    shown = found if view == "week" else found[:_A_DAY]
    more = len(found) - len(shown)
    return {
        "number": each.day,
        "name": f"{_weekdays()[each.weekday()]} {format_date(each)}",
        "is_today": each == today,
        "is_outside": view == "month" and each.month != day.month,
        "entries": shown,
        "more": _("%(n)s more", n=format_number(more)) if more else "",
        "more_url": more_url,
        "new_url": url_for(
            "activities.new_task", due_at=f"{each.isoformat()}T09:00", back="calendar"
        ),
    }


def _entries(uow: UnitOfWork, who: int, first: date, last: date) -> dict[date, list[Entry]]:
    """What lies on which day, as far as the reader may see it; a fixed number of statements."""
    found: dict[date, list[Entry]] = defaultdict(list)
    tasks = _rows(uow, "task", "due_at", who, first, last)
    follow_ups = _rows(uow, "follow_up", "happened_at", who, first, last)
    names = {
        (each.entity, each.id): each.label
        for each in name_about(uow, about_pairs([*tasks, *follow_ups]))
    }
    for entry in (
        *(_task(uow, row, names) for row in tasks if row["status"] != "cancelled"),
        *(_follow_up(uow, row, names) for row in follow_ups),
        *_planned(uow, who, first, last, tasks),
    ):
        found[entry["at"].date()].append(entry)
    return found


_FIELDS = {
    "task": ("title", "due_at", "status", "related_id", "follow_up"),
    "follow_up": ("subject", "kind", "happened_at", "related_id"),
}


def _rows(
    uow: UnitOfWork, entity: str, moment: str, who: int, first: date, last: date
) -> list[dict[str, Any]]:
    spec = uow.entity(entity)
    access = uow.actor.access(spec)
    needed = ("status",) if entity == "task" else ("kind",)
    if not all(access.can_see(spec[name]) for name in (moment, *needed)):
        return []
    asked = ListQuery(
        fields=tuple(name for name in _FIELDS[entity] if access.can_see(spec[name])),
        filter={
            "all": [
                {"field": "owner", "op": "eq", "value": who},
                {"field": moment, "op": "between", "value": [first.isoformat(), last.isoformat()]},
            ]
        },
        sort=moment,
        limit=_MOST,
    )
    try:
        return query.page(uow, entity, asked).items
    except (Forbidden, Invalid):
        return []


def _local(uow: UnitOfWork, moment: datetime) -> datetime:
    return moment.astimezone(uow.clock.timezone)


def _task(uow: UnitOfWork, row: Mapping[str, Any], names: Mapping[Any, str]) -> Entry:
    at = _local(uow, row["due_at"])
    about = names.get((row.get("related_entity"), row.get("related_id")), "")
    is_open = row["status"] == "open"
    text = row.get("title") or f"#{row['id']}"
    if about and row.get("follow_up"):
        text, about = about, text  # a planned follow-up goes by the name of its record
    return {
        "at": at,
        "time": f"{at:%H:%M}",
        "icon": "checkbox" if is_open else "circle-check",
        "kind": _("Task"),
        "text": text,
        "about": about,
        "url": record_url("task", row["id"]),
        "tone": "bad" if is_open and row["due_at"] < uow.now() else "info" if is_open else "done",
    }


def _follow_up(uow: UnitOfWork, row: Mapping[str, Any], names: Mapping[Any, str]) -> Entry:
    at = _local(uow, row["happened_at"])
    about = names.get((row.get("related_entity"), row.get("related_id")), "")
    labels = {choice.value: str(choice.label) for choice in KINDS}
    return {
        "at": at,
        "time": f"{at:%H:%M}",
        "icon": _ICONS.get(row["kind"], "message-circle"),
        "kind": labels.get(row["kind"], ""),
        "text": about or row.get("subject") or f"#{row['id']}",
        "about": (row.get("subject") or "") if about else "",
        "url": record_url("follow_up", row["id"]),
        "tone": "good",
    }


def _planned(
    uow: UnitOfWork, who: int, first: date, last: date, tasks: Iterable[Mapping[str, Any]]
) -> Iterable[Entry]:
    """Records whose own date lies here, but for those that a task of that day stands for."""
    stood_for = {
        (row.get("related_entity"), row.get("related_id"), _local(uow, row["due_at"]).date())
        for row in tasks
    }
    for spec in dated(uow):
        for row in _dates(uow, spec, who, first, last):
            at = _local(uow, row["next_follow_at"])
            if (spec.name, row["id"], at.date()) in stood_for:
                continue
            yield {
                "at": at,
                "time": f"{at:%H:%M}",
                "icon": spec.icon,
                "kind": _("Next follow-up"),
                "text": str(row.get(spec.label_field) or f"#{row['id']}"),
                "about": "",
                "url": record_url(spec.name, row["id"]),
                "tone": "warn",
            }


def _dates(
    uow: UnitOfWork, spec: EntitySpec, who: int, first: date, last: date
) -> list[dict[str, Any]]:
    span = [first.isoformat(), last.isoformat()]
    access = uow.actor.access(spec)
    names = (spec.label_field, "next_follow_at")
    asked = ListQuery(
        fields=tuple(name for name in names if access.can_see(spec[name])),
        filter={
            "all": [
                {"field": "owner", "op": "eq", "value": who},
                {"field": "next_follow_at", "op": "between", "value": span},
            ]
        },
        sort="next_follow_at",
        limit=_MOST,
    )
    try:
        return query.page(uow, spec.name, asked).items
    except (Forbidden, Invalid):
        return []
