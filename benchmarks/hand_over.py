#!/usr/bin/env python3
"""Measure the hand-over of a leaver with very many leads, and taking it back.

    tools/with_services.py .venv/bin/python benchmarks/hand_over.py [--rows 100000] [--sqlite]

The leads are put into their table directly, all of one person; then a job gives them to three
successors in turn, in this process, and another one takes them back. Told are records per second
and the statements of each.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.installation import install  # noqa: E402
from benchmarks.search import NAMES, leads  # noqa: E402


def main() -> None:
    """Fill, hand over, take back, report."""
    from benchmarks.run import database_url
    from core.boot import boot
    from core.config import Config
    from core.security.actor import SYSTEM
    from core.security.directory import find_user, load_actor
    from core.work.uow import Origin, UnitOfWork

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dougong-bench-") as folder:
        url = "" if options.sqlite else database_url(options.rows)
        made = install(Path(folder), 100, url)
        runtime = boot(Config.from_environment(dict(made.environment)))
        with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
            admin = load_actor(uow, find_user(uow, "bench@example.com") or 0)
            person, *others = (find_user(uow, f"p{n}@example.com") or 0 for n in range(4))
        assert admin is not None
        fill(runtime, options.rows, person)

        def start(step: Any) -> int:
            with UnitOfWork(runtime, admin, origin=Origin("cli")) as uow:
                return int(step(uow))

        from core.handover.giving import start_hand_over
        from core.handover.taking_back import start_taking_back

        job = start(lambda uow: start_hand_over(uow, person, others, kinds=["lead.owner"]))
        run(runtime, "handed over", job)
        run(runtime, "taken back", start(lambda uow: start_taking_back(uow, job)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"at most {peak:,.0f} MB")
        runtime.database.dispose()


def fill(runtime: Any, rows: int, owner: int) -> None:
    """The leads, all of one person."""
    from core.db.bulk import bulk_insert
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
        table = uow.entity("lead").table
        for batch in leads(rows, [(owner, None), (owner, None)], uow.now()):
            bulk_insert(uow.connection, table, NAMES, batch)
    engine = runtime.database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE" if runtime.database.is_sqlite else "VACUUM ANALYZE")


def run(runtime: Any, what: str, key: int) -> None:
    """Run that job alone, and tell how fast it was."""
    from sqlalchemy import event, select

    from core.work.claims import claim_job
    from core.work.jobs import run_job
    from core.work.tables import job_table

    counted = [0]

    def note(*_given: Any) -> None:
        counted[0] += 1

    found = (value for value in vars(runtime.database).values() if hasattr(value, "dialect"))
    engines = list({id(engine.pool): engine for engine in found}.values())
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    row = claim_job(runtime, key)
    begin = time.perf_counter()
    assert run_job(runtime, row)
    seconds = time.perf_counter() - begin
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    with runtime.read_connection() as connection:
        job = connection.execute(select(job_table).where(job_table.c.id == key)).one()
    print(
        f"{what}: {job.done:,} records in {seconds:.1f} s, {job.done / seconds:,.0f} a second,"
        f" {counted[0]:,} statements",
        flush=True,
    )


if __name__ == "__main__":
    main()
