"""REST through the test client, with a sample plugin that has what the core's entities lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (Path(__file__).parent / "plugins",)


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("api_sample",)


class Caller:
    """One person's way of calling the API."""

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        self.app = app
        self.headers = headers

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self.headers, **options.pop("headers", {})}
        place = path if path.startswith("/api") else f"/api/v1{path}"
        return self.app.test_client().open(place, method=method, headers=headers, **options)

    def get(self, path: str, **query: Any) -> Any:
        return self("GET", path, query_string=query)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self("POST", path, json=body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> Any:
        return self("PATCH", path, json=body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self("DELETE", path, **options)

    def made(self, entity: str, **values: Any) -> dict[str, Any]:
        """A record just created."""
        answer = self.post(f"/records/{entity}", values)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return answer.json


@pytest.fixture
def caller(app: Any, bearer: Callable[..., dict[str, str]]) -> Callable[..., Caller]:
    """``caller(person, scopes=None)``"""

    def make(person: int, scopes: list[str] | None = None) -> Caller:
        return Caller(app, {**bearer(person, scopes), "Accept-Language": "en"})

    return make


@pytest.fixture
def api(caller: Callable[..., Caller], admin_id: int) -> Caller:
    """The administrator's."""
    return caller(admin_id)


@pytest.fixture
def nobody(app: Any) -> Caller:
    """Without a token."""
    return Caller(app, {})


@pytest.fixture
def statements(runtime: Any) -> Callable[..., Any]:
    """``with statements() as seen``: the SQL of the block, without transaction control."""

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
