"""REST as an administrator and as others, over a plugin whose notes have lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).parents[2] / "api" / "plugins",)


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("api_sample",)


class Caller:
    """One person's way of calling the API; an unforeseen status fails the test with the answer."""

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        self.app, self.headers = app, {**headers, "Accept-Language": "en"}

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        place = path if path.startswith("/api") else f"/api/v1{path}"
        answer = self.app.test_client().open(
            place, method=method, headers={**self.headers, **options.pop("headers", {})}, **options
        )
        assert answer.status_code == status, answer.get_data(as_text=True)[:2000]
        return answer.json if answer.is_json else answer

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self("GET", path, status, query_string=query)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self("POST", path, status, json=body)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self("PATCH", path, status, json=body)

    def made(self, entity: str, **values: Any) -> dict[str, Any]:
        """A record just created."""
        return self.post(f"/records/{entity}", values)

    def schema(self, entity: str) -> dict[str, Any] | None:
        """The entity as ``GET /schema`` tells of it; None when it does not."""
        found = self.get("/schema")["entities"]
        return next((each for each in found if each["name"] == entity), None)


@pytest.fixture
def caller(app, bearer):
    """``caller(person, scopes=None)``"""
    return lambda person, scopes=None: Caller(app, bearer(person, scopes))


@pytest.fixture
def api(caller, admin_id):
    """The administrator's."""
    return caller(admin_id)


VEHICLE = {
    "name": "x_vehicle",
    "label": {"zh_CN": "车辆", "en": "Vehicle"},
    "label_plural": {"zh_CN": "车辆", "en": "Vehicles"},
    "icon": "package",
    "fields": [
        {"name": "x_plate", "kind": "text", "label": "Plate", "unique": True},
        {"name": "x_seats", "kind": "integer", "label": "Seats"},
        {"name": "x_driver", "kind": "reference", "entity": "user", "label": "Driver"},
        {"name": "x_twice", "kind": "computed", "expression": "[Seats] * 2", "label": "Twice"},
    ],
}


@pytest.fixture
def vehicle():
    """The description of an entity."""
    return VEHICLE


@pytest.fixture
def vehicles(api, vehicle):
    """That entity, published."""
    return api.post("/schema/entities", vehicle)
