#!/usr/bin/env python3
"""Measure W1 to W7 and print the table.

    tools/with_services.py .venv/bin/python benchmarks/run.py [--rows 100000] [--sqlite]

An installation is made in a temporary folder on PostgreSQL (or SQLite), filled with leads through
the service, and asked over HTTP with a token, rights and validation on. The floor does the same
by hand on the same tables, turn by turn with ours. Compare within one run; days differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.client import Client, throughput, timed  # noqa: E402
from benchmarks.dirty import SCRIPT, dirty_rate  # noqa: E402
from benchmarks.installation import Installation, install  # noqa: E402
from benchmarks.processes import command, floor_server, memory_of, server  # noqa: E402
from benchmarks.report import Result, paste, plain, table  # noqa: E402
from benchmarks.workloads import COUNTED, floors, verify, workloads, write_import  # noqa: E402

NEWEST, ONE = "W2 newest 50, no count", "W3 one record"
Results = dict[str, Result]


def main() -> None:
    """Make the installations, measure, report."""
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dougong-bench-")))
        big, small = (
            install(folder / str(rows), rows, "" if options.sqlite else database_url(rows))
            for rows in (options.rows, options.rows // 10)
        )
        print(f"filled through the service: {big.rows_per_second:,.0f} rows/s", flush=True)
        results: Results = {}
        measure_calls(big, options.calls, results)
        measure_clients(big, results)
        measure_imports(big, folder, options.import_rows, results)
        measure_dirty(big, folder, options.import_rows, results)
        measure_growth(big, small, options.calls, results)
        text = table(results, rows=options.rows, database=_describe(big))
    print(f"\n{text}")
    if options.markdown:
        paste(options.markdown, "SQLite" if options.sqlite else "PostgreSQL", text)
    if options.json:
        found = json.dumps(plain(results), indent=1, ensure_ascii=False)
        options.json.write_text(found, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--import-rows", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table there too")
    return parser.parse_args()


def database_url(what: object) -> str:
    """A new database on the server that the environment names."""
    server = os.environ.get("DOUGONG_TEST_POSTGRES_URL")
    if not server:
        sys.exit("run it through tools/with_services.py, or give --sqlite")
    import psycopg

    name = f"bench_{os.getpid()}_{what}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return server.rsplit("/", 1)[0] + f"/{name}"


def _url(installation: Installation) -> str:
    home = installation.environment["DOUGONG_HOME"]
    return installation.environment.get("DOUGONG_DATABASE_URL") or f"sqlite:///{home}/dougong.db"


def _describe(installation: Installation) -> str:
    """The database and whether a commit waits for the disk."""
    if _url(installation).startswith("sqlite"):
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version} (WAL, synchronous NORMAL)"
    import psycopg

    with psycopg.connect(_url(installation)) as connection:
        version, fsync, waits = (
            connection.execute(f"SHOW {name}".encode()).fetchone()[0]  # type: ignore[index]
            for name in ("server_version", "fsync", "synchronous_commit")
        )
    return f"PostgreSQL {version.split()[0]} (fsync {fsync}, synchronous_commit {waits})"


def measure_calls(big: Installation, calls: int, results: Results) -> None:
    """W1, W2, W3, W5 in turn with the floor; W7; and what rights cost."""
    url = _url(big)
    with (
        server(big.environment, big.tokens["admin"], workers=1) as ours,
        floor_server(big.environment, url) as floor,
    ):
        mine, its = workloads(Client(ours.base, big.tokens["admin"])), floors(Client(floor.base))
        verify(mine, its)
        for label, action in mine.items():
            results[label] = Result(timed(action, calls), timed(its[label], calls))
            print(f"{label}: {results[label].ours}, floor {results[label].floor}", flush=True)
        for who, shown in (("manager", "department head"), ("seller", "salesperson")):
            theirs = workloads(Client(ours.base, big.tokens[who]))[NEWEST]
            ratio = timed(theirs, calls).p50 / timed(mine[NEWEST], calls).p50
            results[f"W2 newest 50: {shown} ÷ administrator"] = Result(ratio)
        results["W7 start to first read (s)"] = Result(ours.seconds, floor.seconds)
        memory = Result(memory_of(ours.process), memory_of(floor.process))
        results["W7 memory of a web process (MB)"] = memory


def measure_clients(big: Installation, results: Results) -> None:
    """W6."""
    token = big.tokens["admin"]
    with server(big.environment, token, workers=2) as ours:
        rate = throughput(lambda: workloads(Client(ours.base, token))[COUNTED], 8, 8)
    results["W6 W2 with count, 8 clients, 2 processes (req/s)"] = Result(rate)


def measure_imports(big: Installation, folder: Path, rows: int, results: Results) -> None:
    """W4 with `dougong import`: the start of the command, taken from a file of one row, left out."""
    for name, look_ups in (("look-ups", True), ("no look-ups", False)):
        seconds = []
        for numbers in (range(1), range(1, 2), range(2, rows)):  # the first makes things ready
            path = folder / f"{name}-{numbers.start}.csv"
            write_import(path, numbers, look_ups=look_ups)
            answer, took = command(big.environment, "import", "lead", str(path))
            if answer["created"] != len(numbers):
                raise RuntimeError(f"the import answered {answer}")
            seconds.append(took)
        results[f"W4 import, {name} (rows/s)"] = Result((rows - 3) / (seconds[2] - seconds[1]))


def measure_dirty(big: Installation, folder: Path, rows: int, results: Results) -> None:
    """The same with lists that need cleaning, have duplicates, and rows to be refused."""
    if not SCRIPT.exists():
        print(f"no dirty lists are imported: there is no {SCRIPT.name}", flush=True)
        return
    for suffix in (".xlsx", ".csv"):
        rate = dirty_rate(big.environment, folder, suffix, rows)
        results[f"dirty list, {suffix[1:]} (rows/s)"] = Result(rate)


def measure_growth(big: Installation, small: Installation, calls: int, results: Results) -> None:
    """What ten times as many rows cost, both asked in turn."""
    with (
        server(big.environment, big.tokens["admin"], workers=1) as large,
        server(small.environment, small.tokens["admin"], workers=1) as little,
    ):
        many = workloads(Client(large.base, big.tokens["admin"]))
        few = workloads(Client(little.base, small.tokens["admin"]))
        for label, shown in ((NEWEST, "W2 newest 50"), (ONE, "W3 one record")):
            ratio = timed(many[label], calls).p50 / timed(few[label], calls).p50
            results[f"{shown}: all rows ÷ a tenth"] = Result(ratio)


if __name__ == "__main__":
    main()
