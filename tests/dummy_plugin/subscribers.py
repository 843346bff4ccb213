"""Reactions to events and the jobs of the clock; each tells `behaviour` what it was given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.plugins.contributions import Job, Schedule, Subscriber
from core.work.events import Event, RecordsCreated
from core.work.jobs import JobContext
from core.work.uow import UnitOfWork
from dummy_plugin.behaviour import answer
from dummy_plugin.events import SpecimenWeighed


def weighed(event: Event, uow: UnitOfWork) -> None:
    answer("weighed", event=event, uow=uow)


def created(event: Event, uow: UnitOfWork) -> None:
    answer("created", event=event, uow=uow)


def recount(context: JobContext, **arguments: Any) -> Any:
    return answer("recount", context=context, **arguments)


SUBSCRIBERS = (
    Subscriber("weighed", SpecimenWeighed, weighed),
    Subscriber("created", RecordsCreated, created, entity="specimen"),
)
JOBS = (Job("dummy_plugin.recount", recount),)
SCHEDULES = (
    Schedule("hourly", "dummy_plugin.recount", every=timedelta(hours=1), arguments={"by": "clock"}),
)
