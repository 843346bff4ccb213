"""Import and export on pages: upload, columns, preview, progress, result; and the export dialog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryFile
from typing import Any, cast

from flask import Response, redirect, request, url_for
from sqlalchemy import select

from core.entities.filters import condition_of, filter_fields
from core.entities.tables import list_columns
from core.errors import Invalid, NotFound, Refusal
from core.exchange.exporting import (
    DIRECT_LIMIT,
    FORMATS,
    ExportRequest,
    exportable_fields,
    prepare_export,
    write_export,
)
from core.exchange.importing import Batch, Importer, ImportPlan, batches, check_rights
from core.exchange.jobs import open_upload, start_export, start_import
from core.exchange.mapping import RECORD_ID, importable_fields, propose
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.files.service import store_upload
from core.http.downloads import stream_response
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.tabular.reader import Table
from core.tabular.textfile import ENCODINGS
from core.web import blueprint
from core.web.lists import address_pairs, read_state
from core.work.tables import job_table
from core.work.uow import UnitOfWork

#: Rows that the preview shows, and those that it counts; a larger file is counted in part.
SHOWN = 200
COUNTED = 20_000
MAX_TABLE = 100_000_000
ACCEPT = ".xlsx,.xlsm,.xls,.csv,.tsv,.txt"
_SAMPLES = 3
#: Kept by codes and ids, which say nothing to a reader.
_CODED = (t.ChoiceField, t.Region, t.Reference, t.References, t.Tags)
_ENCODINGS = [(name, name) for name in ENCODINGS]


@dataclass(frozen=True)
class Choices:
    """What the address of a step says: sheet, encoding, policy, and the field of each column."""

    sheet: str = ""
    encoding: str = ""
    policy: str = "skip"
    fields: tuple[str, ...] = ()

    @classmethod
    def read(cls) -> Choices:
        """The choices of this request."""
        given = request.values
        fields = tuple(name[:80] for name in given.getlist("field"))
        sheet, encoding = given.get("sheet", "")[:200], given.get("encoding", "")[:20]
        return cls(sheet, encoding, given.get("duplicates", "skip")[:10], fields)


# Import


@blueprint.get("/r/<entity>/import")
@signed_in
def import_start(entity: str) -> Any:
    """Choose a file."""
    with unit_of_work() as uow:
        spec = _importable(uow, entity)
        return _start_page(uow, spec, "")


@blueprint.post("/r/<entity>/import")
@signed_in
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
    """Which column is which field."""
    chosen = Choices.read()
    with unit_of_work() as uow:
        spec = _importable(uow, entity)
        try:
            with _opened(uow, file_id, chosen) as table:
                samples = [cells for _line, cells in islice(table.rows(), _SAMPLES)]
                return _columns_page(uow, spec, file_id, chosen, table, samples)
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
                return _preview_page(uow, spec, file_id, chosen, table)
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
        )
    return redirect(url_for("web.exchange_job", entity=entity, job_id=job_id), 303)


@blueprint.get("/r/<entity>/exchange/<int:job_id>")
@signed_in
def exchange_job(entity: str, job_id: int) -> Any:
    """How far an import or export is, and its result; htmx asks for the inner part again."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        found = select(job_table).where(
            job_table.c.id == job_id,
            job_table.c.actor_id == uow.actor.user_id,
            job_table.c.kind.in_(("core.import", "core.export")),
        )
        job = uow.execute(found).one_or_none()
        if job is None or job.arguments.get("entity") != entity:
            raise NotFound(_("There is no job with the number %(id)s.", id=job_id))
    fragment = bool(request.headers.get("HX-Request"))
    return render(
        "core/exchange/_job.html" if fragment else "core/exchange/job.html",
        spec=spec,
        job=job,
        result=job.result or {},
        is_import=job.kind == "core.import",
        is_over=job.state in ("done", "failed", "cancelled"),
        new_url=_new_records(entity, job),
        format_number=format_number,
    )


