"""The demonstration story: what the company, its sales department and a seller set out to change this year."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.measures import measures_of
from core.entities.query import ListQuery

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["tell"]

#: Name, measure, baseline, target, whether it is the sales department's.
_GOALS = (
    ("线索转化率从20%提升至27%", "crm_leads.conversion", 20, 27, False),
    ("平均成单周期从90天缩短至60天", "crm_sales.cycle", 90, 60, False),
    ("复购率从15%提高到18%", "crm_sales.repurchase", 15, 18, False),
    ("赢单率从45%提升至60%", "crm_sales.win_rate", 45, 60, True),
    ("今年新增客户80家", "crm_sales.new_customers", 0, 80, True),
)


def tell(uow: UnitOfWork) -> list[str]:
    """Goals of this year, and one of last year that is over; of the modules that are on."""
    year, known = uow.clock.today().year, measures_of(uow)
    asked = ListQuery(fields=("name",), sort="path", limit=100, search="销售部", labels=False)
    departments = query.page(uow, "department", asked).items
    sales = next((row["id"] for row in departments if row["name"] == "销售部"), None)
    whole = {"starts_on": date(year, 1, 1), "ends_on": date(year, 12, 31)}
    goals: list[dict[str, Any]] = [
        {
            "name": name,
            "measure": measure,
            "baseline": baseline,
            "target": target,
            "department": sales if of_sales else None,
            **whole,
        }
        for name, measure, baseline, target, of_sales in _GOALS
        if measure in known
    ]
    if "crm_sales.win_rate" in known:
        last = {"starts_on": date(year - 1, 1, 1), "ends_on": date(year - 1, 12, 31)}
        goals.append(
            {"name": "去年赢单率达到45%", "measure": "crm_sales.win_rate"}
            | {"baseline": 40, "target": 45, "department": sales, **last}
        )
    people = ListQuery(fields=("name",), search="傅宇恒", limit=1, labels=False)
    goals += [
        {"name": "今年签约600万", "measure": "crm_sales.won_amount", "person": person["id"]}
        | {"baseline": 0, "target": 6_000_000, **whole}
        for person in query.page(uow, "user", people).items
    ]
    return [f"{len(service.create(uow, 'goal', goals))} goals"]
