"""Jobs that are over long since: dropped in batches, by the age that the company has set."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, delete, or_, select

from core.fields import FieldSpec, Integer
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule, SettingsGroup
from core.settings.service import get_setting
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["CLEAN_JOBS", "JOBS", "JOBS_CLEANED", "clean_jobs"]

_AT_ONCE = 1_000

JOBS = SettingsGroup(
    "core_jobs",
    _l("Jobs"),
    (
        FieldSpec(
            "done_days",
            Integer(minimum=1, maximum=3650),
            _l("Drop finished jobs after days"),
            help=_l(
                "Done and stopped ones. Imports and hand-overs stay: their history shows them."
            ),
            default=30,
            required=True,
        ),
        FieldSpec(
            "failed_days",
            Integer(minimum=1, maximum=3650),
            _l("Drop failed jobs after days"),
            help=_l("Until then they can be run again."),
            default=180,
            required=True,
        ),
    ),
)


def clean_jobs(context: JobContext) -> dict[str, int]:
    """Drop them; answers how many."""
    dropped, last = 0, 0
    while True:
        with context.unit_of_work() as uow:
            old = select(job_table.c.id).where(_is_old(uow), job_table.c.id > last)
            ids = uow.execute(old.order_by(job_table.c.id).limit(_AT_ONCE)).scalars().all()
            uow.execute(delete(job_table).where(job_table.c.id.in_(ids)))
        if not ids:
            return {"dropped": dropped}
        dropped, last = dropped + len(ids), ids[-1]
        context.progress(dropped)


def _is_old(uow: UnitOfWork) -> ColumnElement[bool]:
    c = job_table.c
    kept = [job.name for job in _installed(uow) if job.is_history]

    def before(setting: str) -> datetime:
        return uow.now() - timedelta(days=get_setting(uow, "core_jobs", setting))

    over = or_(
        and_(c.state.in_(("done", "cancelled")), c.finished_at < before("done_days")),
        and_(c.state == "failed", c.finished_at < before("failed_days")),
    )
    return and_(over, c.kind.not_in(kept))


def _installed(uow: UnitOfWork) -> list[Job]:
    return [contribution.item for contribution in uow.runtime.installed("register_jobs")]


CLEAN_JOBS = Job("core.clean_jobs", clean_jobs, title=_l("Remove jobs that are over long since"))
JOBS_CLEANED = Schedule("clean_jobs", CLEAN_JOBS.name, daily_at="03:50")
