"""The table: our figures beside the floor's, the best peer's, and what is to be reached."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.client import Times

__all__ = ["Result", "paste", "plain", "table"]

ROOT = Path(__file__).resolve().parent.parent
#: The best peer's figure and what ours must reach: milliseconds, or what the label says.
TARGETS: dict[str, tuple[float | None, float]] = {
    "W1 create one": (12.6, 3),
    "W2 list, filter, exact count": (27, 12),
    "W2 list, filter, no count": (27, 8),
    "W2 newest 50, no count": (34, 4),
    "W3 one record": (8.6, 3),
    "W4 import, look-ups (rows/s)": (202, 10_000),
    "W4 import, no look-ups (rows/s)": (2_950, 12_000),
    "dirty list, xlsx (rows/s)": (None, 10_000),
    "dirty list, csv (rows/s)": (None, 10_000),
    "W5 count and sum by two": (47, 30),
    "W6 W2 with count, 8 clients, 2 processes (req/s)": (67, 150),
    "W7 start to first read (s)": (1.4, 1.5),
    "W7 memory of a web process (MB)": (88, 120),
    "W2 newest 50: department head ÷ administrator": (None, 1.5),
    "W2 newest 50: salesperson ÷ administrator": (None, 1.5),
    "W2 newest 50: all rows ÷ a tenth": (None, 1.5),
    "W3 one record: all rows ÷ a tenth": (None, 1.5),
}
#: What the same floor took where the peers were measured (milliseconds; of a start seconds). Machines
#: drift and differ, so what is to be reached is also told as a multiple of the floor of the same run.
FLOORS = {
    "W1 create one": 0.66,
    "W2 list, filter, exact count": 8.5,
    "W2 list, filter, no count": 4.7,
    "W2 newest 50, no count": 0.5,
    "W3 one record": 0.53,
    "W5 count and sum by two": 23,
    "W7 start to first read (s)": 0.22,
}


@dataclass
class Result:
    """One line: ours, and the floor's where it has the workload."""

    ours: Times | float
    floor: Times | float | None = None


def table(results: Mapping[str, Result], *, rows: int, database: str) -> str:
    """The table in Markdown, with what it was measured on above."""
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, {database}"
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    slower = _slower(results)
    speed = f" The floor takes {median(slower.values()):.1f} times as long here." if slower else ""
    lines = [
        f"{rows:,} leads, {where}, commit {_commit()}, {now}.{speed}",
        "",
        "| workload | ours p50 (p95) | floor | × floor | best peer | to reach | |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, result in results.items():
        peer, goal = TARGETS.get(label, (None, None))
        cells = [label, _shown(result.ours), _shown(result.floor), _ratio(result)]
        cells += [_shown(peer), _shown(goal), _verdict(label, result, goal, slower)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def paste(path: Path, kind: str, text: str, *, by: str = "run.py") -> None:
    """Put the table between the marks of its kind in a file, else make a file of it."""
    begin, end = f"<!-- {kind}: written by {by} -->\n", f"<!-- end of {kind} -->"
    old = path.read_text(encoding="utf-8") if path.exists() else f"{begin}{end}\n"
    before, found, rest = old.partition(begin)
    if not found:
        raise SystemExit(f"{path} has no line {begin.strip()}")
    after = rest[rest.index(end) :]
    path.write_text(f"{before}{begin}\n{text}\n{after}", encoding="utf-8")


def plain(results: Mapping[str, Result]) -> dict[str, dict[str, float | None]]:
    """The figures alone."""
    return {
        label: {
            "ours": _middle(result.ours),
            "floor": None if result.floor is None else _middle(result.floor),
        }
        for label, result in results.items()
    }


def _middle(value: Times | float) -> float:
    return value.p50 if isinstance(value, Times) else value


def _shown(value: Times | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Times):
        return str(value)
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def _ratio(result: Result) -> str:
    if not isinstance(result.ours, Times) or not isinstance(result.floor, Times):
        return ""
    return f"{result.ours.p50 / result.floor.p50:.1f}"


def _slower(results: Mapping[str, Result]) -> dict[str, float]:
    """How many times as long as where the peers were measured the floor takes here, by workload."""
    floors = {label: result.floor for label, result in results.items() if label in FLOORS}
    return {
        label: _middle(floor) / FLOORS[label]
        for label, floor in floors.items()
        if floor is not None
    }


def _verdict(label: str, result: Result, goal: float | None, slower: Mapping[str, float]) -> str:
    """Whether the goal is reached as it stands, else on a machine as fast as that of the peers."""
    if goal is None:
        return ""
    value, usual = _middle(result.ours), median(slower.values()) if slower else 1.0
    if "/s)" in label:
        reached, as_there = value >= goal, value * usual >= goal
    else:
        factor = slower.get(label, usual if label.endswith("(s)") else 1.0)
        reached, as_there = value <= goal, value / factor <= goal
    return "reached" if reached else "by the floor" if as_there else "not yet"


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short", "HEAD") + changed
