"""The first page, and the search over everything."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import request, url_for

from core.entities import query
from core.entities.query import ListQuery
from core.entities.scope import may, may_use
from core.entities.tables import list_columns
from core.fields import EntitySpec
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.web import blueprint
from core.web.presenting import data_columns, data_rows, page_url
from core.work.uow import UnitOfWork

HOME_ENTITIES = 4
HOME_ROWS = 5
HITS = 5


@blueprint.get("/")
@signed_in
def home() -> Any:
    """What one works on: the newest of one's own records, and what modules add."""
    with unit_of_work() as uow:
        specs = [
            spec
            for spec in uow.snapshot.entities.values()
            if spec.navigable and spec.parent_field is None and may(uow, spec, "read")
        ]
        cards = [card for spec in specs if spec.owned and (card := _own_records(uow, spec))]
        context = {
            "cards": cards[:HOME_ENTITIES],
            "starts": [
                _start(spec) for spec in specs if spec.creatable and may(uow, spec, "create")
            ],
            "has_entities": bool(specs),
            "apps_url": page_url("admin.apps") if actor().is_admin else None,
            "uow": uow,
        }
        return render("core/home.html", **context)


def _start(spec: EntitySpec) -> tuple[str, str, str]:
    return str(spec.label), url_for("web.new_record", entity=spec.name), spec.icon


def _own_records(uow: UnitOfWork, spec: EntitySpec) -> dict[str, Any] | None:
    if "owner" not in spec or not may_use(uow, spec, spec["owner"]):
        return None
    mine = {"field": "owner", "op": "eq", "value": {"var": "me"}}
    columns = [item for item in list_columns(uow, spec) if item.name != "owner"][:4]
    names = tuple(item.name for item in columns)
    sort = "-updated_at" if may_use(uow, spec, spec["updated_at"]) else ""
    page = query.page(
        uow, spec.name, ListQuery(fields=names, filter=mine, sort=sort, limit=HOME_ROWS)
    )
    if not page.items:
        return None
    base = url_for("web.list_records", entity=spec.name)
    state = [("filter_field", "owner"), ("filter_op", "is_me")]
    return {
        "title": str(spec.label_plural),
        "label": str(spec.label),
        "columns": data_columns(spec, columns),
        "rows": data_rows(uow, spec, columns, page.items, page.labels),
        "all_url": f"{base}?{urlencode(state)}",
    }


@blueprint.get("/search")
@signed_in
def search() -> Any:
    """The first hits of every entity that the reader may see; one statement for each."""
    words = request.args.get("q", "").strip()[:200]
    groups = []
    with unit_of_work() as uow:
        for spec in uow.snapshot.entities.values() if words else ():
            group = _hits(uow, spec, words)
            if group:
                groups.append(group)
        return render("core/search.html", search_query=words, groups=groups)


def _hits(uow: UnitOfWork, spec: EntitySpec, words: str) -> dict[str, Any] | None:
    listed = spec.navigable or spec.directory or spec.custom
    if spec.parent_field is not None or not listed or not may(uow, spec, "read"):
        return None
    if not any(may_use(uow, spec, item) for item in spec.searchable):
        return None
    columns = list_columns(uow, spec)[:5]
    names = tuple(item.name for item in columns)
    page = query.page(uow, spec.name, ListQuery(fields=names, search=words, limit=HITS))
    if not page.items:
        return None
    base = url_for("web.list_records", entity=spec.name)
    return {
        "title": str(spec.label_plural),
        "columns": data_columns(spec, columns),
        "rows": data_rows(uow, spec, columns, page.items, page.labels),
        "all_url": f"{base}?{urlencode([('search', words)])}" if page.next else None,
    }
