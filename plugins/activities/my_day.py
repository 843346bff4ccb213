"""One's day for the first page: what is late, due, new and waiting, and the month's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for

from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery, page
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from plugins.activities.about import about_pairs, dated, name_about
from plugins.activities.handover import kept_entities
from plugins.activities.models import KINDS, PRIORITIES
from plugins.activities.quota import WRITTEN, weekly_quota

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["Row", "condition", "my_day", "quick_actions"]

ROWS = 6
#: Records that keep their own date are counted up to here.
RECORDS = 99
NEW_DAYS = 7
#: A condition of the list's filter: (field, operator, value…).
Row = tuple[str, ...]
_MINE: tuple[Row, ...] = (("assignee", "is_me"), ("status", "in", "open"))
_FROM_OTHERS: Row = ("created_by", "is_not_me")
_FIELDS = ("title", "due_at", "priority", "related_id", "follow_up", "assigned_at")
#: Those that are said beside a task.
_PRESSING = {
    choice.value: choice.label for choice in PRIORITIES if choice.value in ("high", "urgent")
}
_NEEDED = ("title", "due_at", "priority", "assignee", "status", "assigned_at", "created_by")


class Panel(NamedTuple):
    """One short list of tasks, and of records whose own moment lies in ``span``."""

    title: str
    rows: tuple[Row, ...]
    sort: str
    none: str = ""
    span: Row = ()
    #: All of it is late, which need not be said of each.
    is_late: bool = False


def quick_actions(uow: UnitOfWork, **context: Any) -> str:
    """The slot ``home.actions``: what one most likely writes down."""
    if not uow.actor.access(uow.entity("follow_up")).may("create"):
        return ""
    html: str = macros("activities/home.html").quick_actions()
    return html


def my_day(uow: UnitOfWork, **context: Any) -> str:
    """The slot ``home.main``. The number of statements does not depend on how many tasks there are."""
    access = uow.actor.access(uow.entity("task"))
    if not access.may("create") or not access.may("read"):
        return ""  # who has nothing to do here is asked for nothing
    if not all(access.can_use(uow.entity("task")[name]) for name in _NEEDED):
        return ""
    try:
        panels = [_panel(uow, panel) for panel in _panels(uow.clock.today())]
        figures = _figures(uow)
    except (Forbidden, Invalid):
        return ""  # a field is hidden that the day is made of
    shown = [panel for panel in panels if panel["items"] or panel["none"]]
    calendar = None
    if uow.actor.has_permission("activities.see_pages"):
        calendar = url_for("activities.calendar")
    kept = uow.actor.access(uow.entity("follow_up")).may("read") and kept_entities(uow)
    handover = url_for("activities.handover") if kept else None
    template = macros("activities/home.html")
    html: str = template.my_day(shown, _("Your month"), figures, calendar, handover)
    return html


def _panels(today: date) -> list[Panel]:
    yesterday, edge = today - timedelta(days=1), today - timedelta(days=NEW_DAYS)
    return [
        Panel(
            _("Overdue"),
            (*_MINE, ("due_at", "le", yesterday.isoformat())),
            "due_at",
            span=("next_follow_at", "le", yesterday.isoformat()),
            is_late=True,
        ),
        Panel(
            _("Due today"),
            (*_MINE, ("due_at", "within", "today")),
            "due_at",
            none=_("Nothing more is due today."),
            span=("next_follow_at", "within", "today"),
        ),
        Panel(
            _("New in my hands"),
            (*_MINE, _FROM_OTHERS, ("assigned_at", "within", f"last_{NEW_DAYS}_days")),
            "-assigned_at",
            span=("held_since", "within", f"last_{NEW_DAYS}_days"),
        ),
        Panel(
            _("Waiting for you"),
            (*_MINE, _FROM_OTHERS, ("assigned_at", "le", edge.isoformat())),
            "due_at",
        ),
    ]


def _panel(uow: UnitOfWork, panel: Panel) -> dict[str, Any]:
    access = uow.actor.access(uow.entity("task"))
    asked = ListQuery(
        fields=tuple(name for name in _FIELDS if access.can_see(uow.entity("task")[name])),
        filter=condition(panel.rows),
        sort=panel.sort,
        limit=ROWS,
    )
    found = page(uow, "task", asked)
    count = query.count(uow, "task", asked) if found.next else len(found.items)
    names = {(each.entity, each.id): each for each in name_about(uow, about_pairs(found.items))}
    items = [_task(uow, row, names) for row in found.items]
    is_new = bool(panel.span) and panel.span[0] == "held_since"
    own = _records(uow, panel.span) if panel.span else []
    if own:
        items += [_record(uow, row, is_new=is_new) for row in own]
        items.sort(key=lambda item: item["since" if is_new else "at"], reverse=is_new)
    total = format_number(count + len(own))
    return {
        "title": panel.title,
        "none": panel.none,
        "total": f"{total}+" if len(own) >= RECORDS else total,
        "is_late": panel.is_late,
        "items": items[:ROWS],
        "urls": [
            (_("Show all"), list_url("task", *panel.rows, sort=panel.sort)),
            *(_record_urls(uow, {row["entity"] for row in own}, panel.span) if own else ()),
        ],
    }


def _task(uow: UnitOfWork, row: Mapping[str, Any], names: Mapping[Any, Any]) -> dict[str, Any]:
    due, zone = row["due_at"], uow.clock.timezone
    about = names.get((row.get("related_entity"), row.get("related_id")))
    shown: dict[str, Any] = {
        "at": due or uow.now() + timedelta(days=3_650),
        "since": row["assigned_at"],
        "key": row["id"],
        "label": row["title"],
        "url": record_url("task", row["id"]),
        "about": [],
        "when": format_datetime(due, zone) if due else "",
        "is_late": due is not None and due < uow.now(),
        "priority": _PRESSING.get(row["priority"], ""),
        "follow_url": "",
    }
    if about is not None:
        shown |= {"about": [about.label], "follow_url": _follow_url(about.text)}
        if row.get("follow_up") is not None:  # a plan goes by the name of its record
            shown |= {"label": about.label, "url": about.url, "about": [row["title"]]}
    return shown


def _record(uow: UnitOfWork, row: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
    about = row["entity_label"]
    if not is_new:
        about = _("%(entity)s to follow up", entity=about)
    return {
        "at": row["at"],
        "since": row["at"],
        "key": None,
        "label": row["label"],
        "url": record_url(row["entity"], row["id"]),
        "about": [about],
        "when": format_datetime(row["at"], uow.clock.timezone),
        "is_late": not is_new and row["at"] < uow.now(),
        "priority": "",
        "follow_url": _follow_url(f"{row['entity']}:{row['id']}"),
    }


def _follow_url(about: str) -> str:
    return url_for("activities.new_follow_up", about=about, back="home")


# Records that themselves keep when they are to be followed up next, and since when who has them.


def _records(uow: UnitOfWork, span: Row) -> list[dict[str, Any]]:
    """One's own records whose moment lies in the span: of those to follow up without what one has a task
    about, of those that are new without what one made oneself."""
    found, name = [], span[0]
    for spec in dated(uow, name):
        access = uow.actor.access(spec)
        if not all(access.can_use(spec[field]) for field, *_rest in _conditions(span)):
            continue
        asked = ListQuery(
            fields=_names(uow, spec, name),
            filter=condition(_conditions(span)),
            sort=_order(span),
            limit=RECORDS,
        )
        rows = page(uow, spec.name, asked).items
        ids = [row["id"] for row in rows] if name == "next_follow_at" else []
        planned = _planned(uow, spec, ids)
        found += [_told(spec, row, name) for row in rows if row["id"] not in planned]
    return found


def _conditions(span: Row) -> tuple[Row, ...]:
    own: Row = ("owner", "is_me")
    return (own, span, _FROM_OTHERS) if span[0] == "held_since" else (own, span)


def _order(span: Row) -> str:
    """What is new from the newest on, what is due from the one due first."""
    return f"-{span[0]}" if span[0] == "held_since" else span[0]


def _names(uow: UnitOfWork, spec: EntitySpec, moment: str) -> tuple[str, ...]:
    """What is read of a record: its name, where the reader may see it, and the moment."""
    access = uow.actor.access(spec)
    return tuple(name for name in (spec.label_field, moment) if access.can_see(spec[name]))


def _told(spec: EntitySpec, row: Mapping[str, Any], moment: str) -> dict[str, Any]:
    return {
        "entity": spec.name,
        "entity_label": str(spec.label),
        "id": row["id"],
        "label": str(row.get(spec.label_field) or f"#{row['id']}"),
        "at": row[moment],
    }


def _planned(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> set[int]:
    """Those of the records that the reader has an open task about."""
    if not ids:
        return set()
    about = [
        *(_one(row) for row in _MINE),
        {"field": "related_entity", "op": "eq", "value": spec.name},
        {"field": "related_id", "op": "in", "value": list(ids)},
    ]
    asked = ListQuery(fields=("related_id",), filter={"all": about}, sort="id", limit=500)
    return {row["related_id"] for row in page(uow, "task", asked).items}


def _record_urls(uow: UnitOfWork, entities: set[str], span: Row) -> list[tuple[str, str]]:
    """The lists of the entities that some of the rows are records of."""
    return [
        (
            str(spec.label_plural),
            list_url(spec.name, *_conditions(span), sort=_order(span)),
        )
        for spec in dated(uow, span[0])
        if spec.name in entities
    ]


def condition(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows of a list's filter as the condition that they stand for."""
    return {"all": [_one(row) for row in rows]}


