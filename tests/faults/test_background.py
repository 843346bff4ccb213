"""The embedded worker and rq behave alike: each test here runs over both."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from core.work.jobs import replay_job
from core.work.rq import Doorbell, porter
from core.work.tables import job_table


@pytest.fixture(params=["embedded", pytest.param("rq", marks=pytest.mark.redis)])
def background(request, site):
    """Work goes on behind the test: in a thread of this process, or in `dougong worker`."""
    bell = None
    if request.param == "rq":
        server = request.getfixturevalue("redis_server")
        bell = Doorbell(server.url)
        site.start("worker", DOUGONG_REDIS_URL=server.url)
        site.wait_until(bell.is_attended, 60, what="the worker")
    thread = porter(site.runtime, bell)
    thread.start()
    yield request.param
    thread.stop()


def _job(site, key):
    with site.runtime.read_connection() as connection:
        return connection.execute(select(job_table).where(job_table.c.id == key)).one()


def _run(site, kind, arguments):
    with site.unit_of_work() as uow:
        key = uow.enqueue(kind, arguments)
    site.wait_until(lambda: _job(site, key).state in ("done", "failed"), what=kind)
    return _job(site, key)


def test_subscribers_are_called_soon_after_the_commit(background, site):
    site.write("warm up")
    site.wait_until(site.is_idle, what="the first effects")
    time.sleep(0.3)  # so that the worker sleeps again
    departments = [site.write("second")]
    begun = time.monotonic()
    wanted = site.expected(departments)
    site.wait_until(lambda: wanted <= site.effects(), what="the effects")
    assert time.monotonic() - begun < 1.5, "it was swept up, not woken"


@pytest.mark.long
def test_a_burst_of_writes_is_worked_off_once(background, site):
    departments = [site.write(f"one of many {number}") for number in range(40)]
    wanted = site.expected(departments)
    site.wait_until(lambda: sum(site.effects().values()) >= 80, what="the effects")
    site.wait_until(site.is_idle, what="the queue")
    assert site.effects() == wanted


@pytest.mark.long
def test_a_job_shows_its_progress_and_result(background, site):
    row = _run(site, "ledger.count", {"steps": 3})
    assert (row.state, row.done, row.total, row.result) == ("done", 3, 3, {"steps": 3})


def test_a_failing_job_becomes_a_dead_letter_and_is_replayed(background, site):
    row = _run(site, "ledger.fail", {})
    assert row.state == "failed"
    assert "this never works" in row.error
    with site.unit_of_work() as uow:
        assert replay_job(uow, row.id)
    site.wait_until(
        lambda: (
            (again := _job(site, row.id)).state == "failed" and again.finished_at > row.finished_at
        ),
        what="the replay",
    )


@pytest.mark.long
def test_what_is_left_while_nobody_works_is_done_later(site, background):
    site.runtime.wake = lambda: None  # this process tells nobody
    departments = [site.write("found by sweeping")]
    wanted = site.expected(departments)
    site.wait_until(lambda: site.effects() == wanted, 10, what="the sweep")
