"""Whose turn it is: lanes take turns, limits hold, and the queue's length does not matter."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, func, insert, select

from core.work.jobs import Shift, claim_job, run_next
from core.work.tables import job_table, lane_of


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
    assert len(said) == 2
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
    for plan in plans:
        assert "ix_core_job_queue" in plan, plan
        assert "Seq Scan on core_job" not in plan, plan
        scans = [line for line in plan.splitlines() if line.startswith("SCAN core_job")]
        assert all("INDEX" in line for line in scans), plan
