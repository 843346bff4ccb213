"""An import is killed in a batch, between two, and before its end: it is finished exactly once (F1)."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from core.work.tables import job_table

ROWS, BAD, BATCH = 2_500, 25, 2_000


def listed(folder):
    """Large enough for a process that reads it ahead; every hundredth row is refused."""
    path = folder / "effects.csv"
    lines = [f"{'做' * 40}{n},{'x' if n % 100 == 7 else n}" for n in range(ROWS)]
    path.write_text("\n".join(["doer,subject", *lines]), encoding="utf-8")
    assert path.stat().st_size > 300_000
    return path


#: Kills that the long tier tries.
LATER = partial(pytest.param, marks=pytest.mark.long)


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        # The upload has the first entry, then each batch.
        LATER("audit.before_insert:kill:3", {BATCH}),  # in the second batch
        # Of the upload, the claim, the beginning, the two batches; a sign of life may come between.
        ("uow.before_commit:kill:5", {0, BATCH}),  # at the end of the second
        LATER("jobs.before_finish:kill:1", {ROWS}),  # all is written, and nothing says so
    ],
)
def test_a_killed_import_is_finished_exactly_once(site, run_jobs, tmp_path, fault, kept):
    command = site.start("import", "effect", str(listed(tmp_path)), FAULT=fault)
    assert command.wait(60) == -signal.SIGKILL, site.logs()
    with site.runtime.read_connection() as connection:
        job = connection.execute(select(job_table)).one()
    assert job.state == "running"
    assert job.done in kept
    site.runtime.clock.move(timedelta(minutes=5))
    run_jobs()
    with site.runtime.read_connection() as connection:
        job = connection.execute(select(job_table).where(job_table.c.id == job.id)).one()
    assert (job.state, job.done, job.total) == ("done", ROWS, ROWS), job.error
    assert (job.result["created"], job.result["refused"]) == (ROWS - BAD, BAD)
    wanted = Counter(n for n in range(ROWS) if n % 100 != 7)
    with site.unit_of_work(write=False) as uow:
        table = uow.entity("effect").table
        found = Counter(
            uow.execute(select(table.c.subject).where(table.c.doer.like("做%"))).scalars()
        )
    assert found == wanted
