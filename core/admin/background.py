"""What works behind the pages: kinds of jobs, schedules and the processes that do the work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import func, select

from core.admin import blueprint
from core.admin.display import owner_title
from core.audit.recorder import record_act
from core.errors import NotFound
from core.http.jobs import job_kinds, local
from core.http.rendering import render
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.plugins.contributions import Schedule
from core.work.endings import replay_jobs
from core.work.presence import find_workers
from core.work.schedule import find_schedules, start_now
from core.work.tables import job_table
from core.work.uow import UnitOfWork

COUNTED = ("queued", "running", "failed")


@blueprint.get("/jobs/background")
@requires("admin")
def background() -> Any:
    """Counts by kind, the schedules with their next and last moments, and the workers."""
    titles = job_kinds()
    with unit_of_work() as uow:
        kinds = _kinds(uow, titles)
        schedules = [
            {
                "name": each.name,
                "title": titles.get(each.schedule.job, each.name),
                "module": owner_title(each.owner),
                "when": _when(each.schedule),
                "next": local(each.next_at),
                "last": local(each.last_at),
            }
            for each in find_schedules(uow)
        ]
        workers = find_workers(uow)
    return render(
        "core/admin/background.html",
        kinds=kinds,
        schedules=schedules,
        workers=workers,
        zone=runtime().clock.timezone.key,
        local=local,
    )


def _kinds(uow: UnitOfWork, titles: dict[str, str]) -> list[dict[str, Any]]:
    """One line for each kind of which something waits, runs or has failed, the longest wait first."""
    c = job_table.c
    oldest = func.min(c.created_at).filter(c.state == "queued")
    counts = [func.count().filter(c.state == state).label(state) for state in COUNTED]
    rows = uow.execute(
        select(c.kind, *counts, oldest.label("oldest"))
        .where(c.state.in_(COUNTED))
        .group_by(c.kind)
        .order_by(c.kind)
    ).all()
    limits = {job.name: job.limit for job in uow.snapshot.items("register_jobs")}
    found = [
        {
            "name": row.kind,
            "title": titles.get(row.kind, row.kind),
            **{state: getattr(row, state) for state in COUNTED},
            "limit": limits.get(row.kind),
            "oldest": row.oldest,
            "waits": _waited(uow.now(), row.oldest),
        }
        for row in rows
    ]
    return sorted(found, key=lambda each: (each["oldest"] is None, each["oldest"]))


def _waited(now: datetime, since: datetime | None) -> str:
    if since is None:
        return ""
    seconds = max(int((now - since).total_seconds()), 0)
    if seconds < 120:
        return _("%(n)s s", n=seconds)
    minutes = seconds // 60
    if minutes < 120:
        return _("%(n)s min", n=minutes)
    return _("%(n)s h", n=minutes // 60)


def _when(schedule: Schedule) -> str:
    if schedule.every is None:
        return _("daily at %(time)s", time=schedule.daily_at)
    minutes = round(schedule.every.total_seconds() / 60)
    if minutes >= 120 and minutes % 60 == 0:
        return _("every %(n)s hours", n=minutes // 60)
    return ngettext("every %(n)s minute", "every %(n)s minutes", minutes)


@blueprint.post("/jobs/schedules/<name>/run")
@requires("admin")
def run_schedule(name: str) -> Any:
    """Start a schedule's job out of turn."""
    with unit_of_work() as uow:
        key = start_now(uow, name)
        if key is None:
            raise NotFound(_("There is no schedule named %(name)s.", name=name[:120]))
        record_act(uow, "run_schedule", details={"schedule": name, "job": key})
    flash(_("It was started."), "good")
    return redirect(url_for("admin.show_job", key=key))


@blueprint.post("/jobs/replay")
@requires("admin")
def retry_failed_jobs() -> Any:
    """Queue all failed jobs of a kind again."""
    kind = request.form.get("kind", "")
    with unit_of_work() as uow:
        count = replay_jobs(uow, kind)
        if count:
            record_act(uow, "retry_jobs", details={"kind": kind, "jobs": count})
    text = ngettext("%(n)s job waits to run again.", "%(n)s jobs wait to run again.", count)
    flash(text, "good" if count else "bad")
    return redirect(url_for("admin.background"))
