"""Uploading files for forms, and downloading them."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, jsonify, request

from core.errors import Invalid
from core.files.service import store_upload
from core.http.downloads import download
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint


@blueprint.get("/files/<int:file_id>")
@signed_in
def download_file(file_id: int) -> Response:
    """One file; the right to it is asked at this moment."""
    return download(file_id)


@blueprint.post("/files")
@signed_in
def upload_file() -> Any:
    """Keep the file ``file``; answers ``{"id", "name"}`` for the hidden field of a form."""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise Invalid(_("Choose a file."))
    with unit_of_work() as uow:
        file_id = store_upload(uow, cast(Any, upload.stream), upload.filename)
    return jsonify(id=file_id, name=upload.filename), 201
