"""Backups over REST: which there are, and making one now; for administrators."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Row

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments
from core.api.shapes import IDENTIFIER, TEXT, nullable, object_of
from core.backup.scheduled import BACKUP, find_backups
from core.http.requests import requires, unit_of_work
from core.i18n import lazy_gettext as _l

ITEM = object_of(
    id=IDENTIFIER,
    name=TEXT,
    made_at={"type": "string", "format": "date-time"},
    size={"type": "integer", "minimum": 0},
    rows={"type": "integer", "minimum": 0},
    files={"type": "integer", "minimum": 0},
    encrypted={"type": "boolean"},
    verified_at={"type": ["string", "null"], "format": "date-time"},
    problem=nullable(TEXT),
)
LIST = object_of(items={"type": "array", "items": ITEM})
STARTED = object_of(job=IDENTIFIER)


@blueprint.get("/v1/backups")
@requires("admin")
@operation(_l("Backups that are kept, newest first"), "backups", answer=LIST, errors=(403,))
def list_backups() -> Response:
    """What the page of backups shows."""
    arguments()
    with unit_of_work() as uow:
        return answer({"items": [_item(row) for row in find_backups(uow)]})


@blueprint.post("/v1/backups")
@requires("admin")
@operation(_l("Make a backup"), "backups", answer=STARTED, status=202, errors=(403,))
def make_backup() -> Response:
    """Queue one; the job tells how far it is."""
    arguments()
    with unit_of_work() as uow:
        job_id = uow.enqueue(BACKUP.name, {}, title=str(BACKUP.title))
        return answer({"job": job_id}, 202)


def _item(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "made_at": row.made_at.isoformat(),
        "size": row.size,
        "rows": row.row_count,
        "files": row.file_count,
        "encrypted": row.encrypted,
        "verified_at": row.verified_at and row.verified_at.isoformat(),
        "problem": row.problem,
    }
