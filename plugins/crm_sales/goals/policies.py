"""Who sees and sets which goals, as with targets, and what a goal must keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities.changes import Change
from core.entities.measures import measures_of
from core.errors import Problem
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.plugins.contributions import RoleTemplate
    from core.work.uow import UnitOfWork

__all__ = ["roles_with", "validate"]

_MANAGED = ("read", "create", "update", "delete", "import", "export")
_GRANTS: dict[str, dict[str, Any]] = {
    "sales": {"read": "mine"},
    "sales_manager": dict.fromkeys(_MANAGED, "below"),
}
_HUNDRED = Decimal(100)


def roles_with(others: Sequence[RoleTemplate]) -> list[RoleTemplate]:
    """The roles of the module, which say here what they may do with goals too."""
    return [
        replace(role, grants={**role.grants, "goal": _GRANTS[role.name]})
        if role.name in _GRANTS
        else role
        for role in others
    ]


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to goals; none for other entities."""
    if changes[0].entity.name != "goal":
        return
    units = {name: measure.unit for name, measure in measures_of(uow).items()}
    for change in changes:
        if change.kind in ("create", "update", "restore"):
            yield from _check_whom(change)
            yield from _check_days(change)
            yield from _check_way(change)
            yield from _check_values(change, units.get(change.after["measure"] or "", ""))


def _check_whom(change: Change) -> Iterable[Problem]:
    if change.after["person"] is not None and change.after["department"] is not None:
        message = _("A goal is for a person or for a department, not for both.")
        yield change.problem("department", "both", message)


def _check_days(change: Change) -> Iterable[Problem]:
    first, last = change.after["starts_on"], change.after["ends_on"]
    if first is not None and last is not None and last < first:
        yield change.problem("ends_on", "order", _("It ends before it begins."))


def _check_way(change: Change) -> Iterable[Problem]:
    if (change.after["baseline"] or 0) == change.after["target"]:
        message = _("The target is the baseline: nothing is to change.")
        yield change.problem("target", "same", message)


def _check_values(change: Change, unit: str) -> Iterable[Problem]:
    for name in ("baseline", "target"):
        value = change.after[name]
        if value is None:
            continue
        if unit == "percent" and not 0 <= value <= _HUNDRED:
            message = _("A percentage is from 0 to 100: write 15 for fifteen percent.")
            yield change.problem(name, "range", message)
        elif value < 0:
            yield change.problem(name, "range", _("This cannot be less than nothing."))
        elif unit == "count" and value != value.to_integral_value():
            yield change.problem(name, "whole", _("This is counted whole."))
