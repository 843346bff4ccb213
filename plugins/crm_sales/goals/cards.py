"""What stands above the list of goals and above a goal: the way to the lights, and its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import url_for

from core.http.rendering import macros
from core.i18n import gettext as _
from plugins.crm_sales.goals import shown
from plugins.crm_sales.goals.standing import standings
from plugins.crm_sales.goals.views import FIELDS

if TYPE_CHECKING:
    from core.entities.query import Record
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["over_list", "over_record"]


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above``."""
    if entity.name != "goal" or not _sees(uow, entity):
        return ""
    ways = [(_("Goals with their lights"), url_for("crm_sales.goals"))]
    html: str = macros("crm_sales/parts.html").ways(ways)
    return html


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    if entity.name != "goal" or not _sees(uow, entity):
        return ""
    (standing,) = standings(uow, [record.values])
    html: str = macros("crm_sales/parts.html").goal(shown.said(uow, standing), shown.rule())
    return html


def _sees(uow: UnitOfWork, entity: EntitySpec) -> bool:
    access = uow.actor.access(entity)
    return all(access.can_use(entity[name]) for name in FIELDS)
