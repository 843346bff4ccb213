"""Owners and heads are told of customers for whom nothing was done for so many days (S-024).

Once a day, of those whose days were over since the last day that was told of: nobody is told twice of one
neglect, and a day on which nothing ran is made up for.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import not_, select

from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.security.heads import head_above, heads_of
from core.settings.service import get_setting
from plugins.crm_sales.care.mornings import AT_ONCE, Span, tell_day_by_day
from plugins.crm_sales.care.touches import idle_since

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["ALERT", "ALERTING", "IDLE", "TEAM_IDLE"]

IDLE = NotificationKind(
    "crm_sales.idle",
    _l("Nothing was done for a customer of mine for long"),
    _l("Without follow-up for long: %(record)s"),
    icon="clock",
)
TEAM_IDLE = NotificationKind(
    "crm_sales.team_idle",
    _l("Nothing was done for a customer of my department for long"),
    _l("Without follow-up for long: %(record)s"),
    icon="clock",
)


def _alert(context: JobContext) -> dict[str, int]:
    return {"told": tell_day_by_day(context, ALERT.name, _tell)}


def _tell(uow: UnitOfWork, span: Span, after: int) -> list[int]:
    days = timedelta(days=int(get_setting(uow, "crm_sales", "idle_days")))
    if not days:
        return []
    customer = uow.entity("customer").table
    rows = uow.execute(
        select(customer.c.id, customer.c.owner_id, customer.c.department_id)
        .where(
            customer.c.archived_at.is_(None),
            customer.c.owner_id.is_not(None),
            customer.c.id > after,
            idle_since(uow, span.until - days),
            not_(idle_since(uow, span.since - days)),
        )
        .order_by(customer.c.id)
        .limit(AT_ONCE)
    ).all()
    owners, heads = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    tree = heads_of(uow) if rows else {}
    for row in rows:
        owners[row.owner_id].append(row.id)
        if (head := head_above(tree, row.department_id, but=row.owner_id)) is not None:
            heads[head].append(row.id)
    for kind, told in ((IDLE, owners), (TEAM_IDLE, heads)):
        for person, ids in told.items():
            notify(uow, kind.name, [person], entity="customer", record_ids=ids)
    return [row.id for row in rows]


ALERT = Job(
    "crm_sales.alert_idle", _alert, title=_l("Tell of customers without follow-up"), limit=1
)
ALERTING = Schedule("alert_idle", ALERT.name, daily_at="07:30")
