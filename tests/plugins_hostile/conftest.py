"""Plugins that fail where a test tells them to, beside one that has something to work on."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("oracle_sample", "hostile", "hostile_guard", "hostile_needing")


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (HERE / "installed", HERE.parent / "plugins")


@pytest.fixture
def behaving(runtime: Any) -> Callable[..., Any]:
    """``with behaving(hook=function)``; the plugins can be imported once a runtime found them."""
    from hostile.behaviour import FUNCTIONS

    @contextmanager
    def behave(**functions: Callable[..., Any]) -> Iterator[None]:
        FUNCTIONS.update(functions)
        try:
            yield
        finally:
            FUNCTIONS.clear()

    return behave


@pytest.fixture(scope="session")
def writer() -> Any:
    """The module `plugin_writer` of the integration tests."""
    name = "dougong_plugin_writer"
    if name not in sys.modules:
        place = HERE.parent / "integration" / "plugin_writer.py"
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
