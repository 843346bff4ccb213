"""Two processes see the same period fall due; one of them starts it."""

from __future__ import annotations

from sqlalchemy import select

from core.work.tables import schedule_table


def _period(site):
    with site.runtime.read_connection() as connection:
        return connection.execute(
            select(schedule_table).where(schedule_table.c.name == "ledger.hourly")
        ).one_or_none()


def test_a_period_starts_once(site, run_jobs):
    """F4: both have read that it is due before either of them takes it."""
    run_jobs()
    assert _period(site).last_at is None
    site.move_clock("+61m")
    workers = [site.start("worker", FAULT="schedule.after_claim:sleep:1:0.5") for _ in range(2)]
    site.wait_until(lambda: site.effects()[("tick", 0)], what="the tick")
    for worker in workers:
        worker.terminate()
        assert worker.wait(15) == 0, site.logs()
    assert site.effects() == {("tick", 0): 1}
    assert _period(site).last_at is not None


def test_missed_periods_count_as_one(site, run_jobs):
    run_jobs()
    site.move_clock("+1d")
    site.start("worker")
    site.wait_until(lambda: site.effects()[("tick", 0)], what="the tick")
    site.stop()
    assert site.effects() == {("tick", 0): 1}
