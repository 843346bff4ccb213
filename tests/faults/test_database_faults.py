"""The database fails under a request: an answer that may be tried again, no half write, and it recovers.

What is acknowledged is there; what is not acknowledged may be sent again with its key.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import event, func, make_url, select

from core.audit.definitions import audit_entry
from core.entities import service
from core.http.requests import signed_in
from core.http.requests import unit_of_work as unit_of_work_of_request
from core.work.tables import event_table

PATH = "/api/v1/records/department"


@pytest.fixture
def api(client, bearer, admin_id):
    """``api(method, path, body, key)``: an answer to the administrator."""
    headers = bearer(admin_id)

    def ask(method="POST", path=PATH, body=None, key=None):
        more = {"Idempotency-Key": key} if key else {}
        return client.open(path, method=method, json=body, headers=headers | more)

    return ask


@pytest.fixture
def state(runtime, unit_of_work):
    """``state()``: the names of departments, and how many audit entries and events there are."""

    def read():
        with unit_of_work(write=False) as uow:
            table = uow.entity("department").table
            names = Counter(uow.execute(select(table.c.name)).scalars())
            count = [
                uow.execute(select(func.count()).select_from(each)).scalar_one()
                for each in (audit_entry.model.__table__, event_table)
            ]
        return names, count

    return read


@contextmanager
def within(runtime, act, *, at_commit=False, times=1):
    """``act(connection)`` so often: when an event is about to be written, or just before the commit."""
    engine, done = runtime.database.engine, []

    def once(connection, _cursor=None, statement="INSERT INTO core_event", *_more):
        if len(done) < times and statement.startswith("INSERT INTO core_event"):
            done.append(1)
            act(connection)

    moment = "commit" if at_commit else "before_cursor_execute"
    event.listen(engine, moment, once)
    yield done
    event.remove(engine, moment, once)


def _killed(runtime, connection):
    pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with runtime.database.engine.connect() as other:
        other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")


def _deadlock(runtime, connection):
    """Another transaction holds what this one wants, and wants what this one holds."""
    lock = "SELECT pg_advisory_xact_lock({})"
    connection.exec_driver_sql(lock.format(1))
    connection.exec_driver_sql("SET LOCAL deadlock_timeout = '50ms'")
    holds = threading.Event()

    def other():
        with runtime.database.engine.connect() as found:
            found.exec_driver_sql("SET LOCAL deadlock_timeout = '20s'")
            found.exec_driver_sql(lock.format(2))
            holds.set()
            found.exec_driver_sql(lock.format(1))

    threading.Thread(target=other).start()
    assert holds.wait(10)
    time.sleep(0.1)
    connection.exec_driver_sql(lock.format(2))


def _locked(runtime, connection):
    with runtime.database.engine.connect() as other:
        other.exec_driver_sql("SELECT pg_advisory_xact_lock(3)")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(3)")


def _slow(runtime, connection):
    connection.exec_driver_sql("SET LOCAL statement_timeout = '50ms'")
    connection.exec_driver_sql("SELECT pg_sleep(5)")


def _raising(code):
    def act(runtime, connection):
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")

    return act


#: PostgreSQL ends one of two that could not both go on, and the other goes on.
LOST = {"deadlock": _deadlock, "serialization failure": _raising("40001")}
FAULTS = {
    "the backend is killed at the commit": _killed,
    "lock time-out": _locked,
    "statement time-out": _slow,
    "disk full": _raising("53100"),
    "too many connections": _raising("53300"),
    "shutting down": _raising("57P01"),
}


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_503_and_leaves_nothing_half(runtime, api, state, fault):
    """B1-B3: with a hint when to try again; the same request succeeds right after."""
    before = state()
    act = FAULTS[fault]
    with within(runtime, lambda each: act(runtime, each), at_commit=act is _killed) as done:
        answer = api(body={"name": "half"}, key="one")
    assert done
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2"), answer.json
    assert answer.json["type"] == "urn:dougong:busy"
    assert state() == before
    assert api(body={"name": "half"}, key="one").status_code == 201
    assert state()[0]["half"] == 1


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("fault", LOST)
def test_what_lost_against_another_transaction_is_done_again(runtime, api, state, fault):
    """B3: nobody hears of it, and it is written once; each form and file is there for the next try."""
    before = state()
    with within(runtime, lambda each: LOST[fault](runtime, each), times=2) as done:
        answer = api(body={"name": "twice"})
    assert len(done) == 2
    assert answer.status_code == 201, answer.json
    names, counts = state()
    assert names == before[0] + Counter(["twice"])
    with within(runtime, lambda connection: None):
        assert api(body={"name": "once"}).status_code == 201
    each = [late - early for late, early in zip(state()[1], counts, strict=True)]
    assert [late - early for late, early in zip(counts, before[1], strict=True)] == each


@pytest.mark.databases("postgresql")
def test_what_loses_again_and_again_is_a_503_in_the_end(runtime, api, state):
    before = state()
    act = LOST["serialization failure"]
    with within(runtime, lambda each: act(runtime, each), times=99) as done:
        answer = api(body={"name": "never"})
    assert len(done) == 5
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
    assert state() == before


@pytest.mark.databases("postgresql")
def test_what_has_committed_a_part_is_not_done_again(runtime, app, api, state, monkeypatch):
    """B3: a view with two transactions, of which the second loses, leaves what the first wrote once."""
    before = state()

    @signed_in
    def in_two_parts(entity):
        with unit_of_work_of_request() as uow:
            service.create(uow, entity, [{"name": "first part"}])
        with unit_of_work_of_request() as uow:
            LOST["serialization failure"](runtime, uow.connection)

    monkeypatch.setitem(app.view_functions, "api.create_record", in_two_parts)
    answer = api(body={})
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
    assert state()[0] == before[0] + Counter(["first part"])


@pytest.mark.databases("postgresql")
def test_an_upload_is_read_from_its_beginning_by_the_next_try(runtime, sign_in, unit_of_work):
    """B3: the first try has read the file to its end."""
    browser = sign_in()
    done = []

    def once(connection, _cursor, statement, *_more):
        if not done and statement.startswith("INSERT INTO core_file"):
            done.append(1)
            LOST["serialization failure"](runtime, connection)

    event.listen(runtime.database.engine, "before_cursor_execute", once)
    try:
        sent = {"file": (BytesIO(b"name\nfrom a file\n"), "departments.csv")}
        headers = {"X-CSRF-Token": browser.csrf}
        answer = browser.post("/r/department/import", data=sent, headers=headers)
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", once)
    assert done
    assert answer.status_code == 303, answer.get_data(as_text=True)[:2000]
    assert "from a file" in browser.get(answer.location).get_data(as_text=True)


@pytest.mark.databases("postgresql")
def test_without_a_fault_the_same_request_is_written(runtime, api, state):
    """Positive control of the instrument."""
    names, counts = state()
    with within(runtime, lambda connection: None) as done:
        assert api(body={"name": "whole"}).status_code == 201
    assert done
    assert state()[0] == names + Counter(["whole"])
    assert all(new > old for new, old in zip(state()[1], counts, strict=True))


@pytest.mark.databases("postgresql")
def test_pages_say_so_too(runtime, sign_in):
    """A person sees a page in their language and not a stack of ours."""
    browser = sign_in()
    engine = runtime.database.engine

    def away(_dialect, _record, _args, kwargs):
        kwargs["port"] = 1

    engine.dispose()
    event.listen(engine, "do_connect", away)
    try:
        answer = browser.get("/")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "Traceback" not in answer.get_data(as_text=True)
    finally:
        event.remove(engine, "do_connect", away)
    assert browser.get("/").status_code == 200


@pytest.mark.databases("postgresql")
def test_a_pool_without_a_free_connection_is_a_503(runtime, api):
    pool = runtime.database.engine.pool
    usual, pool._timeout = pool._timeout, 0.1
    held = []
    try:
        while len(held) < pool.size() + pool._max_overflow:
            held.append(runtime.database.engine.connect())
        assert api(body={"name": "x"}).status_code == 503
    finally:
        pool._timeout = usual
        for each in held:
            each.close()
    assert api(body={"name": "x"}).status_code == 201


# A commit of which nobody knows


class Proxy:
    """Between us and the server; cuts the line when a commit has been done and not yet told."""

    def __init__(self, port):
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server))
            doomed = threading.Event()
            for source, target, watch in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._carry, args=(source, target, watch, doomed), daemon=True
                ).start()

    def _carry(self, source, target, from_client, doomed):
        with suppress(OSError):
            while data := source.recv(65536):
                if from_client and self.cuts and b"COMMIT" in data:
                    self.cuts -= 1
                    doomed.set()
                if not from_client and doomed.is_set():
                    break  # the server has answered: it is committed
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()

    def close(self):
        self._listening.close()


@pytest.fixture
def proxied(runtime):
    """The runtime's connections go through a `Proxy`."""
    engine = runtime.database.engine
    proxy = Proxy(make_url(str(engine.url)).port)

    def through(_dialect, _record, _args, kwargs):
        kwargs["port"] = proxy.port

    event.listen(engine, "do_connect", through)
    engine.dispose()
    yield proxy
    event.remove(engine, "do_connect", through)
    engine.dispose()
    proxy.close()


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("key", ["the key of the request", None])
def test_a_commit_of_which_nobody_knows_is_not_doubled_with_a_key(proxied, api, state, key):
    """B2: the line is cut after the commit. Positive control: without a key the retry is a second one."""
    api("GET", f"{PATH}?limit=1")
    proxied.cuts = 1
    assert api(body={"name": "cut"}, key=key).status_code == 503
    assert proxied.cuts == 0
    assert state()[0]["cut"] == 1, "it was committed"
    assert api(body={"name": "cut"}, key=key).status_code == 201
    assert state()[0]["cut"] == (1 if key else 2)