def _one(row: Row) -> dict[str, Any]:
    field, op, *values = row
    if op in ("is_me", "is_not_me"):
        return {"field": field, "op": "eq" if op == "is_me" else "ne", "value": {"var": "me"}}
    if not values:
        return {"field": field, "op": op}
    return {"field": field, "op": op, "value": values if op == "in" else values[0]}


# The month


def _figures(uow: UnitOfWork) -> list[dict[str, str]]:
    """Follow-ups and done tasks of this month, and how much of the week's quota there is."""
    spec = uow.entity("follow_up")
    access = uow.actor.access(spec)
    found: list[dict[str, str]] = []
    usable = all(access.can_use(spec[name]) for name in ("owner", "kind", "happened_at"))
    if access.may("read") and usable:
        found += _by_kind(uow) + _quota(uow)
    done: tuple[Row, ...] = (
        ("assignee", "is_me"),
        ("status", "in", "done"),
        ("completed_at", "within", "this_month"),
    )
    count = query.count(uow, "task", ListQuery(filter=condition(done)))
    address = list_url("task", *done, sort="-completed_at")
    found.append(
        {"label": _("Tasks done"), "count": format_number(count), "note": "", "url": address}
    )
    return found


def _by_kind(uow: UnitOfWork) -> list[dict[str, str]]:
    rows: tuple[Row, ...] = (("owner", "is_me"), ("happened_at", "within", "this_month"))
    counts = {
        row["kind"]["id"]: row["count"]
        for row in aggregate(
            uow, "follow_up", ["kind"], ["count"], ListQuery(filter=condition(rows))
        )
    }
    found = [
        {
            "label": _("Follow-ups"),
            "count": format_number(sum(counts.values())),
            "note": "",
            "url": list_url("follow_up", *rows, sort="-happened_at"),
        }
    ]
    for choice in KINDS:
        if choice.value in ("visit", "call") or counts.get(choice.value):
            of_kind: Row = ("kind", "in", choice.value)
            found.append(
                {
                    "label": str(choice.label),
                    "count": format_number(counts.get(choice.value, 0)),
                    "note": "",
                    "url": list_url("follow_up", *rows, of_kind, sort="-happened_at"),
                }
            )
    return found


def _quota(uow: UnitOfWork) -> list[dict[str, str]]:
    """S-055: so many of so many this week."""
    wanted = weekly_quota(uow)
    if not wanted:
        return []
    rows: tuple[Row, ...] = (("owner", "is_me"), ("happened_at", "within", "this_week"), WRITTEN)
    count = query.count(uow, "follow_up", ListQuery(filter=condition(rows)))
    missing = max(0, wanted - count)
    return [
        {
            "label": _("This week's quota"),
            "count": f"{format_number(count)}/{format_number(wanted)}",
            "note": _("%(n)s to go", n=format_number(missing)) if missing else _("Reached"),
            "url": list_url("follow_up", *rows, sort="-happened_at"),
        }
    ]
