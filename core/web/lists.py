"""The list of an entity: filter, search, sort, pages, columns; all of its state in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

from flask import redirect, request, url_for

from core.entities import query
from core.entities.filters import FilterRow, filter_fields, read_rows
from core.entities.list_views import ListView, views_of
from core.entities.marks import fields_of_marks
from core.entities.paging import is_sortable
from core.entities.query import COUNT_CAP, ListQuery
from core.entities.scope import may_use, require
from core.entities.service import actions_of
from core.entities.tables import (
    choose_columns,
    column_widths,
    columns_offered,
    keep_widths,
    list_columns,
    order_columns,
)
from core.entities.totals import column_totals, has_total
from core.errors import Invalid
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.filter_rows import address_pairs, filter_row_of
from core.http.presenting import data_columns, data_rows, reader_of
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.web import blueprint
from core.web.boards import board
from core.web.bulk_rights import has_bulk
from core.web.calendars import calendar
from core.web.cells import cell_names
from core.web.list_page import frame, kept_pairs, list_base, own_page, resolve_typed, view_url
from core.web.list_state import MAX_SORTS, MAX_TRAIL, ListState, read_state
from core.web.profile import require_own_session
from core.work.uow import UnitOfWork

__all__ = ["count_text", "next_url", "previous_url"]

PAGE_SIZE = 50
#: Of a column that was not drawn while others were, in pixels.
UNDRAWN_WIDTH = 140


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
        state = resolve_typed(uow, spec, read_state(pairs))
        return _LAYOUTS[state.layout](uow, spec, state, views)


def _table(uow: UnitOfWork, spec: EntitySpec, state: ListState, views: Sequence[ListView]) -> Any:
    base = list_base(spec)
    shown = list_columns(uow, spec, state.columns)
    refusal = ""
    page = query.Page(spec, shown, [])
    try:
        page = query.page(uow, spec.name, _query(uow, spec, state, shown))
    except Invalid as error:
        if any(problem.code == "cursor" for problem in error.problems):
            return redirect(replace(state, after="", trail=()).url(base))
        refusal = error.message
    context = {
        **frame(uow, spec, state, views),
        "columns": _columns(uow, spec, state, shown),
        "rows": data_rows(uow, spec, shown, page.items, page.labels),
        "count_text": count_text(state, page),
        "first_url": replace(state, after="", trail=()).url(base) if state.after else None,
        "previous_url": previous_url(state, base),
        "next_url": next_url(state, base, page.next),
        "all_count": _all_count(state, page),
        "shortcuts": _shortcuts(uow, spec),
        "refusal": refusal,
        "is_empty": not page.items,
        "chooser": _chooser(uow, spec, shown),
        "sort_options": _sort_options(uow, spec),
        "sorts": state.sorts or spec.default_sort.split(","),
        "sort_kept": kept_pairs(state, without="sort"),
        "totals_url": _totals_url(uow, spec, state, shown) if page.items else "",
        "live_url": "" if state.after else _beside(spec, state, "web.live_rows"),
        "mark": _mark(page),
    }
    return render("core/records/list.html", **context), 422 if refusal else 200


def _query(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, shown: Sequence[FieldSpec]
) -> ListQuery:
    return ListQuery(
        fields=(*(item.name for item in shown), *fields_of_marks(uow, spec)),
        filter=state.conditions(filter_fields(uow, spec)),
        search=state.search,
        sort=state.sort,
        limit=PAGE_SIZE,
        after=state.after or None,
        count="estimate",
    )


# Parts of the page


def _columns(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, shown: Sequence[FieldSpec]
) -> list[dict[str, Any]]:
    """The columns of the table: how they are sorted, how wide they are, what can be written into them."""
    columns = data_columns(spec, shown)
    order = [part.strip() for part in (state.sort or spec.default_sort).split(",")]
    widths, editable = column_widths(uow, spec), cell_names(uow, spec)
    for item, column in zip(shown, columns, strict=True):
        column["name"] = item.name
        column["editable"] = item.name in editable
        column["width"] = widths.get(item.name, UNDRAWN_WIDTH) if widths else 0
        if is_sortable(item) and may_use(uow, spec, item):
            column |= _sorting(state, list_base(spec), item.name, order)
    return columns


def _sorting(state: ListState, base: str, name: str, order: Sequence[str]) -> dict[str, Any]:
    names = [part.lstrip("-+") for part in order]
    place = names.index(name) if name in names else -1
    falls = place >= 0 and order[place].startswith("-")
    turned = f"-{name}" if place >= 0 and not falls else name
    also = [turned if part == name else full for part, full in zip(names, order, strict=True)]
    first = replace(state, after="", trail=())
    return {
        "sort_url": replace(first, sort=turned if place == 0 else name).url(base),
        "also_url": replace(
            first, sort=",".join([*also, *([] if place >= 0 else [name])][-MAX_SORTS:])
        ).url(base),
        "sorted": None if place < 0 else "descending" if falls else "ascending",
        "place": place + 1 if len(order) > 1 else 0,
    }


def _sort_options(uow: UnitOfWork, spec: EntitySpec) -> list[tuple[str, str]]:
    found = []
    for item in spec.stored:
        if item.name != "version" and is_sortable(item) and may_use(uow, spec, item):
            label = str(item.label)
            found.append((item.name, _("%(field)s, rising", field=label)))
            found.append((f"-{item.name}", _("%(field)s, falling", field=label)))
    return found


def _totals_url(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, shown: Sequence[FieldSpec]
) -> str:
    """The address of the sums; empty when no column can be added up."""
    if not any(has_total(uow, spec, item) for item in shown):
        return ""
    return _beside(spec, state, "web.list_totals")


def _beside(spec: EntitySpec, state: ListState, endpoint: str) -> str:
    """The address of what belongs to the list in this state."""
    base = url_for(endpoint, entity=spec.name)
    return replace(state, after="", trail=(), filtering=False, view="").url(base)


def _mark(page: query.Page) -> str:
    """Changes when other records stand on the page, or the same ones with other values."""
    told = repr([(row["id"], row.get("version")) for row in page.items])
    return blake2b(told.encode(), digest_size=8).hexdigest()


@blueprint.get("/r/<entity>/live")
@signed_in
def live_rows(entity: str) -> Any:
    """The first rows of the list, for who is looking at it while others write; 204 as long as they
    are those of the ``mark``."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        state = resolve_typed(uow, spec, read_state(address_pairs()))
        shown = list_columns(uow, spec, state.columns)
        wanted = replace(_query(uow, spec, state, shown), count="none", after=None)
        page = query.page(uow, spec.name, wanted)
        mark = _mark(page)
        if request.args.get("mark") == mark:
            return "", 204
        return render(
            "core/records/_rows.html",
            columns=data_columns(spec, shown),
            rows=data_rows(uow, spec, shown, page.items, page.labels),
            selectable=has_bulk(uow, spec),
            live_url=_beside(spec, state, "web.live_rows"),
            mark=mark,
        )


