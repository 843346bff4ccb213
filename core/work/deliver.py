"""The outbox: from a committed event to one job for each of its subscribers, and their run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.faults import fault
from core.i18n import current_locale
from core.plugins.contributions import Job, Subscriber
from core.plugins.manager import Contribution
from core.search.indexing import note_written
from core.security.actor import SYSTEM
from core.work.claims import JOB
from core.work.events import Event
from core.work.jobs import JobContext
from core.work.tables import event_table, job_table, queued_job
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime, Snapshot

__all__ = ["DELIVER", "relay"]

BATCH = 200


def relay(runtime: Runtime) -> int:
    """Make the deliveries of new events; returns how many events were handled.

    Subscribers of plugins that are off get theirs too: the jobs wait until the plugin is on.
    """
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        table = event_table
        new = select(table).where(table.c.state == "new").order_by(table.c.id).limit(BATCH)
        rows = uow.execute(new.with_for_update(skip_locked=True)).all()
        if not rows:
            return 0
        fault("outbox.after_claim")
        subscribers = runtime.installed("register_subscribers")
        jobs = [
            _delivery(uow, row.id, each)
            for row in rows
            for each in subscribers
            if _concerns(each.item, row)
        ]
        if jobs:  # at most one has each key, whatever happened to the event before
            insert: Any = sqlite_insert if runtime.database.is_sqlite else postgresql_insert
            uow.execute(insert(job_table).on_conflict_do_nothing(), jobs)
            uow.wake_afterwards()
        note_written(uow, rows)
        ids = [row.id for row in rows]
        uow.execute(update(table).where(table.c.id.in_(ids)).values(state="sent"))
        fault("outbox.after_mark")
    return len(rows)


def _concerns(subscriber: Subscriber, row: Any) -> bool:
    return subscriber.event.name == row.type and subscriber.entity in (None, row.entity)


def _delivery(
    uow: UnitOfWork, event_id: int, contribution: Contribution[Subscriber]
) -> dict[str, Any]:
    name = f"{contribution.owner}.{contribution.item.name}"
    return queued_job(
        "core.deliver",
        {"event_id": event_id, "subscriber": name},
        title=name,
        owner=contribution.owner,
        actor_id=uow.actor.user_id,
        behind_id=uow.actor.behind,
        locale=current_locale(),
        now=uow.now(),
        key=f"event:{event_id}:{name}",
    )


def _deliver(context: JobContext, event_id: int, subscriber: str) -> None:
    """Run one subscriber; its writes and the mark "done" are one transaction."""
    runtime = context.runtime
    found = {f"{c.owner}.{c.item.name}": c.item for c in runtime.installed("register_subscribers")}
    handler = found.get(subscriber)
    with UnitOfWork(runtime, SYSTEM, origin=JOB) as uow:
        row = uow.execute(select(event_table).where(event_table.c.id == event_id)).one_or_none()
        if row is not None and handler is not None:
            fault("outbox.before_send")
            handler.handler(_event(runtime, uow.snapshot, row.type, row.payload), uow)
            fault("outbox.after_send")
        context.finish(uow)


def _event(runtime: Runtime, snapshot: Snapshot, name: str, payload: dict[str, Any]) -> Event:
    classes: dict[str, type[Event]] = {
        c.item.name: c.item for c in runtime.installed("register_events")
    }
    return classes[name].from_payload(payload)


DELIVER = Job("core.deliver", _deliver, max_attempts=8, handful=25, time_limit=timedelta(minutes=2))
