"""What becomes of tasks and follow-ups when the record that they are about goes away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.entities.related import relatable
from core.plugins.contributions import Subscriber
from core.work.events import RecordsPurged

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["SUBSCRIBERS", "go_along"]

#: Tasks are put into the recycle bin behind their record, in the same transaction.
_BEHIND = timedelta(minutes=1)
_AT_ONCE = 500


def go_along(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Open tasks go into the recycle bin with their record, and come out of it with it.

    What was written stays: it is part of the month's numbers and of the record's own past.
    """
    kind, spec = changes[0].kind, changes[0].entity
    if kind not in ("delete", "restore"):
        return
    if not any(each.name == spec.name for each in relatable(uow)):
        return
    moments = {
        change.id: change.before["archived_at"] for change in changes if change.id is not None
    }
    keys = list(moments)
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        if kind == "delete":
            if ids := [row["id"] for row in _tasks(uow, spec.name, chunk)]:
                service.delete(uow, "task", ids)
            continue
        gone = _tasks(uow, spec.name, chunk, archived=True)
        if ids := [row["id"] for row in gone if _went_along(row, moments[row["related_id"]])]:
            service.restore(uow, "task", ids)


def _tasks(
    uow: UnitOfWork, entity: str, ids: Sequence[int], *, archived: bool = False
) -> list[dict[str, Any]]:
    about = {
        "all": [
            {"field": "related_entity", "op": "eq", "value": entity},
            {"field": "related_id", "op": "in", "value": list(ids)},
            {"field": "status", "op": "eq", "value": "open"},
        ]
    }
    wanted = ListQuery(
        fields=("related_id", "archived_at"), filter=about, sort="id", archived=archived
    )
    return [row for page in query.stream(uow, "task", wanted, action="read") for row in page.items]


def _went_along(task: dict[str, Any], moment: datetime | None) -> bool:
    gone: datetime | None = task["archived_at"]
    return moment is not None and gone is not None and moment <= gone <= moment + _BEHIND


def _forget(event: RecordsPurged, uow: UnitOfWork) -> None:
    """What was said about records that are gone for good goes into the recycle bin, and out of it in time."""
    for entity in ("follow_up", "task"):
        for start in range(0, len(event.ids), _AT_ONCE):
            about = {
                "all": [
                    {"field": "related_entity", "op": "eq", "value": event.entity},
                    {
                        "field": "related_id",
                        "op": "in",
                        "value": list(event.ids[start : start + _AT_ONCE]),
                    },
                ]
            }
            wanted = ListQuery(fields=("id",), filter=about, sort="id")
            pages = query.stream(uow, entity, wanted, action="read")
            ids = [row["id"] for page in pages for row in page.items]
            if ids:
                service.delete(uow, entity, ids)


SUBSCRIBERS = (Subscriber("forget", RecordsPurged, _forget),)
