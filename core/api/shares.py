"""With whom a record is shared, over REST."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import IDENTIFIER, MOMENT, REFERENCE, items_of, nullable, object_of
from core.entities.labels import resolve_labels
from core.entities.values import BadValue, check_value
from core.errors import Invalid, Problem
from core.fields import DateTime, FieldType, Reference, Text
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.actor import Actor
from core.security.sharing import LEVELS, Share, share, shares_of, unshare
from core.work.uow import UnitOfWork

LEVEL = {"type": "string", "enum": list(LEVELS)}
SHARE = object_of(
    id=IDENTIFIER,
    user=nullable(REFERENCE),
    department=nullable(REFERENCE),
    level=LEVEL,
    by=nullable(REFERENCE),
    at=MOMENT,
    until=nullable(MOMENT),
)
NEW_SHARE = object_of(
    optional={
        "user": nullable(IDENTIFIER),
        "department": nullable(IDENTIFIER),
        "level": LEVEL,
        "until": nullable(MOMENT),
    }
)
_TYPES: dict[str, FieldType] = {
    "user": Reference("user"),
    "department": Reference("department"),
    "level": Text(10),
    "until": DateTime(),
}


def _reads(actor: Actor) -> bool:
    """Not behind a token that is limited to other things: to share a record is to read it first."""
    scopes = actor.token_scopes
    return scopes is None or any(scope.endswith(("*", ".read")) for scope in scopes)


@blueprint.get("/v1/records/<entity>/<record:record_id>/shares")
@signed_in
@operation(
    _l("With whom a record is shared"),
    "shares",
    answer=items_of(SHARE),
    errors=(403, 404),
    condition=_reads,
)
def list_shares(entity: str, record_id: int) -> Response:
    """For who may share the record."""
    arguments()
    with unit_of_work() as uow:
        found = shares_of(uow, entity, record_id)
        return answer({"items": _as_json(uow, found)})


@blueprint.post("/v1/records/<entity>/<record:record_id>/shares")
@signed_in
@operation(
    _l("Share a record with a person or a department"),
    "shares",
    status=201,
    body=NEW_SHARE,
    answer=SHARE,
    errors=(403, 404, 422),
    condition=_reads,
)
def add_share(entity: str, record_id: int) -> Response:
    """An earlier share with the same person or department is replaced."""
    arguments()
    wanted = _wanted(json_body())
    with unit_of_work() as uow:
        key = share(uow, entity, record_id, **wanted)
        made = [one for one in shares_of(uow, entity, record_id) if one.id == key]
        (body,) = _as_json(uow, made)
    where = url_for("api.list_shares", entity=entity, record_id=record_id)
    return answer(body, 201, {"Location": where})


@blueprint.delete("/v1/records/<entity>/<record:record_id>/shares/<record:share_id>")
@signed_in
@operation(_l("End a share"), "shares", status=204, errors=(403, 404), condition=_reads)
def end_share(entity: str, record_id: int, share_id: int) -> Response:
    """Whoever reached the record by it alone reaches it no more."""
    arguments()
    with unit_of_work() as uow:
        unshare(uow, entity, record_id, share_id)
    return Response(status=204)


def _wanted(body: dict[str, Any]) -> dict[str, Any]:
    problems = [
        Problem(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
        for name in body
        if name not in _TYPES
    ]
    checked: dict[str, Any] = {}
    for name, type_ in _TYPES.items():
        try:
            checked[name] = check_value(type_, body.get(name))
        except BadValue as error:
            problems.append(Problem(name, error.code, str(error)))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return checked | {"level": checked["level"] or "read"}


def _as_json(uow: UnitOfWork, shares: list[Share]) -> list[dict[str, Any]]:
    people = {key for one in shares for key in (one.user, one.by) if key is not None}
    places = {one.department for one in shares if one.department is not None}
    labels = resolve_labels(uow, {"user": people, "department": places})

    def reference(entity: str, key: int | None) -> dict[str, Any] | None:
        return None if key is None else {"id": key, "label": labels.get(entity, {}).get(key)}

    return [
        {
            "id": one.id,
            "user": reference("user", one.user),
            "department": reference("department", one.department),
            "level": one.level,
            "by": reference("user", one.by),
            "at": one.at,
            "until": one.until,
        }
        for one in shares
    ]
