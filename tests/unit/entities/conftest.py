"""The entities' unit tests run over the sample plugin, which has a field of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("oracle_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (PLUGINS,)
