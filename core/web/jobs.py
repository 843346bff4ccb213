"""The page of the jobs that the reader started, and stopping one of them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import ColumnElement, select

from core.errors import NotFound
from core.http.addresses import read_number
from core.http.jobs import DELIVERY, ask_to_stop, find_jobs, job_kinds, shown, stop_job
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.work.tables import job_table
from core.work.uow import UnitOfWork


@blueprint.get("/jobs")
@signed_in
def jobs() -> Any:
    """What the reader started: imports, exports and the like, newest first."""
    before = read_number(request.args.get("before"))
    with unit_of_work() as uow:
        rows, following = find_jobs(uow, _mine(), before=before)
        items = [shown(uow, row, job_kinds()) for row in rows]
    context = {"jobs": items, "before": before, "next": following, "own": True}
    fragment = bool(request.headers.get("HX-Request"))
    return render("core/admin/_jobs.html" if fragment else "core/admin/own_jobs.html", **context)


def _mine() -> list[ColumnElement[bool]]:
    return [job_table.c.actor_id == actor().user_id, job_table.c.kind != DELIVERY]


@blueprint.get("/jobs/<int:key>/stop")
@signed_in
def confirm_stop_job(key: int) -> Any:
    """Ask before one's own job is stopped."""
    with unit_of_work() as uow:
        title = _title(uow, key)
    return ask_to_stop(title, url_for("web.stop_own_job", key=key), url_for("web.jobs"))


@blueprint.post("/jobs/<int:key>/stop")
@signed_in
def stop_own_job(key: int) -> Any:
    """Stop one's own job."""
    with unit_of_work() as uow:
        _title(uow, key)
        done = stop_job(uow, key)
    if done:
        flash(_("The job was stopped."), "good")
    else:
        flash(_("The job is over already."), "bad")
    return redirect(url_for("web.jobs"))


def _title(uow: UnitOfWork, key: int) -> str:
    """What the job is called; `NotFound` when it is not the reader's."""
    row = uow.execute(select(job_table).where(job_table.c.id == key, *_mine())).one_or_none()
    if row is None:
        raise NotFound(_("There is no job with the number %(id)s.", id=key))
    title: str = shown(uow, row, job_kinds())["title"]
    return title
