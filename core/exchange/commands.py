"""Import and export for the command line."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from sqlalchemy import Row, select

from core.errors import Refused
from core.exchange.exporting import ExportRequest, prepare_export, write_export
from core.exchange.jobs import start_import
from core.files.service import open_file, store_upload
from core.i18n import gettext as _
from core.work.jobs import claim_job, run_job
from core.work.tables import job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.security.actor import Actor

__all__ = ["export_file", "import_file"]

CLI = Origin("cli")
_LARGEST = 1_000_000_000
_PAUSE = 0.2


def import_file(
    runtime: Runtime,
    entity: str,
    path: Path,
    *,
    actor: Actor,
    duplicates: str = "skip",
    report_path: Path | None = None,
) -> dict[str, Any]:
    """Import a file to its end: ``{"created", "updated", "duplicates", "refused", "report"}``.

    The refused rows are written to ``report_path``. Raises `core.errors.Refusal` with the reason
    when nothing could be imported.
    """
    with path.open("rb") as file, UnitOfWork(runtime, actor, origin=CLI) as uow:
        file_id = store_upload(uow, file, path.name, max_bytes=_LARGEST)
        job_id = start_import(uow, entity, file_id, policy=duplicates)
    job = _run(runtime, job_id)
    if job.state != "done":
        raise Refused(job.error or _("The import was stopped."))
    result: dict[str, Any] = job.result
    if report_path is not None and result["report"] is not None:
        with UnitOfWork(runtime, actor, origin=CLI, write=False) as uow:
            _row, stream = open_file(uow, result["report"])
        with stream, report_path.open("wb") as target:
            shutil.copyfileobj(stream, target)
    return result


def _run(runtime: Runtime, job_id: int) -> Row[Any]:
    """Run the job here, or wait for the worker that took it."""
    while True:
        claimed = claim_job(runtime, job_id)
        if claimed is not None:
            run_job(runtime, claimed)
        with runtime.read_connection() as connection:
            job = connection.execute(select(job_table).where(job_table.c.id == job_id)).one()
        failed_here = claimed is not None and job.state == "queued"
        if failed_here or job.state in ("done", "failed", "cancelled"):
            return job
        time.sleep(_PAUSE)


def export_file(
    runtime: Runtime,
    entity: str,
    path: Path,
    *,
    actor: Actor,
    filter: Any = None,
) -> int:
    """Write the records to ``path`` (.csv or .xlsx), which appears when it is complete; the rows."""
    request = ExportRequest(entity, path.suffix.lstrip(".").lower(), filter=filter)
    with UnitOfWork(runtime, actor, origin=CLI, write=False) as uow:
        prepare_export(uow, request)
        with NamedTemporaryFile(dir=path.parent, prefix=".dougong-", delete=False) as file:
            partial = Path(file.name)
            try:
                rows = write_export(uow, request, cast(BinaryIO, file))
            except BaseException:
                partial.unlink()
                raise
    with UnitOfWork(runtime, actor, origin=CLI) as uow:
        request.record(uow, rows)
    partial.replace(path)
    return rows
