"""The demonstration story: key accounts go to the heads of regions, also when they become some later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.query import ListQuery

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["tell"]

_HEADS = ("闫晓璐", "宫立文", "秦朝阳")
_SELLERS = ("傅宇恒", "宁书瑶", "雷可欣")


def tell(uow: UnitOfWork) -> list[str]:
    """Two rules by level of customer, as far as there is somebody whom they mean."""
    heads, sellers = _people(uow, _HEADS), _people(uow, _SELLERS)
    rules: list[dict[str, Any]] = [
        {
            "name": "A级客户：区域经理中在手最少者",
            "position": 10,
            "conditions": [{"field_name": "level", "op": "is", "value": "A"}],
            "on_change": True,
            "target": "least_loaded",
            "people": heads,
        },
        {
            "name": "C、D级客户：销售工程师轮流",
            "position": 20,
            "conditions": [{"field_name": "level", "op": "is", "value": "C、D"}],
            "target": "round_robin",
            "people": sellers,
        },
    ]
    told = service.create(uow, "customer_assignment_rule", [r for r in rules if r["people"]])
    return [f"{len(told)} rules that assign customers"]


def _people(uow: UnitOfWork, names: Sequence[str]) -> list[int]:
    among = {"field": "name", "op": "in", "value": list(names)}
    asked = ListQuery(fields=("name",), filter=among, sort="id", labels=False)
    return [row["id"] for row in query.page(uow, "user", asked).items]
