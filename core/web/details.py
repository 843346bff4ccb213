"""One record: its facts, lines, related records and timeline, and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for

from core.entities import query
from core.entities.field_rules import field_states
from core.entities.filters import filter_fields
from core.entities.form_fields import form_edits, sections_of
from core.entities.offers import offered
from core.entities.query import ListQuery, Record
from core.entities.rendering import Reader, display_html, display_text
from core.entities.scope import may
from core.entities.service import actions_of
from core.entities.tables import list_columns
from core.entities.timeline import TimelineEntry, timeline
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.presenting import data_columns, data_rows, page_url, reader_of
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.security.sharing import offers_sharing
from core.web import blueprint
from core.work.uow import UnitOfWork

__all__ = ["record_title"]

RELATED_ROWS = 5
TIMELINE_ITEMS = 20
#: Of the timeline, in a look from the list.
LOOK_ITEMS = 5
#: A long text's change is cut here.
CHANGE_LENGTH = 200
_FOOT = ("created_at", "created_by", "updated_at", "updated_by")
_UNSHOWN = frozenset({"id", "version", "archived_at", *_FOOT})
_MARKS = {
    "create": ("plus", "good"),
    "update": ("edit", "neutral"),
    "delete": ("trash", "bad"),
    "restore": ("arrow-back-up", "good"),
    "comment": ("message-circle", "info"),
    "file": ("paperclip", "neutral"),
    "call": ("phone", "info"),
    "mail": ("mail", "info"),
    "email": ("mail", "info"),
    "wechat": ("brand-wechat", "info"),
    "visit": ("map-pin", "info"),
    "meeting": ("users", "info"),
    "approval": ("clipboard-check", "info"),
}


@blueprint.get("/r/<entity>/<int:record_id>")
@signed_in
def show_record(entity: str, record_id: int) -> Any:
    """The record's page; a record in the recycle bin is shown as such to who may restore it."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        record = query.get(uow, entity, record_id, archived=None if _sees_bin(uow, spec) else False)
        is_deleted = record.values.get("archived_at") is not None
        verbs = frozenset[str]() if is_deleted else offered(uow, spec, record_id)
        title = record_title(uow, record)
        status, header = _status(record), _header_fields(uow, record)
        told = {spec.label_field, *(item.name for item in (status, *header) if item is not None)}
        context = {
            "spec": spec,
            "record": record,
            "record_id": record_id,
            "title": title,
            "badge": _badge(uow, record, status),
            "is_deleted": is_deleted,
            "can_update": "update" in verbs,
            "can_delete": "delete" in verbs,
            "can_restore": is_deleted,
            "can_share": not is_deleted
            and offers_sharing(uow, spec, record.values, can_update="update" in verbs),
            "explain_url": page_url("admin.explain_access", entity=entity, id=record_id)
            if uow.actor.manages_security
            else None,
            "actions": [verb for verb in actions_of(uow, spec).values() if verb.name in verbs],
            "header": _facts(uow, record, header),
            "sections": _sections(uow, record, told),
            "line_tables": _line_tables(uow, record),
            "related": [] if is_deleted else _related(uow, spec, record_id, title),
            "foot": _facts(uow, record, [f for f in record.fields if f.name in _FOOT]),
            "timeline": _timeline(uow, spec, record_id),
            "more_url": url_for(
                "web.show_record", entity=entity, record_id=record_id, timeline="all"
            ),
            "uow": uow,
        }
        return render("core/records/detail.html", **context)


