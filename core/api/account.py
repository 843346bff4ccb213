"""Who I am, and my API tokens."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import select

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.rights import has_session, is_limited
from core.api.shapes import (
    IDENTIFIER,
    MOMENT,
    REFERENCE,
    TEXT,
    items_of,
    listing,
    nullable,
    object_of,
)
from core.entities.labels import resolve_labels
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.fields import Integer, Text
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.actor import Actor
from core.security.models import api_token_table
from core.security.tokens import create_token, revoke_token
from core.work.uow import UnitOfWork

MAX_SCOPES = 200
MAX_DAYS = 3_650

ME = object_of(
    id=IDENTIFIER,
    name=TEXT,
    email=TEXT,
    locale=TEXT,
    is_admin={"type": "boolean"},
    roles=listing(TEXT),
    departments=listing(REFERENCE),
    permissions=listing(TEXT),
    scopes=nullable(listing(TEXT)),
)
TOKEN = {
    "id": IDENTIFIER,
    "title": TEXT,
    "scopes": listing(TEXT),
    "expires_at": nullable(MOMENT),
}
LISTED = object_of(**TOKEN, created_at=MOMENT, used_at=nullable(MOMENT))
NEW_TOKEN = object_of(
    title={"type": "string", "minLength": 1, "maxLength": 100},
    optional={
        "scopes": {
            "type": "array",
            "items": {"type": "string", "maxLength": 100, "pattern": r"^(\*|[^.]+\..+)$"},
            "maxItems": MAX_SCOPES,
        },
        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_DAYS},
    },
)


def _unlimited(actor: Actor) -> bool:
    return not is_limited(actor)


@blueprint.get("/v1/me")
@signed_in
@operation(_l("Who I am"), "account", answer=ME)
def get_me() -> Response:
    """The caller, with roles and departments."""
    arguments()
    with unit_of_work() as uow:
        who = uow.actor
        labels = resolve_labels(uow, {"department": set(who.departments)}).get("department", {})
        body = {
            "id": who.user_id,
            "name": who.name,
            "email": who.email,
            "locale": who.locale,
            "is_admin": who.is_admin,
            "roles": [role.name for role in who.roles],
            "departments": [{"id": key, "label": labels.get(key)} for key in who.departments],
            "permissions": sorted({name for role in who.roles for name in role.permissions}),
            "scopes": None if who.token_scopes is None else sorted(who.token_scopes),
        }
        return answer(body)


@blueprint.get("/v1/tokens")
@signed_in
@operation(
    _l("My API tokens"), "account", answer=items_of(LISTED), errors=(403,), condition=_unlimited
)
def list_tokens() -> Response:
    """The caller's tokens that are not revoked, newest first; their texts are not known any more."""
    arguments()
    table = api_token_table
    with unit_of_work() as uow:
        _refuse_limited(uow)
        rows = uow.execute(
            select(table)
            .where(table.c.user_id == uow.actor.user_id, table.c.revoked_at.is_(None))
            .order_by(table.c.id.desc())
        )
        items = [{name: getattr(row, name) for name in LISTED["properties"]} for row in rows]
        return answer({"items": items})


@blueprint.post("/v1/tokens")
@signed_in
@operation(
    _l("Make an API token; its text is shown this once"),
    "account",
    status=201,
    body=NEW_TOKEN,
    answer=object_of(**TOKEN, token=TEXT),
    errors=(403, 422),
    condition=has_session,
)
def make_token() -> Response:
    """A new token of the caller."""
    arguments()
    title, scopes, days = _wanted(json_body())
    with unit_of_work() as uow:
        _refuse_limited(uow)
        user_id = uow.actor.user_id
        assert user_id is not None
        token = create_token(uow, user_id, title=title, scopes=scopes, days=days)
    body = {
        "id": token.id,
        "title": title,
        "scopes": scopes,
        "expires_at": token.expires_at,
        "token": token.text,
    }
    return answer(body, 201)


@blueprint.delete("/v1/tokens/<record:token_id>")
@signed_in
@operation(
    _l("Revoke an API token"), "account", status=204, errors=(403, 404), condition=_unlimited
)
def remove_token(token_id: int) -> Response:
    """End a token."""
    arguments()
    with unit_of_work() as uow:
        _refuse_limited(uow)
        if not revoke_token(uow, token_id):
            raise NotFound(_("There is no token with the number %(id)s.", id=token_id))
    return Response(status=204)


def _refuse_limited(uow: UnitOfWork) -> None:
    """A limited token could otherwise see, or end, those that reach further."""
    if is_limited(uow.actor):
        raise Forbidden(_("A limited token does not manage tokens."))


def _wanted(body: dict[str, Any]) -> tuple[str, list[str], int | None]:
    problems = [
        Problem(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
        for name in body
        if name not in NEW_TOKEN["properties"]
    ]
    checked: dict[str, Any] = {}
    for name, type_ in (("title", Text(100)), ("days", Integer(1, MAX_DAYS))):
        try:
            checked[name] = check_value(type_, body.get(name))
        except BadValue as error:
            problems.append(Problem(name, error.code, str(error)))
    if "title" in checked and checked["title"] is None:
        problems.append(Problem("title", "required", _("Please fill this in.")))
    scopes = body.get("scopes", ["*"])
    if not isinstance(scopes, list) or len(scopes) > MAX_SCOPES:
        problems.append(
            Problem("scopes", "type", _("Expected %(expected)s.", expected=_("a list")))
        )
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return checked["title"], scopes or ["*"], checked["days"]
