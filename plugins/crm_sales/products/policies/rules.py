"""What the rules of products, prices and quotes share."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from core.entities.changes import Change

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["HUNDRED", "IN_HAND", "note", "written"]

HUNDRED = Decimal(100)
#: In the memo of a transaction: the entities whose lines are being written with their parents, which
#: see to what concerns all lines together.
IN_HAND = "crm_sales.lines in hand"


def written(changes: Sequence[Change]) -> list[Change]:
    """Those after which a record stands there: made, changed, or taken out of the recycle bin."""
    return [change for change in changes if change.kind != "delete"]


def note(change: Change, lines: str, uow: UnitOfWork) -> None:
    """The lines of this record are written next: what concerns all of them is seen to here."""
    if lines in change.detached and change.changed(lines):
        uow.memo.setdefault(IN_HAND, set()).add(change.entity.name)
