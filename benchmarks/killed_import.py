#!/usr/bin/env python3
"""Import very many dirty rows while whoever works on them is killed again and again.

    tools/with_services.py .venv/bin/python benchmarks/killed_import.py [--rows 1000000] [--kills 20] [--sqlite]

The first process is `dougong import`, those after it are workers that take the job over; each is
killed with SIGKILL, its reader too, at a moment that nobody chose. What is there in the end is held
to the truth about the list.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.dirty import write_dirty  # noqa: E402
from benchmarks.installation import install  # noqa: E402
from benchmarks.processes import OURS  # noqa: E402
from benchmarks.run import database_url  # noqa: E402

#: Records that are there before.
BEFORE = 1_000
#: Seconds: from the first sign of work to a kill, and the longest wait for one.
WORKS, PATIENCE = (2.0, 12.0), 600.0


def main() -> None:
    """Fill, kill, finish, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="dougong-killed-") as name:
        folder, url = Path(name), "" if options.sqlite else database_url(options.rows)
        environment = dict(install(folder / "home", BEFORE, url).environment)
        truth = write_dirty(folder / "list.csv", options.rows, seed=1)
        job, begun = Job(environment), time.perf_counter()
        command = ["import", "lead", str(folder / "list.csv"), "--json"]
        kills = 0
        while kills < options.kills and job.state() != "done":
            process = _start(environment, command)
            command = ["worker"]
            before = job.done()
            _wait(lambda: job.goes_on() > before or job.state() == "done", process)  # noqa: B023
            time.sleep(chance.uniform(*WORKS))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            print(f"kill {kills}: {job.done():,} rows, {job.state()}", flush=True)
        process = _start(environment, command)
        _wait(lambda: job.goes_on() >= 0 and job.state() == "done", process, 4 * 3600)
        process.terminate()
        process.wait()
        print(f"done after {time.perf_counter() - begun:.0f} s with {kills} kills")
        job.compare(truth)
        print("created, duplicates and refused are what the list holds; each row is there once")


class Job:
    """The one import of an installation, as the database tells of it."""

    def __init__(self, environment: dict[str, str]) -> None:
        from core.boot import boot
        from core.config import Config

        self._runtime = boot(Config.from_environment(environment))

    def _row(self) -> Any:
        from sqlalchemy import select

        from core.work.tables import job_table

        with self._runtime.read_connection() as connection:
            wanted = select(job_table).where(job_table.c.kind == "core.import")
            return connection.execute(wanted).one_or_none()

    def done(self) -> int:
        """How many rows have been worked on and kept."""
        row = self._row()
        return row.done or 0 if row is not None else -1

    def state(self) -> str:
        """``running``, ``queued``, ``failed`` or ``done``."""
        row = self._row()
        return row.state if row is not None else "not begun"

    def goes_on(self) -> int:
        """As `done`; one that took down as many workers as may try is tried again, as an administrator
        does on the page of jobs."""
        from core.security.actor import SYSTEM
        from core.work.jobs import replay_job
        from core.work.uow import Origin, UnitOfWork

        if self.state() == "failed":
            with UnitOfWork(self._runtime, SYSTEM, origin=Origin("cli")) as uow:
                replay_job(uow, self._row().id)
            print("tried again by hand", flush=True)
        return self.done()

    def compare(self, truth: dict[str, Any]) -> None:
        """Raise `RuntimeError` where the result or the table is not what the list holds."""
        from core.entities import query
        from core.security.actor import SYSTEM
        from core.work.uow import Origin, UnitOfWork

        result = self._row().result
        for name in ("created", "duplicates", "refused"):
            if result[name] != truth[name]:
                raise RuntimeError(f"{name}: {result[name]:,} instead of {truth[name]:,}")
        with UnitOfWork(self._runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
            records = query.count(uow, "lead", query.ListQuery())
        if records != BEFORE + truth["created"]:
            raise RuntimeError(f"{records:,} leads instead of {BEFORE + truth['created']:,}")


def _start(environment: dict[str, str], arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*OURS, *arguments],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait(happened: Any, process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not happened():
        if process.poll() is not None:
            raise RuntimeError(f"a process ended by itself: {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError("nothing happened for a long time")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