_LAYOUTS = {"table": _table, "board": board, "calendar": calendar}


@blueprint.get("/r/<entity>/totals")
@signed_in
def list_totals(entity: str) -> Any:
    """The sums below the columns of the list that the address says."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        state = resolve_typed(uow, spec, read_state(address_pairs()))
        shown = list_columns(uow, spec, state.columns)
        wanted = ListQuery(filter=state.conditions(filter_fields(uow, spec)), search=state.search)
        found = column_totals(uow, spec, shown, wanted, reader_of(uow))
        return render(
            "core/records/_totals.html",
            columns=data_columns(spec, shown),
            totals=[found.get(item.name, "") for item in shown],
            selectable=has_bulk(uow, spec),
        )


def count_text(state: ListState, page: query.Page) -> str:
    if page.total is None or not page.items:
        return ""
    more = "+" if page.total >= COUNT_CAP else ""
    total = f"{format_number(page.total)}{more}"
    if not state.after and page.next is None:
        return _("%(total)s in all", total=total)
    if state.after and len(state.trail) >= MAX_TRAIL:
        return _("%(n)s of %(total)s", n=format_number(len(page.items)), total=total)
    start = len(state.trail) * PAGE_SIZE + 1
    end = start + len(page.items) - 1
    return _(
        "%(start)s–%(end)s of %(total)s",
        start=format_number(start),
        end=format_number(end),
        total=total,
    )


def next_url(state: ListState, base: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    trail = (*state.trail, state.after or "-")[-MAX_TRAIL:]
    return replace(state, after=cursor, trail=trail).url(base)


def previous_url(state: ListState, base: str) -> str | None:
    if not state.trail:
        return None
    last = state.trail[-1]
    return replace(state, after="" if last == "-" else last, trail=state.trail[:-1]).url(base)


def _all_count(state: ListState, page: query.Page) -> str:
    """How many the list finds, where that is more than the page has."""
    if page.total is None or (page.next is None and not state.after):
        return ""
    return f"{format_number(page.total)}{'+' if page.total >= COUNT_CAP else ''}"


def _shortcuts(uow: UnitOfWork, spec: EntitySpec) -> list[tuple[str, str, str]]:
    """(field, label, icon) of what is most often set on many: whose they are, and their tags."""
    names, verbs = cell_names(uow, spec), {verb.name for verb in actions_of(uow, spec).values()}
    found = [("owner", _("Assign"), "user")] if "owner" in names and "assign" not in verbs else []
    tags = next((f for f in spec if f.name in names and isinstance(f.type, t.Tags)), None)
    return found + ([(tags.name, str(tags.label), "tag")] if tags else [])


def _chooser(
    uow: UnitOfWork, spec: EntitySpec, shown: Sequence[FieldSpec]
) -> list[tuple[str, str, bool]]:
    """(name, label, is shown): those that are shown in their order, then the others."""
    offered = columns_offered(uow, spec)
    ordered = [*shown, *(item for item in offered if item not in shown)]
    return [
        (item.name, str(item.label), item in shown)
        for item in ordered
        if item.name != spec.label_field
    ]


_ROW_ORDER = {"filter_field": 0, "filter_op": 1}


@blueprint.get("/r/<entity>/filter-row")
@signed_in
def filter_row(entity: str) -> Any:
    """One row of the filter, after its field or its comparison was changed."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        # What was changed comes first, whatever its place in the row.
        pairs = sorted(address_pairs(), key=lambda pair: _ROW_ORDER.get(pair[0], 2))
        rows = read_rows(pairs) or [FilterRow()]
        row = filter_row_of(uow, filter_fields(uow, spec), rows[0])
        return render("core/records/_filter_row.html", spec=spec, row=row)


@blueprint.post("/r/<entity>/columns", endpoint="choose_columns")
@signed_in
def save_columns(entity: str) -> Any:
    """Remember which columns this person wants to see, in which order; or those as delivered."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        back = own_page(request.form.get("back"), spec)
        names = [] if "reset" in request.form else request.form.getlist("columns")
        base, _mark, query_text = back.partition("?")
        state = read_state(parse_qsl(query_text, keep_blank_values=True))
        if state.columns:  # those of a view: the address says them
            state = replace(state, columns=tuple(order_columns(uow, spec, names)))
            return redirect(state.url(base))
        require_own_session()
        choose_columns(uow, spec, names)
        if not names:
            keep_widths(uow, spec, {})
    return redirect(back)


@blueprint.post("/r/<entity>/columns/widths", endpoint="keep_widths")
@signed_in
def save_widths(entity: str) -> Any:
    """Remember how wide this person has drawn the columns: ``name=pixels`` for each."""
    require_own_session()
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        sent = {name: text for name, text in request.form.items() if text.isdecimal()}
        keep_widths(uow, spec, {name: int(text[:5]) for name, text in sent.items()})
    return "", 204