@blueprint.get("/r/<entity>/<int:record_id>/look")
@signed_in
def look_at_record(entity: str, record_id: int) -> Any:
    """The record in short, beside its list."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        record = query.get(uow, entity, record_id)
        verbs = offered(uow, spec, record_id)
        status, header = _status(record), _header_fields(uow, record)
        told = {spec.label_field, *(item.name for item in (status, *header) if item is not None)}
        return render(
            "core/records/_look.html",
            spec=spec,
            record_id=record_id,
            title=record_title(uow, record),
            badge=_badge(uow, record, status),
            can_update="update" in verbs,
            header=_facts(uow, record, header),
            sections=[
                (title, given)
                for title, items in _sections(uow, record, told)
                if (given := [(label, value) for label, value in items if str(value)])
            ],
            timeline=_timeline(uow, spec, record_id, LOOK_ITEMS),
        )


def record_title(uow: UnitOfWork, record: Record) -> str:
    """What the record is called, as its reader may see it."""
    spec, values = record.spec, record.values
    reader = reader_of(uow, record.labels)
    text = display_text(spec[spec.label_field].type, values.get(spec.label_field), reader, values)
    return text or f"{spec.label} #{values['id']}"


def _sees_bin(uow: UnitOfWork, spec: EntitySpec) -> bool:
    return spec.deletable and may(uow, spec, "delete")


def _status(record: Record) -> FieldSpec | None:
    """What the badge beside the title shows: the first choice field that is part of the list."""
    by_name = {item.name: item for item in record.fields}
    names = ("status", "stage", *record.spec.list_columns)
    found = (by_name[name] for name in names if name in by_name)
    return next((item for item in found if type(item.type) is t.ChoiceField), None)


def _badge(uow: UnitOfWork, record: Record, item: FieldSpec | None) -> Any:
    if item is None:
        return ""
    return display_html(item.type, record.values.get(item.name), reader_of(uow), record.values)


def _header_fields(uow: UnitOfWork, record: Record) -> list[FieldSpec]:
    """Up to five facts in the header: the columns of the list, but for the title and the badge."""
    left_out = _not_applying(uow, record)
    by_name = {item.name: item for item in record.fields if item.name not in left_out}
    names = [name for name in record.spec.list_columns if name in by_name]
    wanted = [
        by_name[name]
        for name in names
        if name != record.spec.label_field
        and name not in _UNSHOWN
        and type(by_name[name].type) is not t.ChoiceField
    ]
    return wanted[:5]


def _facts(uow: UnitOfWork, record: Record, fields: Sequence[FieldSpec]) -> list[tuple[str, Any]]:
    reader = reader_of(uow, record.labels)
    return [
        (
            str(item.label),
            display_html(item.type, record.values.get(item.name), reader, record.values),
        )
        for item in fields
    ]


def _sections(
    uow: UnitOfWork, record: Record, told: Set[str]
) -> list[tuple[str, list[tuple[str, Any]]]]:
    """The sections of the form, without what the head of the page has ``told`` already."""
    hidden = {
        name
        for name, edits in form_edits(uow, record.spec).items()
        if any(edit.kind == "hide" for edit in edits)
    }
    hidden |= _not_applying(uow, record)
    by_name = {
        item.name: item
        for item in record.fields
        if item.name not in _UNSHOWN | hidden | told and not isinstance(item.type, t.Lines)
    }
    return [
        (title, _facts(uow, record, [by_name[name] for name in names]))
        for title, names in sections_of(record.spec, by_name)
    ]


def _not_applying(uow: UnitOfWork, record: Record) -> set[str]:
    """The fields that by the company's rules do not apply to the record; their values are kept."""
    states = field_states(uow, record.spec, record.values)
    return {name for name, state in states.items() if not state.applies}


def _line_tables(uow: UnitOfWork, record: Record) -> list[dict[str, Any]]:
    tables = []
    left_out = _not_applying(uow, record)
    for item in record.fields:
        if not isinstance(item.type, t.Lines) or item.name in left_out:
            continue
        child = uow.snapshot.installed_entities[item.type.entity]
        seen = {each.name for each in query.visible(uow, child)}
        names = child.list_columns or tuple(each.name for each in child.stored)
        fields = [child[n] for n in names if n in seen and n not in _UNSHOWN | {child.parent_field}]
        rows = data_rows(uow, child, fields, record.values[item.name], record.labels, linked=False)
        columns = data_columns(child, fields)
        tables.append({"title": str(item.label), "columns": columns, "rows": rows})
    return tables


