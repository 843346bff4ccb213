"""Records as cards in the columns of a board: one column for each value of a choice or reference.

A card that is moved is a record that is changed: by the verb that leads to the column where there
is one, else by writing the field (`core.web.moving`). Both go through the one door, which may refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import redirect, request, url_for
from sqlalchemy import select

from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.filters import FilterRow, filter_fields
from core.entities.form_fields import editable_fields
from core.entities.list_views import ListView
from core.entities.marks import fields_of_marks, marker
from core.entities.query import ListQuery, Page
from core.entities.reading import Reading, read_together
from core.entities.rendering import display_html, display_text
from core.entities.scope import may, require
from core.entities.service import actions_of
from core.entities.tables import list_columns
from core.entities.totals import has_total, total_text
from core.errors import Invalid, NotFound
from core.fields import ActionSpec, EntitySpec, FieldSpec, Given
from core.fields import types as t
from core.http.addresses import read_number
from core.http.presenting import reader_of, record_address
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.settings.preferences import get_preference, put_preference
from core.web import blueprint
from core.web.layouts import board_fields
from core.web.list_page import frame, kept_pairs, list_base, own_page
from core.web.list_state import ListState, read_limit, read_state
from core.web.profile import require_own_session
from core.work.uow import UnitOfWork

__all__ = ["board", "verb_to"]

#: Columns of a board, cards shown in each, and facts on a card.
MAX_COLUMNS, CARDS, FACTS = 20, 20, 4


@dataclass
class Column:
    """One column of a board as it is drawn."""

    value: Any
    label: str
    tone: str = "neutral"
    count: int = 0
    total: str = ""
    limit: int = 0
    cards: list[dict[str, Any]] = field(default_factory=list)
    #: The table of what is in it.
    url: str = ""
    #: Where a card that is dropped here is sent to; empty when it may not be.
    move_url: str = ""
    #: Whether that asks for something first, on a page of its own; or may turn out to.
    asks: bool = False
    may_ask: bool = False
    #: What it stands for can no longer be chosen: it is in the recycle bin, or retired.
    is_gone: bool = False

    @property
    def key(self) -> str:
        """The value as an address writes it."""
        return "" if self.value is None else str(self.value)


def board(uow: UnitOfWork, spec: EntitySpec, state: ListState, views: Sequence[ListView]) -> Any:
    """The page of the board that the address says."""
    fields = board_fields(uow, spec)
    by = next((item for item in fields if item.name == state.by), fields[0] if fields else None)
    if by is None:
        return redirect(replace(state, layout="table", by="").url(list_base(spec)))
    refusal, columns = "", list[Column]()
    limits = dict(state.limits) or _kept_limits(uow, spec).get(by.name, {})
    try:
        columns = _columns(uow, spec, state, by, limits)
    except Invalid as error:
        refusal = error.message
    context = {
        **frame(uow, spec, state, views),
        "columns": columns,
        "by": by.name,
        "by_options": [(item.name, str(item.label)) for item in fields],
        "by_kept": [pair for pair in kept_pairs(state, without="by") if pair[0] != "limits"],
        # A view that is kept of this board has the reader's limits, too.
        "view_query": urlencode(replace(state, limits=tuple(sorted(limits.items()))).pairs()),
        "refusal": refusal,
        "is_empty": not any(column.count for column in columns),
    }
    return render("core/records/board.html", **context), 422 if refusal else 200


def _columns(
    uow: UnitOfWork,
    spec: EntitySpec,
    state: ListState,
    by: FieldSpec,
    limits: Mapping[str, int],
) -> list[Column]:
    usable = filter_fields(uow, spec)
    asked = ListQuery(filter=state.conditions(usable), search=state.search)
    columns = _values(uow, spec, state, by)
    _count(uow, spec, state, by, columns, asked)
    columns = [
        column for column in columns if column.count or not (column.value is None or column.is_gone)
    ]
    facts = _facts(uow, spec, state, by)
    moves = _moves(uow, spec, by)
    for column in columns:
        column.limit = limits.get(column.key, 0)
        column.url = _table_url(spec, state, by, column)
        column.move_url, column.asks, column.may_ask = moves(column)
    filled = [column for column in columns if column.count]
    wanted = [_first_of(uow, spec, state, by, column, facts, asked) for column in filled]
    for column, page in zip(filled, read_together(uow, wanted), strict=True):
        column.cards = _cards(uow, spec, facts, page)
    return columns


def _values(uow: UnitOfWork, spec: EntitySpec, state: ListState, by: FieldSpec) -> list[Column]:
    """A column for each option or each record that the field may name, and one for nothing."""
    none = Column(None, _("None"))
    if isinstance(by.type, t.ChoiceField):
        return [
            none,
            *(
                Column(each.value, str(each.label), each.tone, is_gone=each.retired)
                for each in by.type.choices
            ),
        ]
    assert isinstance(by.type, t.Reference)
    target = uow.entity(by.type.entity)
    if not may(uow, target, "read"):
        return [none]
    names = (target.label_field,)
    wanted = ListQuery(
        fields=names, filter=_common(uow, spec, target, state), limit=MAX_COLUMNS + 1
    )
    page = query.page(uow, target.name, wanted)
    if len(page.items) > MAX_COLUMNS:  # too many to show: those that hold most
        groups = aggregate(uow, spec.name, [by.name], ["count"], ListQuery())
        known = [group[by.name] for group in groups if group[by.name]["id"] is not None]
        return [none, *(Column(each["id"], each["label"] or "") for each in known[:MAX_COLUMNS])]
    reader, type_ = reader_of(uow, page.labels), target[target.label_field].type
    return [
        none,
        *(
            Column(row["id"], display_text(type_, row.get(target.label_field), reader, row))
            for row in page.items
        ),
    ]


def _common(
    uow: UnitOfWork, spec: EntitySpec, target: EntitySpec, state: ListState
) -> dict[str, Any] | None:
    """What the filter says of a reference that the columns have as well, such as the process of
    both deals and stages: the columns are those of it."""
    if state.filter.mode == "any" and state.filter.all_rows:
        return None
    usable = {
        item.name: item.type.entity
        for item in filter_fields(uow, target)
        if isinstance(item.type, t.Reference)
    }
    found = [
        {"field": row.field, "op": "eq", "value": key}
        for row in state.filter.rows
        if row.op == "eq"
        and len(row.values) == 1
        and (key := read_number(row.values[0])) is not None
        and row.field in usable
        and usable[row.field] == getattr(spec[row.field].type, "entity", "")
    ]
    return {"all": found} if found else None


def _count(
    uow: UnitOfWork,
    spec: EntitySpec,
    state: ListState,
    by: FieldSpec,
    columns: list[Column],
    asked: ListQuery,
) -> None:
    """How many cards each column has, and what they come to: one statement. What is in the recycle
    bin has a column too, as long as records name it."""
    money = _amount(uow, spec, state)
    type_ = money.value_type if money else None
    currency = type_.currency_field if isinstance(type_, t.Money) else None
    groups = [by.name, *([currency] if currency else [])]
    measures = ["count", *([f"sum:{money.name}"] if money else [])]
    by_value = {column.value: column for column in columns}
    reader = reader_of(uow)
    rows = aggregate(uow, spec.name, groups, measures, asked)
    labels = {row[by.name]["id"]: row[by.name]["label"] for row in rows}
    for key in _archived(uow, by, [key for key, label in labels.items() if label is not None]):
        column = by_value.get(key)
        if column is None and len(columns) < 2 * MAX_COLUMNS:
            column = by_value[key] = Column(key, labels[key])
            columns.append(column)
        if column is not None:
            column.is_gone = True
    for row in rows:
        column = by_value.get(row[by.name]["id"])
        if column is None:
            continue
        column.count += row["count"]
        if money and row[f"sum:{money.name}"] is not None:
            text = total_text(money, row[f"sum:{money.name}"], row, reader)
            column.total = f"{column.total} + {text}" if column.total else text


def _archived(uow: UnitOfWork, by: FieldSpec, ids: Sequence[int]) -> list[int]:
    """Those of the records that the field names which are in the recycle bin."""
    if not isinstance(by.type, t.Reference):
        return []
    table = uow.entity(by.type.entity).table
    if not ids or "archived_at" not in table.c:
        return []
    found = select(table.c.id).where(table.c.id.in_(ids), table.c.archived_at.is_not(None))
    return list(uow.execute(found.order_by(table.c.id)).scalars())


def _amount(uow: UnitOfWork, spec: EntitySpec, state: ListState) -> FieldSpec | None:
    """What is added up on a board: the first amount of the list."""
    shown = list_columns(uow, spec, state.columns)
    return next(
        (
            item
            for item in (*shown, *spec.stored)
            if isinstance(item.value_type, t.Money)
            and item.totals is True
            and has_total(uow, spec, item)
        ),
        None,
    )


def _facts(
    uow: UnitOfWork, spec: EntitySpec, state: ListState, by: FieldSpec
) -> tuple[FieldSpec, ...]:
    """What a card tells: amounts, people and dates of the list before its other columns."""
    left_out = {by.name, spec.label_field}
    shown = [item for item in list_columns(uow, spec, state.columns) if item.name not in left_out]
    chosen = sorted(shown, key=_weight)[:FACTS]
    return tuple(item for item in shown if item in chosen)


def _weight(item: FieldSpec) -> int:
    match item.value_type:
        case t.Money():
            return 0
        case t.Reference("user") | t.Date() | t.DateTime():
            return 1
        case t.Text():
            return 2
    return 3


def _first_of(
    uow: UnitOfWork,
    spec: EntitySpec,
    state: ListState,
    by: FieldSpec,
    column: Column,
    facts: Sequence[FieldSpec],
    asked: ListQuery,
) -> Reading[Page]:
    wanted = replace(
        asked,
        fields=(spec.label_field, *(item.name for item in facts), *fields_of_marks(uow, spec)),
        filter=_within(asked.filter, by, column.value),
        sort=state.sort,
        limit=CARDS,
    )
    return query.reading_page(uow, spec.name, wanted)


def _cards(
    uow: UnitOfWork, spec: EntitySpec, facts: Sequence[FieldSpec], page: Page
) -> list[dict[str, Any]]:
    reader, address = reader_of(uow, page.labels, in_cell=True), record_address(uow)
    label_type, mark_of = spec[spec.label_field].type, marker(uow, spec)
    return [
        {
            "id": row["id"],
            "version": row.get("version", 0),
            "title": display_text(label_type, row.get(spec.label_field), reader, row)
            or f"#{row['id']}",
            "url": address(spec.name, row["id"]),
            "mark": mark_of(row),
            "facts": [
                (str(item.label), display_html(item.type, row.get(item.name), reader, row))
                for item in facts
                if row.get(item.name) not in (None, "", [])
            ],
        }
        for row in page.items
    ]


def _within(condition: Any, by: FieldSpec, value: Any) -> dict[str, Any]:
    own = {"field": by.name, "op": "is_empty" if value is None else "eq"}
    own |= {} if value is None else {"value": value}
    return {"all": [condition, own]} if condition else own


def _table_url(spec: EntitySpec, state: ListState, by: FieldSpec, column: Column) -> str:
    op = "in" if isinstance(by.type, t.ChoiceField) else "eq"
    row = (
        FilterRow(by.name, "is_empty")
        if column.value is None
        else FilterRow(by.name, op, (column.key,))
    )
    wanted = state.filter
    if wanted.mode == "any" and wanted.all_rows:
        return ""  # one more row would widen it
    found = replace(wanted, rows=(*wanted.rows, row))
    return replace(state, filter=found, layout="table", by="", limits=()).url(list_base(spec))


# Limits of columns


@blueprint.post("/r/<entity>/board-limits")
@signed_in
def keep_limits(entity: str) -> Any:
    """Remember how many cards this person wants in a column at most, an empty number for no limit; the
    limits of a view stand in its address, and are changed there."""
    form = request.form
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        back = own_page(form.get("back"), spec)
        base, _mark, query_text = back.partition("?")
        pairs = parse_qsl(query_text, keep_blank_values=True)
        value, most = form.get("limit_of", "")[:60], form.get("limit", "")
        if read_state(pairs).limits:
            changed = read_state([*pairs, ("limit_of", value), ("limit", most)])
            return redirect(changed.url(base), 303)
        require_own_session()
        by = next((item for item in board_fields(uow, spec) if item.name == form.get("by")), None)
        if by is None:
            raise NotFound(_("There is no such column."))
        kept = _kept_limits(uow, spec)
        own = {key: n for key, n in kept.get(by.name, {}).items() if key != value}
        own = dict([*own.items(), *read_limit(value, most).items()][-2 * MAX_COLUMNS :])
        put_preference(uow, _limits_key(spec), {**kept, by.name: own})
    return redirect(back, 303)


def _kept_limits(uow: UnitOfWork, spec: EntitySpec) -> dict[str, dict[str, int]]:
    """What this person has chosen, by the field whose values are the columns."""
    found = get_preference(uow, _limits_key(spec))
    return found if isinstance(found, dict) else {}


def _limits_key(spec: EntitySpec) -> str:
    return f"limits:{spec.name}"


# Moving a card


def _moves(uow: UnitOfWork, spec: EntitySpec, by: FieldSpec) -> Any:
    """Tells of a column where a card dropped on it is sent to, and whether that asks for something,
    or may."""
    writes = spec.updatable and may(uow, spec, "update")
    writes = writes and any(item.name == by.name for item in editable_fields(uow, spec))

    def told(column: Column) -> tuple[str, bool, bool]:
        if column.is_gone:
            return "", False, False
        verb = verb_to(uow, spec, by.name, column.value)
        if verb is not None:
            if not may(uow, spec, verb.name):
                return "", False, False
            if _is_told(verb, by.name):
                return url_for("web.move_card", entity=spec.name), False, len(verb.params) > 1
            asks = bool(verb.params or str(verb.confirm))
            return url_for("web.act_on_records", entity=spec.name, action=verb.name), asks, False
        if not writes or (column.value is None and by.is_always_required):
            return "", False, False
        return url_for("web.move_card", entity=spec.name), False, False

    return told


def verb_to(uow: UnitOfWork, spec: EntitySpec, name: str, value: Any) -> ActionSpec | None:
    """The verb after which the field has this value: that of the value, else one that is told it."""
    found = None
    for verb in actions_of(uow, spec).values():
        if verb.sets and name in verb.sets:
            if verb.sets[name] == value:
                return verb
            if _is_told(verb, name):
                found = found or verb
    return found


def _is_told(verb: ActionSpec, name: str) -> bool:
    """True for a verb one of whose parameters says what the field is to be."""
    return verb.sets is not None and isinstance(verb.sets.get(name), Given)
