"""The search over everything: the page, and what the box offers while somebody types."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import request, url_for

from core.http.addresses import record_url
from core.http.limits import limited
from core.http.rendering import macros, render
from core.http.requests import signed_in, unit_of_work
from core.search.finding import MAX_CHARACTERS, MAX_HITS, Hit, search
from core.web import blueprint
from core.web.commands import find_commands
from core.work.uow import UnitOfWork

#: Of each entity on the page, and while somebody types.
GROUP, OFFERED = 10, 4
#: Pages and beginnings that are offered before anything is typed.
COMMANDS = 12


@blueprint.get("/search", endpoint="search")
@signed_in
@limited("search")
def search_page() -> Any:
    """The best hits of every entity, or many of the one that is asked for."""
    words, entity = _words(), request.args.get("entity") or None
    most = MAX_HITS if entity else GROUP
    with unit_of_work() as uow:
        named = None if entity is None else [entity]
        hits = search(uow, words, entities=named, limit=MAX_HITS, each=min(most + 1, MAX_HITS))
        groups = _groups(uow, hits, words, most)
        return render("core/search.html", search_query=words, groups=groups)


@blueprint.get("/suggest")
@signed_in
@limited("search")
def suggest_all() -> str:
    """The first hits for the box in the page's head, as a fragment."""
    words = _words()
    with unit_of_work() as uow:
        hits = search(uow, words, limit=4 * OFFERED, each=OFFERED)
        groups = _groups(uow, hits, words, OFFERED)
        commands = find_commands(uow, words, OFFERED if words else COMMANDS)
        all_url = _address(q=words) if groups else ""
        return str(macros().search_offers(groups, commands, words, all_url))


def _words() -> str:
    return request.args.get("q", "").strip()[:MAX_CHARACTERS]


def _address(**values: str) -> str:
    return f"{url_for('web.search')}?{urlencode(values)}"


def _groups(uow: UnitOfWork, hits: list[Hit], words: str, most: int) -> list[dict[str, Any]]:
    """Hits by entity, that of the best hit first; each with the address of all of its kind."""
    by_entity: dict[str, list[Hit]] = {}
    for hit in hits:
        by_entity.setdefault(hit.entity, []).append(hit)
    return [
        {
            "title": str(uow.entity(entity).label_plural),
            "icon": uow.entity(entity).icon,
            "hits": [_shown(uow, hit) for hit in found[:most]],
            "all_url": _address(q=words, entity=entity) if len(found) > most else None,
        }
        for entity, found in by_entity.items()
    ]


def _shown(uow: UnitOfWork, hit: Hit) -> dict[str, str]:
    field = uow.entity(hit.entity)[hit.field] if hit.field else None
    return {
        "label": hit.label,
        "url": record_url(hit.entity, hit.id),
        "field": str(field.label) if field else "",
        "excerpt": hit.excerpt,
    }
