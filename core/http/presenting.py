"""What the generic pages share: the reader of a page, addresses of records, rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask import current_app, flash, g, request, url_for
from markupsafe import Markup

from core.entities.forms import control_for
from core.entities.inputs import (
    FormInput,
    InputContext,
    from_input,
    is_given,
    read_input,
    to_input,
)
from core.entities.labels import Labels
from core.entities.marks import marker
from core.entities.rendering import Reader, cell_renderer, display_text
from core.entities.tables import column_kind
from core.entities.values import check_value
from core.fields import EntitySpec, FieldSpec
from core.http.rendering import macros
from core.http.requests import runtime
from core.work.uow import UnitOfWork

__all__ = [
    "data_columns",
    "data_rows",
    "draw_control",
    "draw_controls",
    "input_context",
    "page_url",
    "read_control",
    "reader_of",
    "record_address",
    "tell",
]


def page_url(endpoint: str, **values: Any) -> str | None:
    """The address of a page that may not be installed: None then."""
    if endpoint not in current_app.view_functions:
        return None
    return url_for(endpoint, **values)


def record_address(uow: UnitOfWork) -> Callable[[str, int], str | None]:
    """The addresses of records' pages; the route is built once for each entity."""
    stems: dict[str, str | None] = g.setdefault("record_stems", {})

    def address(entity: str, key: int) -> str | None:
        if entity not in stems:
            known = entity in uow.entities
            stems[entity] = (
                url_for("web.show_record", entity=entity, record_id=0)[:-1] if known else None
            )
        stem = stems[entity]
        return None if stem is None else f"{stem}{key}"

    return address


def reader_of(uow: UnitOfWork, labels: Labels | None = None, *, in_cell: bool = False) -> Reader:
    """For whom values are shown on this page."""
    settings = uow.snapshot.settings["core"]
    return Reader(
        zone=runtime().clock.timezone,
        currency=settings["currency"],
        labels=labels or {},
        address=record_address(uow),
        file_address=_file_address,
        in_cell=in_cell,
    )


def _file_address(key: int) -> str | None:
    return page_url("web.download_file", file_id=key)


def input_context(uow: UnitOfWork, labels: Labels | None = None) -> InputContext:
    """For whom inputs are drawn and read."""
    return InputContext(uow, reader_of(uow, labels))


def draw_control(
    context: InputContext,
    item: FieldSpec,
    value: Any,
    *,
    error: str = "",
    options: Sequence[tuple[Any, str]] | None = None,
    form: FormInput | None = None,
) -> Markup:
    """A field's label, control, help and error, drawn as on the generic form; filled with what was
    typed when ``form`` is given. ``options`` are (value, label) pairs, as for `control_for`."""
    typed = form is not None and is_given(item.type, form, item.name)
    raw = (
        read_input(item.type, form, item.name)
        if form is not None and typed
        else to_input(item.type, value, context)
    )
    made = control_for(context, item, raw, error=error, options=options)
    drawn: Markup = macros("core/records/_control.html").control_field(made)
    return drawn


def read_control(context: InputContext, item: FieldSpec, form: FormInput) -> Any:
    """What was typed into the control of a field, as its type keeps it. Raises `BadValue`."""
    raw = read_input(item.type, form, item.name)
    return check_value(item.type, from_input(item.type, raw, context))


def draw_controls(
    context: InputContext,
    fields: Iterable[FieldSpec],
    values: Mapping[str, Any],
    errors: Mapping[str, str],
    options: Mapping[str, Sequence[tuple[Any, str]]],
) -> list[Markup]:
    """The controls of a form: as it was sent while there are errors, else of the values."""
    sent = request.form if errors else None
    return [
        draw_control(
            context,
            field,
            values.get(field.name),
            error=errors.get(field.name, ""),
            options=options.get(field.name),
            form=sent,
        )
        for field in fields
    ]


def data_columns(
    spec: EntitySpec, fields: Sequence[FieldSpec], sorting: Callable[[FieldSpec], Any] | None = None
) -> list[dict[str, Any]]:
    """Columns for ``ui.data_table``; ``sorting`` gives (address, "ascending", "descending" or None)."""
    columns = []
    for item in fields:
        kind = "primary" if item.name == spec.label_field else column_kind(item.type)
        column: dict[str, Any] = {"label": str(item.label), "kind": kind}
        found = sorting(item) if sorting else None
        if found:
            column["sort_url"], column["sorted"] = found
        columns.append(column)
    return columns


def data_rows(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Sequence[FieldSpec],
    items: Iterable[Mapping[str, Any]],
    labels: Labels,
    *,
    linked: bool = True,
) -> list[dict[str, Any]]:
    """Rows for ``ui.data_table``. The cell that names the record is text: it becomes its link."""
    reader = reader_of(uow, labels, in_cell=True)
    address = record_address(uow)
    label_type = spec[spec.label_field].type
    plain = [
        (lambda row, item=item: display_text(item.type, row.get(item.name), reader, row))
        if item.name == spec.label_field
        else cell_renderer(item, reader)
        for item in fields
    ]
    rows = []
    mark_of = marker(uow, spec)
    for row in items:
        label = display_text(label_type, row.get(spec.label_field), reader, row) or f"#{row['id']}"
        cells: list[Any] = [render(row) for render in plain]
        for place, item in enumerate(fields):
            if item.name == spec.label_field:
                cells[place] = label
        url = address(spec.name, row["id"]) if linked else None
        version = row.get("version")
        rows.append(
            {"id": row["id"], "version": version, "label": label, "cells": cells, "url": url}
            | {"mark": mark_of(row)}
        )
    return rows


def tell(text: str, tone: str = "good", undo_url: str = "") -> None:
    """Show a message on the next page; ``undo_url`` takes back what it tells of."""
    flash([text, undo_url] if undo_url else text, tone)  # type: ignore[arg-type]
