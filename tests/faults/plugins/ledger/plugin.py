"""Two subscribers, jobs that work, fail and take long, and a schedule."""

from __future__ import annotations

import time
from datetime import timedelta

from core.entities import service
from core.plugins import hookimpl
from core.plugins.contributions import Job, Schedule, Subscriber
from core.work.events import RecordsCreated
from ledger import models


def _note(uow, doer, subjects):
    service.create(uow, "effect", [{"doer": doer, "subject": each} for each in subjects])


def _first(event, uow):
    _note(uow, "first", event.ids)


def _second(event, uow):
    _note(uow, "second", event.ids)


def _tick(context):
    with context.unit_of_work() as uow:
        _note(uow, "tick", [0])
        context.finish(uow)


def _count(context, steps):
    for step in range(steps):
        context.progress(step + 1, steps)
    return {"steps": steps}


def _linger(context, steps):
    for step in range(steps):
        time.sleep(0.5)
        context.progress(step + 1, steps)
    with context.unit_of_work() as uow:
        _note(uow, "lingering", [context.job_id])
        context.finish(uow)


def _fail(context):
    raise ValueError("this never works")


@hookimpl
def register_entities():
    return [models.effect]


@hookimpl
def register_subscribers():
    return [
        Subscriber("first", RecordsCreated, _first, entity="department"),
        Subscriber("second", RecordsCreated, _second, entity="department"),
    ]


@hookimpl
def register_jobs():
    return [
        Job("ledger.tick", _tick),
        Job("ledger.count", _count),
        Job("ledger.linger", _linger),
        Job("ledger.fail", _fail, max_attempts=1),
    ]


@hookimpl
def register_schedules():
    return [Schedule("hourly", "ledger.tick", every=timedelta(hours=1))]
