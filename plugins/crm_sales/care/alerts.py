"""Owners and heads are told of customers for whom nothing was done for so many days (S-024).

Once a day, of those whose days were over since the day before: nobody is told twice of one neglect.
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
from plugins.crm_sales.care.mornings import morning_of
from plugins.crm_sales.care.touches import idle_since

if TYPE_CHECKING:
    from core.work.jobs import JobContext

__all__ = ["ALERT", "ALERTING", "IDLE", "TEAM_IDLE"]

_AT_ONCE = 1_000

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
    with context.unit_of_work() as uow:
        days = int(get_setting(uow, "crm_sales", "idle_days"))
        if not days:
            return {"told": 0}
        customer, edge = uow.entity("customer").table, morning_of(uow) - timedelta(days=days)
        rows = uow.execute(
            select(customer.c.id, customer.c.owner_id, customer.c.department_id)
            .where(
                customer.c.archived_at.is_(None),
                customer.c.owner_id.is_not(None),
                idle_since(uow, edge),
                not_(idle_since(uow, edge - timedelta(days=1))),
            )
            .order_by(customer.c.id)
            .limit(_AT_ONCE)
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
        return {"told": len(rows)}


ALERT = Job("crm_sales.alert_idle", _alert, title=_l("Tell of customers without follow-up"))
ALERTING = Schedule("alert_idle", ALERT.name, daily_at="07:30")
