"""The share of leads that were converted, for which goals may be set."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from core.entities.aggregate import reading_aggregate
from core.entities.query import ListQuery
from core.entities.reading import Reading
from core.errors import Forbidden
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import GoalAsked, GoalMeasure

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MEASURES"]

_USED = ("status", "created_at", "owner", "department")


def _conversion(uow: UnitOfWork, asked: GoalAsked) -> Reading[Decimal | None]:
    """Of the leads that were made in the days, those that are converted by now."""
    spec = uow.entity("lead")
    access = uow.actor.access(spec)
    if not all(access.can_use(spec[name]) for name in _USED):
        raise Forbidden(_("You do not have the right to do this."))
    wanted = ListQuery(filter=asked.filter("created_at"))

    def finish(rows: Sequence[dict[str, Any]]) -> Decimal | None:
        counts = {row["status"]["id"]: row["count"] for row in rows}
        every = sum(counts.values())
        if not every:
            return None
        share = Decimal(100 * counts.get("converted", 0)) / every
        return share.quantize(Decimal("0.1"), ROUND_HALF_UP)

    return reading_aggregate(uow, "lead", ["status"], ["count"], wanted).then(finish)


MEASURES = (
    GoalMeasure(
        "crm_leads.conversion",
        _l("Lead conversion rate"),
        "percent",
        _conversion,
        lambda asked: ("lead", asked.rows("created_at")),
        _l("Converted by now, of the leads that were made in these days."),
    ),
)
