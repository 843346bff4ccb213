"""Follow-ups and done tasks in the timelines of the records that they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.origins import reached_otherwise
from core.entities.query import ListQuery
from core.entities.reading import Reading, read_together
from core.entities.related import relatable
from core.fields import Reference
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.plugins.contributions import TimelineItem, TimelineSource
from plugins.activities import check_ins, communications
from plugins.activities.models import KINDS
from plugins.activities.photos import reading_photos
from plugins.activities.prompts import reading_answered

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["SOURCES"]

#: Of records that belong to the one of the timeline, such as the contracts of a customer, so many
#: of the newest are looked at.
_BELONGING = 200
_FOLLOW_UP = (
    "kind",
    "content",
    "owner",
    "happened_at",
    "next_follow_at",
    "next_step",
    "related_id",
)
#: What is told beside it, to who may see it.
_LOGGED = ("direction", "seconds", *check_ins.PLACE)
_TASK = ("title", "owner", "completed_at")


def _follow_ups(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, before: datetime | None, limit: int
) -> Sequence[TimelineItem] | Reading[Sequence[TimelineItem]]:
    """Of the record, and of those that name it under its own entity's name (S-048): a visit for an
    opportunity stands in the customer's timeline too. Nothing that the reader may not read."""
    if not _is_told(uow, spec, "follow_up", _FOLLOW_UP):
        return []
    # What became of the record tells itself what belongs to it.
    is_origin = reached_otherwise(uow) is not None
    belonging = () if is_origin else _belonging(uow, spec, record_id)
    newer = {"field": "happened_at", "op": "lt", "value": before.isoformat()} if before else None
    seen = uow.actor.access(uow.entity("follow_up")).visible
    told = {"created_at", *_LOGGED}
    fields = (*_FOLLOW_UP, *(item.name for item in seen if item.name in told))
    asked = ListQuery(
        fields=fields,
        filter=newer,
        about=((spec.name, record_id), *belonging),
        sort="-happened_at",
        limit=limit,
    )
    page = query.reading_page(uow, "follow_up", asked)

    def items(*rows: Any) -> Sequence[TimelineItem]:
        found = page.finish(*rows)
        ids = [row["id"] for row in found.items]
        if not ids:
            return []
        wanted = [reading_answered(uow, ids), reading_photos(uow, ids)]
        answers, pictures = read_together(uow, wanted)
        return [
            replace(
                item := _item(uow, row, found.labels, answers.get(row["id"], []), spec, record_id),
                data={**item.data, "pictures": pictures.get(row["id"], [])},
            )
            for row in found.items
        ]

    return replace(page, finish=items)


def _done_tasks(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, before: datetime | None, limit: int
) -> Sequence[TimelineItem] | Reading[Sequence[TimelineItem]]:
    """Tasks about the record when they were done; those to be done stand beside the timeline."""
    needed = (*_TASK, "status", "related_id", "related_entity")
    if not _is_told(uow, spec, "task", needed):
        return []
    parts: list[Any] = [
        {"field": "status", "op": "eq", "value": "done"},
        {"field": "completed_at", "op": "is_set"},
    ]
    if before is not None:
        parts.append({"field": "completed_at", "op": "lt", "value": before.isoformat()})
    asked = ListQuery(
        fields=_TASK,
        filter={"all": parts},
        about=((spec.name, record_id),),
        sort="-completed_at",
        limit=limit,
    )
    page = query.reading_page(uow, "task", asked)
    return replace(
        page,
        finish=lambda *rows: [
            TimelineItem(
                row["completed_at"], "task", _("completed a task"), row["owner"], row["title"]
            )
            for row in page.finish(*rows).items
        ],
    )


SOURCES = (
    TimelineSource(
        "follow_ups",
        _follow_ups,
        follows=("last_followed_at", "next_follow_at"),
        goes_along=True,
    ),
    TimelineSource("tasks", _done_tasks, goes_along=True),
)


def _is_told(uow: UnitOfWork, spec: EntitySpec, entity: str, names: Sequence[str]) -> bool:
    """True for a record that others can be about, and a reader who may see the fields."""
    told = uow.entity(entity)
    access = uow.actor.access(told)
    return (
        any(each.name == spec.name for each in relatable(uow))
        and access.may("read")
        and all(access.can_use(told[name]) for name in names)
    )


def _belonging(
    uow: UnitOfWork, spec: EntitySpec, record_id: int
) -> Iterator[tuple[str, ListQuery]]:
    """The records of other entities that belong to this one."""
    for other in relatable(uow):
        item = other.by_name.get(spec.name)
        if item is None or not isinstance(item.type, Reference) or item.type.entity != spec.name:
            continue
        access = uow.actor.access(other)
        if access.may("read") and access.can_use(item):
            belongs = {"field": item.name, "op": "eq", "value": record_id}
            yield other.name, ListQuery(filter=belongs, sort="-id", limit=_BELONGING)


def _item(
    uow: UnitOfWork,
    row: Mapping[str, Any],
    labels: Mapping[str, Mapping[int, str]],
    answers: Sequence[tuple[str, str]],
    spec: EntitySpec,
    record_id: int,
) -> TimelineItem:
    titles = {choice.value: str(choice.label) for choice in KINDS}
    title = " · ".join([titles.get(row["kind"], row["kind"]), *communications.in_words(row)])
    if (row["related_entity"], row["related_id"]) != (spec.name, record_id):
        label = labels.get(row["related_entity"], {}).get(row["related_id"], "")
        title = _("%(kind)s, %(record)s", kind=title, record=label)
    lines = [row["content"] or ""]
    lines += [_("%(prompt)s: %(answer)s", prompt=label, answer=text) for label, text in answers]
    following = row["next_follow_at"]
    if following is not None:
        when = format_datetime(following, uow.clock.timezone)
        step = row["next_step"]
        lines.append(
            _("Next on %(when)s: %(step)s", when=when, step=step)
            if step
            else _("Next on %(when)s", when=when)
        )
    data: dict[str, Any] = {"id": row["id"], "entity": "follow_up"}
    if told := check_ins.in_words(uow, row):
        lines.append(told)
        data["place"] = check_ins.geo_address(row)
    body = "\n".join(lines)
    return TimelineItem(
        row["happened_at"], row["kind"], title, row["owner"], body, data, row.get("created_at")
    )
