"""Comments over REST. Those of a record are read in its timeline, or as records of ``comment``."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import IDENTIFIER, object_of
from core.comments.service import add_comment, delete_comment, edit_comment
from core.errors import Invalid, Problem
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.actor import Actor

TEXT = {"type": "string", "minLength": 1, "maxLength": 4000}
MADE = object_of(id=IDENTIFIER)
NEW_COMMENT = object_of(
    text=TEXT,
    optional={"mentions": {"type": "array", "items": IDENTIFIER, "maxItems": 20}},
)
CHANGED = object_of(text=TEXT)


def _writes(actor: Actor) -> bool:
    """Not behind a token that changes nothing: to comment on a record is to write."""
    scopes = actor.token_scopes
    return scopes is None or any(scope.endswith(("*", ".update")) for scope in scopes)


@blueprint.post("/v1/records/<entity>/<record:record_id>/comments", endpoint="add_comment")
@signed_in
@operation(
    _l("Comment on a record"),
    "comments",
    status=201,
    body=NEW_COMMENT,
    answer=MADE,
    errors=(403, 404, 422),
    condition=_writes,
)
def write(entity: str, record_id: int) -> Response:
    """People are named by @ and their name in the text, or by ``mentions``."""
    arguments()
    text, mentions = _wanted(json_body(), {"text", "mentions"})
    with unit_of_work() as uow:
        key = add_comment(uow, entity, record_id, text, mentions=mentions)
    where = url_for("api.get_record", entity="comment", record_id=key)
    return answer({"id": key}, 201, {"Location": where})


@blueprint.patch("/v1/comments/<record:comment_id>", endpoint="edit_comment")
@signed_in
@operation(
    _l("Change one's own comment"),
    "comments",
    body=CHANGED,
    answer=MADE,
    errors=(403, 404, 422),
    condition=_writes,
)
def change(comment_id: int) -> Response:
    """Who is named anew is told."""
    arguments()
    text, _mentions = _wanted(json_body(), {"text"})
    with unit_of_work() as uow:
        edit_comment(uow, comment_id, text)
    return answer({"id": comment_id})


@blueprint.delete("/v1/comments/<record:comment_id>", endpoint="delete_comment")
@signed_in
@operation(
    _l("Take one's own comment away"), "comments", status=204, errors=(403, 404), condition=_writes
)
def delete(comment_id: int) -> Response:
    """Administrators may take away that of anybody."""
    arguments()
    with unit_of_work() as uow:
        delete_comment(uow, comment_id)
    return Response(status=204)


def _wanted(body: dict[str, Any], known: set[str]) -> tuple[str, list[int]]:
    problems = [
        Problem(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
        for name in body
        if name not in known
    ]
    text, mentions = body.get("text"), body.get("mentions", [])
    if not isinstance(text, str):
        problems.append(Problem("text", "type", _("Give a text.")))
    is_list = isinstance(mentions, list) and all(type(key) is int for key in mentions)
    if not is_list:
        problems.append(Problem("mentions", "type", _("Give a list of numbers.")))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return str(text), mentions
