"""What stands above a rule on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.assigning.cards import over_rule
from plugins.crm_sales.assigning.declared import CUSTOMERS

if TYPE_CHECKING:
    from core.entities.query import Record
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["over_record"]


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    return over_rule(uow, CUSTOMERS, record)
