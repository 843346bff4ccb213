"""One person's data over REST: counting, exporting, erasing; for administrators."""

from __future__ import annotations

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import object_of
from core.errors import Refused
from core.http.downloads import file_to_send, stream_response
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.privacy.erasing import erase_person, keep_erasures
from core.privacy.exporting import note_export, write_person
from core.privacy.finding import find_person

_COUNT = {"type": "integer", "minimum": 0}
COUNTS = object_of(
    records=_COUNT,
    places=_COUNT,
    files=_COUNT,
    tables=_COUNT,
    drafts=_COUNT,
    entries=_COUNT,
    events=_COUNT,
    mentions=_COUNT,
)


@blueprint.get("/v1/privacy/<entity>/<record:record_id>")
@requires("admin")
@operation(
    _l("What is kept about the person of a record"),
    "privacy",
    answer=COUNTS,
    errors=(403, 404, 422),
)
def count_person(entity: str, record_id: int) -> Response:
    """How much there is of each kind; what an erasure would take."""
    arguments()
    with unit_of_work() as uow:
        return answer(find_person(uow, entity, record_id).counts())


@blueprint.post("/v1/privacy/<entity>/<record:record_id>/export")
@requires("admin")
@operation(
    _l("Everything about the person of a record, as a ZIP"),
    "privacy",
    errors=(403, 404, 422),
)
def export_person(entity: str, record_id: int) -> Response:
    """JSON, a workbook, and the files."""
    arguments()
    with file_to_send() as file, unit_of_work() as uow:
        person = find_person(uow, entity, record_id)
        write_person(uow, person, file)
        note_export(uow, person)
    return stream_response(file, f"{entity}-{record_id}.zip", "application/zip")


@blueprint.post("/v1/privacy/<entity>/<record:record_id>/erase")
@requires("admin")
@operation(
    _l("Erase the person of a record for good"),
    "privacy",
    body=object_of(records=_COUNT),
    answer=COUNTS,
    errors=(403, 404, 409, 422),
)
def erase(entity: str, record_id: int) -> Response:
    """With the number of records that the count told: another one is refused."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        person = find_person(uow, entity, record_id)
        if body != {"records": person.counts()["records"]}:
            raise Refused(_("Give the number of records that would be erased, as counted before."))
        counts = erase_person(uow, person).counts
    keep_erasures(runtime())
    return answer(counts)
