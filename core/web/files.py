"""Uploading files for forms, and downloading them."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from flask import Response, jsonify, request

from core.entities.form_fields import file_field
from core.errors import Invalid, NotFound, TooLarge
from core.files.service import store_upload
from core.files.storage import safe_filename
from core.http.downloads import download
from core.http.presenting import input_context
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.uploads import store_for


@blueprint.get("/files/<int:file_id>")
@signed_in
def download_file(file_id: int) -> Response:
    """One file; the right to it is asked at this moment."""
    return download(file_id)


@blueprint.post("/files")
@signed_in
def upload_file() -> Any:
    """Keep the file ``file``; answers ``{"id", "name"}`` for the hidden field of a form.

    ``entity`` and ``input`` say for which input of whose form it is: what its field would refuse is
    refused at once, as ``{"message"}``.
    """
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise Invalid(_("Choose a file."))
    entity, name = request.form.get("entity", ""), request.form.get("input", "")
    try:
        with unit_of_work() as uow:
            if entity:
                item = file_field(input_context(uow), uow.entity(entity), name)
                if item is None:
                    raise NotFound(_("There is no field %(name)s.", name=name[:60]))
                file_id = store_for(uow, item, upload)
            else:
                file_id = store_upload(uow, cast(BinaryIO, upload.stream), upload.filename)
    except (Invalid, TooLarge) as error:
        return jsonify(message=error.message), error.status
    return jsonify(id=file_id, name=safe_filename(upload.filename)), 201
