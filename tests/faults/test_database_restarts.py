"""PostgreSQL is stopped at once and started again while clients write and jobs run."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from sqlalchemy import select

from core.work.worker import EmbeddedWorker

ROUNDS = 20


@pytest.fixture
def runtime(on_cluster):
    """The installation on a cluster that may be restarted."""
    return on_cluster


class Writer(threading.Thread):
    """Sends each request again, with its key, until it is answered."""

    def __init__(self, number, app, headers):
        super().__init__(daemon=True)
        self.number, self.headers = number, headers
        self.client = app.test_client()
        self.stopping = threading.Event()
        self.made, self.answers = {}, Counter()
        self.longest, self.unhinted = 0.0, 0

    def run(self):
        step = 0
        while not self.stopping.is_set():
            name = f"client {self.number} step {step}"
            begun = time.monotonic()
            while name not in self.made:
                self._write(name)
            self.longest = max(self.longest, time.monotonic() - begun)
            step += 1
            time.sleep(0.02)

    def _write(self, name):
        headers = self.headers | {"Idempotency-Key": name}
        answer = self.client.post(
            "/api/v1/records/department", json={"name": name}, headers=headers
        )
        self.answers[answer.status_code] += 1
        if answer.status_code == 201:
            self.made[name] = answer.json["id"]
        else:
            self.unhinted += "Retry-After" not in answer.headers
            time.sleep(0.1)


@pytest.mark.long
def test_what_was_answered_survives_and_the_rest_is_told_to_try_again(
    cluster, site, app, bearer, admin_id
):
    """B1: an answer is 201 or 503 with a hint; each write is there once; healthy within ten seconds."""
    headers = bearer(admin_id)
    writers = [Writer(number, app, headers) for number in range(4)]
    worker = EmbeddedWorker(site.runtime)
    worker.start()
    for writer in writers:
        writer.start()
    site.wait_until(lambda: all(writer.made for writer in writers), what="the first answers")
    for _ in range(ROUNDS):
        cluster.restart()
        seen = [len(writer.made) for writer in writers]
        back = time.monotonic()
        site.wait_until(
            lambda seen=seen: all(
                len(writer.made) > before for writer, before in zip(writers, seen, strict=True)
            ),
            10,
            what="every client's next answer",
        )
        print(f"healthy {time.monotonic() - back:.2f} s after the server")
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(30)
    made = {name: key for writer in writers for name, key in writer.made.items()}
    wanted = site.expected(list(made.values()))
    site.wait_until(lambda: wanted <= site.effects() and site.is_idle(), 60, what="the effects")
    worker.stop()
    answers = sum((writer.answers for writer in writers), Counter())
    assert set(answers) == {201, 503}, answers
    assert sum(writer.unhinted for writer in writers) == 0
    with site.unit_of_work(write=False) as uow:
        table = uow.entity("department").table
        rows = uow.execute(select(table.c.name, table.c.id).where(table.c.name.in_(made))).all()
    assert sorted((row.name, row.id) for row in rows) == sorted(made.items())
    assert site.effects() == wanted
