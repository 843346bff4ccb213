"""The workshop is on; rules are set by the administrator, and records made by whoever is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from core.customize.ruling import set_rules
from core.customize.service import add_field
from core.entities import query, service
from core.errors import Invalid
from core.testing.installation import PASSWORD


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("workshop",)


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (Path(__file__).parents[2] / "web" / "workshop_plugins",)


@pytest.fixture
def rule(unit_of_work: Any, admin_id: int) -> Callable[..., Any]:
    """``rule("amount", minimum="0", …)``: the rules of a field of orders, or of ``entity``."""

    def ask(name: str, *, entity: str = "order", **rules: Any) -> Any:
        with unit_of_work(admin_id) as uow:
            return set_rules(uow, entity, name, rules)

    return ask


@pytest.fixture
def own_field(unit_of_work: Any, admin_id: int) -> Callable[..., Any]:
    """``own_field("x_reason", "text", …)``: a field of the company's own on orders."""

    def add(name: str, kind: str, **options: Any) -> Any:
        with unit_of_work(admin_id) as uow:
            return add_field(uow, "order", {"name": name, "kind": kind, "label": name, **options})

    return add


@pytest.fixture
def make(unit_of_work: Any, admin_id: int) -> Callable[..., int]:
    """``make(title="A", …) -> id`` of an order, by the administrator or ``by`` another."""

    def create(*, by: int | None = None, entity: str = "order", **values: Any) -> int:
        given = {"title": "A", **values} if entity == "order" else values
        with unit_of_work(by or admin_id) as uow:
            (key,) = service.create(uow, entity, [given])
        return key

    return create


@pytest.fixture
def change(unit_of_work: Any, admin_id: int) -> Callable[..., None]:
    """``change(id, status="done")``"""

    def update(key: int, *, by: int | None = None, **values: Any) -> None:
        with unit_of_work(by or admin_id) as uow:
            service.update(uow, "order", {key: values})

    return update


@pytest.fixture
def read(unit_of_work: Any) -> Callable[..., Any]:
    """``read(id, "amount")``"""

    def value(key: int, name: str) -> Any:
        with unit_of_work(write=False) as uow:
            return query.get(uow, "order", key).values[name]

    return value


@pytest.fixture
def refused() -> Callable[..., list[tuple[str, str]]]:
    """``refused(lambda: make(…)) -> [(field, code), …]``; empty when it is let through."""

    def told(call: Callable[[], Any]) -> list[tuple[str, str]]:
        try:
            call()
        except Invalid as error:
            return [(problem.field, problem.code) for problem in error.problems]
        return []

    return told


@pytest.fixture
def worker(make_person: Any) -> int:
    """Does not see ``secret``, and sees ``mobile`` masked."""
    found: int = make_person("王工", roles=("worker",), password=PASSWORD)
    return found


@pytest.fixture
def statements(runtime: Any) -> Callable[..., Any]:
    """``with statements() as seen``: the SQL of the block."""

    @contextmanager
    def record() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            seen.append(statement)

        engine = runtime.database.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return record
