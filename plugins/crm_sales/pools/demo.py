"""The demonstration story: a pool of customers that sellers claim from and that take them back, and one of
opportunities."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities import query, service
from core.entities.query import ListQuery

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["tell"]

_SEED = 160_822
#: So many customers lie in the pool, and so many others go back to it soon.
_FREE, _SOON, _DEALS = 14, 6, 5
_IDLE, _WARN = 60, 7
_WHY = (
    "原跟进人离职，待重新开发",
    "两年未采购，联系人已更换",
    "暂无设备更新计划，转入公海",
    "不在我的区域，退回公海",
    "多次联系无人接听",
)


def tell(uow: UnitOfWork) -> list[str]:
    """Two pools; what lies in them, and what goes back to them within the next days."""
    # Which customers lie there is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    sales = query.page(uow, "department", ListQuery(fields=("name",), search="销售部")).items[:1]
    departments = [row["id"] for row in sales]
    (customers,) = service.create(
        uow,
        "customer_pool",
        [
            {
                "name": "销售部客户公海",
                "description": "没有跟进的客户退回这里，销售部的同事都可以领取。",
                "departments": departments,
                "daily_claims": 5,
                "holding_limit": 60,
                "veiled": ["contact_mobile", "contact_wechat"],
                "idle_days": _IDLE,
                "warn_days": _WARN,
                "spare_ongoing": True,
                "spare_won_days": 365,
                "levels": [
                    {"level": "A", "stays": True},
                    {"level": "B", "idle_days": _IDLE + 30},
                ],
            }
        ],
    )
    (deals,) = service.create(
        uow,
        "opportunity_pool",
        [
            {
                "name": "销售部商机公海",
                "description": "无人负责的商机，先到先得。",
                "departments": departments,
                "daily_claims": 3,
            }
        ],
    )
    quiet = _quiet(uow)
    rng.shuffle(quiet)
    _put_in(uow, rng, quiet[:_FREE], customers)
    _under_rules(uow, quiet[_FREE : _FREE + _SOON], customers)
    _put_deals(uow, customers, deals)
    return [f"{min(_FREE, len(quiet)) + _DEALS} customers in a pool"]


def _quiet(uow: UnitOfWork) -> list[Mapping[str, Any]]:
    """Ordinary customers without an ongoing or won opportunity."""
    customer, deal = uow.entity("customer").table, uow.entity("opportunity").table
    busy = select(deal.c.customer_id).where(deal.c.status.in_(("open", "won")))
    asked = select(customer.c.id, customer.c.owner_id, customer.c.created_at).where(
        customer.c.id.not_in(busy), customer.c.level.in_(("C", "D"))
    )
    return list(uow.execute(asked.order_by(customer.c.id)).mappings())


def _put_in(
    uow: UnitOfWork, rng: random.Random, rows: Sequence[Mapping[str, Any]], pool: int
) -> None:
    values = {
        row["id"]: _free(
            pool, rng.choice(_WHY), held_since=uow.now() - timedelta(days=rng.randint(1, 40))
        )
        for row in rows
    }
    if values:
        service.update(uow, "customer", values)


def _free(pool: int, reason: str, **more: Any) -> dict[str, Any]:
    return {"owner": None, "department": None, "pool": pool, "release_reason": reason, **more}


def _under_rules(uow: UnitOfWork, rows: Sequence[Mapping[str, Any]], pool: int) -> None:
    """One goes back tonight, another tomorrow, and so on."""
    now = uow.now()
    values = {
        row["id"]: {
            "pool": pool,
            "held_since": now - timedelta(days=_IDLE + 30),
            "last_followed_at": now - timedelta(days=_IDLE - place),
        }
        for place, row in enumerate(rows)
    }
    if values:
        service.update(uow, "customer", values)


def _put_deals(uow: UnitOfWork, customers: int, pool: int) -> None:
    """Some small ones that nobody has time for, with their customers, who have nothing else ongoing."""
    table = uow.entity("opportunity").table
    ongoing = (table.c.status == "open", table.c.archived_at.is_(None))
    single = select(table.c.customer_id).where(*ongoing).group_by(table.c.customer_id)
    asked = select(table.c.id, table.c.customer_id).where(
        *ongoing, table.c.customer_id.in_(single.having(func.count() == 1))
    )
    rows = uow.execute(asked.order_by(table.c.amount, table.c.id).limit(_DEALS)).all()
    if rows:
        free = _free(pool, _WHY[0])
        service.update(uow, "opportunity", {row.id: free for row in rows})
        free = _free(customers, _WHY[0])
        service.update(uow, "customer", {row.customer_id: free for row in rows})
