"""What pickers ask for while somebody types."""

from __future__ import annotations

from flask import request

from core.entities.scope import require
from core.entities.suggest import suggest_records, suggest_regions
from core.entities.suggest import suggest_related as found_related
from core.fields.regions import path_names
from core.http.addresses import read_number
from core.http.presenting import reader_of
from core.http.rendering import macros
from core.http.requests import signed_in, unit_of_work
from core.web import blueprint


@blueprint.get("/suggest/<entity>")
@signed_in
def suggest(entity: str) -> str:
    """Records of an entity that fit the words, as far as the reader may see them."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        words = request.args.get("q", "").strip()[:200]
        found = suggest_records(uow, spec, words, reader_of(uow), within=_within())
        return str(macros().suggestions(found))


def _within() -> tuple[str, int] | None:
    """The field that narrows the choices, with what stands in the form for it."""
    name = request.args.get("within", "")[:63]
    value = read_number(request.args.get(name)) if name else None
    return None if value is None else (name, value)


@blueprint.get("/suggest-related")
@signed_in
def suggest_related() -> str:
    """Records of any entity that something may be about, as far as the reader may see them."""
    with unit_of_work() as uow:
        words = request.args.get("q", "").strip()[:200]
        return str(macros().suggestions(found_related(uow, words, reader_of(uow))))


@blueprint.get("/suggest-region")
@signed_in
def suggest_region() -> str:
    """Provinces, cities and districts whose names fit the words."""
    words = request.args.get("q", "").strip()[:200]
    level = request.args.get("level", "district")
    items = []
    above = _within()
    for place in suggest_regions(words, level, above and str(above[1])):
        names = path_names(place.code)
        items.append((place.code, " ".join(names), ""))
    return str(macros().suggestions(items))
