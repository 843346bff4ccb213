"""A plugin whose jobs do what a test tells them, and workers that look more often than usual."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.plugins.contributions import Job
from core.work.tables import job_table


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("workbench",)


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (Path(__file__).parent / "plugins",)


@pytest.fixture
def job(runtime) -> Callable[[int], Any]:
    """``job(key)``: its row now."""

    def read(key: int) -> Any:
        with runtime.read_connection() as connection:
            return connection.execute(select(job_table).where(job_table.c.id == key)).one()

    return read


@pytest.fixture
def enqueue(unit_of_work) -> Callable[..., int]:
    """``enqueue(kind, person=None, **arguments) -> id``"""

    def put(kind: str, person: int | None = None, **arguments: Any) -> int:
        with unit_of_work(person) as uow:
            key = uow.enqueue(kind, arguments)
        assert key is not None
        return key

    return put


@pytest.fixture
def doing(runtime):
    """``with doing("workbench.work", handler, **more):`` that kind does so, for the block."""

    @contextmanager
    def change(name: str, handler: Callable[..., Any], **more: Any):
        rows = runtime.contributions["register_jobs"]
        place = next(n for n, row in enumerate(rows) if row.item.name == name)
        before: Any = rows[place]
        item: Job = replace(before.item, handler=handler, **more)
        rows[place] = replace(before, item=item)
        runtime.forget()
        yield
        rows[place] = before
        runtime.forget()

    return change