# SQLite


@contextmanager
def _impatient(runtime):
    engine = runtime.database.engine

    def shorten(connection, _record, _proxy):
        connection.execute("PRAGMA busy_timeout = 100")

    event.listen(engine, "checkout", shorten)
    yield
    event.remove(engine, "checkout", shorten)
    engine.dispose()


@pytest.mark.databases("sqlite")
def test_a_busy_sqlite_is_a_503_and_reading_goes_on(runtime, api, state):
    before = state()
    with _impatient(runtime):
        with runtime.database.connect(write=True) as holding, holding.begin():
            answer = api(body={"name": "busy"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
            assert api("GET").status_code == 200
        assert state() == before
        assert api(body={"name": "busy"}).status_code == 201


@pytest.mark.databases("sqlite")
def test_a_full_disk_keeps_sqlite_whole(runtime, api, state):
    """The file may not grow: SQLite's own limit of pages stands for the disk."""
    before = state()
    engine = runtime.database.engine

    def limit(connection, _record, _proxy):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engine.dispose()
    event.listen(engine, "checkout", limit)
    answers: list[int] = []
    try:
        while answers.count(503) < 5:
            answers.append(api(body={"name": f"{'full' * 20} {len(answers)}"}).status_code)
    finally:
        event.remove(engine, "checkout", limit)
        engine.dispose()
    assert set(answers) <= {201, 503}
    names, _counts = state()
    assert sum(names.values()) - sum(before[0].values()) == answers.count(201)
    with runtime.read_connection() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    assert api(body={"name": "there is room again"}).status_code == 201


@pytest.mark.databases("sqlite")
def test_a_disk_that_is_full_refuses_and_recovers(runtime, small_disk, api, state):
    """The home of an installation on a disk without room: 503, reading goes on, nothing is half."""
    database = Path(runtime.database.url.database)
    runtime.database.dispose()
    kept = database.with_suffix(".kept")
    shutil.move(database, kept)
    shutil.copy(kept, small_disk / database.name)
    database.symlink_to(small_disk / database.name)
    try:
        before = state()
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        assert shutil.disk_usage(small_disk).free == 0
        answers = {api(body={"name": f"full {n}"}).status_code for n in range(5)}
        assert answers == {503}
        assert api("GET").status_code == 200
        filler.unlink()
        assert state() == before
        assert api(body={"name": "room again"}).status_code == 201
        with runtime.read_connection() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    finally:
        runtime.database.dispose()
        database.unlink()
        shutil.move(kept, database)
