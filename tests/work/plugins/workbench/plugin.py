"""Two kinds of jobs, one of which at most two run at a time, and two schedules."""

from __future__ import annotations

from datetime import timedelta

from core.plugins import hookimpl
from core.plugins.contributions import Job, Schedule


def _nothing(context, **arguments):
    return arguments


@hookimpl
def register_jobs():
    return [
        Job("workbench.work", _nothing, title="Work"),
        Job("workbench.other", _nothing, title="Other work"),
        Job("workbench.few", _nothing, title="Limited work", limit=2),
    ]


@hookimpl
def register_schedules():
    return [
        Schedule("hourly", "workbench.work", every=timedelta(hours=1)),
        Schedule("nightly", "workbench.other", daily_at="02:30"),
    ]
