"""Verbs of the business on one record, and what has happened to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from flask import Response

from core.api import blueprint
from core.api.answers import answer, record_as_json, to_bytes
from core.api.idempotency import KeptAnswer
from core.api.records import still_shown, write_once
from core.api.requests import BadRequest, arguments, json_body, number
from core.entities import query, service
from core.entities.schema import to_json
from core.entities.scope import require
from core.entities.timeline import MAX_ENTRIES, TimelineEntry, timeline
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, NotFound, Problem
from core.fields import DateTime
from core.http.requests import in_one_transaction, signed_in, unit_of_work
from core.work.uow import UnitOfWork


@blueprint.post("/v1/records/<entity>/<record:record_id>/actions/<action>")
@signed_in
@in_one_transaction
def act_on_record(entity: str, record_id: int, action: str) -> Response:
    """Use a verb of the business."""
    arguments()
    params = json_body(optional=True)

    def work(uow: UnitOfWork) -> KeptAnswer:
        result = service.act(uow, entity, action, [record_id], params)
        body = {"result": result, "record": _record(uow, entity, record_id)}
        return KeptAnswer(200, to_bytes(body).decode())

    def again(uow: UnitOfWork, kept: KeptAnswer) -> KeptAnswer:
        require(uow, uow.entity(entity), action)
        body = orjson.loads(kept.body)
        if body["record"] is not None:
            body["record"] = still_shown(uow, entity, body["record"])
        return KeptAnswer(kept.status, to_bytes(body).decode())

    kept = write_once(work, again)
    return answer(kept.body.encode(), kept.status)


def _record(uow: UnitOfWork, entity: str, record_id: int) -> dict[str, Any] | None:
    try:
        return record_as_json(uow, query.get(uow, entity, record_id))
    except (Forbidden, NotFound):
        return None


@blueprint.get("/v1/records/<entity>/<record:record_id>/timeline")
@signed_in
def read_timeline(entity: str, record_id: int) -> Response:
    """Changes and what plugins add, newest first."""
    given = arguments("limit", "before")
    limit = number(given, "limit", 50, low=1, high=MAX_ENTRIES)
    before = _moment(given.get("before"))
    with unit_of_work() as uow:
        entries = timeline(uow, entity, record_id, before=before, limit=limit)
        items = [_entry_as_json(entry) for entry in entries]
    following = items[-1]["at"] if len(items) >= limit else None
    return answer({"items": items, "next": following})


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found: datetime = check_value(DateTime(), text)
    except BadValue as error:
        raise BadRequest(str(error), [Problem("before", error.code, str(error))]) from None
    return found


def _entry_as_json(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "at": to_json(DateTime(), entry.at),
        "kind": entry.kind,
        "actor": None if entry.actor is None else {"id": entry.actor, "label": entry.actor_label},
        "title": entry.title,
        "changes": [
            {
                "field": change.field.name,
                "label": str(change.field.label),
                "old": to_json(change.field.type, change.old, entry.labels),
                "new": to_json(change.field.type, change.new, entry.labels),
            }
            for change in entry.changes
        ],
        "body": entry.body,
    }
