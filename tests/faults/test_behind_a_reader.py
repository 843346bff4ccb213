"""B4: locks are waited for as long as is said, and nobody queues behind a change of structure."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text, update

from core.customize import ddl
from core.customize.entities import add_entity
from core.customize.service import add_field
from core.db.engine import LOCK_TIMEOUT
from core.entities import service
from core.errors import Refused

pytestmark = [pytest.mark.long, pytest.mark.databases("postgresql")]

ITEM = {
    "name": "x_item",
    "label": "Item",
    "fields": [{"name": "x_key", "kind": "text", "label": "Key"}],
}
WRITERS = 8
#: Milliseconds that a writer may wait while a field is being added: a try to lock lasts 50.
AT_MOST = 400


@pytest.fixture
def item(unit_of_work):
    """The table of an entity with one row."""
    with unit_of_work() as uow:
        add_entity(uow, ITEM)
    with unit_of_work() as uow:
        service.create(uow, "x_item", [{"x_key": str(n)} for n in range(WRITERS)])
        return uow.entity("x_item").table


@contextmanager
def reading(runtime, table):
    """Somebody has read from the table, and their transaction goes on."""
    with runtime.database.engine.connect() as connection, connection.begin():
        connection.execute(select(table.c.id)).all()
        yield


class Writing(threading.Thread):
    """Small writes to a row of its own, and how long each took (milliseconds)."""

    def __init__(self, runtime, table, number):
        super().__init__(daemon=True)
        self.runtime, self.stopping, self.took = runtime, threading.Event(), []
        self.touch = update(table).where(table.c.x_key == str(number)).values(x_key=str(number))

    def run(self):
        while not self.stopping.is_set():
            begun = time.monotonic()
            with self.runtime.database.connect(write=True) as connection, connection.begin():
                connection.execute(self.touch)
            self.took.append((time.monotonic() - begun) * 1000)
            self.stopping.wait(0.01)


def _waiting(runtime):
    """How many wait for a lock at this moment."""
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with runtime.read_connection() as connection:
        return connection.execute(asked).scalar_one()


@pytest.mark.parametrize("patient", [True, False])
def test_nobody_queues_behind_a_field_that_waits_for_a_reader(
    runtime, unit_of_work, item, monkeypatch, patient
):
    """B4: the change gives its place up again and again, and is refused in the end.

    Positive control: where it waits in the queue as others do, all writers wait with it.
    """
    if not patient:
        monkeypatch.setattr(ddl, "patiently", lambda _connection, step: step())
    writers = [Writing(runtime, item, number) for number in range(WRITERS)]
    told, queue = [], []

    def change():
        try:
            with unit_of_work() as uow:
                add_field(uow, "x_item", {"name": "x_new", "kind": "text", "label": "New"})
            told.append("made")
        except Refused:
            told.append("refused")
        except Exception as error:  # without patience it is the database that ends it
            told.append(type(error).__name__)

    with reading(runtime, item):
        for writer in writers:
            writer.start()
        time.sleep(0.5)
        changing = threading.Thread(target=change)
        changing.start()
        while changing.is_alive():
            queue.append(_waiting(runtime))
            time.sleep(0.05)
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(30)
    longest = max(took for writer in writers for took in writer.took)
    print(f"{told}, longest write {longest:.0f} ms, at most {max(queue)} waited for a lock")
    if patient:
        assert told == ["refused"]
        assert longest < AT_MOST
        assert max(queue) < 20
        with unit_of_work() as uow:  # the reader is gone
            add_field(uow, "x_item", {"name": "x_new", "kind": "text", "label": "New"})
    else:
        assert longest > 4 * AT_MOST
        assert max(queue) > WRITERS / 2


def test_a_write_that_waits_for_a_row_is_told_so_in_time(runtime, item, client, bearer, admin_id):
    """B4: a lock is waited for as long as the limit says, and a second at most beyond it."""
    headers = bearer(admin_id)
    with runtime.database.engine.connect() as connection, connection.begin():
        key = connection.execute(select(item.c.id).limit(1).with_for_update()).scalar_one()
        begun = time.monotonic()
        answer = client.patch(
            f"/api/v1/records/x_item/{key}", json={"x_key": "late"}, headers=headers
        )
        took = time.monotonic() - begun
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
    assert LOCK_TIMEOUT / 1000 - 0.5 < took < LOCK_TIMEOUT / 1000 + 1
    again = client.patch(f"/api/v1/records/x_item/{key}", json={"x_key": "now"}, headers=headers)
    assert again.status_code == 200


def test_the_limits_are_those_of_each_connection(runtime):
    """B4: of locks, of statements, and of a transaction in which nothing happens."""
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with runtime.read_connection() as connection:
        found = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names}
    assert found == {
        "lock_timeout": "5s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
    }