# Related records


def _related(uow: UnitOfWork, spec: EntitySpec, record_id: int, title: str) -> list[dict[str, Any]]:
    """The first records of every entity that points here, as far as the reader may see them."""
    found = []
    for other, item in _pointing_here(uow, spec):
        columns = [each for each in list_columns(uow, other) if each.name != item.name][:5]
        page = query.page(
            uow,
            other.name,
            ListQuery(
                fields=tuple(each.name for each in columns),
                filter={"field": item.name, "op": "eq", "value": record_id},
                limit=RELATED_ROWS,
                count="estimate",
            ),
        )
        base = url_for("web.list_records", entity=other.name)
        state = urlencode(
            [("filter_field", item.name), ("filter_op", "eq"), ("filter_value", record_id)]
        )
        can_create = other.creatable and may(uow, other, "create")
        if not page.items and not can_create:
            continue
        new_url = url_for("web.new_record", entity=other.name)
        found.append(
            {
                "title": _related_title(other, item),
                "count": page.total,
                "columns": data_columns(other, columns),
                "rows": data_rows(uow, other, columns, page.items, page.labels),
                "all_url": f"{base}?{state}" if page.next else None,
                "new_url": f"{new_url}?{urlencode([(item.name, record_id)])}"
                if can_create
                else None,
            }
        )
    return found


def _pointing_here(uow: UnitOfWork, spec: EntitySpec) -> list[tuple[EntitySpec, FieldSpec]]:
    found = []
    for other in uow.snapshot.entities.values():
        if other.parent_field is not None or not (other.navigable or other.custom):
            continue
        if not may(uow, other, "read"):
            continue
        found += [
            (other, item)
            for item in filter_fields(uow, other)
            if isinstance(item.type, t.Reference)
            and item.type.entity == spec.name
            and item.name not in _UNSHOWN
        ]
    return found


def _related_title(other: EntitySpec, item: FieldSpec) -> str:
    if item.name in (item.type.entity, "parent"):  # type: ignore[attr-defined]
        return str(other.label_plural)
    return _("%(entity)s: %(field)s", entity=str(other.label_plural), field=str(item.label))


# The timeline


def _timeline(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, limit: int = TIMELINE_ITEMS
) -> dict[str, Any]:
    whole = request.args.get("timeline") == "all"
    limit = 150 if whole else limit
    entries = timeline(uow, spec.name, record_id, limit=limit + 1)
    return {
        "items": [_timeline_item(uow, entry) for entry in entries[:limit]],
        "has_more": len(entries) > limit and not whole,
    }


def _timeline_item(uow: UnitOfWork, entry: TimelineEntry) -> dict[str, Any]:
    icon, tone = _MARKS.get(entry.kind, ("activity", "neutral"))
    reader = reader_of(uow, entry.labels)
    nobody = _("The system") if entry.actor is None else _("Somebody")
    changes = (
        [] if entry.kind == "create" else [c for c in entry.changes if c.field.name not in _UNSHOWN]
    )
    return {
        "icon": icon,
        "tone": tone,
        "who": entry.actor_label or nobody,
        "title": entry.title,
        "when": format_datetime(entry.at, reader.zone),
        "when_iso": entry.at.isoformat(),
        "body": entry.body,
        "changes": [
            (
                str(change.field.label),
                _change_text(change.field, change.old, reader),
                _change_text(change.field, change.new, reader),
            )
            for change in changes
        ],
    }


def _change_text(item: FieldSpec, value: Any, reader: Reader) -> str:
    if isinstance(item.type, t.Lines):
        return _("%(n)s lines", n=len(value or ()))
    text = display_text(item.type, value, reader)
    return text if len(text) <= CHANGE_LENGTH else f"{text[:CHANGE_LENGTH]}…"
