"""The dummy plugin is on: its specimens have a field of every type, lines and links."""

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
