"""How far goals are on their way, and the light that says it.

**The rule.** The way goes from baseline to target, whichever is larger: a cycle falls, a rate rises. What is gone of
it is *(current − baseline) ÷ (target − baseline)*; what is gone of the time is *days that are over ÷ all
days*, today not yet among them. A goal is **reached** when the target is, on whatever day; else **missed** once its
last day is over; else **on its way** while as much of the way is gone as of the time, and **behind** otherwise.
Before its first day it has **not begun**; where nothing is to be measured there is **no figure**.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities.measures import Figures, measures_of, read_measures
from core.plugins.contributions import GoalAsked, GoalMeasure

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Standing", "asked_of", "light", "questions", "standings"]


@dataclass(frozen=True)
class Standing:
    """A goal with what it has come to; ``measure`` is None while its module is off, or not the reader's."""

    goal: Mapping[str, Any]
    measure: GoalMeasure | None
    current: Decimal | None
    #: ``reached missed on_way behind not_begun no_figure``
    light: str
    #: Parts of the way and of the time that are gone; the way may be less than nothing, or more than all.
    way: Decimal | None
    time: Decimal


def asked_of(goal: Mapping[str, Any]) -> GoalAsked:
    """What a goal asks its measure."""
    return GoalAsked(goal["starts_on"], goal["ends_on"], goal["person"], goal["department"])


def questions(goals: Sequence[Mapping[str, Any]]) -> list[tuple[str, GoalAsked]]:
    """What all goals ask their measures."""
    return [(goal["measure"], asked_of(goal)) for goal in goals]


def standings(
    uow: UnitOfWork, goals: Sequence[Mapping[str, Any]], figures: Figures | None = None
) -> list[Standing]:
    """How goals stand within the reader's scope: one statement for all of them, and each figure once;
    none where their ``figures`` were read along with more."""
    measures, today = measures_of(uow), uow.clock.today()
    figures = read_measures(uow, questions(goals)) if figures is None else figures
    found = []
    for goal in goals:
        key = goal["measure"], asked_of(goal)
        current = figures.get(key)
        way = _way(goal, current)
        found.append(
            Standing(
                goal=goal,
                measure=measures.get(goal["measure"]) if key in figures else None,
                current=current,
                light=light(goal, way, today),
                way=way,
                time=_time(goal, today),
            )
        )
    return found


def light(goal: Mapping[str, Any], way: Decimal | None, today: date) -> str:
    """Which light a goal has on a day, by the rule."""
    if today < goal["starts_on"]:
        return "not_begun"
    if way is None:
        return "no_figure"
    if way >= 1:
        return "reached"
    if today > goal["ends_on"]:
        return "missed"
    return "on_way" if way >= _time(goal, today) else "behind"


def _way(goal: Mapping[str, Any], current: Decimal | None) -> Decimal | None:
    length = goal["target"] - goal["baseline"]
    return None if current is None or not length else (current - goal["baseline"]) / length


def _time(goal: Mapping[str, Any], today: date) -> Decimal:
    days = (goal["ends_on"] - goal["starts_on"]).days + 1
    gone = min(max((today - goal["starts_on"]).days, 0), days)
    return Decimal(gone) / days
