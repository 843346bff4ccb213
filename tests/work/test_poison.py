"""Jobs that do harm: a few tries, then they are parked, and the others go on."""

from __future__ import annotations

import sys
import threading
import time
from datetime import timedelta

import pytest

from core.logging import JsonFormatter
from core.work.endings import release_jobs
from core.work.jobs import claim_job
from core.work.leases import signs_of
from core.work.presence import find_workers
from core.work.worker import EmbeddedWorker


class Mute(Exception):
    def __str__(self):
        raise ValueError("not even this")


def _raise(error):
    raise error


POISON = {
    "raises": lambda context: _raise(ValueError("broken")),
    "leaves the process": lambda context: sys.exit(3),
    "more memory than there is": lambda context: bytearray(1 << 60),
    "junk": lambda context: object(),
    "junk in the words": lambda context: _raise(ValueError("a\x00b\ud800")),
    "cannot say what it is": lambda context: _raise(Mute()),
    "wrong arguments": lambda context, more: None,
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("poison", POISON)
def test_it_is_parked_after_five_tries_and_others_go_on(
    runtime, enqueue, doing, job, run_jobs, caplog, poison
):
    """J6"""
    with doing("workbench.work", POISON[poison]):
        bad, good = enqueue("workbench.work"), enqueue("workbench.other")
        for tried in range(1, 6):
            run_jobs()
            assert (job(bad).attempts, job(good).state) == (tried, "done")
            runtime.clock.move(timedelta(hours=2))
        run_jobs()
    row = job(bad)
    assert (row.state, row.attempts) == ("failed", 5)
    assert row.error.encode(), "what it says can be sent to anybody"
    told = [record for record in caplog.records if record.exc_info]
    assert len(told) >= 5
    assert all(JsonFormatter().format(each).encode() for each in told)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("poison", ["junk", "junk in the words"])
def test_what_no_database_takes_is_no_reason_to_go_on_trying(enqueue, doing, job, run_jobs, poison):
    """J6: the failure itself can be written down."""
    with doing("workbench.work", POISON[poison], max_attempts=1):
        key = enqueue("workbench.work")
        run_jobs()
    assert job(key).state == "failed"
    assert job(key).error.encode()


def test_an_unknown_kind_is_parked_at_once(enqueue, job, run_jobs):
    key = enqueue("workbench.gone")
    run_jobs()
    assert (job(key).state, job(key).attempts) == ("failed", 1)


def test_one_that_takes_its_worker_down_is_parked_as_well(runtime, enqueue, job):
    """J6: the process is gone each time, so nobody is left to say that it failed."""
    key = enqueue("workbench.work")
    for tried in range(1, 6):
        assert claim_job(runtime, key).attempts == tried
        assert release_jobs(runtime, signs_of(runtime)) == 1
        runtime.clock.move(timedelta(hours=2))
    assert job(key).state == "failed"
    assert "process" in job(key).error
    assert claim_job(runtime, key) is None


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_job_that_hangs_is_given_up_and_the_worker_goes_on(
    runtime, enqueue, doing, job, unit_of_work
):
    """J6: after its time limit it counts as failed; its late end is not kept."""
    let_go, ended = threading.Event(), threading.Event()

    def hang(context):
        let_go.wait(30)
        ended.set()
        return "late"

    limits = {"time_limit": timedelta(seconds=0.4), "max_attempts": 1}
    with doing("workbench.work", hang, **limits):
        bad = enqueue("workbench.work")
        worker = EmbeddedWorker(runtime)
        worker.start()
        try:
            _wait(lambda: job(bad).state == "failed")
            good = enqueue("workbench.other")
            _wait(lambda: job(good).state == "done")
        finally:
            let_go.set()
            assert ended.wait(10)
            worker.stop()
            _wait(lambda: not any(each.name == "dougong-worker" for each in threading.enumerate()))
    assert job(bad).error.endswith("no progress for 0.4 s")
    assert (job(bad).state, job(bad).result) == ("failed", None)


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_progress_keeps_a_long_job_alive(runtime, enqueue, doing, job, run_jobs):
    """Positive control: it lasts twice its time limit."""

    def work(context):
        for step in range(8):
            time.sleep(0.1)
            context.progress(step)
        return "slow but well"

    with doing("workbench.work", work, time_limit=timedelta(seconds=0.4)):
        key = enqueue("workbench.work")
        run_jobs()
    assert (job(key).state, job(key).attempts) == ("done", 1)


def test_workers_are_seen_while_they_are_there(runtime, unit_of_work):
    worker = EmbeddedWorker(runtime)
    worker.start()

    def seen():
        with unit_of_work(write=False) as uow:
            return [(each.role, each.is_there) for each in find_workers(uow)]

    _wait(lambda: seen() == [("serve", True)])
    runtime.clock.move(timedelta(minutes=1))
    assert seen() == [("serve", False)]
    worker.stop()
    assert seen() == []


def _wait(true, seconds=15):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
