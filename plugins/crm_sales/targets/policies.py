"""Who sees and sets which targets, and what a target must keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, or_, select

from core.entities.changes import Change
from core.errors import Problem
from core.fields import ScopeSpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Permission, RoleTemplate
from plugins.crm_sales.targets.periods import KINDS, period_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["BELOW", "MINE", "PERMISSIONS", "SEE_FORECAST", "SEE_LEAGUE", "roles_with", "validate"]

SEE_FORECAST, SEE_LEAGUE = "crm_sales.see_forecast", "crm_sales.see_league"

PERMISSIONS = (
    Permission(SEE_FORECAST, _l("See the forecast")),
    Permission(SEE_LEAGUE, _l("See the league table")),
)


def _mine(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = table.c.person_id == (uow.actor.user_id or 0)
    return mine


def _below(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Of the actor's departments and all below, and of the people there."""
    within = list(uow.actor.departments_below)
    users = uow.alias(uow.entity("user").table)
    people = select(users.c.id).where(users.c.department_id.in_(within))
    return or_(_mine(uow, table), table.c.department_id.in_(within), table.c.person_id.in_(people))


MINE = ScopeSpec("mine", _l("one's own"), _mine)
BELOW = ScopeSpec("below", _l("of one's department and below"), _below)

_SEEING = (SEE_FORECAST, SEE_LEAGUE)
_MANAGED = ("read", "create", "update", "delete", "import", "export")
_ROLES = (
    RoleTemplate("sales", _l("Sales"), {"sales_target": {"read": "mine"}}, permissions=_SEEING),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {"sales_target": dict.fromkeys(_MANAGED, "below")},
        permissions=_SEEING,
    ),
    RoleTemplate("viewer", _l("Viewer"), permissions=_SEEING),
)


def roles_with(others: Sequence[RoleTemplate]) -> list[RoleTemplate]:
    """The roles of the module, which say here what they may do with targets too."""
    found = {role.name: role for role in others}
    for role in _ROLES:
        known = found[role.name]
        found[role.name] = replace(
            known,
            grants={**known.grants, **role.grants},
            permissions=(*known.permissions, *role.permissions),
        )
    return list(found.values())


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to targets; none for other entities."""
    if changes[0].entity.name != "sales_target":
        return
    written = [change for change in changes if change.kind in ("create", "update", "restore")]
    for change in written:
        yield from _check_whom(change)
        yield from _check_value(change)
    yield from _only_one(written, uow)


def _check_whom(change: Change) -> Iterable[Problem]:
    person, department = change.after["person"], change.after["department"]
    if person is not None and department is not None:
        message = _("A target is for a person or for a department, not for both.")
        yield change.problem("department", "both", message)


def _check_value(change: Change) -> Iterable[Problem]:
    value = change.after["value"]
    if value is None:
        return
    if value < 0:
        yield change.problem("value", "range", _("A target is not less than nothing."))
    elif change.after["measure"] == "count" and value != value.to_integral_value():
        yield change.problem("value", "whole", _("Deals are counted whole."))


def _key(change: Change) -> tuple[Any, ...] | None:
    after = change.after
    if after["starts_on"] is None or after["period_kind"] not in KINDS:
        return None  # told by the rules of the fields
    first = period_of(after["period_kind"], after["starts_on"]).first
    return (after["person"], after["department"], after["period_kind"], first, after["measure"])


def _only_one(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    keys = [(change, key) for change in written if (key := _key(change)) is not None]
    taken = _there(uow, written, {key[3] for _change, key in keys})
    for change, key in keys:
        if key in taken:
            message = _("There is a target for this period and measure already.")
            yield change.problem("starts_on", "taken", message)
        taken.add(key)


def _there(uow: UnitOfWork, written: Sequence[Change], days: set[Any]) -> set[tuple[Any, ...]]:
    """The keys of the living targets of those days, beside those that are written."""
    if not days:
        return set()
    c = uow.entity("sales_target").table.c
    own = {change.id for change in written}
    rows = uow.execute(
        select(c.id, c.person_id, c.department_id, c.period_kind, c.starts_on, c.measure).where(
            c.period_kind.in_(("month", "quarter")),
            c.starts_on.in_(sorted(days)),
            c.archived_at.is_(None),
        )
    )
    return {tuple(row)[1:] for row in rows if row.id not in own}
