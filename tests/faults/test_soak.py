"""O1: people and workers at work for minutes, workers killed and Redis restarted meanwhile.

A longer run, by hand: ``DOUGONG_SOAK_MINUTES=60``; ``DOUGONG_SOAK_REPORT`` names a file for what it found.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import statistics
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from core.ops.doctor import examine

MINUTES = float(os.environ.get("DOUGONG_SOAK_MINUTES", "2"))
CLIENTS = 3
#: Seconds: between two requests of a client, two kills of a worker, two restarts of Redis.
PAUSE, KILL_EVERY, REDIS_EVERY = 0.15, 30.0, 300.0
#: What is used before everything has been imported and cached is no leak.
WARM_UP = min(60.0, MINUTES * 20)
PATH = "/api/v1/records/department"


class Client(threading.Thread):
    """Writes a department, reads it back, changes it and lists some; keeps what it was told."""

    def __init__(self, number: int, port: int, token: str) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.stopping = threading.Event()
        self.made: dict[int, str] = {}
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []

    def run(self) -> None:
        for step in itertools.count():
            if self.stopping.is_set():
                self.connection.close()
                return
            name = f"client {self.number} step {step}"
            key = self._ask("POST", PATH, {"name": name})["id"]
            self._ask("PATCH", f"{PATH}/{key}", {"name": f"{name} changed"})
            self.made[key] = f"{name} changed"
            assert self._ask("GET", f"{PATH}/{key}")["name"] == self.made[key]
            self._ask("GET", f"{PATH}?limit=20&sort=-id")

    def _ask(self, method: str, path: str, body: object = None) -> dict:
        begun = time.perf_counter()
        self.connection.request(
            method, path, None if body is None else json.dumps(body), self.headers
        )
        answer = self.connection.getresponse()
        told = json.loads(answer.read())
        self.seconds.append(time.perf_counter() - begun)
        self.answers[answer.status] += 1
        self.stopping.wait(PAUSE)
        return told


class Gauge:
    """Memory and descriptors of the server's processes, sampled while they live."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self.samples: list[tuple[float, float, int]] = []

    def look(self) -> None:
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text().split()
        pids = [self._parent, *map(int, children)]
        memory = sum(_megabytes(pid) for pid in pids)
        files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
        self.samples.append((time.monotonic() / 60, memory, files))

    def slope(self) -> float:
        """Megabytes a minute since it was warm."""
        minutes, memory, _files = zip(*self._warm(), strict=True)
        return statistics.linear_regression(minutes, memory).slope

    def files(self) -> tuple[float, float]:
        """The descriptors of the first and of the last quarter of the time, in the middle."""
        counts = [count for _at, _mb, count in self._warm()]
        part = max(1, len(counts) // 4)
        return statistics.median(counts[:part]), statistics.median(counts[-part:])

    def _warm(self) -> list[tuple[float, float, int]]:
        begin = self.samples[0][0] + WARM_UP / 60
        return [sample for sample in self.samples if sample[0] >= begin]


def _megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(line for line in status.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


@pytest.mark.long
@pytest.mark.redis
def test_nothing_grows_and_nothing_breaks(site, token, redis_server):
    chance, environment = random.Random(1), {"DOUGONG_REDIS_URL": redis_server.url}
    with site.serving(2, **environment) as port:
        gauge = Gauge(site.processes[-1].pid)
        worker, kills = site.start("worker", **environment), 0
        clients = [Client(number, port, token) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        begun = time.monotonic()
        next_kill, next_restart = begun + KILL_EVERY, begun + REDIS_EVERY
        while (now := time.monotonic()) < begun + MINUTES * 60:
            time.sleep(2)
            gauge.look()
            assert all(client.is_alive() for client in clients), site.logs()
            if now > next_kill:
                worker.kill()
                worker.wait(10)
                worker, kills = site.start("worker", **environment), kills + 1
                next_kill = now + KILL_EVERY * chance.uniform(0.7, 1.3)
            if now > next_restart:
                redis_server.stop()
                time.sleep(2)
                redis_server.start()
                next_restart = now + REDIS_EVERY
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(30)
        made = {key: name for client in clients for key, name in client.made.items()}
        site.wait_until(
            lambda: site.expected(list(made)) <= site.effects() and site.is_idle(),
            120,
            "the last effects",
        )
    answers = sum((client.answers for client in clients), Counter())
    slow = [_slow(clients, quarter) * 1000 for quarter in (0, 3)]
    first, last = gauge.files()
    _report(
        f"{site.runtime.database.engine.name}: {MINUTES:g} minutes, {sum(answers.values())} requests,"
        f" {len(made)} written, {kills} kills; memory {gauge.samples[0][1]:.0f} to"
        f" {gauge.samples[-1][1]:.0f} MB, {gauge.slope():+.2f} MB a minute since warm; descriptors"
        f" {first:.0f} to {last:.0f}; p95 {slow[0]:.0f} ms at first, {slow[1]:.0f} ms at last"
    )
    assert set(answers) <= {200, 201}, answers
    by_clients = Counter({each: n for each, n in site.effects().items() if each[0] != "tick"})
    assert by_clients == site.expected(list(made))  # beside them the clock does its own
    with site.unit_of_work(write=False) as uow:
        table = uow.entity("department").table
        kept = select(table.c.id, table.c.name).where(table.c.name.endswith(" changed"))
        assert {row.id: row.name for row in uow.execute(kept)} == made
    assert [each for each in examine(site.runtime) if each.state == "problem"] == []
    assert last <= first + 5
    assert gauge.slope() < (1 if MINUTES >= 10 else 10), "a short run tells little of leaks"


def _report(line: str) -> None:
    print(line)
    if path := os.environ.get("DOUGONG_SOAK_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _slow(clients: list[Client], quarter: int) -> float:
    """The 95th of a hundred requests of that quarter of the time, in seconds."""
    found: list[float] = []
    for client in clients:
        size = len(client.seconds) // 4
        found += client.seconds[quarter * size : (quarter + 1) * size]
    return statistics.quantiles(found, n=20)[-1]
