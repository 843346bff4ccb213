"""What is put into pages of other modules: a quick form and open tasks beside any record, the
state of a task above it, and ways through the list of tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.query import ListQuery, Record
from core.entities.reading import Reading, read_together
from core.entities.related import relatable
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.settings.service import get_setting
from plugins.activities import check_ins, communications
from plugins.activities.forms import NEW_FOLLOW_UP, choices, next_choices
from plugins.activities.models import KINDS

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["beside_record", "over_list", "over_record"]

_OPEN_TASKS = 5
_NEEDED = ("title", "due_at", "status", "related_entity", "related_id")


def beside_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.aside``: for the records of any entity, none of which knows of it."""
    if record.values.get("archived_at") is not None:
        return ""
    if not any(each.name == entity.name for each in relatable(uow)):
        return ""
    writes = uow.actor.access(uow.entity("follow_up")).may("create")
    plans = uow.actor.access(uow.entity("task")).may("create")
    tasks = _open_tasks(uow, entity.name, record.values["id"])
    if not (writes or plans or tasks):
        return ""
    html: str = macros("activities/record.html").beside(
        about=f"{entity.name}:{record.values['id']}",
        form_key=NEW_FOLLOW_UP.key(),
        writes=writes,
        plans=plans,
        tasks=tasks,
        kinds=choices(KINDS),
        following=[choice for choice in next_choices() if choice[0] != "date"],
        must_plan=get_setting(uow, "activities", "require_next"),
    )
    return html


def _open_tasks(uow: UnitOfWork, entity: str, record_id: int) -> list[dict[str, Any]]:
    """The first open tasks about a record, as far as the reader may see them."""
    spec = uow.entity("task")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(access.can_use(spec[name]) for name in _NEEDED):
        return []
    fields = tuple(name for name in ("title", "due_at", "assignee") if access.can_see(spec[name]))
    asked = ListQuery(
        fields=fields,
        filter={"field": "status", "op": "eq", "value": "open"},
        about=((entity, record_id),),
        sort="due_at",
        limit=_OPEN_TASKS,
    )
    try:
        wanted: list[Reading[Any]] = [query.reading_page(uow, "task", asked)]
        if access.may("complete"):
            limit = _OPEN_TASKS
            wanted.append(query.reading_ids(uow, "task", asked, action="complete", limit=limit))
        found, *completable = read_together(uow, wanted)
    except (Forbidden, Invalid):
        return []
    mine = {key for ids in completable for key in ids}
    people = found.labels.get("user", {})
    return [
        {
            "key": row["id"] if row["id"] in mine else None,
            "label": row["title"],
            "url": record_url("task", row["id"]),
            "about": [people[row["assignee"]]] if row.get("assignee") in people else [],
            "when": format_datetime(row["due_at"], uow.clock.timezone) if row["due_at"] else "",
            "is_late": row["due_at"] is not None and row["due_at"] < uow.now(),
            "priority": "",
            "follow_url": "",
        }
        for row in found.items
    ]


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``: a task that is late says so, and a follow-up what was logged
    of it; where what stands beside a record comes at its end, the way to the form stands here."""
    if entity.name == "follow_up":
        return _logged(record) + _checked_in(uow, record)
    if entity.name != "task":
        return _ways_in(uow, entity, record)
    due, status = record.values.get("due_at"), record.values.get("status")
    if status != "open" or due is None or due >= uow.now():
        return ""
    when = format_datetime(due, uow.clock.timezone)
    html: str = macros().notice(_("This was due on %(when)s.", when=when), "bad", _("Overdue"))
    return html


def _logged(record: Record) -> str:
    values = record.values
    if not communications.is_logged(values):
        return ""
    words = [*communications.in_words(values), values.get("party"), values.get("external_id")]
    if values.get("consent") is not None:
        words.append(_("agreed to be recorded") if values["consent"] else _("not agreed"))
    text = " · ".join(str(word) for word in words if word)
    html: str = macros().notice(text, "info", _("As it was logged"))
    return html


def _checked_in(uow: UnitOfWork, record: Record) -> str:
    text = check_ins.in_words(uow, record.values)
    if not text:
        return ""
    html: str = macros("activities/record.html").checked_in(
        text, check_ins.geo_address(record.values)
    )
    return html


def _ways_in(uow: UnitOfWork, entity: EntitySpec, record: Record) -> str:
    if record.values.get("archived_at") is not None:
        return ""
    if not any(each.name == entity.name for each in relatable(uow)):
        return ""
    html: str = macros("activities/record.html").ways_in(
        about=f"{entity.name}:{record.values['id']}",
        writes=uow.actor.access(uow.entity("follow_up")).may("create"),
        plans=uow.actor.access(uow.entity("task")).may("create"),
    )
    return html


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above``: the lists of tasks and of follow-ups that one asks for most."""
    if entity.name == "task":
        mine = (("assignee", "is_me"), ("status", "in", "open"))
        yesterday = (uow.clock.today() - timedelta(days=1)).isoformat()
        ways = [
            (_("Yours, open"), list_url("task", *mine, sort="due_at")),
            (_("Overdue"), list_url("task", *mine, ("due_at", "le", yesterday), sort="due_at")),
            (_("Due today"), list_url("task", *mine, ("due_at", "within", "today"))),
            (
                _("Given to others"),
                list_url(
                    "task",
                    *(("created_by", "is_me"), ("assignee", "is_not_me")),
                    ("status", "in", "open"),
                    sort="due_at",
                ),
            ),
        ]
    elif entity.name == "follow_up":
        ways = [
            (_("Yours"), list_url("follow_up", ("owner", "is_me"))),
            (_("This week"), list_url("follow_up", ("happened_at", "within", "this_week"))),
            (_("This month"), list_url("follow_up", ("happened_at", "within", "this_month"))),
        ]
    else:
        return ""
    html: str = macros("activities/record.html").ways(ways)
    return html
