"""SIGKILL of servers and workers, again and again, while four clients write and do not give up."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from core.ops.doctor import examine

#: Both databases together; how often each of the two is told by the environment of a shorter run.
KILLS = int(os.environ.get("DOUGONG_TEST_KILLS", "200")) // 2
CLIENTS = 4


class Writer(threading.Thread):
    """Makes one department after the other; each is sent again, with its key, until it is answered."""

    def __init__(self, number: int, port: int, token: str) -> None:
        super().__init__(daemon=True)
        self.number, self.port = number, port
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.stopping = threading.Event()
        self.made: dict[str, int] = {}
        self.answers: Counter[int | str] = Counter()

    def run(self) -> None:
        step = 0
        while not self.stopping.is_set():
            name = f"client {self.number} step {step}"
            self.made[name] = self._write(name)
            step += 1
            time.sleep(0.05)

    def _write(self, name: str) -> int:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                headers = self.headers | {"Idempotency-Key": name}
                body = json.dumps({"name": name})
                connection.request("POST", "/api/v1/records/department", body, headers)
                answer = connection.getresponse()
                told = answer.read()
                self.answers[answer.status] += 1
                if answer.status == 201:
                    return int(json.loads(told)["id"])
            except ConnectionRefusedError:
                self.answers["not there"] += 1
            except (OSError, http.client.HTTPException):
                self.answers["cut"] += 1
            finally:
                connection.close()
            time.sleep(0.2)
        raise AssertionError(f"{name} was never answered")


class Killer:
    """Keeps a server and a worker running, and kills one of their processes at a time."""

    def __init__(self, site, port: int) -> None:
        self.site, self.port = site, port
        self.server, self.worker = self._serve(), site.start("worker")
        self.kills: Counter[str] = Counter()

    def _serve(self):
        return self.site.start("serve", "--port", str(self.port), "--workers", "2")

    def strike(self, chance: random.Random) -> None:
        victim = chance.choices(("worker", "process of the server", "server"), (3, 3, 1))[0]
        if victim == "worker":
            self._end(self.worker)
            self.worker = self.site.start("worker")
        elif victim == "server":
            children = _children(self.server.pid)
            self._end(self.server)
            for child in children:
                _kill(child)
            self.server = self._serve()
        elif children := _children(self.server.pid):
            _kill(chance.choice(children))
        else:
            return
        self.kills[victim] += 1

    @staticmethod
    def _end(process) -> None:
        process.kill()
        process.wait(10)


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def port(site) -> int:
    return site.free_port()


@pytest.fixture
def killer(site, port) -> Killer:
    return Killer(site, port)


@pytest.fixture
def writers(site, killer, port, token):
    """Four clients at work; afterwards, what they were told is compared with what there is."""
    found = [Writer(number, port, token) for number in range(CLIENTS)]
    for writer in found:
        writer.start()
    site.wait_until(lambda: all(writer.made for writer in found), 120, "the first answers")
    yield found
    for writer in found:
        writer.stopping.set()


def _go_on(site, writers) -> None:
    """Wait until somebody has been answered, so that each blow meets work."""
    before = sum(len(writer.made) for writer in writers)
    site.wait_until(lambda: sum(len(writer.made) for writer in writers) > before, 60, "an answer")


def _check(site, writers) -> None:
    """B1, J1: what was answered is there once, each effect too; doctor is content."""
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(150)
    assert not any(writer.is_alive() for writer in writers), site.logs()
    made = {name: key for writer in writers for name, key in writer.made.items()}
    begun = time.monotonic()
    wanted = site.expected(list(made.values()))
    site.wait_until(lambda: wanted <= site.effects() and site.is_idle(), 180, "the last effects")
    drained = time.monotonic() - begun
    with site.unit_of_work(write=False) as uow:
        table = uow.entity("department").table
        rows = uow.execute(select(table.c.name, table.c.id).where(table.c.name.in_(made))).all()
    assert sorted((row.name, row.id) for row in rows) == sorted(made.items())
    assert site.effects() == wanted
    assert [each for each in examine(site.runtime) if each.state == "problem"] == []
    answers = sum((writer.answers for writer in writers), Counter())
    print(f"{len(made)} written; {dict(answers)}; drained {drained:.1f} s")


@pytest.mark.long
def test_nothing_that_was_answered_is_lost_and_each_effect_happens_once(site, killer, writers):
    chance = random.Random(KILLS)
    while sum(killer.kills.values()) < KILLS:
        time.sleep(chance.uniform(0.2, 2.0))
        _go_on(site, writers)
        killer.strike(chance)
    print(dict(killer.kills))
    _check(site, writers)
