"""Records on paper over REST: ``GET …/documents/{template}.pdf``."""

from __future__ import annotations

import io

from flask import Response

from core.api import blueprint
from core.api.requests import arguments
from core.documents import make_document
from core.http.downloads import stream_response
from core.http.requests import signed_in, unit_of_work


@blueprint.get("/v1/records/<entity>/<record:record_id>/documents/<template>.pdf")
@signed_in
def read_document(entity: str, record_id: int, template: str) -> Response:
    """The record as a PDF that a module makes of it."""
    given = arguments("language")
    with unit_of_work() as uow:
        made = make_document(uow, entity, record_id, template, given.get("language", ""))
    response = stream_response(io.BytesIO(made.content), made.filename, "application/pdf")
    response.content_length = len(made.content)
    return response
