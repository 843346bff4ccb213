"""The list of an entity: filter, search, sort, pages, columns; all of its state in the address."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import redirect, request, url_for

from core.entities import query
from core.entities.conditions import SHARED_WITH_ME
from core.entities.filters import (
    FilterRow,
    condition_of,
    filter_fields,
    read_rows,
    row_pairs,
    row_text,
)
from core.entities.inputs import from_input
from core.entities.labels import resolve_labels
from core.entities.list_views import SHARE, ListView, views_of
from core.entities.offers import bulk_actions
from core.entities.paging import is_sortable
from core.entities.purging import is_purgeable
from core.entities.query import COUNT_CAP, ListQuery
from core.entities.scope import may, may_use, require
from core.entities.tables import choose_columns, columns_offered, list_columns, order_columns
from core.entities.values import BadValue
from core.errors import Invalid
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import new_record_url
from core.http.filter_rows import address_pairs, filter_row_of, referred
from core.http.presenting import data_columns, data_rows, input_context, page_url, reader_of
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.web import blueprint
from core.work.uow import UnitOfWork

__all__ = ["ListState", "own_page", "read_state", "view_url"]

PAGE_SIZE = 50
#: Cursors of earlier pages that the address carries, for "previous".
MAX_TRAIL = 20
SHARED_CONDITION = json.dumps({"field": "id", "op": "in", "value": SHARED_WITH_ME})


@dataclass(frozen=True)
class ListState:
    """What the address of a list says."""

    rows: tuple[FilterRow, ...] = ()
    mode: str = "all"
    #: A condition in JSON, from a link that needs more than rows can say.
    condition: str = ""
    search: str = ""
    sort: str = ""
    after: str = ""
    trail: tuple[str, ...] = ()
    filtering: bool = False
    #: The columns of a view; without any, those that the reader has chosen.
    columns: tuple[str, ...] = ()
    #: The number of the view that was opened, or ``all`` for none of them.
    view: str = ""

    def pairs(self) -> list[tuple[str, str]]:
        """The state as names and values, without the place in the pages."""
        pairs = [pair for row in self.rows for pair in row_pairs(row)]
        pairs += [("filter_mode", self.mode)] if self.rows and self.mode != "all" else []
        named = (
            ("filter", self.condition),
            ("search", self.search),
            ("sort", self.sort),
            ("columns", ",".join(self.columns)),
        )
        return pairs + [(name, value) for name, value in named if value]

    def url(self, base: str) -> str:
        """The address of the list in this state."""
        pairs = [("view", self.view)] if self.view else []
        pairs += self.pairs()
        pairs += [("after", self.after)] if self.after else []
        pairs += [("prev", "~".join(self.trail))] if self.trail else []
        pairs += [("filtering", "1")] if self.filtering else []
        return f"{base}?{urlencode(pairs)}" if pairs else base

    @property
    def is_narrowed(self) -> bool:
        """True when something is left out."""
        return bool(self.rows or self.condition or self.search)


def read_state(pairs: Iterable[tuple[str, str]]) -> ListState:
    """The state from an address, in the order of its parts."""
    listed = list(pairs)
    first: dict[str, str] = {}
    for name, value in listed:
        first.setdefault(name, value)
    trail = [part for part in first.get("prev", "").split("~") if part or first.get("prev")]
    return ListState(
        rows=tuple(read_rows(listed)),
        mode="any" if first.get("filter_mode") == "any" else "all",
        condition=first.get("filter", "")[:20_000],
        search=first.get("search", "").strip()[:200],
        sort=first.get("sort", "")[:200],
        after=first.get("after", "")[:2_000],
        trail=tuple(trail[-MAX_TRAIL:]),
        filtering="filtering" in first,
        columns=tuple(name for name in first.get("columns", "")[:2_000].split(",") if name),
        view=first.get("view", "")[:20],
    )


@blueprint.get("/r/<entity>")
@signed_in
def list_records(entity: str) -> Any:
    """The list. What cannot be understood in its address is told, and shows no rows."""
    with unit_of_work() as uow:
        spec, pairs = uow.entity(entity), address_pairs()
        require(uow, spec, "read")
        views = views_of(uow, spec)
        first = next((view for view in views if view.is_first), None)
        if not pairs and first is not None:
            return redirect(view_url(spec, first))
        return _list(uow, spec, read_state(pairs), views)


def _list(uow: UnitOfWork, spec: EntitySpec, state: ListState, views: Sequence[ListView]) -> Any:
    base = url_for("web.list_records", entity=spec.name)
    state = _resolve_typed(uow, spec, state)
    if any(not row.is_complete(spec.by_name.get(row.field)) for row in state.rows):
        state = replace(state, filtering=True)  # a condition is being made
    shown = list_columns(uow, spec, state.columns)
    usable = filter_fields(uow, spec)
    refusal = ""
    page = query.Page(spec, shown, [])
    try:
        page = query.page(uow, spec.name, _query(state, shown, usable))
    except Invalid as error:
        if any(problem.code == "cursor" for problem in error.problems):
            return redirect(replace(state, after="", trail=()).url(base))
        refusal = error.message
    context = {
        "spec": spec,
        "state": state,
        "base": base,
        "columns": data_columns(spec, shown, lambda item: _sorting(uow, spec, state, base, item)),
        "rows": data_rows(uow, spec, shown, page.items, page.labels),
        "count_text": _count_text(state, page),
        "first_url": replace(state, after="", trail=()).url(base) if state.after else None,
        "previous_url": _previous(state, base),
        "next_url": _next(state, base, page.next),
        "chips": _chips(uow, spec, state, base, usable),
        "clear_url": ListState(view=state.view and "all", sort=state.sort).url(base),
        "refusal": refusal,
        "filter_rows": [filter_row_of(uow, usable, row) for row in state.rows],
        "empty_row": filter_row_of(uow, usable, FilterRow()),
        "filter_url": replace(state, filtering=not state.filtering).url(base),
        "kept": _kept(state, "search", "sort", "filter", "columns"),
        "search_kept": _kept(state, *{name for name, _value in state.pairs()} - {"search"}),
        "is_searchable": any(may_use(uow, spec, item) for item in spec.searchable),
        "chooser": _chooser(uow, spec, shown),
        "uow": uow,
        "own_url": state.url(base),
        **_views(uow, spec, state, views),
        **_rights(uow, spec, state),
    }
    return render("core/records/list.html", **context), 422 if refusal else 200


def _query(state: ListState, shown: Sequence[FieldSpec], usable: Sequence[FieldSpec]) -> ListQuery:
    names = tuple(item.name for item in shown)
    parts = [condition_of(state.rows, usable, state.mode)]
    if state.condition:
        try:
            parts.append(json.loads(state.condition))
        except ValueError:
            raise Invalid(_("The filter in this address cannot be read.")) from None
    conditions = [part for part in parts if part]
    return ListQuery(
        fields=names,
        filter={"all": conditions} if conditions else None,
        search=state.search,
        sort=state.sort,
        limit=PAGE_SIZE,
        after=state.after or None,
        count="estimate",
    )


def _resolve_typed(uow: UnitOfWork, spec: EntitySpec, state: ListState) -> ListState:
    """Without scripts a picker sends only words: find what they mean."""
    rows = []
    for row in state.rows:
        item = spec.by_name.get(row.field)
        usable = item is not None and may_use(uow, spec, item)
        if item is not None and usable and row.typed and not any(row.values):
            row = _with_meaning(uow, item, row)
        rows.append(row)
    return replace(state, rows=tuple(rows))


def _with_meaning(uow: UnitOfWork, item: FieldSpec, row: FilterRow) -> FilterRow:
    type_ = item.value_type
    if isinstance(type_, t.References):
        type_ = t.Reference(type_.entity)
    try:
        found = from_input(type_, ("", row.typed), input_context(uow))
    except BadValue:
        return row
    return replace(row, values=(str(found),)) if found else row


# Parts of the page


def _sorting(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, base: str, item: FieldSpec
) -> tuple[str, str | None] | None:
    if not is_sortable(item) or not may_use(uow, spec, item):
        return None
    now = (state.sort or spec.default_sort).split(",")[0]
    order = None
    if now.lstrip("-+") == item.name:
        order = "descending" if now.startswith("-") else "ascending"
    turned = f"-{item.name}" if order == "ascending" else item.name
    return replace(state, sort=turned, after="", trail=()).url(base), order


def _count_text(state: ListState, page: query.Page) -> str:
    if page.total is None or not page.items:
        return ""
    more = "+" if page.total >= COUNT_CAP else ""
    total = f"{format_number(page.total)}{more}"
    if not state.after and page.next is None:
        return _("%(total)s in all", total=total)
    if state.after and len(state.trail) >= MAX_TRAIL:
        return _("%(n)s of %(total)s", n=len(page.items), total=total)
    start = len(state.trail) * PAGE_SIZE + 1
    end = start + len(page.items) - 1
    return _("%(start)s–%(end)s of %(total)s", start=start, end=end, total=total)


def _next(state: ListState, base: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    trail = (*state.trail, state.after or "-")[-MAX_TRAIL:]
    return replace(state, after=cursor, trail=trail).url(base)


def _previous(state: ListState, base: str) -> str | None:
    if not state.trail:
        return None
    last = state.trail[-1]
    return replace(state, after="" if last == "-" else last, trail=state.trail[:-1]).url(base)


def _chips(
    uow: UnitOfWork,
    spec: EntitySpec,
    state: ListState,
    base: str,
    usable: Sequence[FieldSpec],
) -> list[tuple[str, str]]:
    by_name = {item.name: item for item in usable}
    reader = reader_of(uow, resolve_labels(uow, referred(state.rows, by_name)))
    first = replace(state, after="", trail=())
    chips = []
    for place, row in enumerate(state.rows):
        item = by_name.get(row.field)
        if item is None or not row.is_complete(item):
            continue
        rest = state.rows[:place] + state.rows[place + 1 :]
        chips.append((row_text(row, item, reader), replace(first, rows=rest).url(base)))
    if state.condition:
        is_shared = state.condition == SHARED_CONDITION
        text = _("Shared with me") if is_shared else _("A filter of the page you came from")
        chips.append((text, replace(first, condition="").url(base)))
    if state.search:
        text = _("Search: %(words)s", words=state.search)
        chips.append((text, replace(first, search="").url(base)))
    return chips


def _chooser(
    uow: UnitOfWork, spec: EntitySpec, shown: Sequence[FieldSpec]
) -> list[tuple[str, str, bool]]:
    names = {item.name for item in shown}
    return [
        (item.name, str(item.label), item.name in names)
        for item in columns_offered(uow, spec)
        if item.name != spec.label_field
    ]


def _shared_url(uow: UnitOfWork, spec: EntitySpec) -> str | None:
    """The list of what was shared with the reader; None when nothing of the kind ever was."""
    if all(entity != spec.name for entity, _level in uow.actor.shared):
        return None
    base = url_for("web.list_records", entity=spec.name)
    return ListState(condition=SHARED_CONDITION).url(base)


def _rights(uow: UnitOfWork, spec: EntitySpec, state: ListState) -> dict[str, Any]:
    can_update = spec.updatable and may(uow, spec, "update")
    can_delete = spec.deletable and may(uow, spec, "delete")
    can_import = spec.importable and may(uow, spec, "import") and may(uow, spec, "create")
    can_export = (
        may(uow, spec, "export") and uow.snapshot.settings["core_security"]["export_allowed"]
    )
    export = page_url("web.export_records", entity=spec.name) if can_export else None
    verbs = bulk_actions(uow, spec)
    is_admin = uow.actor.is_admin and uow.actor.token_scopes is None
    return {
        "can_create": spec.creatable and may(uow, spec, "create"),
        "new_url": new_record_url(spec),
        "can_update": can_update,
        "can_delete": can_delete,
        "verbs": verbs,
        "import_url": page_url("web.import_start", entity=spec.name) if can_import else None,
        "export_url": export,
        "export_all_url": f"{export}?{urlencode(state.pairs())}" if export else None,
        "fields_url": page_url("admin.fields", entity=spec.name) if is_admin else None,
        "shared_url": _shared_url(uow, spec),
        "has_bulk": bool(can_update or can_delete or verbs or export),
    }


def _kept(state: ListState, *names: str) -> list[tuple[str, str]]:
    """What a form of the list sends along, so that only that changes which it is about."""
    view = [("view", state.view)] if state.view else []
    return view + [pair for pair in state.pairs() if pair[0] in names]


def view_url(spec: EntitySpec, view: ListView) -> str:
    """The address of the list as the view keeps it."""
    base = url_for("web.list_records", entity=spec.name)
    return f"{base}?view={view.id}" + (f"&{view.query}" if view.query else "")


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


@blueprint.get("/r/<entity>/filter-row")
@signed_in
def filter_row(entity: str) -> Any:
    """One row of the filter, after its field or its comparison was changed."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        rows = read_rows(address_pairs()) or [FilterRow()]
        row = filter_row_of(uow, filter_fields(uow, spec), rows[0])
        return render("core/records/_filter_row.html", spec=spec, row=row)


