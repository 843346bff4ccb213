"""What is particular about customers and opportunities in pools: when they go back, and what keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from core.entities.bulk import act_along
from core.errors import Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import NotificationKind, Schedule
from core.pools.declaring import Grades, LimitKind, Pooled, Row, Shelter
from core.pools.members import pools_of
from core.pools.neglect import Neglect
from core.pools.returns import Returning
from core.security.directory import load_actor
from plugins.crm_sales.pools.events import (
    CustomersClaimed,
    CustomersReleased,
    OpportunitiesAssigned,
    OpportunitiesClaimed,
    OpportunitiesReleased,
)
from plugins.crm_sales.pools.models import (
    customer_alert_table,
    customer_warning_table,
    opportunity_alert_table,
    opportunity_warning_table,
)

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "CUSTOMERS",
    "CUSTOMERS_NEGLECT",
    "CUSTOMERS_RETURNING",
    "OPPORTUNITIES",
    "OPPORTUNITIES_NEGLECT",
    "OPPORTUNITIES_RETURNING",
    "SCHEDULES",
]

# Of a customer, by what its opportunities say. The index by customer and status serves each of them.


def _of(
    uow: UnitOfWork, customers: FromClause, what: str, status: str | None = None
) -> Select[Any]:
    deal = uow.snapshot.installed_entities["opportunity"].table.alias()
    smallest = what == "created_at" and status == "open"
    found = (func.min if smallest else func.max)(deal.c[what])
    asked = select(found).where(deal.c.customer_id == customers.c.id, deal.c.archived_at.is_(None))
    return (asked.where(deal.c.status == status) if status else asked).correlate(customers)


def _begun(uow: UnitOfWork, table: FromClause) -> ColumnElement[Any]:
    """When its latest opportunity came."""
    return _of(uow, table, "created_at").scalar_subquery()


def _ended(uow: UnitOfWork, table: FromClause) -> ColumnElement[Any]:
    """On which day one was last closed."""
    return _of(uow, table, "closed_on").scalar_subquery()


def _won(uow: UnitOfWork, table: FromClause) -> ColumnElement[Any]:
    """On which day one was last won."""
    return _of(uow, table, "closed_on", "won").scalar_subquery()


def _ongoing_since(uow: UnitOfWork, table: FromClause) -> ColumnElement[Any]:
    """Since when it has one that is not closed."""
    return _of(uow, table, "created_at", "open").scalar_subquery()


def _is_ongoing(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    return _of(uow, table, "id", "open").scalar_subquery().is_not(None)


def _require_no_deals(uow: UnitOfWork, customers: Sequence[Row]) -> None:
    """Raise `Refused` for customers whose owners have ongoing opportunities with them."""
    table = uow.snapshot.installed_entities["opportunity"].table
    owners = {row["id"]: row["owner"] for row in customers}
    asked = select(table.c.customer_id, table.c.owner_id, table.c.name).where(
        table.c.customer_id.in_(list(owners)),
        table.c.status == "open",
        table.c.archived_at.is_(None),
    )
    for row in uow.execute(asked.order_by(table.c.id)):
        if row.owner_id == owners[row.customer_id]:
            raise Refused(
                _(
                    "The opportunity %(name)s is ongoing. Close it, release it or give it to somebody first.",
                    name=row.name,
                )
            )


CUSTOMERS = Pooled(
    plugin="crm_sales",
    entity="customer",
    pools="customer_pool",
    transfers="customer_transfer",
    warnings=customer_warning_table,
    limits=(
        LimitKind(
            "idle",
            _l(
                "No follow-up, and no opportunity begun or closed, since %(since)s; %(n)s days are allowed."
            ),
            counts=("last_followed_at",),
            moments=(_begun, _ended),
        ),
        LimitKind(
            "no_opportunity",
            _l("No opportunity since %(since)s; %(n)s days are allowed."),
            moments=(_begun, _ended),
            unless=_is_ongoing,
        ),
        LimitKind(
            "not_won",
            _l("No deal since %(since)s; %(n)s days are allowed."),
            moments=(_won,),
        ),
    ),
    shelters=(
        Shelter(
            "ongoing",
            "spare_ongoing",
            _ongoing_since,
            _l("An opportunity has been ongoing since %(since)s."),
        ),
        Shelter(
            "won",
            "spare_won_days",
            _won,
            _l("The last deal was made on %(since)s, and keeps it for %(n)s days."),
        ),
    ),
    grades=Grades("level", "customer_pool_level"),
    settings="crm_sales",
    require_free=_require_no_deals,
    claimed=CustomersClaimed,
    released=CustomersReleased,
    assigned_because="assignment_reason",
    returns_page="crm_sales.returns",
    returns_right="crm_sales.see_returns",
)


def _require_ongoing(uow: UnitOfWork, deals: Sequence[Row]) -> None:
    for deal in deals:
        if deal["status"] == "won":
            raise Refused(_("%(name)s is won already.", name=deal["name"]))
        if deal["status"] == "lost":
            raise Refused(_("%(name)s is lost already.", name=deal["name"]))


def _with_customers(uow: UnitOfWork, deals: Sequence[Row]) -> None:
    """Whoever claims an opportunity, and may claim customers, gets its customer too, where nobody has it
    and it lies in a pool of theirs. The limits of that pool bind."""
    me = None if uow.actor.user_id is None else load_actor(uow, uow.actor.user_id)
    if me is None or not me.access(CUSTOMERS.spec(uow)).may("claim"):
        return
    table = CUSTOMERS.table(uow)
    asked = select(table.c.id).where(
        table.c.id.in_({deal["customer"] for deal in deals}),
        table.c.owner_id.is_(None),
        table.c.pool_id.in_(list(pools_of(uow, CUSTOMERS))),
        table.c.archived_at.is_(None),
    )
    ids = list(uow.execute(asked.order_by(table.c.id)).scalars())
    if ids:
        act_along(uow, "customer", "claim", ids)


OPPORTUNITIES = Pooled(
    plugin="crm_sales",
    entity="opportunity",
    pools="opportunity_pool",
    transfers="opportunity_transfer",
    warnings=opportunity_warning_table,
    limits=(
        LimitKind(
            "idle",
            _l("No follow-up and in the same stage since %(since)s; %(n)s days are allowed."),
            counts=("last_followed_at", "stage_entered_at"),
        ),
        LimitKind("not_won", _l("Not won since %(since)s; %(n)s days are allowed.")),
    ),
    open=("status", ("open",)),
    settings="crm_sales",
    require_open=_require_ongoing,
    along=_with_customers,
    claimed=OpportunitiesClaimed,
    released=OpportunitiesReleased,
    assigned=OpportunitiesAssigned,
    move="change_pool",
    returns_page="crm_sales.opportunity_returns",
    returns_right="crm_sales.see_returns",
)

CUSTOMERS_RETURNING = Returning(
    CUSTOMERS,
    _l("Send customers back to their pools"),
    soon=NotificationKind(
        "crm_sales.customer_returns_soon",
        _l("A customer of mine will go back to its pool"),
        _l("%(record)s goes back to its pool unless it is followed up."),
        icon="clock",
    ),
    returned=NotificationKind(
        "crm_sales.customer_returned",
        _l("A customer of mine went back to its pool"),
        _l("%(record)s went back to its pool."),
        icon="inbox",
    ),
    name="return_customers",
)
OPPORTUNITIES_RETURNING = Returning(
    OPPORTUNITIES,
    _l("Send opportunities back to their pools"),
    soon=NotificationKind(
        "crm_sales.opportunity_returns_soon",
        _l("An opportunity of mine will go back to its pool"),
        _l("%(record)s goes back to its pool unless it is followed up."),
        icon="clock",
    ),
    returned=NotificationKind(
        "crm_sales.opportunity_returned",
        _l("An opportunity of mine went back to its pool"),
        _l("%(record)s went back to its pool."),
        icon="inbox",
    ),
    name="return_opportunities",
)
CUSTOMERS_NEGLECT = Neglect(
    CUSTOMERS,
    _l("Tell of important customers left alone"),
    unclaimed=NotificationKind(
        "crm_sales.customer_unclaimed",
        _l("An important customer lies unclaimed"),
        _l("%(record)s is important and has not been claimed in time."),
        icon="alert-triangle",
    ),
    neglected=NotificationKind(
        "crm_sales.customer_neglected",
        _l("An important customer is not followed up"),
        _l("%(record)s is important and has not been followed up in time."),
        icon="alert-triangle",
    ),
    important=("priority", "high"),
    told=customer_alert_table,
    name="alert_customers",
)
OPPORTUNITIES_NEGLECT = Neglect(
    OPPORTUNITIES,
    _l("Tell of important opportunities left alone"),
    unclaimed=NotificationKind(
        "crm_sales.unclaimed",
        _l("An important opportunity lies unclaimed"),
        _l("%(record)s is important and has not been claimed in time."),
        icon="alert-triangle",
    ),
    neglected=NotificationKind(
        "crm_sales.neglected",
        _l("An important opportunity is not followed up"),
        _l("%(record)s is important and has not been followed up in time."),
        icon="alert-triangle",
    ),
    important=("priority", "high"),
    told=opportunity_alert_table,
)
SCHEDULES = (
    CUSTOMERS_NEGLECT.schedule,
    OPPORTUNITIES_NEGLECT.schedule,
    Schedule("return_customers", CUSTOMERS_RETURNING.job.name, daily_at="02:15"),
    Schedule("return_opportunities", OPPORTUNITIES_RETURNING.job.name, daily_at="02:20"),
)
