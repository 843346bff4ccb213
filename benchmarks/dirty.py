"""Lists as people keep them, with what a correct import makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.processes import command
from benchmarks.workloads import write_import

__all__ = ["SCRIPT", "dirty_rate", "write_dirty"]

ROOT = Path(__file__).resolve().parent.parent
#: Writes such lists; it lies beside the repository.
SCRIPT = ROOT.parent / "shared" / "tools" / "dirty_leads.py"


def dirty_rate(environment: Mapping[str, str], folder: Path, suffix: str, rows: int) -> float:
    """Rows a second of `dougong import` of a list in ``.xlsx`` or (in GB18030) ``.csv``.

    The start of the command, taken from a file of one row, is left out.
    """
    path = folder / f"dirty{suffix}"
    # Another list for each kind, so that nothing is there already.
    truth = write_dirty(path, rows, seed=len(suffix))
    one = folder / f"one{suffix}.csv"
    write_import(one, range(10**8 + len(suffix), 10**8 + len(suffix) + 1), look_ups=False)
    _answer, start = command(environment, "import", "lead", str(one))
    answer, seconds = command(environment, "import", "lead", str(path))
    _check(answer, truth)
    return rows / (seconds - start)


def write_dirty(path: Path, rows: int, *, seed: int) -> dict[str, Any]:
    """Write a list, as text in GB18030, and return the truth about it."""
    script = [sys.executable, str(SCRIPT), str(path), "--rows", str(rows), "--seed", str(seed)]
    subprocess.run([*script, "--encoding", "gb18030"], check=True, stdout=subprocess.DEVNULL)
    truth: dict[str, Any] = json.loads(path.with_suffix(".truth.json").read_text(encoding="utf-8"))
    return truth


def _check(answer: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
    names = ("created", "duplicates", "refused")
    if any(answer[name] != truth[name] for name in names):
        raise RuntimeError(f"the import answered {answer} instead of {truth}")
