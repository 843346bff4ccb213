"""Jobs: how far they are, and stopping them; for whoever started them and administrators."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Row, select

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments
from core.api.rights import is_limited
from core.api.shapes import IDENTIFIER, TEXT, nullable, object_of
from core.errors import NotFound, Refused
from core.http import jobs
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.work.tables import job_table
from core.work.uow import UnitOfWork

JOB = object_of(
    id=IDENTIFIER,
    kind=TEXT,
    state={"type": "string", "enum": ["queued", "running", "done", "failed", "cancelled"]},
    done={"type": "integer", "minimum": 0},
    total={"type": ["integer", "null"]},
    result={},
    error=nullable(TEXT),
)


@blueprint.get("/v1/jobs/<record:job_id>")
@signed_in
@operation(_l("How far a job is"), "jobs", answer=JOB, errors=(404,))
def get_job(job_id: int) -> Response:
    """The state of a job."""
    arguments()
    with unit_of_work() as uow:
        return answer(_job(uow, job_id))


@blueprint.post("/v1/jobs/<record:job_id>/cancel")
@signed_in
@operation(_l("Stop a job"), "jobs", answer=JOB, errors=(404, 409))
def stop_job(job_id: int) -> Response:
    """Stop a job that is not over; the answer tells how far it came."""
    arguments()
    with unit_of_work() as uow:
        _job(uow, job_id)
        if not jobs.stop_job(uow, job_id):
            raise Refused(_("This job is over already."))
        return answer(_job(uow, job_id))


def _job(uow: UnitOfWork, job_id: int) -> dict[str, Any]:
    row = uow.execute(select(job_table).where(job_table.c.id == job_id)).one_or_none()
    if row is None or not _may_see(uow, row):
        raise NotFound(_("There is no job with the number %(id)s.", id=job_id))
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "done": row.done,
        "total": row.total,
        "result": row.result,
        "error": row.error,
    }


def _may_see(uow: UnitOfWork, row: Row[Any]) -> bool:
    actor = uow.actor
    return row.actor_id == actor.user_id or (actor.is_admin and not is_limited(actor))
