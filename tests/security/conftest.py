"""The security tests run over the sample plugin, and share one world where they only look."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PLUGINS = HERE.parent / "plugins"
sys.path.insert(0, str(HERE))  # the modules beside the tests


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("oracle_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (PLUGINS,)
