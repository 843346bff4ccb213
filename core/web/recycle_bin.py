"""The recycle bin of an entity."""

from __future__ import annotations

from typing import Any

from flask import redirect, url_for

from core.entities import query
from core.entities.purging import is_purgeable
from core.entities.query import ListQuery
from core.entities.scope import require
from core.entities.tables import list_columns
from core.errors import Invalid
from core.http.filter_rows import address_pairs
from core.http.presenting import data_columns, data_rows
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.web import blueprint
from core.web.list_state import read_state
from core.web.lists import PAGE_SIZE, count_text, next_url, previous_url


@blueprint.get("/r/<entity>/bin")
@signed_in
def recycle_bin(entity: str) -> Any:
    """What was deleted, for who may restore it."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        require(uow, spec, "delete")
        state = read_state(address_pairs())
        base = url_for("web.recycle_bin", entity=entity)
        deletion = [spec[name] for name in ("archived_at", "updated_by") if name in spec]
        allowed = set(query.visible(uow, spec))
        shown = tuple(
            dict.fromkeys(
                [*list_columns(uow, spec)[:4], *(item for item in deletion if item in allowed)]
            )
        )
        try:
            page = query.page(
                uow,
                entity,
                ListQuery(
                    fields=tuple(item.name for item in shown),
                    sort="-archived_at" if "archived_at" in spec else "",
                    limit=PAGE_SIZE,
                    after=state.after or None,
                    search=state.search,
                    count="estimate",
                    archived=True,
                ),
            )
        except Invalid:
            return redirect(base)
        return render(
            "core/records/bin.html",
            spec=spec,
            columns=data_columns(spec, shown),
            rows=data_rows(uow, spec, shown, page.items, page.labels, linked=False),
            count_text=count_text(state, page),
            previous_url=previous_url(state, base),
            next_url=next_url(state, base, page.next),
            can_restore=spec.deletable,
            can_purge=is_purgeable(spec) and uow.actor.manages_security,
        )
