"""One record: its facts, lines, related records and timeline, and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

from flask import request, url_for

from core.comments.service import takes_comments
from core.entities import query
from core.entities.field_rules import field_states
from core.entities.form_fields import form_edits, sections_of
from core.entities.offers import offered, reading_offers
from core.entities.origins import reading_origins
from core.entities.query import Record
from core.entities.reading import read_together
from core.entities.rendering import display_html, display_text
from core.entities.service import actions_of
from core.entities.tables import reading_columns
from core.entities.values import BadValue, check_value
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.forms import KeptForm
from core.http.presenting import data_columns, data_rows, page_url, reader_of
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.security.sharing import offers_sharing
from core.web import blueprint
from core.web.documents import printed
from core.web.related import pointing_here, related_lists
from core.web.timelines import RefusedEdit, drawn_timeline
from core.work.uow import UnitOfWork

__all__ = ["COMMENT", "record_page", "record_title"]

#: The form of a comment below the record.
COMMENT = KeptForm("", "web.show_record")

#: Entries of the timeline beside the record, and on each page of its own tab.
TIMELINE_ITEMS, TIMELINE_PAGE = 20, 50
#: Of the timeline, in a look from the list.
LOOK_ITEMS = 5
_NAMES_ANOTHER = (t.Reference, t.Related)
_FOOT = ("created_at", "created_by", "updated_at", "updated_by")
_UNSHOWN = frozenset({"id", "version", "archived_at", *_FOOT})


@blueprint.get("/r/<entity>/<int:record_id>")
@signed_in
def show_record(entity: str, record_id: int) -> Any:
    """The record's page; a record in the recycle bin is shown as such to who may restore it."""
    before = _before()
    if before is not None and request.headers.get("HX-Request"):
        return _older(entity, record_id, before)
    return record_page(entity, record_id, before=before)


def _before() -> datetime | None:
    """The moment that the tab of the timeline ends before; None for one that is none."""
    try:
        found: datetime | None = check_value(t.DateTime(), request.args.get("before"))
    except BadValue:
        return None
    return found if request.args.get("tab") == "timeline" else None


def _older(entity: str, record_id: int, before: datetime) -> str:
    """Earlier entries of the timeline by themselves, to be put below those that are shown."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        record = query.get(uow, entity, record_id, archived=None)
        is_deleted = record.values.get("archived_at") is not None
        verbs = frozenset[str]() if is_deleted else offered(uow, spec, record_id)
        drawn = drawn_timeline(
            uow,
            spec,
            record_id,
            TIMELINE_PAGE,
            before=before,
            has_tools=not is_deleted,
            can_update="update" in verbs,
        )
        return render("core/records/_timeline.html", timeline=drawn, is_older=True)


def record_page(
    entity: str,
    record_id: int,
    typed_comment: str = "",
    *,
    edit: RefusedEdit | None = None,
    before: datetime | None = None,
) -> Any:
    """The same, with a comment or a change of one that could not be kept as it was typed; of the
    timeline what was ``before`` a moment."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        pointing = pointing_here(uow, spec)
        record, verbs, _columns, _origins = read_together(
            uow,
            [
                query.reading_record(uow, entity, record_id, archived=None),
                reading_offers(uow, spec, record_id),
                reading_columns(uow, [other for other, _item in pointing]),
                reading_origins(uow, spec.name, record_id),
            ],
        )
        is_deleted = record.values.get("archived_at") is not None
        verbs = frozenset[str]() if is_deleted else verbs
        comment = request.form if typed_comment else COMMENT.draft(uow)
        title = record_title(uow, record)
        status, header = _status(record), _header_fields(uow, record)
        told = {spec.label_field, *(item.name for item in (status, *header) if item is not None)}
        tab = request.args.get("tab", "")
        related = [] if is_deleted else related_lists(uow, pointing, record_id, tab)
        if tab != "timeline" and tab not in {each["key"] for each in related}:
            tab = ""
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
            "documents": [] if is_deleted else printed(uow, spec, record_id),
            "explain_url": page_url("admin.explain_access", entity=entity, id=record_id)
            if uow.actor.manages_security
            else None,
            "actions": [verb for verb in actions_of(uow, spec).values() if verb.name in verbs],
            "header": _facts(uow, record, header),
            "sections": _sections(uow, record, told),
            "line_tables": _line_tables(uow, record),
            "related": related,
            "tab": tab,
            "tabs": _tabs(spec, record_id, related, tab),
            "may_comment": not is_deleted
            and before is None
            and uow.actor.user_id is not None
            and takes_comments(spec),
            "typed_comment": comment.get("text", "") if comment else "",
            "comment_key": COMMENT.key(comment),
            "foot": _facts(uow, record, [f for f in record.fields if f.name in _FOOT]),
            "timeline": drawn_timeline(
                uow,
                spec,
                record_id,
                TIMELINE_PAGE if tab == "timeline" else TIMELINE_ITEMS,
                before=before,
                edit=edit,
                has_tools=not is_deleted,
                can_update="update" in verbs,
            )
            if tab in ("", "timeline")
            else {"items": [], "older_url": ""},
            "is_older": before is not None,
            "whole_url": url_for(
                "web.show_record", entity=entity, record_id=record_id, tab="timeline"
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
            timeline=drawn_timeline(uow, spec, record_id, LOOK_ITEMS, has_tools=False),
        )


def _tabs(
    spec: EntitySpec, record_id: int, related: Sequence[dict[str, Any]], tab: str
) -> list[tuple[str, str, bool, str | None]]:
    """For ``ui.tabs``: the record, each list of what points at it, and all that happened."""
    base = url_for("web.show_record", entity=spec.name, record_id=record_id)
    return [
        (_("Overview"), base, tab == "", None),
        *(
            (each["title"], f"{base}?tab={each['key']}", tab == each["key"], each["count"])
            for each in related
            if each["rows"]
        ),
        (_("Timeline"), f"{base}?tab=timeline", tab == "timeline", None),
    ]


def record_title(uow: UnitOfWork, record: Record) -> str:
    """What the record is called, as its reader may see it."""
    spec, values = record.spec, record.values
    reader = reader_of(uow, record.labels)
    text = display_text(spec[spec.label_field].type, values.get(spec.label_field), reader, values)
    return text or f"{spec.label} #{values['id']}"


def _status(record: Record) -> FieldSpec | None:
    """What the badge beside the title shows: the first choice field of the list that is not the title."""
    by_name = {item.name: item for item in record.fields if item.name != record.spec.label_field}
    names = ("status", "stage", *record.spec.list_columns)
    found = (by_name[name] for name in names if name in by_name)
    return next((item for item in found if type(item.type) is t.ChoiceField), None)


def _badge(uow: UnitOfWork, record: Record, item: FieldSpec | None) -> Any:
    if item is None:
        return ""
    return display_html(item.type, record.values.get(item.name), reader_of(uow), record.values)


def _header_fields(uow: UnitOfWork, record: Record) -> list[FieldSpec]:
    """Up to five facts in the header: the columns of the list, but for the title and the badge. A record
    that is called by another one has that among them, as the way there."""
    left_out = _not_applying(uow, record)
    by_name = {item.name: item for item in record.fields if item.name not in left_out}
    names = [name for name in record.spec.list_columns if name in by_name]
    wanted = [
        by_name[name]
        for name in names
        if (name != record.spec.label_field or isinstance(by_name[name].type, _NAMES_ANOTHER))
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
