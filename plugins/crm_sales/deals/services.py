"""What follows from changes of opportunities, their product lines and their team."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.entities.changes import Change
from plugins.crm_sales.deals.amounts import FOLLOWING, follow
from plugins.crm_sales.deals.rates import fix_late_rates
from plugins.crm_sales.products.lines import prepare_lines, work_out_again
from plugins.crm_sales.products.policies.rules import IN_HAND

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["prepare", "settle"]

#: The prices of lines depend on these fields of their opportunity.
_DECIDES = ("currency", "customer")


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """All that follows for product lines."""
    if changes[0].entity.name == "opportunity_line":
        prepare_lines(changes, uow)


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Lines follow their opportunity, and its amount the lines."""
    entity = changes[0].entity.name
    in_hand: set[str] = uow.memo.get(IN_HAND, set())
    if entity == "opportunity":
        in_hand.discard(entity)
        moved = [
            change.id
            for change in changes
            if change.id is not None
            and change.kind == "update"
            and change.after["status"] == "open"
            and any(change.changed(name) for name in _DECIDES)
            and not uow.memo.get(FOLLOWING)  # a quote in another currency leaves the lines alone
        ]
        names = [name for change in changes for name in _DECIDES if change.changed(name)]
        work_out_again(uow, "opportunity", moved, names)
        follow(uow, [change.id for change in changes if _counts_anew(change)])
    elif entity == "exchange_rate":
        fix_late_rates(changes, uow)
    elif entity == "opportunity_line" and "opportunity" not in in_hand:
        follow(uow, {row["opportunity"] for c in changes for row in (c.before, c.after) if row})


def _counts_anew(change: Change) -> bool:
    """Whether another amount may be decided than before, also by being open again."""
    if "lines" in change.detached and change.changed("lines"):
        return True
    reopened = change.changed("status") and change.after["status"] == "open"
    return change.kind == "update" and reopened
