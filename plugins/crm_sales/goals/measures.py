"""The figures of this module for which goals may be set, each within the reader's scope.

**Win rate**: won of what ended in the days, won or lost. **Sales cycle**: days from the making of an opportunity
to its closing, of what was won in them; what was recorded only after it was won does not count. **Repurchase
rate**: customers who bought at least twice in the days, of those who bought. **Won amount**: as in forecast and
league table, by the rate of closing and by the shares of teams. **New customers**: made in the days.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select

from core.entities import query
from core.entities.aggregate import reading_aggregate
from core.entities.query import ListQuery, conditions
from core.entities.reading import Reading, all_of
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import GoalAsked, GoalMeasure
from plugins.crm_sales.targets.figures import attainment, reading_tree, require_fields
from plugins.crm_sales.targets.money import Exchange, reading_exchange
from plugins.crm_sales.targets.shares import amount_of, corrections, reading_shared

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MEASURES"]

Figure = Decimal | None

_OF_DEALS = ("status", "closed_on", "owner", "department")
_WON = ("status", "eq", "won")
_TENTH = Decimal("0.1")


def _ended(uow: UnitOfWork, asked: GoalAsked) -> Reading[Figure]:
    require_fields(uow, "opportunity", _OF_DEALS)
    wanted = ListQuery(filter=asked.filter("closed_on", ("status", "in", ["won", "lost"])))

    def finish(rows: Sequence[dict[str, Any]]) -> Figure:
        counts = {row["status"]["id"]: row["count"] for row in rows}
        return attainment(Decimal(counts.get("won", 0)), Decimal(sum(counts.values())))

    return reading_aggregate(uow, "opportunity", ["status"], ["count"], wanted).then(finish)


def _cycle(
    middle: Callable[[list[int]], Any],
) -> Callable[[UnitOfWork, GoalAsked], Reading[Figure]]:
    """Days from making to winning, as their ``middle`` has it."""

    def reading(uow: UnitOfWork, asked: GoalAsked) -> Reading[Figure]:
        require_fields(uow, "opportunity", (*_OF_DEALS, "created_at"))
        spec, zone = uow.entity("opportunity"), uow.clock.timezone
        c = spec.table.c
        won = select(c.created_at, c.closed_on).where(
            *conditions(uow, spec, ListQuery(filter=asked.filter("closed_on", _WON)))
        )

        def finish(rows: Sequence[Any]) -> Figure:
            took = [(row.closed_on - row.created_at.astimezone(zone).date()).days for row in rows]
            counted = [days for days in took if days >= 0]
            if not counted:
                return None
            return Decimal(middle(counted)).quantize(_TENTH, ROUND_HALF_UP)

        return Reading((won,), finish)

    return reading


def _repurchase(uow: UnitOfWork, asked: GoalAsked) -> Reading[Figure]:
    require_fields(uow, "opportunity", (*_OF_DEALS, "customer"))
    spec = uow.entity("opportunity")
    customer = spec.table.c.customer_id
    where = conditions(uow, spec, ListQuery(filter=asked.filter("closed_on", _WON)))
    buyers = select(func.count().label("deals")).where(*where).group_by(customer).subquery()
    again = func.count(case((buyers.c.deals > 1, 1)))
    counted = select(func.count().label("every"), again.label("again")).select_from(buyers)
    return Reading(
        (counted,), lambda rows: attainment(Decimal(rows[0].again), Decimal(rows[0].every))
    )


def _won_amount(uow: UnitOfWork, asked: GoalAsked) -> Reading[Figure]:
    require_fields(uow, "opportunity", (*_OF_DEALS, "amount", "currency", "closing_rate"))
    wanted = ListQuery(filter=asked.filter("closed_on", _WON))
    groups, measures = ["currency", "closing_rate"], ["count", "sum:amount"]
    sums = reading_aggregate(uow, "opportunity", groups, measures, wanted)

    rates = reading_exchange(uow, asked.last)

    def total(rows: Sequence[dict[str, Any]], exchange: Exchange) -> Figure:
        return exchange.convert(amount_of(row) for row in rows).total

    if asked.person is None and asked.department is None:
        return all_of([sums, rates]).then(lambda found: total(*found))
    everybodys = GoalAsked(asked.first, asked.last).filter("closed_on", _WON)
    shared = reading_shared(uow, everybodys, "closed_on")

    def corrected(found: Sequence[Any]) -> Figure:
        own, exchange, deals, tree = found
        parts = corrections(deals, tree=tree, person=asked.person, department=asked.department)
        return total([*own, *parts], exchange)

    return all_of([sums, rates, shared, reading_tree(uow)]).then(corrected)


def _new_customers(uow: UnitOfWork, asked: GoalAsked) -> Reading[Figure]:
    require_fields(uow, "customer", ("owner", "department", "created_at"))
    wanted = ListQuery(filter=asked.filter("created_at"))
    return query.reading_count(uow, "customer", wanted).then(Decimal)


def _won_deals(asked: GoalAsked) -> tuple[str, tuple[tuple[str, ...], ...]]:
    return "opportunity", (("status", "in", "won"), *asked.rows("closed_on"))


def _ended_deals(asked: GoalAsked) -> tuple[str, tuple[tuple[str, ...], ...]]:
    return "opportunity", (("status", "in", "won", "lost"), *asked.rows("closed_on"))


def _made_customers(asked: GoalAsked) -> tuple[str, tuple[tuple[str, ...], ...]]:
    return "customer", asked.rows("created_at")


MEASURES = (
    GoalMeasure(
        "crm_sales.win_rate",
        _l("Win rate"),
        "percent",
        _ended,
        _ended_deals,
        _l("Won of what ended, won or lost."),
    ),
    GoalMeasure(
        "crm_sales.cycle",
        _l("Sales cycle, mean"),
        "days",
        _cycle(mean),
        _won_deals,
        _l("Days from the making of an opportunity to its win."),
    ),
    GoalMeasure(
        "crm_sales.cycle_median",
        _l("Sales cycle, median"),
        "days",
        _cycle(median),
        _won_deals,
        _l("Half of what was won took no longer."),
    ),
    GoalMeasure(
        "crm_sales.repurchase",
        _l("Repurchase rate"),
        "percent",
        _repurchase,
        _won_deals,
        _l("Customers who bought at least twice, of those who bought."),
    ),
    GoalMeasure(
        "crm_sales.won_amount",
        _l("Won amount"),
        "amount",
        _won_amount,
        _won_deals,
        _l("As in the forecast, by the shares of teams."),
    ),
    GoalMeasure(
        "crm_sales.new_customers",
        _l("New customers"),
        "count",
        _new_customers,
        _made_customers,
        _l("Customers that were made in these days."),
    ),
)
