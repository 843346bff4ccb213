"""The periods that pages with numbers offer, by the names that filters know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for

from core.i18n import gettext as _

__all__ = ["DEFAULT", "PERIODS", "period_tabs", "valid_period"]

DEFAULT = "this_month"
PERIODS = ("this_week", "last_week", "this_month", "last_month", "this_quarter", "this_year")


def valid_period(name: str) -> str:
    """The name, or the default for what is none."""
    return name if name in PERIODS else DEFAULT


def period_tabs(
    endpoint: str, current: str, sent: Mapping[str, str]
) -> list[tuple[str, str, bool, None]]:
    """Tabs: (label, address, is current, no count), with the department or template that is chosen."""
    labels = {
        "this_week": _("This week"),
        "last_week": _("Last week"),
        "this_month": _("This month"),
        "last_month": _("Last month"),
        "this_quarter": _("This quarter"),
        "this_year": _("This year"),
    }
    kept: dict[str, Any] = {
        name: sent[name] for name in ("department", "template") if sent.get(name)
    }
    return [
        (labels[name], url_for(endpoint, period=name, **kept), name == current, None)
        for name in PERIODS
    ]
