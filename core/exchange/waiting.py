"""Running a job here and now, or waiting for the worker that took it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from core.work.jobs import claim_job, run_job
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["run_to_end"]

_PAUSE = 0.2


def run_to_end(runtime: Runtime, job_id: int) -> Row[Any]:
    """The row of the job once it is over, or has failed here and is to be tried again."""
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
