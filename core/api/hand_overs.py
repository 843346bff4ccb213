"""The hand-over of a leaver over REST: what there is, beginning it, taking it back; for administrators."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import IDENTIFIER, TEXT, listing, object_of
from core.entities.query import get
from core.errors import Invalid, Problem
from core.handover.giving import LONGEST_NOTE, MOST_SUCCESSORS, start_hand_over
from core.handover.kinds import counts_of, kinds_of
from core.handover.taking_back import start_taking_back
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

JOB = object_of(job=IDENTIFIER)
_COUNT = {"type": "integer", "minimum": 0}
KINDS = object_of(
    items=listing(object_of(kind=TEXT, label=TEXT, count=_COUNT, usual={"type": "boolean"}))
)
BODY = object_of(
    successors={"type": "array", "items": IDENTIFIER, "maxItems": MOST_SUCCESSORS},
    optional={
        "kinds": {"type": "array", "items": TEXT},
        "on": {"type": "string", "format": "date"},
        "note": {"type": "string", "maxLength": LONGEST_NOTE},
        "close": {"type": "boolean"},
    },
)


@blueprint.get("/v1/users/<record:user_id>/hand-over")
@requires("admin")
@operation(_l("What a person has to hand over"), "hand-overs", answer=KINDS, errors=(403, 404))
def list_kinds(user_id: int) -> Response:
    """How many living records of each kind name the person; what is not usual goes only when named."""
    arguments()
    with unit_of_work(write=False) as uow:
        get(uow, "user", user_id, archived=None)
        kinds = kinds_of(uow)
        items = [
            {"kind": each.name, "label": each.label, "count": count, "usual": each.rule.usual}
            for each, count in zip(kinds, counts_of(uow, user_id, kinds), strict=True)
        ]
    return answer({"items": items})


@blueprint.post("/v1/users/<record:user_id>/hand-over")
@requires("admin")
@operation(
    _l("Hand over what a person has"),
    "hand-overs",
    status=202,
    body=BODY,
    answer=JOB,
    errors=(400, 403, 404, 409, 415, 422),
)
def hand_over(user_id: int) -> Response:
    """Queue it; the result of the job counts ``moved`` and ``kept`` by kind and brings a protocol."""
    arguments()
    given = _checked(json_body())
    with unit_of_work() as uow:
        job = start_hand_over(uow, user_id, given.pop("successors"), **given)
    return answer({"job": job}, 202)


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """The body as `start_hand_over` takes it. `Invalid` with what is of another type."""
    tests = {
        "successors": lambda v: isinstance(v, list) and all(type(each) is int for each in v),
        "kinds": lambda v: isinstance(v, list) and all(isinstance(each, str) for each in v),
        "on": lambda v: isinstance(v, str),
        "note": lambda v: isinstance(v, str),
        "close": lambda v: isinstance(v, bool),
    }
    problems = [
        Problem(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
        for name in given
        if name not in tests
    ]
    values = {"successors": [], **{name: given[name] for name in tests if name in given}}
    for name, value in values.items():
        if not tests[name](value):
            problems.append(Problem(name, "type", _("This is of another type.")))
    if isinstance(values.get("on"), str):
        try:
            values["on"] = date.fromisoformat(values["on"])
        except ValueError:
            problems.append(Problem("on", "date", _("Give a day as YYYY-MM-DD.")))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return values


@blueprint.post("/v1/hand-overs/<record:job_id>/undo")
@requires("admin")
@operation(
    _l("Take a hand-over back as a whole"),
    "hand-overs",
    status=202,
    answer=JOB,
    errors=(403, 404, 409),
)
def undo_hand_over(job_id: int) -> Response:
    """Queue it, for seven days; the result of the job counts ``done kept`` and gives ``reasons``."""
    arguments()
    with unit_of_work() as uow:
        job = start_taking_back(uow, job_id)
    return answer({"job": job}, 202)
