"""What rules put into pages: on the page of a rule, why it is passed over now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.assigning.declaring import Assigned
from core.assigning.rules import Rule, people_of, rules_of
from core.entities.conditions import parse_condition
from core.entities.query import Record
from core.errors import Invalid
from core.http.rendering import macros
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["over_rule"]


def over_rule(uow: UnitOfWork, assigned: Assigned, record: Record) -> str:
    """For the slot ``entity.detail.above``: what keeps an active rule from being used; else nothing."""
    if record.spec.name != assigned.rules:
        return ""
    key = record.values["id"]
    rule = next((each for each in rules_of(uow, assigned) if each.id == key), None)
    if rule is None:
        return ""
    with uow.elevated():
        why = _why_passed_over(uow, assigned, rule)
    html: str = macros().notice(why, "warn", _("This rule is passed over now")) if why else ""
    return html


def _why_passed_over(uow: UnitOfWork, assigned: Assigned, rule: Rule) -> str:
    try:
        parse_condition(rule.filter, assigned.spec(uow), uow)
    except Invalid as error:
        return error.problems[0].message if error.problems else error.message
    if rule.target != "pool" and not any(people_of(uow, rule).values()):
        return _("Nobody whom it means is here today.")
    return ""
