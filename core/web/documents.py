"""Records on paper: the PDFs that modules make of them."""

from __future__ import annotations

import io

from flask import Response, request, url_for

from core.documents import make_document, templates_of
from core.fields import EntitySpec
from core.http.downloads import stream_response
from core.http.requests import signed_in, unit_of_work
from core.i18n import LOCALES
from core.web import blueprint
from core.work.uow import UnitOfWork

__all__ = ["printed"]

#: Each language by the name that it has for itself.
_LANGUAGES = {"zh_CN": "中文", "en": "English"}


@blueprint.get("/r/<entity>/<int:record_id>/documents/<template>.pdf")
@signed_in
def print_record(entity: str, record_id: int, template: str) -> Response:
    """The record as a PDF, in the language that ``?language=`` names or the reader's."""
    with unit_of_work(write=False) as uow:
        made = make_document(uow, entity, record_id, template, request.args.get("language", ""))
    response = stream_response(
        io.BytesIO(made.content), made.filename, "application/pdf", inline=True
    )
    response.content_length = len(made.content)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def printed(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> list[tuple[str, str]]:
    """(title, address) of what can be printed of a record, in each language."""
    return [
        (
            f"{template.title} · {_LANGUAGES[language]}",
            url_for(
                "web.print_record",
                entity=spec.name,
                record_id=record_id,
                template=template.name,
                language=language,
            ),
        )
        for template in templates_of(uow, spec.name)
        for language in LOCALES
    ]