def _new_records(entity: str, job: Any) -> str:
    """The list narrowed to what this person made while the job ran."""
    if job.kind != "core.import" or job.finished_at is None:
        return url_for("web.list_records", entity=entity)
    condition = {
        "all": [
            {"field": "created_by", "op": "eq", "value": job.actor_id},
            {"field": "created_at", "op": "ge", "value": job.created_at.isoformat()},
            {"field": "created_at", "op": "le", "value": job.finished_at.isoformat()},
        ]
    }
    return url_for("web.list_records", entity=entity, filter=json.dumps(condition))


def _importable(uow: UnitOfWork, entity: str) -> EntitySpec:
    spec = uow.entity(entity)
    check_rights(uow, spec, "skip")
    return spec


def _opened(uow: UnitOfWork, file_id: int, chosen: Choices) -> Any:
    return open_upload(uow, file_id, sheet=chosen.sheet, encoding=chosen.encoding)


def _start_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    refusal: str,
    file_id: int | None = None,
    chosen: Choices | None = None,
    error: Refusal | None = None,
) -> str:
    codes = {problem.code for problem in error.problems} if error else set()
    required = [str(item.label) for item in importable_fields(uow, spec).values() if _needed(item)]
    return render(
        "core/exchange/start.html",
        spec=spec,
        refusal=refusal,
        file_id=file_id,
        chosen=chosen or Choices(),
        encodings=_ENCODINGS if "encoding" in codes and file_id else (),
        accept=ACCEPT,
        required=required,
    )


def _needed(item: FieldSpec) -> bool:
    """True when a row without the field is refused: a default would fill it in."""
    return item.required and item.default is None


def _columns_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    file_id: int,
    chosen: Choices,
    table: Table,
    samples: Sequence[Sequence[Any]],
) -> str:
    proposal = propose(uow, spec, table.header)
    usable = importable_fields(uow, spec)
    fields = chosen.fields if len(chosen.fields) == len(table.header) else proposal.fields
    columns = [
        {
            "heading": heading or _("(no heading)"),
            "field": name or "",
            "samples": [_short(cells[place]) for cells in samples if cells[place] is not None],
        }
        for place, (heading, name) in enumerate(zip(table.header, fields, strict=True))
    ]
    missing = [
        str(item.label) for item in usable.values() if _needed(item) and item.name not in fields
    ]
    options = [(item.name, str(item.label)) for item in usable.values()]
    return render(
        "core/exchange/columns.html",
        spec=spec,
        file_id=file_id,
        chosen=chosen,
        columns=columns,
        notes=proposal.notes,
        missing=missing,
        options=[*options, ("id", str(RECORD_ID))],
        sheets=[(name, name) for name in table.sheets] if len(table.sheets) > 1 else (),
        encodings=_ENCODINGS if table.format == "csv" else (),
        encoding=table.encoding,
    )


def _preview_page(
    uow: UnitOfWork, spec: EntitySpec, file_id: int, chosen: Choices, table: Table
) -> str:
    header = tuple(table.header)
    if len(chosen.fields) != len(header):
        raise Invalid(_("Choose the columns again."))
    fields = tuple(name or None for name in chosen.fields)
    importer = Importer(ImportPlan(spec.name, header, fields, chosen.policy))
    shown: list[dict[str, Any]] = []
    total, counted, seen = Batch(), 0, set[int]()
    rows = table.rows()
    for batch in batches(islice(rows, COUNTED), 1_000):
        cleaned, foreseen = importer.foresee(uow, batch, seen)
        counted += len(batch)
        total.created += foreseen.created
        total.updated += foreseen.updated
        total.duplicates += foreseen.duplicates
        total.refused += foreseen.refused
        for (_line, cells), row in list(zip(batch, cleaned, strict=True))[: SHOWN - len(shown)]:
            shown.append(_preview_row(spec, header, fields, cells, row))
    mapped = [place for place, name in enumerate(fields) if name]
    return render(
        "core/exchange/preview.html",
        spec=spec,
        file_id=file_id,
        chosen=chosen,
        headings=[header[place] for place in mapped],
        rows=shown,
        total=total,
        counted=counted,
        partly=next(rows, None) is not None,
        problems=total.refused[:20],
        format_number=format_number,
        back=url_for(
            "web.import_columns",
            entity=spec.name,
            file_id=file_id,
            field=list(chosen.fields),
            sheet=chosen.sheet,
            encoding=chosen.encoding,
            duplicates=chosen.policy,
        ),
    )


