"""Figures that modules register for goals, many of them read as one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from core.entities.reading import Reading, all_of, read_together
from core.errors import Forbidden, Invalid, NotFound
from core.plugins.contributions import GoalAsked, GoalMeasure

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Figures", "measures_of", "read_measures", "reading_measures"]

log = logging.getLogger("dougong.entities")

#: What was found for each question; one that the reader may not ask has no entry.
Figures = dict[tuple[str, GoalAsked], Decimal | None]


def measures_of(uow: UnitOfWork) -> dict[str, GoalMeasure]:
    """The measures of the modules that are open to the reader, by name, in the order of the modules."""
    found = (each.item for each in uow.contributions("register_goal_measures"))
    return {measure.name: measure for measure in found}


def read_measures(uow: UnitOfWork, questions: Sequence[tuple[str, GoalAsked]]) -> Figures:
    """What the measures come to, within the reader's scope: one statement for all, and each question once.

    A question about a measure that is not there, or that the reader may not ask, has no answer.
    """
    (found,) = read_together(uow, [reading_measures(uow, questions)])
    figures: Figures = found
    return figures


def reading_measures(
    uow: UnitOfWork, questions: Sequence[tuple[str, GoalAsked]]
) -> Reading[Figures]:
    """What `read_measures` reads, to be read together with more."""
    measures = measures_of(uow)
    wanted: dict[tuple[str, GoalAsked], Reading[Decimal | None]] = {}
    for name, asked in dict.fromkeys(questions):
        if name not in measures:
            continue
        try:
            wanted[name, asked] = measures[name].reading(uow, asked)
        except (Forbidden, Invalid, NotFound):  # of fields or records that are not the reader's
            continue
        except Exception:
            log.exception("the measure %s cannot be read", name)
    return all_of(list(wanted.values())).then(lambda found: dict(zip(wanted, found, strict=True)))
