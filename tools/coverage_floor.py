#!/usr/bin/env python3
"""Fail when too little of the code was run: `coverage_floor.py COVERAGE.json`.

Lines and branches together: 90 % of the core, and all of what guards the data: the security core,
the one door to write and the one window to read.
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

#: Percent of the whole core.
OF_ALL = 90.0
COMPLETE = ("core/security/*.py", "core/entities/service.py", "core/entities/query.py")


def main() -> int:
    """Compare the report with the floors; 1 when one is not reached."""
    report = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    complaints = [*_of_all(report["totals"]), *_complete(report["files"])]
    print("\n".join(complaints) or f"core: {_percent(report['totals']):.2f} %; complete: all")
    return 1 if complaints else 0


def _of_all(totals: dict[str, Any]) -> list[str]:
    reached = _percent(totals)
    return [] if reached >= OF_ALL else [f"core: {reached:.2f} % is less than {OF_ALL:g} %"]


def _complete(files: dict[str, Any]) -> list[str]:
    complaints = []
    for pattern in COMPLETE:
        matching = {name: file for name, file in files.items() if fnmatch(name, pattern)}
        if not matching:
            complaints.append(f"{pattern}: nothing of it was measured")
        for name, file in sorted(matching.items()):
            missing = [str(line) for line in file["missing_lines"]]
            missing += ["→".join(map(str, branch)) for branch in file["missing_branches"]]
            if missing:
                complaints.append(f"{name}: not run: {', '.join(missing)}")
    return complaints


def _percent(totals: dict[str, Any]) -> float:
    done = totals["covered_lines"] + totals["covered_branches"]
    return 100 * done / (totals["num_statements"] + totals["num_branches"])


if __name__ == "__main__":
    sys.exit(main())
