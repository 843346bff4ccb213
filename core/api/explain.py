"""Why somebody can, or cannot, see or do something, over REST."""

from __future__ import annotations

from typing import Any

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import BadRequest, arguments, number
from core.api.shapes import TEXT, listing, object_of
from core.entities.schema import MAX_ID
from core.errors import Problem
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.explain import Reason, explain

KEY = {"type": "string", "pattern": "^[0-9]{1,18}$"}
PARAMETERS = {"person": KEY, "entity": TEXT, "id": KEY, "field": TEXT, "action": TEXT}
#: ``parts`` hold such reasons again.
REASON = object_of(holds={"type": "boolean"}, text=TEXT, parts=listing({"type": "object"}))
ANSWER = object_of(
    allowed={"type": "boolean"},
    sentence=TEXT,
    access={"enum": ["hidden", "masked", "read", "write", None]},
    reasons=listing(REASON),
)


@blueprint.get("/v1/explain")
@signed_in
@operation(
    _l("Why somebody can, or cannot, see or do something"),
    "explain",
    answer=ANSWER,
    parameters=PARAMETERS,
    errors=(403, 404, 422),
)
def explain_access() -> Response:
    """Administrators ask about anybody, everybody about themselves: ``person`` may be left out."""
    given = arguments(*PARAMETERS)
    if not given.get("entity"):
        message = _("Please fill this in.")
        raise BadRequest(message, [Problem("entity", "required", message)])
    with unit_of_work() as uow:
        person = number(given, "person", uow.actor.user_id or 1, low=1, high=MAX_ID)
        record_id = number(given, "id", 1, low=1, high=MAX_ID) if "id" in given else None
        told = explain(
            uow,
            person,
            given["entity"],
            record_id,
            field=given.get("field") or None,
            action=given.get("action") or "read",
        )
        return answer(
            {
                "allowed": told.allowed,
                "sentence": told.sentence,
                "access": told.access,
                "reasons": [_as_json(reason) for reason in told.reasons],
            }
        )


def _as_json(reason: Reason) -> dict[str, Any]:
    parts = [_as_json(part) for part in reason.parts]
    return {"holds": reason.holds, "text": reason.text, "parts": parts}
