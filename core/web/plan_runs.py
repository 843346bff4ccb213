"""Import plans at work: rehearsed, run, stopped and undone, each as a job with its progress."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from flask import Response, flash, redirect, request, url_for

from core.errors import Invalid, NotFound, Refused
from core.exchange.exporting import FORMATS
from core.exchange.history import readable_reports
from core.exchange.plans.accepting import accept
from core.exchange.plans.reading import parse_plan
from core.exchange.plans.rehearsing import find_rehearsal, start_rehearsal
from core.exchange.plans.running import find_plan, queue_plan, steps_of, stop_plan
from core.exchange.plans.saved import (
    SavedPlan,
    change_plan,
    files_of,
    find_own,
    find_saved,
    importable_entities,
)
from core.exchange.plans.undoing import (
    find_plan_undo,
    has_written,
    start_plan_undo,
    undo_of_plan,
)
from core.http.downloads import stream_response
from core.http.jobs import ask_to_stop
from core.http.limits import limited
from core.http.rendering import render
from core.http.requests import runtime, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from core.tabular.writer import write_csv
from core.web import blueprint
from core.web.plan_steps import accepted_in, button_of
from core.web.plans import plan_page
from core.work.uow import UnitOfWork

_OVER = ("done", "failed", "cancelled")
#: Refused rows of a step that the page lists; the file has more.
_LISTED = 20


@blueprint.post("/import-plans/<int:plan_id>/rehearse")
@signed_in
@limited("import")
def rehearse_import_plan(plan_id: int) -> Any:
    """Try the whole plan, and go to what it tells."""
    return _start(plan_id, start_rehearsal)


@blueprint.post("/import-plans/<int:plan_id>/start")
@signed_in
@limited("import")
def start_import_plan(plan_id: int) -> Any:
    """Run the plan, and go to its progress."""
    return _start(plan_id, queue_plan)


def _start(plan_id: int, begin: Any) -> Any:
    with unit_of_work() as uow:
        saved = find_saved(uow, plan_id)
        files = {name: each.id for name, each in files_of(uow, plan_id).items()}
        try:
            plan = parse_plan(saved.content, saved.title)
            job_id = begin(uow, plan, files, saved_id=saved.id)
        except Invalid as error:
            return plan_page(uow, saved, error), 422
    return redirect(url_for("web.plan_run", job_id=job_id), 303)


# What came of it


@blueprint.get("/import-plans/runs/<int:job_id>")
@signed_in
def plan_run(job_id: int) -> Any:
    """How far a plan, its rehearsal or its undo is, and its result; htmx asks for the inner part."""
    with unit_of_work() as uow:
        importable_entities(uow)
        job = _find(uow, job_id)
        context = _shown(uow, job)
    fragment = bool(request.headers.get("HX-Request"))
    name = "_run.html" if fragment else "run.html"
    return render(f"core/exchange/plans/{name}", **context)


def _find(uow: UnitOfWork, job_id: int) -> Any:
    """One's own job; an administrator sees plans and their undoing whoever started them."""
    job = find_plan(uow, job_id) or find_plan_undo(uow, job_id)
    return job if job is not None else find_rehearsal(uow, job_id)


def _shown(uow: UnitOfWork, job: Any) -> dict[str, Any]:
    kind = job.kind.removeprefix("core.")
    result, is_over = job.result or {}, job.state in _OVER
    plan = find_plan(uow, job.arguments["plan_id"]) if kind == "undo_import_plan" else job
    children = steps_of(uow, job.id) if kind == "import_plan" else []
    undo = undo_of_plan(uow, job.id) if kind == "import_plan" else None
    is_undone = undo is not None and undo.state not in ("failed", "cancelled")
    told = result.get("steps") or [_as_step(child) for child in children]
    reports = readable_reports(uow, [each.get("report") for each in told])
    return {
        "job": job,
        "plan_job": plan,
        "kind": kind,
        "is_over": is_over,
        "result": result,
        "steps": [_step(uow, each, reports) for each in told],
        "saved": _saved(uow, plan),
        "suggestions": [(each, button_of(each)) for each in result.get("suggestions", ())],
        "refused": sum(each.get("refused", 0) for each in told),
        "undo": undo,
        "may_undo": is_over and any(map(has_written, children)) and not is_undone,
        "running": next((c for c in children if c.state in ("queued", "running")), None),
        "format_number": format_number,
    }


def _saved(uow: UnitOfWork, job: Any) -> SavedPlan | None:
    """Where the plan of a job is kept, if it still is and the reader may use it."""
    saved_id = job.arguments.get("saved_id")
    try:
        return find_saved(uow, saved_id) if saved_id is not None else None
    except NotFound:
        return None


def _as_step(child: Any) -> dict[str, Any]:
    """An import of a plan that is not over, as the result tells of it."""
    counts = {
        name: (child.result or {}).get(name, 0)
        for name in ("created", "updated", "duplicates", "refused")
    }
    where = {"step": child.key.rpartition(":")[2], "file": child.arguments["filename"]}
    rows = {"rows": child.done, "total": child.total, "state": child.state}
    return {**where, "entity": child.arguments["entity"], "job": child.id, **rows, **counts}


