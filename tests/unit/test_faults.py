"""Fault points do nothing until they are asked to, and then exactly that."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.faults import FAULT_POINTS, FaultPlan, InjectedFault, fault, planned_fault

ROOT = Path(__file__).parents[2]
SCRIPT = """
from core.faults import fault
for turn in range(3):
    fault("outbox.after_send")
    print(turn, flush=True)
"""


def _run(plan: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "FAULT": plan}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environ, capture_output=True, text=True, timeout=30
    )


def test_nothing_happens_without_a_plan():
    for name in FAULT_POINTS:
        fault(name)
    assert _run("").stdout == "0\n1\n2\n"


def test_a_kill_is_a_kill_at_the_nth_passage():
    done = _run("outbox.after_send:kill:2")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "0\n"


def test_an_error_is_raised_once():
    with planned_fault("outbox.after_send:raise:2") as plan:
        fault("outbox.after_send")
        fault("uow.after_commit")
        with pytest.raises(InjectedFault, match=r"outbox\.after_send"):
            fault("outbox.after_send")
        fault("outbox.after_send")
    assert plan.passages == 3
    fault("outbox.after_send")
    assert plan.passages == 3


def test_a_delay_takes_its_time():
    with planned_fault("outbox.after_send:sleep:1:0.2"):
        started = time.monotonic()
        fault("outbox.after_send")
        assert 0.2 <= time.monotonic() - started < 2


@pytest.mark.parametrize(
    "text",
    ["nowhere:kill", "outbox.after_send", "outbox.after_send:explode", "outbox.after_send:kill:0",
     "outbox.after_send:kill:x", "outbox.after_send:sleep:1:-1", ":", "", "outbox.after_send:sleep:1:x"],
)  # fmt: skip
def test_a_plan_that_could_never_fire_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the wording differs between the kinds
        FaultPlan.parse(text)


def test_a_process_with_such_a_plan_does_not_start():
    done = _run("nowhere:kill")
    assert done.returncode != 0
    assert "FAULT=nowhere:kill" in done.stderr


def test_every_place_in_the_source_is_declared():
    """The registry and reality: each call names a declared point, as a literal."""
    for path in sorted((ROOT / "core").rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "fault(" in text else ():
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if is_call and node.func.id == "fault":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}"
                assert name.value in FAULT_POINTS, f"{path}:{node.lineno}"


def test_off_costs_next_to_nothing():
    started = time.perf_counter()
    for _ in range(100_000):
        fault("outbox.after_send")
    assert time.perf_counter() - started < 5
