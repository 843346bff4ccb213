"""Writing into a cell of a list: the row comes back with a form in that cell, or as it is now.

The row is what is exchanged, not the cell: what is worked out from a field changes with it.
"""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from markupsafe import Markup

from core.entities import query, service
from core.entities.form_fields import editable_fields
from core.entities.incoming import readable
from core.entities.inputs import from_input, read_input
from core.entities.rendering import display_text
from core.entities.scope import may
from core.entities.tables import list_columns
from core.entities.values import BadValue
from core.errors import Conflict, Invalid, NotFound, Refused
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import read_number
from core.http.presenting import (
    data_columns,
    data_rows,
    draw_control,
    input_context,
    reader_of,
    tell,
)
from core.http.rendering import macros, render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.bulk_rights import has_bulk
from core.work.uow import UnitOfWork

__all__ = ["cell_names"]

#: What needs more room than a cell has, another field beside it, or the scripts of a form.
_LARGE = (t.LongText, t.Document, t.Lines, t.References, t.MultiChoice, t.Related, t.File)


def cell_names(uow: UnitOfWork, spec: EntitySpec) -> frozenset[str]:
    """The fields that this reader may write into a list; not the one that leads to the record."""
    if not (spec.updatable and may(uow, spec, "update")):
        return frozenset()
    return frozenset(
        item.name
        for item in editable_fields(uow, spec)
        if item.name != spec.label_field and not isinstance(item.type, _LARGE)
    )


@blueprint.get("/r/<entity>/<int:record_id>/row")
@signed_in
def show_row(entity: str, record_id: int) -> Any:
    """The row of the record; with ``cell`` a form in the cell of that field."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        name = request.args.get("cell", "")
        item = _field(uow, spec, name) if name else None
        return _row(uow, spec, record_id, item)


@blueprint.post("/r/<entity>/<int:record_id>/row", endpoint="write_cell")
@signed_in
def write(entity: str, record_id: int) -> Any:
    """Keep what was written into the cell; the form comes back with what is wrong with it.

    ``then`` names the cell that is written into next.
    """
    name, then = request.form.get("cell", ""), request.form.get("then", "")
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            item = _field(uow, spec, name)
            record = query.get(uow, entity, record_id)
            context = input_context(uow, record.labels)
            try:
                value = from_input(item.type, read_input(item.type, request.form, name), context)
            except BadValue as error:
                return _row(uow, spec, record_id, item, str(error)), 422
            versions = {record_id: read_number(request.form.get("version")) or 0}
            service.update(uow, entity, {record_id: {name: value}}, versions=versions)
    except Conflict:
        return _overtaken(entity, record_id, name), 409
    except (Invalid, Refused) as error:
        message = error.problems[0].message if error.problems else error.message
        return _again(entity, record_id, name, message), error.status
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        if record_id not in readable(uow, entity, {record_id}):
            # A module has given it to somebody else because of this: its row goes.
            tell(_("Saved. The record is no longer among those that you see."))
            return ""
        following = spec.by_name.get(then) if then in cell_names(uow, spec) else None
        return _row(uow, spec, record_id, following)


def _overtaken(entity: str, record_id: int, name: str) -> str:
    """What was typed, and beside it what somebody else has made of the cell meanwhile."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        item, record = _field(uow, spec, name), query.get(uow, entity, record_id)
        reader = reader_of(uow, record.labels)
        now = display_text(item.type, record.values.get(name), reader, record.values)
        message = _(
            "Somebody changed this record meanwhile: here it is “%(value)s” now. Enter writes yours "
            "over it, Esc leaves it.",
            value=now or "—",
        )
        return _row(uow, spec, record_id, item, message)


def _again(entity: str, record_id: int, name: str, message: str) -> str:
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        return _row(uow, spec, record_id, _field(uow, spec, name), message)


def _field(uow: UnitOfWork, spec: EntitySpec, name: str) -> FieldSpec:
    if name not in cell_names(uow, spec):
        raise NotFound(_("There is no field %(name)s to write into.", name=name[:60]))
    return spec[name]


def _row(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, item: FieldSpec | None, error: str = ""
) -> str:
    record = query.get(uow, spec.name, record_id)
    wanted = [name for name in request.values.get("columns", "")[:2_000].split(",") if name]
    shown = list_columns(uow, spec, wanted)
    (row,) = data_rows(uow, spec, shown, [record.values], record.labels)
    columns = data_columns(spec, shown)
    for each, column in zip(shown, columns, strict=True):
        column["name"] = each.name
    if item is not None and item in shown:
        place = shown.index(item)
        row["cells"][place] = _form(uow, spec, record, item, error)
        row["editing"] = item.name
    return render(
        "core/records/_row.html", columns=columns, row=row, selectable=has_bulk(uow, spec)
    )


def _form(
    uow: UnitOfWork, spec: EntitySpec, record: query.Record, item: FieldSpec, error: str
) -> Markup:
    context = input_context(uow, record.labels)
    typed = request.form if error else None
    control = draw_control(context, item, record.values.get(item.name), error=error, form=typed)
    drawn: Markup = macros("core/records/_cell_form.html").cell_form(
        url_for("web.write_cell", entity=spec.name, record_id=record.values["id"]),
        control,
        item.name,
        record.values.get("version", 0),
        request.values.get("columns", "")[:2_000],
    )
    return drawn
