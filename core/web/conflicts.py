"""Two people changed one record: both versions, field by field, and the choice between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from werkzeug.datastructures import MultiDict

from core.entities import query
from core.entities.form_reading import changed_since, read_form
from core.entities.labels import reference_ids, resolve_labels
from core.entities.query import Record
from core.entities.rendering import display_html, display_text
from core.entities.values import BadValue, check_value
from core.errors import Conflict
from core.fields import FieldSpec
from core.fields import types as t
from core.http.presenting import input_context, reader_of
from core.http.rendering import render
from core.http.requests import unit_of_work
from core.web.details import record_title
from core.work.uow import UnitOfWork

__all__ = ["conflict_page", "settled"]

_OF_THE_PAGE = frozenset({"csrf_token", "version"})


@dataclass(frozen=True)
class Choice:
    """A field with another value in each version; of lines, a list of texts."""

    name: str
    label: str
    theirs: Any
    mine: Any


def settled(form: MultiDict[str, str]) -> MultiDict[str, str]:
    """The form without what was given up on the conflict page, so that it is never written, nor
    shown again should something else be wrong."""
    gone = {name[5:] for name in form if name.startswith("take.") and form[name] == "theirs"}
    return MultiDict(
        (name, text)
        for name, text in form.items(multi=True)
        if not name.startswith("take.") and name.partition(".")[0].partition("__")[0] not in gone
    )


def conflict_page(
    entity: str, record_id: int, form: MultiDict[str, str], error: Conflict
) -> tuple[str, int] | None:
    """Both versions. What only the other person changed stays as they left it.

    None when there is nothing to choose: what was sent is what is saved, as after a double click.
    """
    with unit_of_work(write=False) as uow:
        record = query.get(uow, entity, record_id)
        spec, current = record.spec, record.values
        context = input_context(uow, record.labels)
        mine, problems = read_form(context, spec, form, current=current)
        choices = list(_choices(uow, record, mine))
        if not choices and not problems:
            return None
        theirs = changed_since(context, spec, form.get("seen", ""), current)
        html = render(
            "core/records/conflict.html",
            spec=spec,
            title=record_title(uow, record),
            choices=choices,
            also=[
                (str(spec[name].label), _shown(record, spec[name], uow))
                for name in theirs
                if name not in mine
            ],
            kept=[pair for pair in form.items(multi=True) if pair[0] not in _OF_THE_PAGE],
            version=current.get("version"),
            action=url_for("web.update_record", entity=entity, record_id=record_id),
            record_url=url_for("web.show_record", entity=entity, record_id=record_id),
            editor=display_html(t.Reference("user"), current.get("updated_by"), context.reader),
            when=display_html(t.DateTime(), current.get("updated_at"), context.reader),
            message=error.message,
        )
    return html, error.status


def _choices(uow: UnitOfWork, record: Record, mine: Mapping[str, Any]) -> Iterator[Choice]:
    told_along = {
        item.type.entity_field
        for name in mine
        if isinstance((item := record.spec[name]).type, t.Related)
    }
    for name, value in mine.items():
        item = record.spec[name]
        if name in told_along:
            continue
        theirs = _shown(record, item, uow)
        if isinstance(item.type, t.Lines):
            old = {line["id"]: line for line in record.values.get(name) or ()}
            lines = [{**old.get(line.get("id"), {}), **line} for line in value]
            yours: Any = _line_texts(uow, item, lines)
        else:
            yours = _as_shown(uow, item.type, value, mine)
        if yours != theirs:
            yield Choice(name, str(item.label), theirs, yours)


def _shown(record: Record, item: FieldSpec, uow: UnitOfWork) -> Any:
    value = record.values.get(item.name)
    if isinstance(item.type, t.Lines):
        return _line_texts(uow, item, value or ())
    return display_html(item.type, value, reader_of(uow, record.labels), record.values)


def _as_shown(uow: UnitOfWork, type_: t.FieldType, value: Any, row: Mapping[str, Any]) -> Any:
    """A value that was typed and is not checked yet."""
    try:
        checked = check_value(type_, value)
    except BadValue:
        return str(value)
    wanted: dict[str, set[int]] = {}
    if checked and isinstance(type_, (t.Reference, t.References, t.File)):
        target = "file" if isinstance(type_, t.File) else type_.entity
        wanted[target] = {checked} if isinstance(checked, int) else set(checked)
    if checked and isinstance(type_, t.Related):
        wanted[str(row.get(type_.entity_field))] = {checked}
    return display_html(type_, checked, reader_of(uow, resolve_labels(uow, wanted)), row)


def _line_texts(uow: UnitOfWork, item: FieldSpec, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each line as one text: its columns, as far as the reader sees them."""
    assert isinstance(item.type, t.Lines)
    child = uow.snapshot.installed_entities[item.type.entity]
    seen = {each.name: each for each in query.visible(uow, child)}
    names = child.list_columns or tuple(each.name for each in child.stored)
    fields = [seen[n] for n in names if n in seen and n != child.parent_field]
    rows = [{each.name: _checked(each, line) for each in fields} for line in lines]
    reader = reader_of(
        uow, resolve_labels(uow, reference_ids(child, [f.name for f in fields], rows))
    )
    return [
        " · ".join(text for f in fields if (text := display_text(f.type, row[f.name], reader, row)))
        for row in rows
    ]


def _checked(item: FieldSpec, line: Mapping[str, Any]) -> Any:
    try:
        return check_value(item.type, line.get(item.name))
    except BadValue:
        return None
