"""The reports of customers that nobody has followed up, and of those that several people follow."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

from core.entities import query
from core.http.addresses import record_url
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_number
from plugins.crm_sales.care import touches
from plugins.crm_sales.care.path import MOST_TOUCHES, path_of
from plugins.crm_sales.targets.figures import require_fields
from plugins.crm_sales.views import blueprint

__all__ = ["blueprint"]

_DAYS = (30, 60, 90, 180)


@blueprint.get("/customers/idle")
@signed_in
def idle_customers() -> Any:
    """Customers for whom nothing was done for so many days."""
    return _report("crm_sales.idle_customers", _("Customers without follow-up"), several=False)


@blueprint.get("/customers/shared")
@signed_in
def shared_customers() -> Any:
    """Customers for whom more than one person did something in so many days."""
    return _report("crm_sales.shared_customers", _("Customers with several sellers"), several=True)


@blueprint.get("/customers/<int:customer_id>/path")
@signed_in
def show_path(customer_id: int) -> Any:
    """How a customer came to buy (S-033)."""
    with unit_of_work(write=False) as uow:
        customer = query.get(uow, "customer", customer_id)
        found = path_of(uow, customer)
        first = found.steps[0].day
        days = (
            _("none yet")
            if found.days is None
            else _("after %(n)s days", n=format_number(found.days))
        )
        return render(
            "crm_sales/path.html",
            customer=customer.values.get("name") or f"#{customer_id}",
            customer_url=record_url("customer", customer_id),
            facts=[
                (_("First touch"), format_date(first)),
                (_("Follow-ups until the first deal"), format_number(found.touches)),
                (_("First deal"), days),
            ],
            columns=[
                {"label": _("Day"), "kind": "date"},
                {"label": _("What"), "kind": "primary"},
                {"label": _("In detail")},
                {"label": _("Days since the first touch"), "kind": "number"},
            ],
            rows=[
                {
                    "id": place,
                    "label": step.what,
                    "url": record_url(*step.record) if step.record else "",
                    "cells": [
                        format_date(step.day),
                        step.what,
                        step.said,
                        format_number((step.day - first).days),
                    ],
                }
                for place, step in enumerate(found.steps)
            ],
            is_cut=found.is_cut,
            most=format_number(MOST_TOUCHES),
        )


def _report(endpoint: str, title: str, *, several: bool) -> str:
    sent = request.args.get("days", "")
    days = int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 5 else 0
    days = days or _DAYS[0]
    with unit_of_work(write=False) as uow:
        require_fields(uow, "customer", ("name", "owner", "created_at"))
        found = touches.shared(uow, days) if several else touches.idle(uow, days)
        zone, now = uow.clock.timezone, uow.now()
        columns = [
            {"label": _("Customer"), "kind": "primary"},
            {"label": _("Owner")},
            *([{"label": _("Who follows it up")}] if several else []),
            {"label": _("Last follow-up"), "kind": "date"},
            {"label": _("Days ago"), "kind": "number"},
        ]
        rows = [
            {
                "id": each.id,
                "label": each.name,
                "url": record_url("customer", each.id),
                "cells": [
                    each.name,
                    each.owner,
                    *([_(", ").join(each.people)] if several else []),
                    format_date(each.last.astimezone(zone).date()) if each.last else _("never"),
                    format_number((now - each.last).days) if each.last else "",
                ],
            }
            for each in found
        ]
        return render(
            "crm_sales/care.html",
            title=title,
            columns=columns,
            rows=rows,
            said=_said(several=several),
            is_cut=len(found) == touches.MOST,
            tabs=[
                (_("%(n)s days", n=n), url_for(endpoint, days=n), n == days, None)
                for n in sorted({*_DAYS, days})
            ],
        )


def _said(*, several: bool) -> str:
    if several:
        return _(
            "More than one person moved an opportunity, quoted or followed up in these days."
            " Counted is what was done for customers that you may see, whoever did it."
        )
    return _(
        "No opportunity was moved, nothing quoted and nothing followed up in these days."
        " Counted is what was done for customers that you may see, whoever did it."
    )
