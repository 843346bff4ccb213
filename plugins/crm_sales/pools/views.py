"""The pages that tell which customers and opportunities go back to their pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import NavItem
from core.pools.rehearsal import page_of
from plugins.crm_sales.pools.cards import kinds
from plugins.crm_sales.pools.declared import CUSTOMERS, OPPORTUNITIES
from plugins.crm_sales.pools.policies import SEE_RETURNS
from plugins.crm_sales.views import blueprint

if TYPE_CHECKING:
    from core.pools.declaring import Pooled

__all__ = ["NAVIGATION"]

NAVIGATION = (
    NavItem(_l("Going back"), CUSTOMERS.returns_page, "history", order=64, permission=SEE_RETURNS),
)


@blueprint.get("/returns", endpoint="returns")
@requires(SEE_RETURNS)
def show_customers() -> Any:
    """Which customers would go back to their pools, and why."""
    return _page(CUSTOMERS)


@blueprint.get("/returns/opportunities", endpoint="opportunity_returns")
@requires(SEE_RETURNS)
def show_opportunities() -> Any:
    """Which opportunities would go back to their pools, and why."""
    return _page(OPPORTUNITIES)


def _page(pooled: Pooled) -> Any:
    with unit_of_work(write=False) as uow:
        page = page_of(uow, pooled, request.args)
        return render("core/pools/returns.html", **page, kinds=kinds(uow, pooled))
