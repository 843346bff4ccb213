"""Figures of specimens for which goals may be set."""

from __future__ import annotations

from decimal import Decimal

from core.entities import query
from core.entities.query import ListQuery
from core.entities.reading import Reading
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import GoalAsked, GoalMeasure
from core.work.uow import UnitOfWork

__all__ = ["MEASURES"]


def _specimens(uow: UnitOfWork, asked: GoalAsked) -> Reading[Decimal | None]:
    wanted = ListQuery(filter=asked.filter("created_at"))
    return query.reading_count(uow, "specimen", wanted).then(Decimal)


def _breaks(uow: UnitOfWork, asked: GoalAsked) -> Reading[Decimal | None]:
    raise ValueError("broken on purpose")


MEASURES = [
    GoalMeasure(
        "dummy_plugin.specimens",
        _l("Specimens"),
        "count",
        _specimens,
        lambda asked: ("specimen", asked.rows("created_at")),
    ),
    GoalMeasure("dummy_plugin.broken", _l("Broken"), "count", _breaks, lambda asked: ("", ())),
]
