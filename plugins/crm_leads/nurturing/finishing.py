"""A finished campaign hands its ready leads to sales, with all that is known of them (S-009)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from core.entities.changes import Change
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.nurturing.plans import hand_to_sales, is_open_pool

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["FINISH", "follow"]

_AT_ONCE = 200


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Campaigns that have come to their end hand over after the commit."""
    if changes[0].entity.name != "campaign":
        return
    for change in changes:
        ended = change.after["status"] == "finished" and change.changed("status")
        if change.kind in ("create", "update") and ended and change.after["to_pool"] is not None:
            uow.enqueue(FINISH.name, {"campaign": change.id})


def _finish(context: JobContext, campaign: int) -> dict[str, int]:
    """What nobody owns goes into the pool; without a score asked for, all of it."""
    moved = last = 0
    while True:
        with context.unit_of_work() as uow, uow.elevated():
            entities = uow.snapshot.installed_entities
            table, lead = entities["campaign"].table, entities["lead"].table
            pool = entities["lead_pool"].table
            asked = select(table).join(pool, pool.c.id == table.c.to_pool_id)
            asked = asked.where(table.c.id == campaign, is_open_pool(pool))
            row = uow.execute(asked).one_or_none()
            if row is None or row.status != "finished":
                return {"moved": moved}
            ready = (
                select(lead.c.id)
                .where(lead.c.campaign_id == campaign, lead.c.id > last)
                .where(lead.c.owner_id.is_(None), lead.c.status.in_(OPEN))
                .where(lead.c.archived_at.is_(None), lead.c.pool_id != row.to_pool_id)
                .order_by(lead.c.id)
                .limit(_AT_ONCE)
                .with_for_update()
            )
            if row.ready_score is not None:
                ready = ready.where(func.coalesce(lead.c.score, 0) >= row.ready_score)
            ids = list(uow.execute(ready).scalars())
            hand_to_sales(uow, ids, row.to_pool_id)
        if not ids:
            return {"moved": moved}
        last, moved = ids[-1], moved + len(ids)
        context.progress(moved)


FINISH = Job("crm_leads.finish_campaign", _finish, title=_l("Hand a campaign's leads to sales"))
