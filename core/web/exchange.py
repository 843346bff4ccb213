"""Jobs of imports and exports on pages: progress and result; and the export dialog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import Response, redirect, request, url_for
from sqlalchemy import select

from core.entities.filters import filter_fields
from core.entities.scope import may
from core.entities.tables import list_columns
from core.errors import NotFound
from core.exchange.exporting import (
    DIRECT_LIMIT,
    FORMATS,
    ExportRequest,
    exportable_fields,
    prepare_export,
    write_export,
)
from core.exchange.history import oversees, readable_reports, undo_of
from core.exchange.jobs import start_export
from core.exchange.tally import RULES
from core.fields import EntitySpec
from core.http.addresses import read_number
from core.http.downloads import file_to_send, stream_response
from core.http.filter_rows import address_pairs
from core.http.limits import limited
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.web import blueprint
from core.web.list_state import read_found, read_state
from core.work.tables import job_table
from core.work.uow import UnitOfWork

_KINDS = ("core.import", "core.export", "core.undo_import")


# The job


@blueprint.get("/r/<entity>/exchange/<int:job_id>")
@signed_in
def exchange_job(entity: str, job_id: int) -> Any:
    """How far an import, its undo or an export is, and its result; htmx asks for the inner part
    again."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        job = _find(uow, entity, job_id)
        result, is_over = job.result or {}, job.state in ("done", "failed", "cancelled")
        is_import = job.kind == "core.import"
        undo = undo_of(uow, job_id) if is_import and is_over else None
        readable = readable_reports(uow, [result.get("report")])
        may_import = may(uow, spec, "import")
    fragment = bool(request.headers.get("HX-Request"))
    written = result.get("created") or result.get("updated")
    return render(
        "core/exchange/_job.html" if fragment else "core/exchange/job.html",
        spec=spec,
        job=job,
        result=result,
        report=result.get("report") if result.get("report") in readable else None,
        cleaned=[(str(RULES[name]), n) for name, n in result.get("cleaned", {}).items()],
        undo=undo,
        may_undo=is_import and is_over and written and may_import and undo is None,
        is_import=is_import,
        is_undo=job.kind == "core.undo_import",
        is_over=is_over,
        new_url=_new_records(entity, job),
        format_number=format_number,
    )


def _find(uow: UnitOfWork, entity: str, job_id: int) -> Any:
    """One's own job; an administrator sees imports and their undoing whoever started them."""
    found = select(job_table).where(job_table.c.id == job_id, job_table.c.kind.in_(_KINDS))
    job = uow.execute(found).one_or_none()
    seen = job is not None and (
        job.actor_id == uow.actor.user_id or (oversees(uow) and job.kind != "core.export")
    )
    if job is None or not seen or job.arguments.get("entity") != entity:
        raise NotFound(_("There is no job with the number %(id)s.", id=job_id))
    return job


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


# Export


@blueprint.get("/r/<entity>/export")
@signed_in
def export_records(entity: str) -> Any:
    """What to export, and how; what is listed or ticked is what the list's address says."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        wanted = _wanted(uow, spec, "xlsx", None)
        total = prepare_export(uow, wanted)
        columns = read_state(address_pairs()).columns  # of a view
        shown = [str(item.label) for item in list_columns(uow, spec, columns)]
        every = [str(item.label) for item in exportable_fields(uow, spec)]
    return render(
        "core/exchange/export.html",
        spec=spec,
        wanted=wanted,
        filter_text=json.dumps(wanted.filter, ensure_ascii=False) if wanted.filter else "",
        total=total,
        is_long=total > DIRECT_LIMIT,
        view_columns=",".join(columns),
        shown=shown,
        every=every,
        format_number=format_number,
    )


@blueprint.post("/r/<entity>/export")
@signed_in
@limited("export")
def export_run(entity: str) -> Any:
    """The file, or the job that makes it; rows ticked in the list come here first for the dialog."""
    if "format" not in request.form:
        sent = (read_number(text) for text in request.form.getlist("ids"))
        ids = [key for key in sent if key is not None][:500]
        condition = {"field": "id", "op": "in", "value": ids}
        where = url_for("web.export_records", entity=entity, filter=json.dumps(condition))
        if request.form.get("all") == "1":
            found = read_found(request.form.get("found", ""))
            where = found.url(url_for("web.export_records", entity=entity))
        return redirect(where, 303)
    with unit_of_work(write=True) as uow:
        spec = uow.entity(entity)
        every = request.form.get("columns") == "all"
        columns = request.form.get("view_columns", "").split(",")
        names = None if every else [item.name for item in list_columns(uow, spec, columns)]
        wanted = _wanted(uow, spec, request.form["format"], names)
        if prepare_export(uow, wanted) > DIRECT_LIMIT:
            job_id = start_export(uow, wanted)
            where = url_for("web.exchange_job", entity=entity, job_id=job_id)
            return redirect(where, 303)
    return _file(wanted)


def _file(wanted: ExportRequest) -> Response:
    with file_to_send() as file:
        with unit_of_work(write=False) as uow:
            rows = write_export(uow, wanted, file)
            name = wanted.filename(uow)
        with unit_of_work(write=True) as uow:
            wanted.record(uow, rows)
    return stream_response(file, name, FORMATS[wanted.format])


def _wanted(
    uow: UnitOfWork, spec: EntitySpec, kind: str, names: Sequence[str] | None
) -> ExportRequest:
    """The filter, search and sort of the list that the reader came from."""
    # The rows of the filter keep their order only in the address itself.
    sent = address_pairs() if request.method == "GET" else request.form.items(multi=True)
    state = read_state(sent)
    return ExportRequest(
        spec.name,
        kind,
        filter=state.conditions(filter_fields(uow, spec)),
        search=state.search,
        sort=state.sort,
        fields=names,
    )
