"""Imports, exports and files over REST."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

from flask import Response, request, url_for

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import BadRequest, arguments, flag, json_argument, number, parse_json
from core.api.shapes import IDENTIFIER, MOMENT, TEXT, items_of, listing, nullable, object_of
from core.errors import Problem
from core.exchange.exporting import (
    DIRECT_LIMIT,
    FORMATS,
    ExportRequest,
    prepare_export,
    write_export,
)
from core.exchange.history import COUNTS, past_imports
from core.exchange.importing import POLICIES
from core.exchange.jobs import start_export, start_import
from core.exchange.presets import find_preset
from core.exchange.templates import write_template
from core.exchange.undo import REASONS, rehearse, start_undo
from core.files.service import store_upload
from core.http.downloads import download, file_to_send, stream_response
from core.http.limits import limited
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

#: The most that an uploaded table may weigh.
MAX_TABLE = 100_000_000

JOB = object_of(job=IDENTIFIER)
FILE: dict[str, Any] = {"type": "string", "format": "binary"}
UPLOAD = object_of(
    entity=TEXT,
    file=FILE,
    optional={
        "duplicates": {"type": "string", "enum": list(POLICIES)},
        "mapping": {
            "type": "string",
            "description": 'JSON: {"heading of the column": "name of the field" or null}',
        },
        "duplicate_keys": {
            "type": "string",
            "description": "Names of fields, with commas: records are the same when these agree",
        },
        "defaults": {
            "type": "string",
            "description": 'JSON: {"name of a field without a column": "value for every row"}',
        },
        "preset": {"type": "string", "description": "The name under which choices were saved"},
        "sheet": TEXT,
        "encoding": TEXT,
    },
)
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
IMPORT = object_of(
    id=IDENTIFIER,
    entity=TEXT,
    who=TEXT,
    at=MOMENT,
    file=TEXT,
    state={"type": "string", "enum": ["queued", "running", "done", "failed", "cancelled"]},
    **dict.fromkeys(COUNTS, COUNT),
    report=nullable(IDENTIFIER),
    undo=nullable(IDENTIFIER),
)
REHEARSAL = object_of(
    removed=COUNT,
    restored=COUNT,
    kept={
        "type": "object",
        "properties": dict.fromkeys(REASONS, COUNT),
        "additionalProperties": False,
    },
    examples=listing(object_of(entity=TEXT, id=IDENTIFIER, code=TEXT, reason=TEXT)),
    partly={"type": "boolean"},
)


@blueprint.post("/v1/imports")
@signed_in
@limited("import")
@operation(
    _l("Import a table"),
    "imports",
    status=202,
    answer=JOB,
    body=UPLOAD,
    body_type="multipart/form-data",
    errors=(400, 403, 404, 413, 415, 422),
)
def import_table() -> Response:
    """Queue the import of an uploaded table; its progress and result are those of the job."""
    arguments()
    given = _form(
        "entity",
        "duplicates",
        "mapping",
        "duplicate_keys",
        "defaults",
        "preset",
        "sheet",
        "encoding",
    )
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise _missing("file")
    if not given.get("entity"):
        raise _missing("entity")
    choices: dict[str, Any] = {"mapping": _mapping(given.get("mapping"))}
    if given.get("duplicates"):
        choices["policy"] = given["duplicates"]
    if given.get("duplicate_keys"):
        choices["keys"] = [name.strip() for name in given["duplicate_keys"].split(",")]
    if given.get("defaults"):
        choices["defaults"] = _defaults(given["defaults"])
    with unit_of_work() as uow:
        saved = None
        if given.get("preset"):
            saved = find_preset(uow, uow.entity(given["entity"]), given["preset"])
        stream = cast(Any, upload.stream)
        file_id = store_upload(uow, stream, upload.filename, max_bytes=MAX_TABLE)
        job_id = start_import(
            uow,
            given["entity"],
            file_id,
            sheet=given.get("sheet"),
            encoding=given.get("encoding"),
            preset=saved,
            **choices,
        )
    return _accepted(job_id)


def _form(*names: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in request.form.lists():
        if name not in names or len(values) > 1:
            message = _("There is no parameter %(name)s.", name=name[:60])
            raise BadRequest(message, [Problem(name[:80], "unknown_parameter", message)])
        found[name] = values[0].strip()
    return found


def _missing(name: str) -> BadRequest:
    message = _("Send %(name)s as a part of a multipart form.", name=name)
    return BadRequest(message, [Problem(name, "required", message)])


def _mapping(text: str | None) -> Mapping[str, str | None] | None:
    if not text:
        return None
    value = parse_json(text.encode(), "mapping")
    if not isinstance(value, dict) or not all(
        name is None or isinstance(name, str) for name in value.values()
    ):
        message = _("Give a JSON object of headings and field names.")
        raise BadRequest(message, [Problem("mapping", "type", message)])
    return value


def _defaults(text: str) -> Mapping[str, str]:
    value = parse_json(text.encode(), "defaults")
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        message = _("Give a JSON object of field names and texts.")
        raise BadRequest(message, [Problem("defaults", "type", message)])
    return value


@blueprint.get("/v1/imports")
@signed_in
@operation(
    _l("Past imports, the newest first"),
    "imports",
    answer=items_of(IMPORT),
    parameters={
        "entity": TEXT,
        "everyone": {"type": "string", "enum": ["false", "true"]},
        "before": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    },
    errors=(400,),
)
def list_imports() -> Response:
    """One's own imports; with ``everyone`` those of all, for administrators."""
    given = arguments("entity", "everyone", "before")
    before = number(given, "before", 0, low=0, high=10**18 - 1)
    with unit_of_work() as uow:
        found, _next = past_imports(
            uow,
            given.get("entity") or None,
            everyone=flag(given, "everyone"),
            before=before or None,
        )
        items = [
            {
                "id": each.id,
                "entity": each.entity.name,
                "who": each.who,
                "at": each.at.isoformat(),
                "file": each.filename,
                "state": each.state,
                **each.counts,
                "report": each.report,
                "undo": each.undo.id if each.undo is not None else None,
            }
            for each in found
        ]
    return answer({"items": items})


