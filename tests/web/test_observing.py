"""What is measured and logged of requests (RELIABILITY S3; ASVS 16.2)."""

from __future__ import annotations

import io
import json
import logging
import re
from datetime import timedelta

import pytest

from core.logging import JsonFormatter

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

COUNT = re.compile(r"dougong_request_seconds_count\{(.*?)\} (\S+)")


@pytest.fixture
def lines():
    """Each line that is logged from now on, as an object."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    level, root.level = root.level, logging.INFO
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.level = level


def _counts(client, headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    return {labels: float(value) for labels, value in COUNT.findall(text)}, text


def test_requests_are_counted_by_route_not_by_address(client, bearer, admin_id):
    """A route is one series however many records it shows; what has no route is one together."""
    headers = bearer(admin_id)
    before, _text = _counts(client, headers)
    for number in (1, 2, 3):
        client.get(f"/api/v1/records/user/{number}", headers=headers)
        client.get(f"/nowhere/{number}")
    counts, text = _counts(client, headers)
    new = {labels: value - before.get(labels, 0) for labels, value in counts.items()}
    record = [
        (key, n) for key, n in new.items() if "records/<entity>/<record:record_id>" in key and n
    ]
    assert sum(n for _key, n in record) == 3, new
    assert sum(n for key, n in new.items() if 'route="-"' in key) == 3
    assert "/nowhere" not in text
    assert "process_resident_memory_bytes" in text


def test_what_waits_is_told(client, bearer, admin_id, unit_of_work, runtime):
    """Jobs by state, the oldest one's wait, events that were not relayed."""
    with unit_of_work() as uow:
        uow.enqueue("core.export", {}, run_at=uow.now())
    headers = bearer(admin_id)
    runtime.clock.offset += timedelta(seconds=90)
    _series, text = _counts(client, headers)
    assert 'dougong_jobs{state="queued"} 1.0' in text
    assert re.search(r"dougong_events_new \d", text)
    assert float(re.search(r"\ndougong_oldest_job_seconds (\S+)", text)[1]) >= 90


def test_measurements_are_not_for_everybody(client, bearer, make_person):
    """Neither a stranger nor a person without the right sees them."""
    assert client.get("/metrics").status_code in (302, 401)
    assert client.get("/metrics", headers=bearer(make_person())).status_code == 403


def test_log_lines_carry_the_id_of_their_request(client, lines, runtime, monkeypatch):
    """The id of the answer's header stands in what the request logged, and in nothing else."""
    monkeypatch.setitem(vars(runtime.config), "access_log", True)
    answers = [client.get("/sign-in") for _number in range(2)]
    logging.getLogger("dougong.test").info("outside")
    *inside, outside = lines()
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert [line["request_id"] for line in inside] == ids
    assert len(set(ids)) == 2
    assert "request_id" not in outside


def test_an_id_is_taken_from_a_trusted_proxy_alone(client, runtime, app):
    """Without ``DOUGONG_PROXY_HOPS`` anybody could write what stands in the log."""
    given = {"X-Request-Id": "from-outside-1"}
    assert client.get("/healthz", headers=given).headers["X-Request-Id"] != "from-outside-1"


def test_requests_are_logged_when_asked_for(client, lines, runtime, monkeypatch, bearer, admin_id):
    """One line each, with route, status, time and person; no query, which may hold names."""
    client.get("/sign-in?next=/secret-place")
    assert [line for line in lines() if line["logger"] == "dougong.access"] == []
    monkeypatch.setitem(vars(runtime.config), "access_log", True)
    client.get("/api/v1/records/user?search=王芳", headers=bearer(admin_id))
    (line,) = [line for line in lines() if line["logger"] == "dougong.access"]
    assert line["message"] == "GET /api/v1/records/user"
    assert line["route"] == "/api/v1/records/<entity>"
    assert (line["status"], line["user"]) == (200, admin_id)
    assert line["ms"] > 0
    assert "王芳" not in json.dumps(line, ensure_ascii=False)
