"""The workshop is on: a plugin with a field of every type; people and records to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, select

from core.entities import service
from core.testing.installation import PASSWORD


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("workshop",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).with_name("workshop_plugins"),)


@pytest.fixture
def browser(sign_in):
    """The administrator's browser."""
    return sign_in()


@pytest.fixture
def people(make_person):
    """``{"worker": id, "foreman": id, "email:worker": address}``; all have `PASSWORD`."""
    worker = make_person("王工", roles=("worker",), password=PASSWORD)
    foreman = make_person("李工长", roles=("foreman",), password=PASSWORD)
    return {"worker": worker, "foreman": foreman}


@pytest.fixture
def sign_in_as(sign_in, people, unit_of_work):
    """``sign_in_as("worker")``: a browser of that person."""

    def make(who):
        with unit_of_work(write=False) as uow:
            table = uow.entity("user").table
            mine = select(table.c.email).where(table.c.id == people[who])
            email = uow.execute(mine).scalar_one()
        return sign_in(email, PASSWORD)

    return make


@pytest.fixture
def make_orders(unit_of_work):
    """``make_orders(n, **values) -> ids``, made by the system."""

    def make(count=1, **values):
        items = [{"title": f"Order {n + 1:03}", **values} for n in range(count)]
        with unit_of_work() as uow:
            return service.create(uow, "order", items)

    return make


@pytest.fixture
def order_of(unit_of_work):
    """``order_of(id)``: the record as the system sees it."""
    from core.entities import query

    def read(record_id):
        with unit_of_work(write=False) as uow:
            return query.get(uow, "order", record_id, archived=None).values

    return read


@pytest.fixture
def statements(runtime):
    """``statements(browser, path)``: how many statements one page takes."""
    counted = []
    engines = [value for value in vars(runtime.database).values() if hasattr(value, "dialect")]

    def note(connection, cursor, statement, *rest):
        counted.append(statement)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)

    def count(browser, path):
        browser.get(path)  # what is read once and kept
        counted.clear()
        assert browser.get(path).status_code == 200
        assert counted, "nothing was counted"
        return len(counted)

    yield count
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
