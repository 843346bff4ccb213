"""The channels beside each other: what each source brought, how quickly it was called, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup

from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url
from core.i18n import gettext as _
from core.i18n.formats import format_money, format_number
from core.settings.service import get_setting
from plugins.crm_leads.campaigns import Won, won_by
from plugins.crm_leads.models import SOURCES

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

_LINK = Markup('<a href="{}">{}</a>')
_NONE = Markup('<span class="none">—</span>')
_NEEDED = ("source", "status", "created_at", "first_contact_minutes")


@dataclass
class _Channel:
    """The sums of one source."""

    by_status: dict[str, int] = field(default_factory=dict)
    contacted: int = 0
    minutes: Decimal | None = None
    cost: Decimal = Decimal(0)
    won: Won | None = None

    @property
    def leads(self) -> int:
        return sum(self.by_status.values())


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, within the reader's reach. Raises `Forbidden` for who may not see it."""
    spec = uow.entity("lead")
    if not all(uow.actor.access(spec).can_use(spec[name]) for name in _NEEDED):
        raise Forbidden(_("You do not have the right to do this."))
    periods = _periods()
    period = sent.get("period", "this_year")
    period = period if period in periods else "this_year"
    channels = _channels(uow, period)
    return {
        "tabs": [
            (text, url_for("crm_leads.channels", period=key), key == period, None)
            for key, text in periods.items()
        ],
        "columns": [
            {"label": str(spec["source"].label), "kind": "primary"},
            *({"label": label, "kind": "number"} for label in _labels()),
        ],
        "rows": [
            _row(uow, key, channels[key], period)
            for key in sorted(channels, key=lambda key: -channels[key].leads)
            if channels[key].leads or channels[key].cost
        ],
    }


def _periods() -> dict[str, str]:
    return {
        "this_month": _("This month"),
        "this_quarter": _("This quarter"),
        "this_year": _("This year"),
        "all": _("All"),
    }


def _labels() -> list[str]:
    return [
        _("Leads"),
        _("Called"),
        _("Minutes to first contact"),
        _("Converted"),
        _("Conversion"),
        _("Spent"),
        _("Cost of a lead"),
        _("Deals won"),
        _("Amount won"),
    ]


def _within(field_name: str, period: str, *more: dict[str, Any]) -> ListQuery:
    rows = [*more]
    if period != "all":
        rows.append({"field": field_name, "op": "within", "value": period})
    return ListQuery(filter={"all": rows} if rows else None)


def _channels(uow: UnitOfWork, period: str) -> dict[str | None, _Channel]:
    """Three statements, and one for each source that won something, however many leads there are."""
    found: dict[str | None, _Channel] = {choice.value: _Channel() for choice in SOURCES}
    came = _within("created_at", period)
    for row in aggregate(uow, "lead", ["source", "status"], ["count"], came):
        channel = found.setdefault(row["source"]["id"], _Channel())
        channel.by_status[row["status"]["id"]] = row["count"]
    called = _within("created_at", period, {"field": "first_contacted_at", "op": "is_set"})
    measures = ["count", "avg:first_contact_minutes"]
    for row in aggregate(uow, "lead", ["source"], measures, called):
        channel = found.setdefault(row["source"]["id"], _Channel())
        channel.contacted = row["count"]
        average = row["avg:first_contact_minutes"]
        channel.minutes = None if average is None else Decimal(average)
    try:
        for row in aggregate(
            uow, "campaign", ["source"], ["sum:cost"], _within("starts_on", period)
        ):
            channel = found.setdefault(row["source"]["id"], _Channel())
            channel.cost = Decimal(row["sum:cost"] or 0)
    except (Forbidden, Invalid):
        pass
    for key, channel in found.items():
        if key is not None and channel.by_status.get("converted"):
            channel.won = won_by(uow, _leads_of(key, period))
    return found


def _leads_of(source: str, period: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [{"field": "lead.source", "op": "eq", "value": source}]
    if period != "all":
        rows.append({"field": "lead.created_at", "op": "within", "value": period})
    return {"all": rows}


def _row(uow: UnitOfWork, key: str | None, channel: _Channel, period: str) -> dict[str, Any]:
    currency = get_setting(uow, "core", "currency")
    named = {choice.value: str(choice.label) for choice in SOURCES}
    label = named.get(key or "", key or _("Not set"))
    leads, converted = channel.leads, channel.by_status.get("converted", 0)
    here = ("source", "in", key) if key else ("source", "is_empty")
    within = [] if period == "all" else [("created_at", "within", period)]

    def money(amount: Decimal | None) -> Any:
        return format_money(amount, currency, 0) if amount else _NONE

    def linked(n: int, *rows: tuple[str, ...]) -> Any:
        return (
            _LINK.format(list_url("lead", here, *within, *rows), format_number(n)) if n else _NONE
        )

    return {
        "id": key or "",
        "label": label,
        "cells": [
            label,
            linked(leads),
            linked(channel.contacted, ("first_contacted_at", "is_set")),
            _NONE if channel.minutes is None else format_number(round(channel.minutes)),
            linked(converted, ("status", "in", "converted")),
            f"{format_number(round(100 * converted / leads))}%" if leads else _NONE,
            money(channel.cost),
            money(channel.cost / leads if leads else None),
            format_number(channel.won.deals) if channel.won and channel.won.deals else _NONE,
            money(channel.won.amount if channel.won else None),
        ],
    }
