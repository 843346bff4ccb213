"""A real server, several processes with several threads each, and clients that do not wait."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest


class Client:
    """One caller of the REST interface, with a connection of its own."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        text = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1/{path}", text, self._headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw else {}

    def close(self) -> None:
        self._connection.close()


@pytest.mark.long
def test_writers_wait_for_each_other_and_none_is_refused(site, token):
    """Spike 5: 4 processes x 4 threads, 16 callers: BEGIN IMMEDIATE makes writers queue up."""
    callers, each = 16, 8

    def call(number: int) -> list[tuple[int, int, float]]:
        client, answers = Client(port, token), []
        for step in range(each):
            begun = time.perf_counter()
            status, body = client.ask("POST", "records/department", {"name": f"{number}.{step}"})
            answers.append((status, body.get("id", 0), time.perf_counter() - begun))
        client.close()
        return answers

    with site.serving(4, DOUGONG_THREADS="4") as port, ThreadPoolExecutor(callers) as pool:
        answers = [answer for found in pool.map(call, range(callers)) for answer in found]
        made = [key for _status, key, _seconds in answers]
        wanted = site.expected(made)
        site.wait_until(lambda: sum(site.effects().values()) >= len(wanted), 60, "the effects")
    assert Counter(status for status, _key, _seconds in answers) == {201: callers * each}
    assert len(set(made)) == callers * each
    assert site.effects() == wanted
    slowest = sorted(seconds for _status, _key, seconds in answers)[-1]
    print(f"slowest of {len(answers)} writes: {slowest:.2f} s")
    assert "locked" not in site.logs()


@pytest.mark.long
@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_field_made_while_others_read_and_write_is_seen_by_all(site, token):
    """Spike 1, N1: three processes; no error, no wrong read, everybody sees it within 2 s."""
    stop, wrong = threading.Event(), []
    field = {"name": "x_grade", "kind": "text", "label": {"zh_CN": "等级", "en": "Grade"}}

    def write_and_read(number: int) -> int:
        client, step = Client(port, token), 0
        while not stop.is_set():
            name = f"{number}.{step}"
            status, made = client.ask("POST", "records/department", {"name": name})
            if status != 201:
                wrong.append((status, made))
                break
            status, read = client.ask("GET", f"records/department/{made['id']}")
            if status != 200 or read["name"] != name or read.get("x_grade") is not None:
                wrong.append((status, read))
            step += 1
        client.close()
        return step

    def last_unaware() -> float:
        """When somebody last did not know it, in seconds from now.

        A fresh connection each time, so that every process gets its turn.
        """
        published, unaware, in_a_row = time.monotonic(), 0.0, 0
        while in_a_row < 30:
            asked = time.monotonic() - published
            assert asked < 20
            client = Client(port, token)
            status, _body = client.ask("GET", "records/department?fields=name,x_grade&limit=1")
            client.close()
            in_a_row = in_a_row + 1 if status == 200 else 0
            unaware = unaware if status == 200 else asked
        return unaware

    with site.serving(3, DOUGONG_THREADS="3") as port, ThreadPoolExecutor(6) as pool:
        running = [pool.submit(write_and_read, number) for number in range(6)]
        try:
            time.sleep(1)
            with closing(Client(port, token)) as client:
                status, body = client.ask("POST", "schema/entities/department/fields", field)
            assert status == 201, body
            seconds = last_unaware()
            values = {"name": "n", "x_grade": "甲"}
            with closing(Client(port, token)) as client:  # the first was idle for too long
                status, made = client.ask("POST", "records/department", values)
            assert (status, made.get("x_grade")) == (201, "甲")
        finally:
            stop.set()
        steps = [each.result() for each in running]
    assert wrong == []
    assert min(steps) > 0
    assert sum(steps) > 2 * len(steps)
    assert seconds < 2
    assert "Traceback" not in site.logs()


@pytest.mark.databases("sqlite")
def test_a_server_without_its_tables_says_what_to_do(site, tmp_path):
    process = site.start(
        "serve", "--no-setup", DOUGONG_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db"
    )
    assert process.wait(30) == 1
    assert "dougong init" in site.logs()
    assert "Traceback" not in site.logs()
