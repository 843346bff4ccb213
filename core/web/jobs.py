"""The page of the jobs that the reader started."""

from __future__ import annotations

from typing import Any

from flask import request

from core.http.jobs import DELIVERY, find_jobs, job_kinds, shown
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.web import blueprint
from core.work.tables import job_table


@blueprint.get("/jobs")
@signed_in
def jobs() -> Any:
    """What the reader started: imports, exports and the like, newest first."""
    before = request.args.get("before", type=int)
    mine = [job_table.c.actor_id == actor().user_id, job_table.c.kind != DELIVERY]
    with unit_of_work() as uow:
        rows, following = find_jobs(uow, mine, before=before)
        items = [shown(uow, row, job_kinds()) for row in rows]
    context = {"jobs": items, "before": before, "next": following, "own": True}
    fragment = bool(request.headers.get("HX-Request"))
    return render("core/admin/_jobs.html" if fragment else "core/admin/own_jobs.html", **context)
