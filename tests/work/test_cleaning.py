"""Jobs that are over long since are dropped, those that are a history stay."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from core.settings.service import put_settings
from core.work.tables import job_table


def _make(uow, kind, state, days):
    key = uow.enqueue(kind, {})
    at = uow.now() - timedelta(days=days)
    over = update(job_table).where(job_table.c.id == key)
    uow.execute(over.values(state=state, finished_at=at, created_at=at))
    return key


def _left(runtime):
    with runtime.read_connection() as connection:
        return set(connection.execute(select(job_table.c.id)).scalars())


def test_old_jobs_are_dropped_in_batches(runtime, unit_of_work, run_jobs, monkeypatch):
    monkeypatch.setattr("core.work.cleaning._AT_ONCE", 2)
    with unit_of_work() as uow:
        gone = {_make(uow, "workbench.work", "done", 31) for _ in range(5)}
        gone |= {_make(uow, "workbench.work", "cancelled", 31)}
        gone |= {_make(uow, "workbench.work", "failed", 181)}
        kept = {
            _make(uow, "workbench.work", "done", 29),
            _make(uow, "workbench.work", "failed", 179),
            _make(uow, "core.import", "done", 400),
            _make(uow, "core.undo_import", "done", 400),
        }
        cleaning = uow.enqueue("core.clean_jobs", {})
    run_jobs()
    left = _left(runtime)
    assert left & gone == set()
    assert left >= kept | {cleaning}


def test_the_company_sets_the_age(runtime, unit_of_work, run_jobs, admin_id):
    with unit_of_work(admin_id) as uow:
        put_settings(uow, "core_jobs", {"done_days": 1})
    with unit_of_work() as uow:
        old, new = _make(uow, "workbench.work", "done", 2), _make(uow, "workbench.work", "done", 0)
        uow.enqueue("core.clean_jobs", {})
    run_jobs()
    assert _left(runtime) & {old, new} == {new}