def _step(uow: UnitOfWork, told: Mapping[str, Any], reports: set[int]) -> dict[str, Any]:
    spec = uow.snapshot.installed_entities.get(told["entity"])
    refusals = told.get("refusals", [])
    return {
        **told,
        "label": str(spec.label_plural) if spec is not None else told["entity"],
        "name": _source(told["step"], told["file"]),
        "report": told.get("report") if told.get("report") in reports else None,
        "refusals": refusals[:_LISTED],
        "has_more": told.get("refused", 0) > _LISTED,
    }


def _source(step: str, file: str) -> str:
    """From where the rows of a step came: a file, the plan, or what a column named."""
    number, _dot, field = step.partition(".")
    if field:
        return _("made for step %(n)s", n=number)
    return _("rows in the plan") if file.startswith(f"step-{number}-") else file


@blueprint.get("/import-plans/runs/<int:job_id>/refused-<label>.csv")
@signed_in
def refused_rows_file(job_id: int, label: str) -> Response:
    """The rows of one step that a rehearsal refused, with line, field and reason."""
    with unit_of_work() as uow:
        importable_entities(uow)
        result = find_rehearsal(uow, job_id).result or {}
    found = [each for each in result.get("steps", ()) if each["step"] == label]
    if not found:
        raise NotFound(_("The plan has no step %(n)s.", n=label[:80]))
    file = BytesIO()
    header = [_("Refused: line"), _("Refused: field"), _("Refused: reason")]
    rows = ([each["line"], each["field"], each["reason"]] for each in found[0]["refusals"])
    write_csv(file, header, rows)
    file.seek(0)
    return stream_response(file, f"{label}-{_('refused')}.csv", FORMATS["csv"])


@blueprint.post("/import-plans/runs/<int:job_id>/accept")
@signed_in
def accept_suggestions(job_id: int) -> Any:
    """Take what a rehearsal or a run suggests into the plan, and go to it."""
    with unit_of_work() as uow:
        importable_entities(uow)
        job = _find(uow, job_id)
        saved = find_own(uow, job.arguments.get("saved_id") or 0)
        name = "every" if "all" in request.form else "accept"
        content = accept(saved.content, accepted_in(request.form.getlist(name)))
        change_plan(uow, saved.id, saved.version, content=content)
    flash(_("Taken into the plan. Rehearse it again to see what it does."))
    return redirect(url_for("web.import_plan", plan_id=saved.id) + "#steps", 303)


# Stopped and undone


@blueprint.get("/import-plans/runs/<int:job_id>/stop")
@signed_in
def confirm_stop_plan(job_id: int) -> Any:
    """Ask before a plan is stopped."""
    with unit_of_work(write=False) as uow:
        importable_entities(uow)
        title = _plan(uow, job_id).title
    address = url_for("web.stop_import_plan", job_id=job_id)
    return ask_to_stop(title, address, url_for("web.plan_run", job_id=job_id))


@blueprint.post("/import-plans/runs/<int:job_id>/stop")
@signed_in
def stop_import_plan(job_id: int) -> Any:
    """Stop a plan at its next batch."""
    with unit_of_work() as uow:
        importable_entities(uow)
        done = stop_plan(uow, job_id)
    flash(
        _("The job was stopped.") if done else _("The job is over already."),
        "good" if done else "bad",
    )
    return redirect(url_for("web.plan_run", job_id=job_id), 303)


@blueprint.get("/import-plans/runs/<int:job_id>/undo")
@signed_in
def undo_import_plan(job_id: int) -> Any:
    """What undoing a plan takes back, before it is confirmed."""
    with unit_of_work() as uow:
        importable_entities(uow)
        job = _plan(uow, job_id)
        imports = [_as_step(child) for child in steps_of(uow, job_id) if has_written(child)]
        return render(
            "core/exchange/plans/undo.html",
            job=job,
            steps=[_step(uow, each, set()) for each in reversed(imports)],
            created=sum(each["created"] for each in imports),
            updated=sum(each["updated"] for each in imports),
            format_number=format_number,
            when=format_datetime(job.created_at, runtime().clock.timezone),
        )


@blueprint.post("/import-plans/runs/<int:job_id>/undo")
@signed_in
def undo_import_plan_run(job_id: int) -> Any:
    """Start the undo and go to its progress."""
    with unit_of_work() as uow:
        importable_entities(uow)
        try:
            undo_id = start_plan_undo(uow, job_id)
        except Refused as error:
            flash(error.message, "bad")
            return redirect(url_for("web.plan_run", job_id=job_id), 303)
    return redirect(url_for("web.plan_run", job_id=undo_id), 303)


def _plan(uow: UnitOfWork, job_id: int) -> Any:
    job = find_plan(uow, job_id)
    if job is None:
        raise NotFound(_("There is no import with the number %(id)s.", id=job_id))
    return job