@blueprint.post("/r/<entity>/columns", endpoint="choose_columns")
@signed_in
def save_columns(entity: str) -> Any:
    """Remember which columns this person wants to see."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        back, names = own_page(request.form.get("back"), spec), request.form.getlist("columns")
        base, _mark, query_text = back.partition("?")
        state = read_state(parse_qsl(query_text, keep_blank_values=True))
        if state.columns:  # those of a view: the address says them
            state = replace(state, columns=tuple(order_columns(uow, spec, names)))
            return redirect(state.url(base))
        choose_columns(uow, spec, names)
    return redirect(back)


def own_page(target: str | None, spec: EntitySpec) -> str:
    """``target`` when it is a page of this entity, else its list."""
    base = url_for("web.list_records", entity=spec.name)
    if target and (target == base or target.startswith((f"{base}?", f"{base}/"))):
        return target
    return base


@blueprint.get("/r/<entity>/bin")
@signed_in
def recycle_bin(entity: str) -> Any:
    """What was deleted and can be restored."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
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
            count_text=_count_text(state, page),
            previous_url=_previous(state, base),
            next_url=_next(state, base, page.next),
            can_restore=spec.deletable and may(uow, spec, "delete"),
            can_purge=is_purgeable(spec) and uow.actor.manages_security,
        )
