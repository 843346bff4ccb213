"""Whose turn it is: lanes take turns, limits hold, and the queue's length does not matter."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, func, insert, select

from core.work import leases
from core.work.endings import release_jobs
from core.work.jobs import Shift, claim_job, claim_jobs, run_next
from core.work.leases import signs_of
from core.work.tables import job_table, lane_of
from core.work.worker import EmbeddedWorker


@pytest.fixture
def flood(unit_of_work):
    """``flood(number, kind, person=None)``: so many jobs, waiting for an hour."""

    def make(number, kind="workbench.work", person=None):
        with unit_of_work() as uow:
            since = uow.now() - timedelta(hours=1)
            owner = kind.partition(".")[0]
            row = {
                "kind": kind,
                "owner": owner,
                "lane": lane_of(kind, owner, person),
                "title": "flood",
                "arguments": {},
                "state": "queued",
                "attempts": 0,
                "done": 0,
                "actor_id": person,
                "locale": "en",
                "created_at": since,
            }
            rows = [row | {"run_at": since + timedelta(seconds=n / 100)} for n in range(number)]
            uow.execute(insert(job_table), rows)

    return make


def _running(runtime, kind):
    table = job_table
    with runtime.read_connection() as connection:
        mine = (table.c.state == "running") & (table.c.kind == kind)
        return connection.execute(select(func.count()).where(mine)).scalar_one()


@pytest.mark.parametrize("whose", ["another kind", "another person"])
def test_a_flood_makes_nobody_else_wait(runtime, flood, enqueue, job, make_person, admin_id, whose):
    """J9: of those that come after two thousand, the first of each lane is among the next three."""
    flood(2_000, person=admin_id)
    if whose == "another kind":
        key = enqueue("workbench.other", admin_id)
    else:
        key = enqueue("workbench.work", make_person())
    shift = Shift()
    for _ in range(3):
        assert run_next(runtime, shift)
    assert job(key).state == "done"


@pytest.mark.long
def test_another_lane_begins_within_five_seconds_of_a_hundred_thousand(
    runtime, flood, handful, enqueue, job, admin_id
):
    """J9, with workers that take the flood in handfuls."""
    flood(100_000, person=admin_id)
    with handful(lambda context, number=0: time.sleep(0.01), size=25):
        worker = EmbeddedWorker(runtime)
        worker.start()
        try:
            time.sleep(2)
            asked = time.monotonic()
            key = enqueue("workbench.other", admin_id)
            while job(key).started_at is None:
                assert time.monotonic() - asked < 5
                time.sleep(0.02)
            print(f"began after {time.monotonic() - asked:.2f} s")
        finally:
            worker.stop()


def test_within_a_lane_the_first_come_first(runtime, enqueue, job):
    keys = [enqueue("workbench.work", number=n) for n in range(5)]
    shift = Shift()
    for _ in range(3):
        run_next(runtime, shift)
    assert [job(key).state for key in keys] == ["done"] * 3 + ["queued"] * 2


def test_no_more_of_a_kind_run_than_may(runtime, enqueue, job, run_jobs):
    keys = [enqueue("workbench.few") for _ in range(3)]
    other = enqueue("workbench.other")
    claimed = [claim_job(runtime) for _ in range(4)]
    assert {row.id for row in claimed if row} == {*keys[:2], other}
    assert claim_job(runtime, keys[2]) is None, "asked for by its number neither"
    runtime.clock.move(timedelta(minutes=1))
    run_jobs()
    assert {job(key).state for key in keys} == {"done"}


@pytest.mark.parametrize("limit", [2, None])
def test_the_limit_holds_when_all_claim_at_once(runtime, enqueue, doing, limit):
    """Positive control: without a limit the same race takes as many as claim."""
    for _ in range(12):
        enqueue("workbench.few")
    begin, most = threading.Barrier(6), []

    def claim():
        begin.wait(10)
        for _ in range(2):
            claim_job(runtime)
            most.append(_running(runtime, "workbench.few"))

    with doing("workbench.few", lambda context: None, limit=limit):
        threads = [threading.Thread(target=claim) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert max(most) == (12 if limit is None else 2)


# Handfuls


@pytest.fixture
def handful(enqueue, doing):
    """``with handful(handler, size=5) as keys:`` eight jobs of a kind that is taken in handfuls."""

    @contextmanager
    def make(handler=lambda context, number: None, *, size=5, **more):
        with doing("workbench.work", handler, handful=size, **more):
            yield [enqueue("workbench.work", number=n) for n in range(8)]

    return make


def _states(job, keys):
    return [(job(key).state, job(key).attempts) for key in keys]


def test_a_handful_is_taken_together_and_run_in_order(runtime, handful, job):
    ran = []
    with handful(lambda context, number: ran.append(number)) as keys:
        assert run_next(runtime) == 5
        assert _states(job, keys) == [("done", 1)] * 5 + [("queued", 0)] * 3
        assert run_next(runtime) == 3
    assert ran == list(range(8))


def test_a_handful_is_no_larger_than_the_limit_allows(runtime, handful):
    with handful(limit=3):
        assert [len(claim_jobs(runtime)) for _ in range(2)] == [3, 0]


def test_what_is_behind_a_failure_is_given_back_untried(runtime, handful, job):
    def fail(context, number):
        assert number != 1

    with handful(fail) as keys:
        assert run_next(runtime) == 2
        assert _states(job, keys[:3]) == [("done", 1), ("queued", 1), ("queued", 0)]
        assert job(keys[2]).lease is None
        assert run_next(runtime) == 5


def test_what_is_behind_a_job_that_lasts_is_given_back_meanwhile(
    runtime, handful, job, monkeypatch
):
    monkeypatch.setattr(leases, "BEAT", 0.05)

    def last(context, number):
        deadline = time.monotonic() + 10
        while _states(job, keys[1:]) != [("queued", 0)] * 7:
            assert time.monotonic() < deadline, _states(job, keys)
            time.sleep(0.02)
        assert len(claim_jobs(runtime)) == 5, "another worker takes them at once"

    with handful(last) as keys:
        assert run_next(runtime) == 1
        assert job(keys[0]).state == "done"


def test_whoever_is_told_to_stop_gives_back_what_is_not_begun(runtime, handful, job):
    shift = Shift()
    with handful(lambda context, number: shift.stopping.set()) as keys:
        assert run_next(runtime, shift) == 1
        assert _states(job, keys) == [("done", 1)] + [("queued", 0)] * 7


def test_a_later_try_is_taken_by_itself(runtime, handful, job):
    """J6: one that takes its worker down costs the others of its handful one try, and no more."""
    with handful() as keys:
        assert len(claim_jobs(runtime)) == 5
        assert release_jobs(runtime, signs_of(runtime)) == 5
        runtime.clock.move(timedelta(seconds=1))
        assert [len(claim_jobs(runtime)) for _ in range(6)] == [3, 1, 1, 1, 1, 1]
        assert [tried for _state, tried in _states(job, keys)] == [2] * 5 + [1] * 3


def test_claiming_uses_the_index_however_long_the_queue_is(runtime, flood, database_kind):
    """No statement of a claim reads the table from end to end."""
    flood(10_000)
    flood(500, "workbench.few")
    engine = runtime.database.engine
    said = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if "core_job" in statement:
            said.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert claim_job(runtime, after="workbench.a").kind == "workbench.few"
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(said) == 4
    explain = "EXPLAIN QUERY PLAN " if database_kind == "sqlite" else "EXPLAIN "
    with runtime.database.connect(write=False) as connection:
        if database_kind == "postgresql":
            connection.exec_driver_sql("ANALYZE core_job")
        plans = [
            "\n".join(
                str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters)
            )
            for statement, parameters in said
        ]
    assert ["ix_core_job_queue" in plan for plan in plans].count(True) == 2, plans
    for plan in plans:
        assert "Seq Scan on core_job" not in plan, plan
        scans = [line for line in plan.splitlines() if line.startswith("SCAN core_job")]
        assert all("INDEX" in line for line in scans), plan
