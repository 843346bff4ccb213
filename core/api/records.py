"""Records: lists, single records, creating, changing, the recycle bin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from flask import Response, request, url_for

from core.api import blueprint
from core.api.answers import answer, etag, given_as_json, page_as_json, record_as_json, to_bytes
from core.api.idempotency import KeptAnswer, answer_once, request_hash
from core.api.requests import (
    MAX_BODY,
    BadRequest,
    arguments,
    body_bytes,
    choice,
    flag,
    if_match,
    json_argument,
    json_body,
    number,
)
from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.purging import purge, require_purge
from core.entities.query import MAX_LIMIT, ListQuery
from core.entities.scope import require
from core.errors import Conflict, Forbidden, NotFound, Problem, Refused
from core.fields import EntitySpec
from core.fields import types as t
from core.http.requests import actor, in_one_transaction, requires, signed_in, unit_of_work
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

__all__ = ["LIST_PARAMETERS", "is_open", "read_back", "still_shown", "write_once"]

LIST_PARAMETERS = ("filter", "search", "sort", "limit", "after", "count", "fields", "archived")
COUNTS = ("none", "estimate", "exact")
MAX_VERSION = 2**31 - 1


@blueprint.get("/v1/records/<entity>")
@signed_in
def list_records(entity: str) -> Response:
    """One page of records."""
    given = arguments(*LIST_PARAMETERS)
    with unit_of_work() as uow:
        page = query.page(uow, entity, _list_query(uow, entity, given))
        return answer(page_as_json(page))


def _list_query(uow: UnitOfWork, entity: str, given: dict[str, str]) -> ListQuery:
    if "fields" in given:
        names = tuple(name.strip() for name in given["fields"].split(",") if name.strip())
    else:
        shown = query.visible(uow, uow.entity(entity))
        names = tuple(field.name for field in shown if not isinstance(field.type, t.Lines))
    return ListQuery(
        fields=names,
        filter=json_argument(given, "filter"),
        search=given.get("search", ""),
        sort=given.get("sort", ""),
        limit=number(given, "limit", 50, low=1, high=MAX_LIMIT),
        after=given.get("after") or None,
        count=choice(given, "count", COUNTS),
        archived=flag(given, "archived"),
    )


@blueprint.get("/v1/records/<entity>/aggregate")
@signed_in
def aggregate_records(entity: str) -> Response:
    """Counts and sums by groups."""
    given = arguments("filter", "search", "archived", repeated=("group", "measure"))
    wanted = ListQuery(
        filter=json_argument(given, "filter"),
        search=given.get("search", ""),
        archived=flag(given, "archived"),
    )
    measures = request.args.getlist("measure") or ["count"]
    with unit_of_work() as uow:
        rows = aggregate(uow, entity, request.args.getlist("group"), measures, wanted)
        return answer({"items": rows})


@blueprint.get("/v1/records/<entity>/<record:record_id>")
@signed_in
def get_record(entity: str, record_id: int) -> Response:
    """One record with its lines."""
    given = arguments("archived")
    with unit_of_work() as uow:
        record = query.get(uow, entity, record_id, archived=flag(given, "archived"))
        body = record_as_json(uow, record)
        return answer(body, headers=etag(body))


@blueprint.post("/v1/records/<entity>")
@signed_in
@in_one_transaction
def create_record(entity: str) -> Response:
    """Create one record."""
    arguments()
    values = json_body()

    def work(uow: UnitOfWork) -> KeptAnswer:
        (record_id,) = service.create(uow, entity, [values])
        return KeptAnswer(201, to_bytes(read_back(uow, entity, record_id)).decode())

    def again(uow: UnitOfWork, kept: KeptAnswer) -> KeptAnswer:
        require(uow, uow.entity(entity), "create")
        shown = still_shown(uow, entity, orjson.loads(kept.body))
        return KeptAnswer(kept.status, to_bytes(shown).decode())

    kept = write_once(work, again)
    body = orjson.loads(kept.body)
    where = url_for("api.get_record", entity=entity, record_id=body["id"])
    return answer(kept.body.encode(), kept.status, {"Location": where, **etag(body)})


@blueprint.patch("/v1/records/<entity>/<record:record_id>")
@signed_in
@in_one_transaction
def update_record(entity: str, record_id: int) -> Response:
    """Change the given fields of a record."""
    arguments()
    values = json_body()
    version = _stated_version(values)
    with unit_of_work() as uow:
        versions = {} if version is None else {record_id: version}
        try:
            service.update(uow, entity, {record_id: values}, versions=versions)
        except Conflict as error:
            raise Conflict(
                error.message,
                current=record_as_json(uow, query.get(uow, entity, record_id)),
                yours=given_as_json(uow, uow.entity(entity), values),
            ) from None
        body = read_back(uow, entity, record_id)
        return answer(body, headers=etag(body))


def _stated_version(values: dict[str, Any]) -> int | None:
    """The version that the caller began with, from the body or the header; taken out of the body."""
    header = if_match()
    if "version" not in values:
        return header
    version = values.pop("version")
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        message = _("Expected %(expected)s.", expected=_("a whole number"))
        raise BadRequest(message, [Problem("version", "type", message)])
    if header is not None and header != version:
        message = _("The version in the body and the one in If-Match differ.")
        raise BadRequest(message, [Problem("version", "if_match", message)])
    return version


@blueprint.delete("/v1/records/<entity>/<record:record_id>")
@signed_in
@in_one_transaction
def delete_record(entity: str, record_id: int) -> Response:
    """Put a record into the recycle bin."""
    arguments()
    version = if_match()
    with unit_of_work() as uow:
        versions = {} if version is None else {record_id: version}
        try:
            service.delete(uow, entity, [record_id], versions=versions)
        except Conflict as error:
            current = record_as_json(uow, query.get(uow, entity, record_id))
            raise Conflict(error.message, current=current, yours={}) from None
    return Response(status=204)


@blueprint.post("/v1/records/<entity>/<record:record_id>/restore")
@signed_in
@in_one_transaction
def restore_record(entity: str, record_id: int) -> Response:
    """Take a record out of the recycle bin."""
    arguments()

    def work(uow: UnitOfWork) -> KeptAnswer:
        service.restore(uow, entity, [record_id])
        return KeptAnswer(200, to_bytes(read_back(uow, entity, record_id)).decode())

    def again(uow: UnitOfWork, kept: KeptAnswer) -> KeptAnswer:
        require(uow, uow.entity(entity), "delete")
        shown = still_shown(uow, entity, orjson.loads(kept.body))
        return KeptAnswer(kept.status, to_bytes(shown).decode())

    kept = write_once(work, again)
    return answer(kept.body.encode(), kept.status)


@blueprint.post("/v1/records/<entity>/<record:record_id>/purge")
@requires("admin")
def purge_record(entity: str, record_id: int) -> Response:
    """Remove a record that is in the recycle bin for good."""
    arguments()
    with unit_of_work() as uow:
        require_purge(uow, uow.entity(entity))
        if not purge(uow, entity, [record_id]):
            raise Refused(_("Other records name this one; it stays."))
    return Response(status=204)


def read_back(uow: UnitOfWork, entity: str, record_id: int) -> dict[str, Any]:
    """The record as its writer may see it now; its id alone when they may not see it."""
    try:
        return record_as_json(uow, query.get(uow, entity, record_id))
    except (Forbidden, NotFound):
        return {"id": record_id}


def still_shown(uow: UnitOfWork, entity: str, kept: dict[str, Any]) -> dict[str, Any]:
    """A record of a kept answer, as long as its reader may see what is in it; else as it is seen now.

    Refused like a fresh reading when the record is out of reach.
    """
    if kept.keys() == {"id"}:
        return kept
    record = query.get(uow, entity, kept["id"], archived=None)
    return kept if is_open(uow, record.spec, kept) else record_as_json(uow, record)


def is_open(uow: UnitOfWork, spec: EntitySpec, kept: dict[str, Any]) -> bool:
    """True when all that is in a kept record may still be read unmasked, its lines included."""
    access = uow.actor.access(spec)
    for name, value in kept.items():
        field = spec.by_name.get(name)
        if field is None or not access.can_use(field):
            return False
        if isinstance(field.type, t.Lines):
            child = uow.snapshot.installed_entities[field.type.entity]
            if not all(is_open(uow, child, line) for line in value):
                return False
    return True


def write_once(
    work: Callable[[UnitOfWork], KeptAnswer],
    again: Callable[[UnitOfWork, KeptAnswer], KeptAnswer],
    *,
    limit: int = MAX_BODY,
) -> KeptAnswer:
    """Do the work in a transaction of its own, once for each ``Idempotency-Key``.

    ``again`` gives a kept answer: it asks for the rights that the work asks for, and leaves out what
    its reader may see no longer.
    """
    key = request.headers.get("Idempotency-Key")
    digest = request_hash(request.method, request.path, body_bytes(limit), actor().token_id)
    return answer_once(unit_of_work, key, digest, work, again)
