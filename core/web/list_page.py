"""What every layout of a list shares: its frame of views, search and filter, and what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import url_for

from core.entities.filters import (
    FilterRow,
    filter_fields,
    group_text,
    row_text,
)
from core.entities.inputs import from_input
from core.entities.labels import resolve_labels
from core.entities.list_views import SHARE, ListView
from core.entities.scope import may, may_use
from core.entities.values import BadValue
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import new_record_url
from core.http.filter_rows import filter_row_of, referred
from core.http.presenting import input_context, page_url, reader_of
from core.i18n import gettext as _
from core.web.bulk_rights import bulk_rights
from core.web.layouts import layouts_offered
from core.web.list_state import SHARED_CONDITION, ListState
from core.work.uow import UnitOfWork

__all__ = [
    "frame",
    "kept_pairs",
    "list_base",
    "own_page",
    "resolve_typed",
    "view_url",
]


def list_base(spec: EntitySpec) -> str:
    """The address of the entity's list."""
    return url_for("web.list_records", entity=spec.name)


def own_page(target: str | None, spec: EntitySpec) -> str:
    """``target`` when it is a page of this entity, else its list."""
    base = list_base(spec)
    is_own = target is not None and (target == base or target.startswith((f"{base}?", f"{base}/")))
    return target if target and is_own and target.isprintable() else base


def view_url(spec: EntitySpec, view: ListView) -> str:
    """The address of the list as the view keeps it."""
    return f"{list_base(spec)}?view={view.id}" + (f"&{view.query}" if view.query else "")


def frame(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, views: Sequence[ListView]
) -> dict[str, Any]:
    """What `records/_list.html` draws around the records."""
    base, usable = list_base(spec), filter_fields(uow, spec)
    if any(not row.is_complete(spec.by_name.get(row.field)) for row in state.filter.all_rows):
        state = replace(state, filtering=True)  # a condition is being made
    return {
        "spec": spec,
        "state": state,
        "base": base,
        "chips": _chips(uow, spec, state, base, usable),
        "clear_url": _cleared(state).url(base),
        "filter_rows": [filter_row_of(uow, usable, row) for row in state.filter.rows],
        "filter_groups": [
            (group.mode, [filter_row_of(uow, usable, row) for row in group.rows])
            for group in state.filter.groups
        ],
        "empty_row": filter_row_of(uow, usable, FilterRow()),
        "filter_url": replace(state, filtering=not state.filtering).url(base),
        "kept": kept_pairs(state, without="filter_"),
        "search_kept": kept_pairs(state, without="search"),
        "is_searchable": any(may_use(uow, spec, item) for item in spec.searchable),
        "layouts": _layouts(uow, spec, state, base),
        "uow": uow,
        "own_url": state.url(base),
        **_views(uow, spec, state, views),
        **_rights(uow, spec, state),
    }


def _cleared(state: ListState) -> ListState:
    """The list with nothing left out."""
    view = state.view and "all"
    return ListState(view=view, sort=state.sort, layout=state.layout, by=state.by)


def _layouts(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, base: str
) -> list[tuple[str, str, str, bool]]:
    """(label, icon, address, is open) of the ways to lay the records out; none when there is one."""
    offered = layouts_offered(uow, spec)
    first = replace(state, after="", trail=(), day="", by="")
    if len(offered) < 2:
        return []
    return [
        (
            str(each.label),
            each.icon,
            replace(first, layout=each.name).url(base),
            each.name == state.layout,
        )
        for each in offered
    ]


def resolve_typed(uow: UnitOfWork, spec: EntitySpec, state: ListState) -> ListState:
    """Without scripts a picker sends only words: find what they mean."""

    def resolve(row: FilterRow) -> FilterRow:
        item = spec.by_name.get(row.field)
        usable = item is not None and may_use(uow, spec, item)
        if item is not None and usable and row.typed and not any(row.values):
            return _with_meaning(uow, item, row)
        return row

    return replace(state, filter=state.filter.each_row(resolve))


