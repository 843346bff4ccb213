"""The sample is on: places that people own, and remarks about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.entities import service


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("about_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).parents[1] / "plugins",)


@pytest.fixture
def make(unit_of_work):
    """``make(person, entity, **values) -> id``; by the system without a person."""

    def create(person, entity, **values):
        with unit_of_work(person) as uow:
            return service.create(uow, entity, [values])[0]

    return create
