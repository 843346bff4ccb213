"""Jobs of everybody: what runs, what failed, deliveries that gave up; retrying and cancelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import flash, redirect, request, url_for
from sqlalchemy import ColumnElement, Row, func, select

from core.admin import blueprint
from core.admin.display import owner_title
from core.audit.recorder import record_act
from core.errors import NotFound
from core.http.addresses import read_number
from core.http.jobs import DELIVERY, ask_to_stop, find_jobs, job_kinds, shown, stop_job
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.work.jobs import replay_job
from core.work.tables import job_table
from core.work.uow import UnitOfWork

STATES = ("queued", "running", "done", "failed", "cancelled")
#: Deliveries that gave up: a filter of its own.
DEAD = "dead"


@blueprint.get("/jobs")
@requires("admin")
def jobs() -> Any:
    """The list by state, kind and person; the part with the jobs alone when htmx asks for it."""
    state, kind = request.args.get("state", ""), request.args.get("kind", "")
    actor, before = (read_number(request.args.get(name)) for name in ("actor", "before"))
    kinds = job_kinds()
    with unit_of_work() as uow:
        counts = _counts(uow)
        rows, following = find_jobs(uow, _where(state, kind, actor), before=before)
        items = [shown(uow, row, kinds) for row in rows]
    context = {
        "jobs": items,
        "before": before,
        "next": following,
        "own": False,
        "tabs": _tabs(counts, state),
        "kinds": sorted(kinds.items(), key=lambda pair: pair[1]),
        "state": state,
        "kind": kind,
        "actor": actor,
        "kept": {k: v for k, v in request.args.items() if k in ("state", "kind", "actor") and v},
    }
    fragment = bool(request.headers.get("HX-Request"))
    return render("core/admin/_jobs.html" if fragment else "core/admin/jobs.html", **context)


def _where(state: str, kind: str, actor: int | None) -> list[ColumnElement[bool]]:
    table, found = job_table, list[ColumnElement[bool]]()
    if state == DEAD:
        found += [table.c.state == "failed", table.c.kind == DELIVERY]
    elif state in STATES:
        found.append(table.c.state == state)
    if kind:
        found.append(table.c.kind == kind)
    if actor is not None:
        found.append(table.c.actor_id == actor)
    return found


def _counts(uow: UnitOfWork) -> dict[str, int]:
    """How many jobs by state, and ``dead``."""
    table = job_table
    deliveries = func.count().filter(table.c.kind == DELIVERY)
    rows = uow.execute(
        select(table.c.state, func.count().label("jobs"), deliveries.label("deliveries")).group_by(
            table.c.state
        )
    ).all()
    counts = dict.fromkeys((*STATES, DEAD), 0)
    for row in rows:
        counts[row.state] = row.jobs
        if row.state == "failed":
            counts[DEAD] = row.deliveries
    return counts


def _tabs(counts: Mapping[str, int], state: str) -> list[tuple[str, str, bool, int]]:
    labels = {
        "": _("All"),
        "queued": _("Waiting"),
        "running": _("Running"),
        "failed": _("Failed"),
        DEAD: _("Dead letters"),
        "done": _("Done"),
        "cancelled": _("Cancelled"),
    }
    total = sum(counts[each] for each in STATES)
    return [
        (label, url_for("admin.jobs", state=key or None), key == state, counts.get(key, total))
        for key, label in labels.items()
    ]


@blueprint.get("/jobs/<int:key>")
@requires("admin")
def show_job(key: int) -> Any:
    """Everything about one job."""
    with unit_of_work() as uow:
        job = shown(uow, _row(uow, key), job_kinds())
    return render(
        "core/admin/job.html",
        job=job,
        owner=owner_title(job["owner"]),
        arguments=_json(job["arguments"]),
        result=_json(job["result"]) if job["result"] is not None else "",
    )


def _row(uow: UnitOfWork, key: int) -> Row[Any]:
    row = uow.execute(select(job_table).where(job_table.c.id == key)).one_or_none()
    if row is None:
        raise NotFound(_("There is no job with the number %(id)s.", id=key))
    return row


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


@blueprint.post("/jobs/<int:key>/retry")
@requires("admin")
def retry_job(key: int) -> Any:
    """Queue a failed or cancelled job again."""
    with unit_of_work() as uow:
        _row(uow, key)
        done = replay_job(uow, key)
        if done:
            record_act(uow, "retry_job", details={"job": key})
    if done:
        flash(_("The job waits to run again."), "good")
    else:
        flash(_("Only failed and cancelled jobs run again."), "bad")
    return redirect(url_for("admin.show_job", key=key))


@blueprint.get("/jobs/<int:key>/cancel")
@requires("admin")
def confirm_cancel_job(key: int) -> Any:
    """Ask before a job is stopped."""
    with unit_of_work() as uow:
        job = shown(uow, _row(uow, key), job_kinds())
    back = url_for("admin.show_job", key=key)
    return ask_to_stop(job["title"], url_for("admin.cancel_job_now", key=key), back)


@blueprint.post("/jobs/<int:key>/cancel")
@requires("admin")
def cancel_job_now(key: int) -> Any:
    """Stop a waiting or running job."""
    with unit_of_work() as uow:
        _row(uow, key)
        done = stop_job(uow, key)
    if done:
        flash(_("The job was stopped."), "good")
    else:
        flash(_("The job is over already."), "bad")
    return redirect(url_for("admin.show_job", key=key))
