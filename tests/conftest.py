"""The core's own tests: no plugin but the dummy."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import YOUNG

#: Folders whose tests take long one by one, and are dealt out one by one.
SPREAD = {"browser", "faults", "security"}
#: Modules in them whose tests stay together all the same, and modules elsewhere that need not.
TOGETHER = {
    "test_oracle": "oracle",
    "test_daily_work": "journeys",
    "test_pages": "demonstration",
}
ALONE = {"test_tutorial", "test_scaffold", "test_schemathesis", "test_chain", "test_upgrades"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a folder stay in one process: the installation that they copy is made once.

    What takes longest begins early: groups go before what is dealt out one by one. A browser on a busy
    machine gets a second attempt, which the run tells and ``tools.no_skips`` counts.
    """
    root = Path(__file__).parents[1]
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if not item.path.is_relative_to(root) or item.get_closest_marker("xdist_group"):
            continue
        folder, name = item.path.parent.relative_to(root), item.path.stem
        group = TOGETHER.get(name) if folder.name in SPREAD else str(folder)
        if group and name not in ALONE:
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look through it again and again, nor as
    often as it would by itself; it looks as often as on a server."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Any:
    """What a test logged may hold half characters, which no process can send to another."""
    return _sendable((yield))


def _sendable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_sendable(key): _sendable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_sendable(each) for each in value)
    return value


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands that run in this process set up the logging of a process of their own."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers = handlers
