"""What pools put into pages of customers and opportunities, into their lists and onto the first page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery, Record
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.pools import cards as pools
from core.pools.declaring import Pooled
from core.pools.members import pools_of
from core.pools.rehearsal import sees_returns
from plugins.crm_sales.pools.declared import CUSTOMERS, OPPORTUNITIES

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["kinds", "needs_action", "over_list", "over_record"]

_BY_NAME = {
    name: pooled for pooled in (CUSTOMERS, OPPORTUNITIES) for name in (pooled.entity, pooled.pools)
}


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    pooled = _BY_NAME.get(entity.name)
    return "" if pooled is None else pools.over_record(uow, pooled, record)


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above`` of customers; the list of opportunities has its own ways."""
    if entity.name != "customer" or entity.plugin != "crm_sales":
        return ""
    ways = pools.ways(uow, CUSTOMERS)
    if not ways:
        return ""
    ways.insert(0, (_("Your customers"), list_url("customer", ("owner", "is_me"))))
    html: str = macros("crm_sales/parts.html").ways(ways)
    return html


def needs_action(uow: UnitOfWork, **context: Any) -> str:
    """The slot ``home.main``: what lies in one's pools. Of what goes back the bell tells in time."""
    figures = [
        *_to_claim(uow, CUSTOMERS, _("Customers to claim")),
        *_to_claim(uow, OPPORTUNITIES, _("Opportunities to claim")),
    ]
    html: str = macros("crm_sales/pool_parts.html").on_home(figures) if figures else ""
    return html


def _to_claim(uow: UnitOfWork, pooled: Pooled, label: str) -> list[dict[str, str]]:
    access = uow.actor.access(uow.entity(pooled.entity))
    if not access.may("claim") or not pools_of(uow, pooled):
        return []
    lies = {
        "all": [
            {"field": "owner", "op": "is_empty"},
            {"field": "pool", "op": "in", "value": list(pools_of(uow, pooled))},
            *pooled.open_filter(),
        ]
    }
    try:
        n = query.count(uow, pooled.entity, ListQuery(filter=lies))
    except (Forbidden, Invalid):
        return []
    rows = (("owner", "is_empty"), ("pool", "is_set"), *pooled.open_rows())
    url = list_url(pooled.entity, *rows)
    return [{"label": label, "count": format_number(n), "url": url}] if n else []


def kinds(uow: UnitOfWork, shown: Pooled) -> list[tuple[str, str, bool, None]]:
    """On the page of what goes back: the way to the other one, for who may see it."""
    return [
        (
            str(uow.entity(pooled.entity).label_plural),
            url_for(pooled.returns_page),
            pooled is shown,
            None,
        )
        for pooled in (CUSTOMERS, OPPORTUNITIES)
        if pooled is shown or sees_returns(uow, pooled)
    ]
