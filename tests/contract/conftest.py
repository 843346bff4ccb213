"""The dummy plugin is on for all contract tests that start the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("dummy_plugin",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS,)


@pytest.fixture
def behaving(runtime):
    """``with behaving(hook=function)``; the dummy can be imported once a runtime has found it."""
    from dummy_plugin.behaviour import behaving

    return behaving
