"""The clock moves: no lease is taken twice, no period is skipped or started twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from core.plugins.contributions import Schedule
from core.work.endings import recall_after_setback, release_jobs
from core.work.jobs import claim_job
from core.work.leases import LEASE, SILENCE, Watch
from core.work.schedule import find_schedules, next_moment, start_due
from core.work.tables import job_table

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Seconds:
    """A monotonic clock that stands still between steps."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def watched(runtime):
    """``watched(seconds, renew=key)``: look every two seconds; the jobs that are silent at the end."""
    seconds = Seconds()
    watch = Watch(now=seconds)

    def look(how_long, renew=None):
        found = []
        for _ in range(round(how_long / 2)):
            if renew is not None:
                _renew(runtime, renew)
            found = watch.look(runtime)
            seconds.now += 2
        return [sign[0] for sign in found]

    look.seconds = seconds
    look.watch = watch
    return look


def _renew(runtime, key):
    with runtime.database.connect(write=True) as connection, connection.begin():
        mine = job_table.c.id == key
        until = runtime.clock.now() + LEASE
        connection.execute(update(job_table).where(mine).values(lease_until=until))


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
def test_who_lives_keeps_the_job_wherever_the_clock_goes(runtime, enqueue, watched, jump):
    """J7: and who is gone loses it within the same seconds."""
    key = enqueue("workbench.work")
    assert claim_job(runtime, key)
    assert watched(6, renew=key) == []
    runtime.clock.move(jump)
    assert watched(20, renew=key) == []
    assert watched(SILENCE + 4) == [key]


def test_a_silent_job_goes_to_another_worker_in_time(runtime, enqueue, watched, job):
    """J2: eight seconds of silence, seen at most two later, and half a nap: below fifteen."""
    key = enqueue("workbench.work")
    first = claim_job(runtime, key)
    assert watched(SILENCE) == []
    assert watched(4) == [key]
    signs = watched.watch.look(runtime)
    assert release_jobs(runtime, signs) == 1
    assert release_jobs(runtime, signs) == 0, "of two that see it, one acts"
    second = claim_job(runtime)
    assert (second.id, second.attempts) == (key, 2)
    assert second.lease != first.lease


def test_who_did_not_look_has_seen_no_silence(runtime, enqueue, watched):
    """A process that stood still for a minute cannot tell who else did."""
    key = enqueue("workbench.work")
    claim_job(runtime, key)
    assert watched(4) == []
    watched.seconds.now += 60
    assert watched(6) == []
    assert watched(SILENCE) == [key]


def test_what_was_due_before_the_clock_went_back_is_not_forgotten(
    runtime, unit_of_work, enqueue, job, run_jobs
):
    key = enqueue("workbench.work")
    with unit_of_work() as uow:
        later = uow.enqueue("workbench.other", {}, run_at=uow.now() + DAY)
    runtime.clock.move(-HOUR)
    run_jobs()
    assert job(key).state == "queued", "positive control: it is dated by the time before"
    with unit_of_work() as uow:
        recall_after_setback(uow)
    run_jobs()
    assert job(key).state == "done"
    runtime.clock.move(timedelta(hours=2))
    run_jobs()
    assert job(later).state in ("queued", "done")


def _dates(runtime, unit_of_work):
    with unit_of_work(write=False) as uow:
        return {each.name: each for each in find_schedules(uow)}


def _started(runtime, name):
    with runtime.read_connection() as connection:
        mine = select(job_table.c.id).where(job_table.c.title == name)
        return len(connection.execute(mine).all())


@pytest.mark.parametrize("jump", [HOUR, DAY])
def test_a_schedule_survives_a_jump_there_and_back(runtime, unit_of_work, jump):
    """J7: what the jump started is not started again, and the periods go on afterwards."""
    start_due(runtime)
    runtime.clock.move(timedelta(minutes=61))
    start_due(runtime)
    assert _started(runtime, "workbench.hourly") == 1
    runtime.clock.move(jump)
    start_due(runtime)
    after_jump = _started(runtime, "workbench.hourly")
    assert after_jump == 2
    runtime.clock.move(-jump)
    start_due(runtime)
    start_due(runtime)
    assert _started(runtime, "workbench.hourly") == after_jump
    soon = _dates(runtime, unit_of_work)["workbench.hourly"].next_at - runtime.clock.now()
    assert soon <= 2 * HOUR
    for _ in range(3):
        runtime.clock.move(HOUR + timedelta(minutes=1))
        start_due(runtime)
    assert _started(runtime, "workbench.hourly") >= after_jump + 2


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Pacific/Apia"]
)
@pytest.mark.parametrize("at", ["00:30", "02:30", "23:59"])
def test_a_daily_schedule_happens_once_on_each_day(zone, at):
    """J7: a year with both changes of the clock and the 29th of February."""
    schedule, where = Schedule("s", "j", daily_at=at), ZoneInfo(zone)
    moment = datetime(2027, 12, 31, 12, tzinfo=UTC)
    days = []
    while moment < datetime(2028, 12, 31, 12, tzinfo=UTC):
        moment = next_moment(schedule, moment, where)
        local = moment.astimezone(where)
        days.append(local.date())
        assert f"{local:%H:%M}" == at or f"{local - HOUR:%H:%M}" == at
    assert len(days) == len(set(days))
    assert len(days) == (days[-1] - days[0]).days + 1
