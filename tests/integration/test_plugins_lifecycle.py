"""P3, P4: switching loses nothing; what cannot work is refused before any change."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, NotFound, Refused
from core.ops.lifecycle import disable, enable
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ()


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS, TESTS / "plugins")


@pytest.fixture
def switch(unit_of_work):
    """``switch(name, on)``"""

    def turn(name, on):
        with unit_of_work() as uow:
            return enable(uow, name) if on else disable(uow, name)

    return turn


def test_enabling_brings_what_is_needed_and_disabling_asks_first(switch, unit_of_work):
    assert switch("dummy_extension", True) == ["dummy_plugin", "dummy_extension"]
    assert switch("dummy_extension", True) == []
    with pytest.raises(Refused, match="dummy_extension"):
        switch("dummy_plugin", False)
    switch("dummy_extension", False)
    switch("dummy_plugin", False)
    with pytest.raises(Refused):
        switch("dummy_plugin", False)
    with pytest.raises(NotFound):
        switch("no_such_plugin", True)


def test_only_administrators_switch(unit_of_work, make_person):
    viewer = make_person("阅")
    for turn in (enable, disable):
        with pytest.raises(Forbidden), unit_of_work(viewer) as uow:
            turn(uow, "dummy_plugin")


def test_twenty_cycles_lose_nothing(switch, unit_of_work, admin_id, run_jobs):
    """P3: rows, child rows, settings, custom values, parked jobs and audit entries stay."""
    switch("dummy_extension", True)
    item = {"name": "石头", "weight": "1.5", "tags": ["a"], "rating": "AA"}
    parts = [{"title": "壳", "amount": "2.50"}]
    with unit_of_work(admin_id) as uow:
        (first,) = service.create(uow, "specimen", [item | {"parts": parts}])
        service.create(uow, "specimen", [{"name": "另一块", "relatives": [first]}])
        job = uow.enqueue("dummy_plugin.recount", {"by": "hand"})

    def contents():
        with unit_of_work(write=False) as uow:
            keys = [row["id"] for row in query.page(uow, "specimen", ListQuery(sort="id")).items]
            return [query.get(uow, "specimen", key).values for key in keys]

    before = contents()
    assert before[0]["rating"] == "AA"
    for _cycle in range(20):
        switch("dummy_extension", False)
        switch("dummy_plugin", False)
        run_jobs()
        switch("dummy_extension", True)
    assert contents() == before
    with unit_of_work(write=False) as uow:
        row = uow.execute(job_table.select().where(job_table.c.id == job)).one()
        assert row.state == "queued"
    run_jobs()
    with unit_of_work(write=False) as uow:
        assert uow.execute(job_table.select().where(job_table.c.id == job)).one().state == "done"


def test_an_enabling_that_is_rolled_back_is_seen_by_nobody(runtime, unit_of_work, switch):
    """The epoch of a rolled-back transaction is given again: nobody may remember it."""

    def change_ones_mind():
        with unit_of_work() as uow:
            enable(uow, "dummy_plugin")
            assert "dummy_plugin" in uow.snapshot.enabled
            raise Refused("changed my mind")

    pytest.raises(Refused, change_ones_mind)
    assert "dummy_plugin" not in runtime.snapshot.enabled
    with unit_of_work() as uow:
        service.create(uow, "department", [{"name": "一部"}])
        assert uow.snapshot.enabled == frozenset()
    switch("dummy_plugin", True)
    with unit_of_work(write=False) as uow:
        assert uow.snapshot.enabled == {"dummy_plugin"}


def test_enabling_with_pending_migrations_while_traffic_runs(app, unit_of_work, switch, admin_id):
    """Spike 3: requests and writes go on in other threads; none fails, none sees half of it."""
    stop, failures, answers, written = threading.Event(), [], [], []

    def read():
        client = app.test_client()
        while not stop.is_set():
            answers.append(client.get("/dummy_plugin/open").status_code)

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            with unit_of_work(admin_id) as uow:
                written.append(service.create(uow, "department", [{"name": f"部{number}"}]))
            with unit_of_work(admin_id, write=False) as uow:
                query.page(uow, "department", ListQuery())
                if "specimen" in uow.snapshot.entities:
                    query.page(uow, "specimen", ListQuery())

    def guarded(work):
        try:
            work()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (read, write, write)]
    for thread in threads:
        thread.start()
    try:
        for _cycle in range(3):
            switch("dummy_extension", True)
            switch("dummy_extension", False)
            switch("dummy_plugin", False)
        switch("dummy_plugin", True)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert failures == []
    assert written
    assert set(answers) <= {200, 404}
    assert app.test_client().get("/dummy_plugin/open").status_code == 200


SECOND_PROCESS = """
import sys
from core.app import create_app

client = create_app().test_client()
for line in sys.stdin:
    print(client.get(line.strip()).status_code, flush=True)
"""


def test_what_one_process_switches_the_other_sees_on_its_next_request(runtime, switch):
    """The epoch: no restart, no message, no waiting."""
    environment = {
        "PATH": os.environ["PATH"],
        "DOUGONG_HOME": str(runtime.config.home),
        "DOUGONG_DATABASE_URL": runtime.config.database_url,
        "DOUGONG_SECRET_KEY": runtime.config.secret_key,
        "DOUGONG_PLUGINS_PATH": f"{TESTS}{os.pathsep}{TESTS / 'plugins'}",
    }
    with subprocess.Popen(
        [sys.executable, "-c", SECOND_PROCESS],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:

        def ask():
            other.stdin.write("/dummy_plugin/open\n")
            other.stdin.flush()
            return int(other.stdout.readline())

        try:
            seen = [ask()]
            switch("dummy_plugin", True)
            seen.append(ask())
            switch("dummy_plugin", False)
            seen.append(ask())
        finally:
            other.stdin.close()
            other.wait(20)
    assert seen == [404, 200, 404]
