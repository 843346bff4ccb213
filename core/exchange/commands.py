"""Import and export for the command line."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from core.errors import Refused
from core.exchange.exporting import ExportRequest, prepare_export, write_export
from core.exchange.jobs import start_import
from core.exchange.undo import start_undo
from core.exchange.waiting import run_to_end
from core.files.service import open_file, store_upload
from core.i18n import gettext as _
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.security.actor import Actor

__all__ = ["export_file", "import_file", "save_report", "undo_file_import"]

CLI = Origin("cli")
_LARGEST = 1_000_000_000


def import_file(
    runtime: Runtime,
    entity: str,
    path: Path,
    *,
    actor: Actor,
    duplicates: str = "skip",
    keys: Sequence[str] = (),
    report_path: Path | None = None,
) -> dict[str, Any]:
    """Import a file to its end: ``{"job", "created", "updated", "duplicates", "refused", "cleaned",
    "report"}``.

    ``keys`` tell records apart in place of the declared fields. The refused rows are written to
    ``report_path``. Raises `core.errors.Refusal` with the reason when nothing could be imported.
    """
    with path.open("rb") as file, UnitOfWork(runtime, actor, origin=CLI) as uow:
        file_id = store_upload(uow, file, path.name, max_bytes=_LARGEST)
        job_id = start_import(uow, entity, file_id, policy=duplicates, keys=keys)
    job = run_to_end(runtime, job_id)
    if job.state != "done":
        raise Refused(job.error or _("The import was stopped."))
    save_report(runtime, actor, job.result["report"], report_path)
    return {"job": job_id, **job.result}


def undo_file_import(
    runtime: Runtime, job_id: int, *, actor: Actor, report_path: Path | None = None
) -> dict[str, Any]:
    """Undo an import to its end: ``{"removed", "restored", "kept", "report"}``.

    What stays as it is, with why, is written to ``report_path``. Raises `core.errors.Refusal`.
    """
    with UnitOfWork(runtime, actor, origin=CLI) as uow:
        undo_id = start_undo(uow, job_id)
    job = run_to_end(runtime, undo_id)
    if job.state != "done":
        raise Refused(job.error or _("The undo was stopped."))
    save_report(runtime, actor, job.result["report"], report_path)
    result: dict[str, Any] = job.result
    return result


def save_report(runtime: Runtime, actor: Actor, file_id: int | None, path: Path | None) -> None:
    """Write the report of a job, if there is one, to ``path``, if there is one."""
    if path is None or file_id is None:
        return
    with UnitOfWork(runtime, actor, origin=CLI, write=False) as uow:
        _row, stream = open_file(uow, file_id)
    with stream, path.open("wb") as target:
        shutil.copyfileobj(stream, target)


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
