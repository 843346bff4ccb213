"""Several processes look at one clock: a period starts once, whatever is done to the clock."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from core.work.presence import find_workers
from core.work.tables import job_table, schedule_table


def _period(site):
    with site.runtime.read_connection() as connection:
        return connection.execute(
            select(schedule_table).where(schedule_table.c.name == "ledger.hourly")
        ).one_or_none()


@pytest.mark.long
def test_a_period_starts_once(site, run_jobs):
    """F4: both have read that it is due before either of them takes it."""
    run_jobs()
    assert _period(site).last_at is None
    site.move_clock("+61m")
    workers = [site.start("worker", FAULT="schedule.after_claim:sleep:1:0.5") for _ in range(2)]
    site.wait_until(lambda: site.effects()[("tick", 0)], 60, what="the tick")
    time.sleep(4)  # the other one too had its time
    for worker in workers:
        worker.terminate()
        assert worker.wait(15) == 0, site.logs()
    assert site.effects() == {("tick", 0): 1}
    assert _period(site).last_at is not None


@pytest.mark.long
def test_missed_periods_count_as_one(site, run_jobs):
    run_jobs()
    site.move_clock("+1d")
    site.start("worker")
    site.wait_until(lambda: site.effects()[("tick", 0)], what="the tick")
    site.stop()
    assert site.effects() == {("tick", 0): 1}


@pytest.mark.long
def test_the_clock_moves_while_jobs_run_and_schedules_wait(site, run_jobs):
    """J7: an hour and a day there and back: nobody takes a job from who lives, no period is doubled."""
    run_jobs()
    for _ in range(2):
        site.start("worker")

    def workers():
        with site.unit_of_work(write=False) as uow:
            return len(find_workers(uow))

    site.wait_until(lambda: workers() == 2, 90, "both workers")
    with site.unit_of_work() as uow:
        keys = [uow.enqueue("ledger.linger", {"steps": 80})]  # the other worker has time for clocks

    def states():
        found = select(job_table.c.state).where(job_table.c.id.in_(keys))
        with site.runtime.read_connection() as connection:
            return list(connection.execute(found).scalars())

    site.wait_until(lambda: states() == ["running"], 30, "it to be taken")
    for ticks, step in ((1, "+61m"), (2, "+1d"), (2, "-1d"), (2, "-61m")):
        site.move_clock(step)
        time.sleep(5 if step[0] == "-" else 0)
        site.wait_until(
            lambda ticks=ticks: site.effects()[("tick", 0)] == ticks, 30, f"the tick after {step}"
        )
    site.wait_until(lambda: states() == ["done"], 120, "it to end")
    site.wait_until(site.is_idle, what="the rest")
    with site.runtime.read_connection() as connection:
        tries = select(job_table.c.attempts).where(job_table.c.id.in_(keys))
        assert list(connection.execute(tries).scalars()) == [1]
    assert site.effects() == {("tick", 0): 2, **{("lingering", key): 1 for key in keys}}
