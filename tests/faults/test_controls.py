"""Positive controls: each of these tests fails where the guard it is about is taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTROLS = HERE / "controls"
sys.path.insert(0, str(CONTROLS))

from guards import GUARDS  # noqa: E402  (the module beside the tests)

#: Which start processes and wait for them; the others share one run.
SLOW = ("J1", "J3", "J8", "J10", "B1", "K1")
QUICK = tuple(name for name in GUARDS if name not in SLOW)


@pytest.mark.long
@pytest.mark.parametrize("names", [QUICK, *((name,) for name in SLOW)], ids=" ".join)
def test_each_check_fails_without_its_guard(names, tmp_path):
    """A test that cannot fail proves nothing."""
    told = tmp_path / "told.json"
    path = os.pathsep.join([str(ROOT), str(CONTROLS)])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment = {**kept, "PYTHONPATH": path, "GUARDS_TOLD": str(told)}
    environment["GUARDS_WANTED"] = " ".join(names)
    tests = sorted({GUARDS[name].test for name in names})
    options = ("-p", "guards", "-p", "no:cacheprovider", "-n0", "-q", "--tb=short")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert told.exists(), done.stdout + done.stderr
    outcomes = json.loads(told.read_text())
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    skipped = {name for name in names if outcomes.get(name, "").startswith("skipped")}
    passed = {
        name: outcomes.get(name, "not run")
        for name in names
        if name not in skipped
        and not (
            outcomes.get(name, "").startswith("failed in call")
            and any(each in outcomes[name] for each in _lines(GUARDS[name].fails))
        )
    }
    assert passed == {}, done.stdout[-3000:]
    if skipped == set(names):
        pytest.skip("what these need is not here")


def _lines(fails):
    return (fails,) if isinstance(fails, str) else fails
