"""Clients that write and do not give up, and the reckoning afterwards."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter

from sqlalchemy import select

from core.ops.doctor import examine


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


def settle(site, writers) -> Counter[int | str]:
    """What was answered is there once, each effect too; doctor is content. The answers, counted."""
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
    return answers
