"""What stands above the list of targets: the way to enter many at once, and to what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import url_for

from core.http.rendering import macros
from core.i18n import gettext as _
from plugins.crm_sales.targets.policies import SEE_FORECAST, SEE_LEAGUE

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["over_list"]


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above``."""
    if entity.name != "sales_target":
        return ""
    ways = []
    access = uow.actor.access(entity)
    if all(access.may(action) for action in ("create", "update", "delete")):
        ways.append((_("Set targets"), url_for("crm_sales.edit_targets")))
    if uow.actor.has_permission(SEE_FORECAST):
        ways.append((_("Forecast"), url_for("crm_sales.forecast")))
    if uow.actor.has_permission(SEE_LEAGUE):
        ways.append((_("League table"), url_for("crm_sales.league")))
    html: str = macros("crm_sales/parts.html").ways(ways)
    return html if ways else ""
