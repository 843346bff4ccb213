#!/usr/bin/env python3
"""Import and export many rows by the command line, and print rates and the most memory used.

    tools/with_services.py .venv/bin/python benchmarks/large.py [--rows 1000000] [--dirty] [--sqlite]

Each command is a process of its own; "reader" is the one that reads the file ahead for it. With
``--dirty`` the list needs cleaning and holds duplicates and rows to be refused, and is held to the truth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.dirty import write_dirty  # noqa: E402
from benchmarks.installation import install  # noqa: E402
from benchmarks.processes import OURS  # noqa: E402
from benchmarks.run import database_url  # noqa: E402
from benchmarks.workloads import write_import  # noqa: E402

#: Records that are there before.
BEFORE = 1_000


class Watched:
    """A command, and the resident memory of it and of its child, looked at ten times a second."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self.megabytes = {"command": 0.0, "reader": 0.0}
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            [*OURS, *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        watch = threading.Thread(target=self._watch)
        watch.start()
        self.printed, _errors = self._process.communicate()
        watch.join()
        self.seconds = time.perf_counter() - begin
        if self._process.returncode:
            raise RuntimeError(f"{arguments} came to a bad end")

    def _watch(self) -> None:
        pid = self._process.pid
        while self._process.poll() is None:
            self._note("command", pid)
            for child in _read(f"/proc/{pid}/task/{pid}/children").split():
                self._note("reader", int(child))
            time.sleep(0.1)

    def _note(self, who: str, pid: int) -> None:
        _before, found, after = _read(f"/proc/{pid}/status").partition("VmHWM:")
        if found:
            self.megabytes[who] = max(self.megabytes[who], int(after.split()[0]) / 1024)

    def told(self, rows: int) -> str:
        """Rate and memory, for people."""
        used = ", ".join(f"{who} {size:.0f} MB" for who, size in self.megabytes.items() if size)
        return f"{self.seconds:.1f} s, {rows / self.seconds:,.0f} rows/s, {used}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:  # it came to its end meanwhile
        return ""


def main() -> None:
    """Make an installation, import, import again, export, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dirty", action="store_true")
    parser.add_argument(
        "--xlsx", action="store_true", help="a dirty workbook instead of a text file"
    )
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dougong-large-") as name:
        folder, url = Path(name), "" if options.sqlite else database_url(options.rows)
        environment = install(folder / "home", BEFORE, url).environment
        path = folder / ("list.xlsx" if options.xlsx else "list.csv")
        wanted = {"created": options.rows, "duplicates": 0, "refused": 0}
        if options.dirty or options.xlsx:
            wanted = write_dirty(path, options.rows, seed=1)
        else:
            write_import(path, range(options.rows), look_ups=True)
        for run in ("import", "the same once more"):
            done = Watched(environment, "import", "lead", str(path), "--json")
            print(f"{run}: {done.told(options.rows)}", flush=True)
            _check(json.loads(done.printed), wanted)
            wanted = {
                **wanted,
                "created": 0,
                "duplicates": wanted["created"] + wanted["duplicates"],
            }
        for suffix in (".csv", ".xlsx"):
            target = folder / f"out{suffix}"
            done = Watched(environment, "export", "lead", str(target))
            print(f"export to {suffix}: {done.told(options.rows)}, {target.stat().st_size:,} bytes")


def _check(answer: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if any(answer[name] != wanted[name] for name in ("created", "duplicates", "refused")):
        raise RuntimeError(f"the import answered {answer} instead of {wanted}")


if __name__ == "__main__":
    main()
