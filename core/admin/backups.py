"""Backups: which there are, making one now, checking and downloading one."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, url_for

from core.admin import blueprint
from core.audit.recorder import record_act
from core.backup.scheduled import BACKUP, CHECK_BACKUP, backup_file, find_backups, is_overdue
from core.http.downloads import stream_response
from core.http.jobs import local
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _


@blueprint.get("/backups")
@requires("admin")
def backups() -> Any:
    """All that are kept, newest first."""
    with unit_of_work() as uow:
        rows = find_backups(uow)
        overdue = is_overdue(uow)
        daily = uow.snapshot.settings["core_backup"]["daily"]
    return render(
        "core/admin/backups.html", backups=rows, overdue=overdue, daily=daily, local=local
    )


@blueprint.post("/backups")
@requires("admin")
def back_up_now() -> Any:
    """Queue one."""
    with unit_of_work() as uow:
        job_id = uow.enqueue(BACKUP.name, {}, title=str(BACKUP.title))
    flash(_("The backup is being made. It appears here when it is written and checked."), "good")
    return redirect(url_for("admin.show_job", key=job_id))


@blueprint.post("/backups/<int:key>/check")
@requires("admin")
def check_backup(key: int) -> Any:
    """Queue reading one again."""
    with unit_of_work() as uow:
        backup_file(uow, key)
        job_id = uow.enqueue(CHECK_BACKUP.name, {"key": key}, title=str(CHECK_BACKUP.title))
    return redirect(url_for("admin.show_job", key=job_id))


@blueprint.get("/backups/<int:key>/file")
@requires("admin")
def download_backup(key: int) -> Response:
    """The file itself: everything that there is, so the audit trail says who took it."""
    with unit_of_work() as uow:
        path = backup_file(uow, key)
        record_act(uow, "download_backup", details={"name": path.name})
    response = stream_response(path.open("rb"), path.name, "application/octet-stream")
    response.content_length = path.stat().st_size
    return response
