"""Imports, exports and files over REST."""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any, cast

from flask import Response, request, url_for

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import BadRequest, arguments, flag, json_argument, parse_json
from core.api.shapes import IDENTIFIER, TEXT, object_of
from core.errors import Problem
from core.exchange.exporting import (
    DIRECT_LIMIT,
    FORMATS,
    ExportRequest,
    prepare_export,
    write_export,
)
from core.exchange.importing import POLICIES
from core.exchange.jobs import start_export, start_import
from core.files.service import store_upload
from core.http.downloads import download, stream_response
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
        "sheet": TEXT,
        "encoding": TEXT,
    },
)


@blueprint.post("/v1/imports")
@signed_in
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
    given = _form("entity", "duplicates", "mapping", "sheet", "encoding")
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise _missing("file")
    if not given.get("entity"):
        raise _missing("entity")
    mapping = _mapping(given.get("mapping"))
    with unit_of_work() as uow:
        stream = cast(Any, upload.stream)
        file_id = store_upload(uow, stream, upload.filename, max_bytes=MAX_TABLE)
        job_id = start_import(
            uow,
            given["entity"],
            file_id,
            policy=given.get("duplicates") or "skip",
            mapping=mapping,
            sheet=given.get("sheet"),
            encoding=given.get("encoding"),
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


@blueprint.get("/v1/exports/<entity>.<any(csv, xlsx):format>")
@signed_in
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
    file = TemporaryFile()  # noqa: SIM115 - closed with the response
    with unit_of_work() as uow:
        rows = write_export(uow, wanted, file)
        name = wanted.filename(uow)
    with unit_of_work(write=True) as uow:
        wanted.record(uow, rows)
    file.seek(0)
    return stream_response(cast(Any, file), name, FORMATS[format])


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
