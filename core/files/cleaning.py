"""Uploads that no record was given: dropped after a day, the row and the stored bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, select
from sqlalchemy.exc import IntegrityError

from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["CLEAN_UPLOADS", "UPLOADS_CLEANED", "UPLOAD_LIFETIME", "clean_uploads"]

#: How long an upload waits for the record that it was chosen for.
UPLOAD_LIFETIME = timedelta(days=1)
_AT_ONCE = 100


def clean_uploads(context: JobContext) -> dict[str, int]:
    """Drop the uploads that waited too long; answers how many."""
    dropped, last = 0, 0
    while True:
        with context.unit_of_work() as uow:
            rows = _waiting(uow, last)
            needed = _needed_by_jobs(uow)
            dropped += sum(_drop(uow, row) for row in rows if row.id not in needed)
        if not rows:
            return {"dropped": dropped}
        last = rows[-1].id
        context.progress(dropped)


def _waiting(uow: UnitOfWork, last: int) -> Sequence[Row[Any]]:
    """The next of them, locked: who gives one to a record at this instant comes first or not."""
    table = uow.snapshot.installed_entities["file"].table
    return uow.execute(
        select(table.c.id, table.c.storage_key)
        .where(
            table.c.entity.is_(None),
            table.c.created_at < uow.now() - UPLOAD_LIFETIME,
            table.c.id > last,
        )
        .order_by(table.c.id)
        .limit(_AT_ONCE)
        .with_for_update()
    ).all()


def _needed_by_jobs(uow: UnitOfWork) -> set[int]:
    """The tables of imports that have not run yet, or may be tried again."""
    unfinished = job_table.c.state.in_(("queued", "running", "failed"))
    arguments = uow.execute(select(job_table.c.arguments).where(unfinished)).scalars()
    return {key for each in arguments for key in _files_of(each)}


def _files_of(arguments: Mapping[str, Any]) -> Iterator[int]:
    several = arguments.get("files")
    for key in (arguments.get("file"), *(several.values() if isinstance(several, dict) else ())):
        if isinstance(key, int):
            yield key


def _drop(uow: UnitOfWork, row: Row[Any]) -> bool:
    """The row first, so that a refusal of the database leaves both; the bytes before the commit,
    so that a crash leaves a row to try again with and never bytes without one."""
    table = uow.snapshot.installed_entities["file"].table
    try:
        with uow.savepoint():
            uow.execute(delete(table).where(table.c.id == row.id))
    except IntegrityError:
        return False  # a field holds it all the same
    uow.runtime.storage.delete(row.storage_key)
    return True


CLEAN_UPLOADS = Job(
    "core.clean_uploads", clean_uploads, title=_l("Remove uploads that were never used")
)
UPLOADS_CLEANED = Schedule("clean_uploads", CLEAN_UPLOADS.name, daily_at="03:30")
