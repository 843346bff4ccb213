"""The verb by which the rules are asked again, of records that nobody owns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.assigning.declaring import Assigned, Row
from core.assigning.giving import assign_by_rules
from core.fields import ActionSpec
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["distribute_verb"]


def distribute_verb(assigned: Assigned) -> ActionSpec:
    """``distribute``: the rules are asked again. It is taken back like what a person assigns."""
    return ActionSpec(
        "distribute",
        _l("Assign by rules"),
        partial(_distribute, assigned),
        when={"all": [{"field": "owner", "op": "is_empty"}, *assigned.open_filter()]},
        undoable=True,
    )


def _distribute(
    assigned: Assigned, uow: UnitOfWork, rows: Sequence[Row], params: Row
) -> dict[str, Any]:
    return {"assigned": assign_by_rules(uow, assigned, [row["id"] for row in rows])}
