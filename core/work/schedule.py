"""Schedules: periods are claimed in the database, so each starts once in whatever process."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core.faults import fault
from core.plugins.contributions import Schedule
from core.security.actor import SYSTEM
from core.work.tables import schedule_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["next_moment", "start_due"]

SCHEDULER = Origin("schedule")


def next_moment(schedule: Schedule, after: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after ``after`` at which the schedule is due.

    A daily time that a zone's clock skips happens when the clock has moved on; one that it shows
    twice happens the first time.
    """
    if schedule.every is not None:
        return after + schedule.every
    hour, _colon, minute = (schedule.daily_at or "00:00").partition(":")
    day = after.astimezone(zone).date()
    while True:
        moment = datetime.combine(day, time(int(hour), int(minute)), zone).astimezone(UTC)
        if moment > after:
            return moment
        day += timedelta(days=1)


def start_due(runtime: Runtime) -> int:
    """Queue the jobs of schedules that are due; returns how many.

    After a pause the missed periods count as one.
    """
    with UnitOfWork(runtime, SYSTEM, origin=SCHEDULER, write=False) as uow:
        schedules = uow.snapshot.contributions.get("register_schedules", ())
        due = {row.name: row.next_at for row in uow.execute(select(schedule_table))}
        now = uow.now()
    started = 0
    for contribution in schedules:
        name = f"{contribution.owner}.{contribution.item.name}"
        if name not in due:
            _remember(runtime, name, contribution.item)
        elif due[name] <= now:
            started += _start(runtime, name, contribution.item)
    return started


def _remember(runtime: Runtime, name: str, schedule: Schedule) -> None:
    try:
        with UnitOfWork(runtime, SYSTEM, origin=SCHEDULER) as uow:
            following = next_moment(schedule, uow.now(), uow.clock.timezone)
            uow.execute(insert(schedule_table).values(name=name, next_at=following))
    except IntegrityError:
        return  # another process was first


def _start(runtime: Runtime, name: str, schedule: Schedule) -> int:
    with UnitOfWork(runtime, SYSTEM, origin=SCHEDULER) as uow:
        now, table = uow.now(), schedule_table
        claimed = uow.execute(
            update(table)
            .where(table.c.name == name, table.c.next_at <= now)
            .values(next_at=next_moment(schedule, now, uow.clock.timezone), last_at=now)
        ).rowcount
        if claimed:
            fault("schedule.after_claim")
            uow.enqueue(schedule.job, schedule.arguments, title=name)
    return claimed
