"""One's day for the first page: what is late, due, new and waiting, and the month's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for

from core.entities.aggregate import reading_aggregate
from core.entities.conditions import parse_condition
from core.entities.conditions_python import condition_predicate
from core.entities.query import MAX_LIMIT, ListQuery, Page, reading_count, reading_page
from core.entities.reading import Reading, read_together
from core.errors import Forbidden, Invalid
from core.http.addresses import Row, list_condition, list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from plugins.activities.about import About, about_pairs, dated, name_about
from plugins.activities.handover import kept_entities
from plugins.activities.models import KINDS, PRIORITIES
from plugins.activities.quota import WRITTEN, weekly_quota

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["my_day", "quick_actions"]

ROWS = 6
#: Records that keep their own date are counted up to here.
RECORDS = 99
NEW_DAYS = 7
_MINE: tuple[Row, ...] = (("assignee", "is_me"), ("status", "in", "open"))
_FROM_OTHERS: Row = ("created_by", "is_not_me")
_FIELDS = ("title", "due_at", "priority", "related_id", "follow_up", "assigned_at", "created_by")
#: Those that are said beside a task.
_PRESSING = {
    choice.value: choice.label for choice in PRIORITIES if choice.value in ("high", "urgent")
}
_NEEDED = ("title", "due_at", "priority", "assignee", "status", "assigned_at", "created_by")


class Panel(NamedTuple):
    """One short list of open tasks that ``rows`` choose, and of records whose own moment lies in
    ``span``."""

    title: str
    rows: tuple[Row, ...]
    sort: str = "due_at"
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
    """The slot ``home.main``: one statement for all of it, and one for the names of records in it."""
    access = uow.actor.access(uow.entity("task"))
    if not access.may("create") or not access.may("read"):
        return ""  # who has nothing to do here is asked for nothing
    if not all(access.can_use(uow.entity("task")[name]) for name in _NEEDED):
        return ""
    try:
        panels, figures = _read(uow, _panels(uow.clock.today()))
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
            (("due_at", "le", yesterday.isoformat()),),
            span=("next_follow_at", "le", yesterday.isoformat()),
            is_late=True,
        ),
        Panel(
            _("Due today"),
            (("due_at", "within", "today"),),
            none=_("Nothing more is due today."),
            span=("next_follow_at", "within", "today"),
        ),
        Panel(
            _("New in my hands"),
            (_FROM_OTHERS, ("assigned_at", "within", f"last_{NEW_DAYS}_days")),
            "-assigned_at",
            span=("held_since", "within", f"last_{NEW_DAYS}_days"),
        ),
        Panel(
            _("Waiting for you"),
            (_FROM_OTHERS, ("assigned_at", "le", edge.isoformat())),
        ),
    ]


def _read(
    uow: UnitOfWork, panels: Sequence[Panel]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """What the panels and the figures of the month show."""
    records = [_reading_records(uow, panel.span) if panel.span else [] for panel in panels]
    figures = _reading_figures(uow)
    readings: list[Reading[Any]] = [_reading_tasks(uow)]
    readings += [*(each for some in records for each in some), *figures]
    tasks, *rest = read_together(uow, readings)
    found = iter(rest)
    own = [[row for _reading in some for row in next(found)] for some in records]
    mine = [_tasks_of(uow, panel, tasks) for panel in panels]
    pairs = about_pairs(row for rows in mine for row in rows[:ROWS])
    names = {(each.entity, each.id): each for each in name_about(uow, pairs)}
    shown = [
        _panel(uow, panel, tasks, rows, beside, names)
        for panel, rows, beside in zip(panels, mine, own, strict=True)
    ]
    return shown, [figure for some in found for figure in some]


def _reading_tasks(uow: UnitOfWork) -> Reading[Page]:
    """What one has to do; of more than can be read at once what is due first."""
    access = uow.actor.access(uow.entity("task"))
    asked = ListQuery(
        fields=tuple(name for name in _FIELDS if access.can_see(uow.entity("task")[name])),
        filter=list_condition(*_MINE),
        sort="due_at",
        limit=MAX_LIMIT,
        labels=False,
    )
    return reading_page(uow, "task", asked)


def _tasks_of(uow: UnitOfWork, panel: Panel, tasks: Page) -> list[dict[str, Any]]:
    chosen = condition_predicate(parse_condition(list_condition(*panel.rows), tasks.spec, uow))
    rows = [row for row in tasks.items if chosen(row)]
    if panel.sort == "-assigned_at":
        rows.sort(key=lambda row: (row["assigned_at"], row["id"]), reverse=True)
    return rows


def _panel(
    uow: UnitOfWork,
    panel: Panel,
    tasks: Page,
    rows: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
    names: Mapping[Any, About],
) -> dict[str, Any]:
    is_new = bool(panel.span) and panel.span[0] == "held_since"
    planned = set() if is_new else set(about_pairs(tasks.items))
    own = [row for row in records if (row["entity"], row["id"]) not in planned]
    items = [_task(uow, row, names) for row in rows[:ROWS]]
    if own:
        items += [_record(uow, row, is_new=is_new) for row in own]
        items.sort(key=lambda item: item["since" if is_new else "at"], reverse=is_new)
    total = format_number(len(rows) + len(own))
    return {
        "title": panel.title,
        "none": panel.none,
        "total": f"{total}+" if tasks.next or len(own) >= RECORDS else total,
        "is_late": panel.is_late,
        "items": items[:ROWS],
        "urls": [
            (_("Show all"), list_url("task", *_MINE, *panel.rows, sort=panel.sort)),
            *(_record_urls(uow, {row["entity"] for row in own}, panel.span) if own else ()),
        ],
    }


def _task(uow: UnitOfWork, row: Mapping[str, Any], names: Mapping[Any, About]) -> dict[str, Any]:
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


def _reading_records(uow: UnitOfWork, span: Row) -> list[Reading[list[dict[str, Any]]]]:
    """One's own records whose moment lies in the span; of those that are new without what one made
    oneself."""
    name, rows = span[0], _conditions(span)
    found = []
    for spec in dated(uow, name):
        access = uow.actor.access(spec)
        if not all(access.can_use(spec[field]) for field, *_rest in rows):
            continue
        asked = ListQuery(
            fields=_names(uow, spec, name),
            filter=list_condition(*rows),
            sort=_order(span),
            limit=RECORDS,
        )
        found.append(reading_page(uow, spec.name, asked).then(partial(_all_told, name)))
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


def _all_told(moment: str, found: Page) -> list[dict[str, Any]]:
    spec = found.spec
    return [
        {
            "entity": spec.name,
            "entity_label": str(spec.label),
            "id": row["id"],
            "label": str(row.get(spec.label_field) or f"#{row['id']}"),
            "at": row[moment],
        }
        for row in found.items
    ]


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


# The month


def _reading_figures(uow: UnitOfWork) -> list[Reading[list[dict[str, str]]]]:
    """Follow-ups and done tasks of this month, and how much of the week's quota there is."""
    spec = uow.entity("follow_up")
    access = uow.actor.access(spec)
    found: list[Reading[list[dict[str, str]]]] = []
    usable = all(access.can_use(spec[name]) for name in ("owner", "kind", "happened_at"))
    if access.may("read") and usable:
        rows: tuple[Row, ...] = (("owner", "is_me"), ("happened_at", "within", "this_month"))
        of_month = ListQuery(filter=list_condition(*rows))
        counted = reading_aggregate(uow, "follow_up", ["kind"], ["count"], of_month)
        found.append(counted.then(partial(_by_kind, rows)))
        if wanted := weekly_quota(uow):
            week: tuple[Row, ...] = (rows[0], ("happened_at", "within", "this_week"), WRITTEN)
            asked = ListQuery(filter=list_condition(*week))
            found.append(reading_count(uow, "follow_up", asked).then(partial(_quota, week, wanted)))
    done: tuple[Row, ...] = (
        ("assignee", "is_me"),
        ("status", "in", "done"),
        ("completed_at", "within", "this_month"),
    )
    asked = ListQuery(filter=list_condition(*done))
    return [*found, reading_count(uow, "task", asked).then(partial(_done, done))]


