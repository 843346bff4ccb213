"""What is particular about customers that rules assign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, exists

from core.assigning.declaring import Assigned
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import NotificationKind
from plugins.crm_sales.assigning.models import move_table, rotation_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["CUSTOMERS"]


def _being_sold_to(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Its owner has an ongoing opportunity with it, and would not be let give it back by hand."""
    deal = uow.snapshot.installed_entities["opportunity"].table
    return exists().where(
        deal.c.customer_id == table.c.id,
        deal.c.owner_id == table.c.owner_id,
        deal.c.status == "open",
        deal.c.archived_at.is_(None),
    )


CUSTOMERS = Assigned(
    entity="customer",
    rules="customer_assignment_rule",
    conditions="customer_assignment_condition",
    rotation=rotation_table,
    moves=move_table,
    fewest=_l("By rule “%(rule)s”: fewest customers (%(n)s)."),
    given=NotificationKind(
        "crm_sales.customer_given",
        _l("A customer becomes mine by a rule"),
        _l("%(record)s is yours by a rule."),
        icon="building",
    ),
    # Most sellers may see no more which it was, so it is not named.
    lost=NotificationKind(
        "crm_sales.customer_lost_by_rule",
        _l("A customer is mine no longer, by a rule"),
        _l("No longer yours, by a rule: %(n)s of your customers."),
        icon="building",
    ),
    kept=_being_sold_to,
)
