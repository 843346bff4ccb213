"""The import wizard: upload, columns, preview, start; what is chosen travels in the address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from itertools import islice
from typing import Any, cast

from flask import Response, flash, redirect, request, url_for

from core.errors import Invalid, Refusal, Refused
from core.exchange.adjusting import Additions, check_additions
from core.exchange.chosen_keys import check_keys, key_candidates
from core.exchange.duplicates import key_fields
from core.exchange.exporting import FORMATS
from core.exchange.importing import check_rights
from core.exchange.jobs import check_columns, open_upload, start_import
from core.exchange.mapping import RECORD_ID, importable_fields, propose
from core.exchange.presets import delete_preset, presets_of, restore_preset, save_preset
from core.exchange.templates import write_template
from core.fields import EntitySpec
from core.files.service import store_upload
from core.http.downloads import stream_response
from core.http.limits import limited
from core.http.presenting import tell
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.tabular.reader import Table
from core.tabular.textfile import ENCODINGS
from core.web import blueprint
from core.web.import_choices import Choices
from core.web.preview import preview, short
from core.work.uow import UnitOfWork

MAX_TABLE = 100_000_000
ACCEPT = ".xlsx,.xlsm,.xls,.csv,.tsv,.txt"
_SAMPLES = 3
#: Problems and hints that the preview lists.
_LISTED = 20
_HINTS = 30
#: Lines for values of the whole file, at least.
_DEFAULT_LINES = 2
_ENCODINGS = [(name, name) for name in ENCODINGS]


# The steps


@blueprint.get("/r/<entity>/import")
@signed_in
def import_start(entity: str) -> Any:
    """Choose a file."""
    with unit_of_work() as uow:
        return _start_page(uow, _importable(uow, entity), "")


@blueprint.get("/r/<entity>/import/template.xlsx")
@signed_in
def import_template(entity: str) -> Response:
    """An empty workbook to fill in."""
    file = BytesIO()
    with unit_of_work(write=False) as uow:
        name = write_template(uow, _importable(uow, entity), file)
    file.seek(0)
    return stream_response(file, name, FORMATS["xlsx"])


@blueprint.post("/r/<entity>/import")
@signed_in
@limited("import")
def import_upload(entity: str) -> Any:
    """Keep the file and go on to its columns; a refused file is told at once."""
    upload = request.files.get("file")
    with unit_of_work() as uow:
        spec = _importable(uow, entity)
        if upload is None or not upload.filename:
            return _start_page(uow, spec, _("Choose a file.")), 422
        stream = cast(Any, upload.stream)
        file_id = store_upload(uow, stream, upload.filename, max_bytes=MAX_TABLE)
    where = url_for("web.import_columns", entity=entity, file_id=file_id)
    return redirect(where, 303)


@blueprint.get("/r/<entity>/import/<int:file_id>")
@signed_in
def import_columns(entity: str, file_id: int) -> Any:
    """Which column is which field, and how records are recognised."""
    chosen = Choices.read()
    with unit_of_work() as uow:
        spec = _importable(uow, entity)
        try:
            with _opened(uow, file_id, chosen) as table:
                return _columns_page(uow, spec, file_id, chosen, table)
        except Invalid as error:
            return _start_page(uow, spec, error.message, file_id, chosen, error), 422


@blueprint.get("/r/<entity>/import/<int:file_id>/preview")
@signed_in
def import_preview(entity: str, file_id: int) -> Any:
    """The cleaned rows and what would become of them; nothing is written."""
    chosen = Choices.read()
    with unit_of_work() as uow:
        spec = _importable(uow, entity)
        check_rights(uow, spec, chosen.policy)
        try:
            with _opened(uow, file_id, chosen) as table:
                try:
                    chosen, added = _checked(uow, spec, chosen, table)
                except Invalid as error:
                    page = _columns_page(uow, spec, file_id, chosen, table, error.message)
                    return page, 422
                return _preview_page(uow, spec, file_id, chosen, table, added)
        except Invalid as error:
            return _start_page(uow, spec, error.message, file_id, chosen, error), 422


@blueprint.post("/r/<entity>/import/<int:file_id>/start")
@signed_in
def import_run(entity: str, file_id: int) -> Any:
    """Start the job and go to its progress."""
    chosen = Choices.read()
    with unit_of_work() as uow:
        job_id = start_import(
            uow,
            entity,
            file_id,
            policy=chosen.policy,
            fields=chosen.fields,
            sheet=chosen.sheet,
            encoding=chosen.encoding,
            keys=_other_keys(uow.entity(entity), chosen.keys),
            defaults=dict(chosen.defaults),
            names=chosen.names_by_field(),
        )
    return redirect(url_for("web.exchange_job", entity=entity, job_id=job_id), 303)


@blueprint.post("/r/<entity>/import/<int:file_id>/keep")
@signed_in
def import_keep(entity: str, file_id: int) -> Any:
    """Keep the choices under a name, for the next file like this."""
    chosen = Choices.read()
    with unit_of_work() as uow:
        spec = _importable(uow, entity)
        with _opened(uow, file_id, chosen) as table:
            checked, added = _checked(uow, spec, chosen, table)
            save_preset(
                uow,
                spec,
                request.form.get("name", ""),
                header=table.header,
                fields=checked.columns,
                policy=checked.policy,
                keys=checked.keys,
                additions=added,
                shared=bool(request.form.get("shared")),
            )
    flash(_("Kept for the next file with these headings."))
    where = url_for("web.import_preview", entity=entity, file_id=file_id, **chosen.address())
    return redirect(where, 303)


@blueprint.post("/r/<entity>/import/presets/<int:preset_id>/delete")
@signed_in
def import_forget(entity: str, preset_id: int) -> Any:
    """Delete a saved way to import."""
    with unit_of_work() as uow:
        delete_preset(uow, _importable(uow, entity), preset_id)
    undo = url_for("web.import_restore", entity=entity, preset_id=preset_id)
    tell(_("Deleted."), undo_url=undo)
    return redirect(url_for("web.import_start", entity=entity), 303)


@blueprint.post("/r/<entity>/import/presets/<int:preset_id>/restore")
@signed_in
def import_restore(entity: str, preset_id: int) -> Any:
    """Bring back the saved way to import that was deleted last."""
    try:
        with unit_of_work() as uow:
            restore_preset(uow, _importable(uow, entity), preset_id)
    except Refused as error:
        tell(error.message, "bad")
    return redirect(url_for("web.import_start", entity=entity), 303)


# Their pages


def _importable(uow: UnitOfWork, entity: str) -> EntitySpec:
    spec = uow.entity(entity)
    check_rights(uow, spec, "skip")
    return spec


def _opened(uow: UnitOfWork, file_id: int, chosen: Choices) -> Any:
    return open_upload(uow, file_id, sheet=chosen.sheet, encoding=chosen.encoding)


def _checked(
    uow: UnitOfWork, spec: EntitySpec, chosen: Choices, table: Table
) -> tuple[Choices, Additions]:
    """The choices with keys other than the declared ones, and what is added to the file."""
    if len(chosen.fields) != len(table.header):
        raise Invalid(_("Choose the columns again."))
    check_columns(uow, spec.name, table.header, chosen.columns)
    added = check_additions(
        uow, spec, chosen.columns, dict(chosen.defaults), chosen.names_by_field()
    )
    keys = _other_keys(spec, chosen.keys)
    check_keys(uow, spec, keys, [*chosen.columns, *added.defaults])
    return replace(chosen, keys=keys), added


def _other_keys(spec: EntitySpec, keys: Sequence[str]) -> tuple[str, ...]:
    declared = {item.name for item in key_fields(spec)}
    return () if set(keys) == declared else tuple(keys)


def _start_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    refusal: str,
    file_id: int | None = None,
    chosen: Choices | None = None,
    error: Refusal | None = None,
) -> str:
    codes = {problem.code for problem in error.problems} if error else set()
    required = [str(item.label) for item in importable_fields(uow, spec).values() if item.is_needed]
    return render(
        "core/exchange/start.html",
        spec=spec,
        refusal=refusal,
        file_id=file_id,
        chosen=chosen or Choices(),
        encodings=_ENCODINGS if "encoding" in codes and file_id else (),
        accept=ACCEPT,
        required=required,
        presets=presets_of(uow, spec),
    )


def _columns_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    file_id: int,
    chosen: Choices,
    table: Table,
    refusal: str = "",
) -> str:
    samples = [cells for _line, cells in islice(table.rows(), _SAMPLES)]
    proposal = propose(uow, spec, table.header)
    usable, keyed = importable_fields(uow, spec), key_candidates(uow, spec)
    is_fresh = len(chosen.fields) != len(table.header)
    fields = proposal.fields if is_fresh else chosen.fields
    columns = [
        {
            "heading": heading or _("(no heading)"),
            "field": name or "",
            "samples": [short(cells[place]) for cells in samples if cells[place] is not None],
        }
        for place, (heading, name) in enumerate(zip(table.header, fields, strict=True))
    ]
    given = {*fields, *(name for name, _text in chosen.defaults)}
    missing = [str(i.label) for i in usable.values() if i.is_needed and i.name not in given]
    options = [(item.name, str(item.label)) for item in usable.values()]
    keys = chosen.keys or tuple(item.name for item in key_fields(spec))
    lines = max(_DEFAULT_LINES, len(chosen.defaults) + 1)
    return render(
        "core/exchange/columns.html",
        spec=spec,
        file_id=file_id,
        chosen=chosen,
        refusal=refusal,
        columns=columns,
        missing=missing,
        options=[*options, ("id", str(RECORD_ID))],
        key_options=[(item.name, str(item.label)) for item in keyed.values()],
        keys=keys,
        key_labels=[str(spec[name].label) for name in keys if name in spec],
        default_options=options,
        defaults=[*chosen.defaults, *[("", "")] * (lines - len(chosen.defaults))],
        presets=_offered(uow, spec, file_id, chosen, table) if is_fresh else (),
        sheets=[(name, name) for name in table.sheets] if len(table.sheets) > 1 else (),
        encodings=_ENCODINGS if table.format == "csv" else (),
        encoding=table.encoding,
    )


def _offered(
    uow: UnitOfWork, spec: EntitySpec, file_id: int, chosen: Choices, table: Table
) -> list[dict[str, str]]:
    """Presets for files with these headings, each with the address that uses it."""
    offered = []
    for preset in presets_of(uow, spec):
        if preset.fits(table.header):
            use = Choices.of(preset, table.header, sheet=chosen.sheet, encoding=chosen.encoding)
            where = url_for(
                "web.import_columns", entity=spec.name, file_id=file_id, **use.address()
            )
            owner = "" if preset.is_mine else preset.owner
            offered.append({"name": preset.name, "owner": owner, "url": where})
    return offered


def _preview_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    file_id: int,
    chosen: Choices,
    table: Table,
    added: Additions,
) -> str:
    plan = added.plan(spec, table.header, chosen.columns, chosen.policy, chosen.keys)
    found = preview(uow, spec, table, plan)
    accepted = set(chosen.names)
    hints = [
        {
            "hint": hint,
            "value": json.dumps([hint.field, hint.written, hint.full], ensure_ascii=False),
            "accepted": (hint.field, hint.written, hint.full) in accepted,
        }
        for hint in found.hints[:_HINTS]
    ]
    keys = chosen.keys or tuple(item.name for item in key_fields(spec))
    return render(
        "core/exchange/preview.html",
        spec=spec,
        file_id=file_id,
        chosen=chosen,
        found=found,
        hints=hints,
        others=[text for text in chosen.meant if text not in {each["value"] for each in hints}],
        problems=found.total.refused[:_LISTED],
        key_labels=[str(spec[name].label) for name in keys if name in spec],
        format_number=format_number,
        back=url_for("web.import_columns", entity=spec.name, file_id=file_id, **chosen.address()),
    )
