"""Schedules: periods are claimed in the database, so each starts once in whatever process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core.errors import Forbidden
from core.faults import fault
from core.i18n import gettext as _
from core.plugins.contributions import Schedule
from core.security.actor import SYSTEM
from core.work.tables import schedule_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["ScheduleSeen", "find_schedules", "next_moment", "start_due", "start_now"]

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
        elif _is_astray(contribution.item, due[name], now, runtime.clock.timezone):
            _begin_anew(runtime, name, contribution.item, due[name])
        elif due[name] <= now:
            started += _start(runtime, name, contribution.item)
    return started


def _is_astray(schedule: Schedule, due: datetime, now: datetime, zone: ZoneInfo) -> bool:
    """More than two periods ahead: the clock was set back since, or the schedule is another one.

    Up to two, what was started before the clock went back is not started twice.
    """
    return due > next_moment(schedule, next_moment(schedule, now, zone), zone)


def _begin_anew(runtime: Runtime, name: str, schedule: Schedule, due: datetime) -> None:
    with UnitOfWork(runtime, SYSTEM, origin=SCHEDULER) as uow:
        c = schedule_table.c
        following = next_moment(schedule, uow.now(), uow.clock.timezone)
        same = update(schedule_table).where(c.name == name, c.next_at == due)
        uow.execute(same.values(next_at=following))


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


# For people


@dataclass(frozen=True)
class ScheduleSeen:
    """A schedule of a module that is on, as a page shows it."""

    name: str
    owner: str
    schedule: Schedule
    #: None before a worker has seen it for the first time.
    next_at: datetime | None
    last_at: datetime | None


def find_schedules(uow: UnitOfWork) -> list[ScheduleSeen]:
    """All schedules in force, in the order of their next moments."""
    rows = {row.name: row for row in uow.execute(select(schedule_table))}
    found = []
    for contribution in uow.snapshot.contributions.get("register_schedules", ()):
        name = f"{contribution.owner}.{contribution.item.name}"
        row = rows.get(name)
        next_at, last_at = (row.next_at, row.last_at) if row else (None, None)
        found.append(ScheduleSeen(name, contribution.owner, contribution.item, next_at, last_at))
    return sorted(found, key=lambda each: (each.next_at is None, each.next_at, each.name))


def start_now(uow: UnitOfWork, name: str) -> int | None:
    """Queue a schedule's job out of turn and return its id; None when no such schedule is in force.

    Its next period is what it was. Administrators only.
    """
    if not uow.actor.manages_security:
        raise Forbidden(_("You do not have the right to do this."))
    for each in find_schedules(uow):
        if each.name == name:
            done = update(schedule_table).where(schedule_table.c.name == name)
            uow.execute(done.values(last_at=uow.now()))
            actor, uow.actor = uow.actor, SYSTEM
            try:
                return uow.enqueue(each.schedule.job, each.schedule.arguments, title=name)
            finally:
                uow.actor = actor
    return None