def _with_meaning(uow: UnitOfWork, item: FieldSpec, row: FilterRow) -> FilterRow:
    type_ = item.value_type
    if isinstance(type_, t.References):
        type_ = t.Reference(type_.entity)
    try:
        found = from_input(type_, ("", row.typed), input_context(uow))
    except BadValue:
        return row
    return replace(row, values=(str(found),)) if found else row


def _chips(
    uow: UnitOfWork,
    spec: EntitySpec,
    state: ListState,
    base: str,
    usable: Sequence[FieldSpec],
) -> list[tuple[str, str]]:
    """What narrows the list, in words, each with the address of the list without it."""
    by_name = {item.name: item for item in usable}
    asked = state.filter
    reader = reader_of(uow, resolve_labels(uow, referred(asked.all_rows, by_name)))
    first = replace(state, after="", trail=())
    chips = []
    for place, row in enumerate(asked.rows):
        item = by_name.get(row.field)
        if item is None or not row.is_complete(item):
            continue
        rest = replace(asked, rows=asked.rows[:place] + asked.rows[place + 1 :])
        chips.append((row_text(row, item, reader), replace(first, filter=rest).url(base)))
    for place, group in enumerate(asked.groups):
        if text := group_text(group, by_name, reader):
            rest = replace(asked, groups=asked.groups[:place] + asked.groups[place + 1 :])
            chips.append((text, replace(first, filter=rest).url(base)))
    if state.condition:
        is_shared = state.condition == SHARED_CONDITION
        text = _("Shared with me") if is_shared else _("A filter of the page you came from")
        chips.append((text, replace(first, condition="").url(base)))
    if state.search:
        text = _("Search: %(words)s", words=state.search)
        chips.append((text, replace(first, search="").url(base)))
    return chips


def _shared_url(uow: UnitOfWork, spec: EntitySpec) -> str | None:
    """The list of what was shared with the reader; None when nothing of the kind ever was."""
    if all(entity != spec.name for entity, _level in uow.actor.shared):
        return None
    return ListState(condition=SHARED_CONDITION).url(list_base(spec))


def _rights(uow: UnitOfWork, spec: EntitySpec, state: ListState) -> dict[str, Any]:
    bulk = bulk_rights(uow, spec)
    export = bulk["export_url"]
    can_create = spec.creatable and may(uow, spec, "create")
    can_import = spec.importable and may(uow, spec, "import") and may(uow, spec, "create")
    is_admin = uow.actor.is_admin and uow.actor.token_scopes is None
    return {
        **bulk,
        "has_bulk": any(bulk.values()),
        "can_create": can_create,
        "new_url": new_record_url(spec),
        "import_url": page_url("web.import_start", entity=spec.name) if can_import else None,
        "export_all_url": f"{export}?{urlencode(state.pairs())}" if export else None,
        "fields_url": page_url("admin.fields", entity=spec.name) if is_admin else None,
        "shared_url": _shared_url(uow, spec),
    }


def kept_pairs(state: ListState, *, without: str) -> list[tuple[str, str]]:
    """What a form of the list sends along, so that only that changes which it is about: the state
    but for the names that begin with ``without``."""
    view = [("view", state.view)] if state.view else []
    return view + [pair for pair in state.pairs() if not pair[0].startswith(without)]


def _views(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, views: Sequence[ListView]
) -> dict[str, Any]:
    """The views to choose from, the one that is open, and whether the list is what it keeps."""
    now = urlencode(state.pairs())
    opened = next((view for view in views if str(view.id) == state.view), None)
    opened = opened or next((view for view in views if view.query == now and now), None)
    return {
        "views": [(view, view_url(spec, view)) for view in views],
        "opened": opened,
        "is_changed": now != (opened.query if opened else ""),
        "view_query": now,
        "may_share_views": uow.actor.has_permission(SHARE),
    }