@blueprint.get("/v1/imports/<record:job_id>/undo")
@signed_in
@operation(
    _l("What undoing an import would do"), "imports", answer=REHEARSAL, errors=(403, 404, 409)
)
def rehearse_undo(job_id: int) -> Response:
    """Nothing is written."""
    arguments()
    with unit_of_work(write=False) as uow:
        found = rehearse(uow, job_id)
    examples = [
        {"entity": each.entity, "id": each.record_id, "code": each.code, "reason": each.reason}
        for each in found.examples
    ]
    return answer(
        {
            "removed": found.removed,
            "restored": found.restored,
            "kept": dict(found.kept),
            "examples": examples,
            "partly": found.partly,
        }
    )


@blueprint.post("/v1/imports/<record:job_id>/undo")
@signed_in
@operation(
    _l("Undo an import as a whole"), "imports", status=202, answer=JOB, errors=(403, 404, 409)
)
def undo_import(job_id: int) -> Response:
    """Queue it; the result of the job counts ``removed restored kept`` and brings a report."""
    arguments()
    with unit_of_work() as uow:
        undo_id = start_undo(uow, job_id)
    return _accepted(undo_id)


@blueprint.get("/v1/imports/<entity>/template.xlsx")
@signed_in
@operation(_l("An empty workbook to fill in and import"), "imports", errors=(403, 404))
def import_template(entity: str) -> Response:
    """The headings in the reader's language, and a sheet that explains each column."""
    arguments()
    file = BytesIO()
    with unit_of_work(write=False) as uow:
        name = write_template(uow, uow.entity(entity), file)
    file.seek(0)
    return stream_response(file, name, FORMATS["xlsx"])


@blueprint.get("/v1/exports/<entity>.<any(csv, xlsx):format>")
@signed_in
@limited("export")
@operation(
    _l("Export records as CSV or xlsx; very many are left to a job (202)"),
    "exports",
    parameters={
        "filter": TEXT,
        "search": TEXT,
        "sort": TEXT,
        "fields": TEXT,
        "archived": {"type": "string", "enum": ["false", "true"]},
    },
    errors=(400, 403, 404, 422),
)
def export_records(entity: str, format: str) -> Response:
    """The records found, as a file."""
    given = arguments("filter", "search", "sort", "fields", "archived")
    names = [name.strip() for name in given.get("fields", "").split(",") if name.strip()]
    wanted = ExportRequest(
        entity,
        format,
        filter=json_argument(given, "filter"),
        search=given.get("search", ""),
        sort=given.get("sort", ""),
        fields=names or None,
        archived=flag(given, "archived"),
    )
    with unit_of_work() as uow:
        total = prepare_export(uow, wanted)
    if total > DIRECT_LIMIT:
        with unit_of_work(write=True) as uow:
            job_id = start_export(uow, wanted)
        return _accepted(job_id)
    with file_to_send() as file:
        with unit_of_work() as uow:
            rows = write_export(uow, wanted, file)
            name = wanted.filename(uow)
        with unit_of_work(write=True) as uow:
            wanted.record(uow, rows)
    return stream_response(file, name, FORMATS[format])


@blueprint.get("/v1/files/<record:file_id>")
@signed_in
@operation(_l("One stored file"), "files", errors=(404,))
def get_file(file_id: int) -> Response:
    """The content; the right to it is asked at this moment."""
    arguments()
    return download(file_id)


def _accepted(job_id: int) -> Response:
    where = url_for("api.get_job", job_id=job_id)
    return answer({"job": job_id}, 202, {"Location": where})