def _by_kind(rows: tuple[Row, ...], counted: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    counts = {row["kind"]["id"]: row["count"] for row in counted}
    found = [_figure(_("Follow-ups"), sum(counts.values()), "follow_up", rows)]
    for choice in KINDS:
        if choice.value in ("visit", "call") or counts.get(choice.value):
            of_kind = (*rows, ("kind", "in", choice.value))
            count = counts.get(choice.value, 0)
            found.append(_figure(str(choice.label), count, "follow_up", of_kind))
    return found


def _quota(rows: tuple[Row, ...], wanted: int, count: int) -> list[dict[str, str]]:
    """S-055: so many of so many this week."""
    missing = max(0, wanted - count)
    found = _figure(_("This week's quota"), count, "follow_up", rows)
    note = _("%(n)s to go", n=format_number(missing)) if missing else _("Reached")
    return [found | {"count": f"{found['count']}/{format_number(wanted)}", "note": note}]


def _done(rows: tuple[Row, ...], count: int) -> list[dict[str, str]]:
    return [_figure(_("Tasks done"), count, "task", rows, sort="-completed_at")]


def _figure(
    label: str, count: int, entity: str, rows: tuple[Row, ...], sort: str = "-happened_at"
) -> dict[str, str]:
    url = list_url(entity, *rows, sort=sort)
    return {"label": label, "count": format_number(count), "note": "", "url": url}
