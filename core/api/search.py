"""The search over everything, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, listed, number
from core.api.shapes import IDENTIFIER, TEXT, listing, nullable, object_of
from core.http.limits import limited
from core.http.requests import signed_in, unit_of_work
from core.i18n import lazy_gettext as _l
from core.search.finding import MAX_HITS, search

HIT = object_of(
    entity=TEXT,
    id=IDENTIFIER,
    label=TEXT,
    score={"type": "integer", "minimum": 1, "maximum": 4},
    field=nullable(TEXT),
    excerpt=TEXT,
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "q": TEXT,
    "entity": listing(TEXT),
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_HITS, "default": 20},
}


@blueprint.get("/v1/search")
@signed_in
@limited("search")
@operation(
    _l("Search everything"),
    "search",
    answer=object_of(items=listing(HIT)),
    parameters=PARAMETERS,
    errors=(403, 404),
)
def search_all() -> Response:
    """The best hits over all entities, or those named, that the caller may see."""
    given = arguments("q", "limit", repeated=("entity",))
    text, entities = given.get("q", ""), listed("entity")
    limit = number(given, "limit", 20, low=1, high=MAX_HITS)
    with unit_of_work() as uow:
        hits = search(uow, text, entities=entities or None, limit=limit)
        return answer({"items": [asdict(hit) for hit in hits]})