def _preview_row(
    spec: EntitySpec,
    header: Sequence[str],
    fields: Sequence[str | None],
    cells: Sequence[Any],
    row: Any,
) -> dict[str, Any]:
    wrong = dict(row.problems)
    shown = []
    for place, name in enumerate(fields):
        if name is None:
            continue
        value = row.values.get(name)
        was = _short(cells[place])
        as_written = value is None or name not in spec or isinstance(spec[name].type, _CODED)
        now = was if as_written else _short(value)
        problem = wrong.get(header[place], "")
        shown.append({"was": was, "now": was if problem else now, "problem": problem})
    return {"line": row.line, "cells": shown, "refused": bool(row.problems)}


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


# Export


@blueprint.get("/r/<entity>/export")
@signed_in
def export_records(entity: str) -> Any:
    """What to export, and how; what is listed or ticked is what the list's address says."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        wanted = _wanted(uow, spec, "xlsx", None)
        total = prepare_export(uow, wanted)
        shown = [str(item.label) for item in list_columns(uow, spec)]
        every = [str(item.label) for item in exportable_fields(uow, spec)]
    return render(
        "core/exchange/export.html",
        spec=spec,
        wanted=wanted,
        filter_text=json.dumps(wanted.filter, ensure_ascii=False) if wanted.filter else "",
        total=total,
        is_long=total > DIRECT_LIMIT,
        shown=shown,
        every=every,
        format_number=format_number,
    )


@blueprint.post("/r/<entity>/export")
@signed_in
def export_run(entity: str) -> Any:
    """The file, or the job that makes it; rows ticked in the list come here first for the dialog."""
    if "format" not in request.form:
        ids = [int(text) for text in request.form.getlist("ids") if text.isdecimal()][:500]
        condition = {"field": "id", "op": "in", "value": ids}
        where = url_for("web.export_records", entity=entity, filter=json.dumps(condition))
        return redirect(where, 303)
    with unit_of_work(write=True) as uow:
        spec = uow.entity(entity)
        every = request.form.get("columns") == "all"
        names = None if every else [item.name for item in list_columns(uow, spec)]
        wanted = _wanted(uow, spec, request.form["format"], names)
        if prepare_export(uow, wanted) > DIRECT_LIMIT:
            job_id = start_export(uow, wanted)
            where = url_for("web.exchange_job", entity=entity, job_id=job_id)
            return redirect(where, 303)
    return _file(wanted)


def _file(wanted: ExportRequest) -> Response:
    file = TemporaryFile()  # noqa: SIM115 - closed with the response
    with unit_of_work(write=False) as uow:
        rows = write_export(uow, wanted, file)
        name = wanted.filename(uow)
    with unit_of_work(write=True) as uow:
        wanted.record(uow, rows)
    file.seek(0)
    return stream_response(cast(Any, file), name, FORMATS[wanted.format])


def _wanted(
    uow: UnitOfWork, spec: EntitySpec, kind: str, names: Sequence[str] | None
) -> ExportRequest:
    """The filter, search and sort of the list that the reader came from."""
    # The rows of the filter keep their order only in the address itself.
    sent = address_pairs() if request.method == "GET" else request.form.items(multi=True)
    state = read_state(sent)
    parts = [condition_of(state.rows, filter_fields(uow, spec), state.mode)]
    if state.condition:
        try:
            parts.append(json.loads(state.condition))
        except ValueError:
            raise Invalid(_("The filter in this address cannot be read.")) from None
    conditions = [part for part in parts if part]
    condition = conditions[0] if len(conditions) == 1 else {"all": conditions}
    return ExportRequest(
        spec.name,
        kind,
        filter=condition if conditions else None,
        search=state.search,
        sort=state.sort,
        fields=names,
    )
