"""What would go back tonight, or within a week, and because of what: looked at, with nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup

from core.entities import query
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden
from core.http.addresses import record_url
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_number
from core.settings.service import get_setting
from plugins.crm_leads.returns import FIELDS, ReturnRules, condition, going, return_rules

if TYPE_CHECKING:
    from core.entities.query import Page
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["count_due", "page_of"]

#: So many are listed; all are counted.
ROWS = 200
#: Name of the period: how many days after today.
_PERIODS = {"tonight": 0, "week": 6}
_NONE = Markup('<span class="none">—</span>')


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, within the reader's reach. Raises `Forbidden` for who may not see when leads
    were followed up, since that is what the page tells."""
    spec = uow.entity("lead")
    access = uow.actor.access(spec)
    if not all(access.can_use(spec[name]) for name in (*FIELDS, "company")):
        raise Forbidden(_("You do not have the right to do this."))
    period = sent.get("period", "")
    period = period if period in _PERIODS else "tonight"
    all_rules = return_rules(uow)
    chosen = sent.get("pool", "")
    rules = [one for one in all_rules.values() if chosen in ("", str(one.pool))]
    day = uow.clock.today() + timedelta(days=_PERIODS[period])
    total, rows = _found(uow, spec, rules, day) if rules else (0, [])
    return {
        "title": _title(total, period),
        "has_rules": bool(all_rules),
        "tabs": _tabs(period, chosen),
        "pool_tabs": _pool_tabs(list(all_rules.values()), period, chosen),
        "columns": [
            {"label": str(spec["company"].label), "kind": "primary"},
            {"label": str(spec["owner"].label)},
            {"label": str(spec["pool"].label)},
            {"label": _("Night after"), "kind": "date"},
            {"label": _("Because"), "kind": "reason"},
        ],
        "rows": rows,
        "more": max(0, total - len(rows)),
    }


def count_due(uow: UnitOfWork, rules: ReturnRules, day: date) -> int:
    """How many of the leads that the reader reaches go back by the night that ends ``day``."""
    return query.count(uow, "lead", ListQuery(filter=condition(rules, day)))


def _title(total: int, period: str) -> str:
    n = format_number(total)
    if period == "tonight":
        return _("%(n)s would go back tonight", n=n)
    return _("%(n)s would go back within a week", n=n)


def _found(
    uow: UnitOfWork, spec: EntitySpec, rules: Sequence[ReturnRules], day: date
) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and the first of them, in two statements however many pools there are."""
    wanted = ListQuery(
        fields=("company", *FIELDS),
        filter={"any": [condition(one, day) for one in rules]},
        sort="held_since,id",
        limit=ROWS,
        count="exact",
    )
    found = query.page(uow, "lead", wanted)
    reader = Reader(
        uow.clock.timezone, get_setting(uow, "core", "currency"), found.labels, address=record_url
    )
    soonest = sorted(found.items, key=lambda row: when.on if (when := going(uow, row)) else day)
    return found.total or 0, [_row(uow, spec, found, reader, row) for row in soonest]


def _row(
    uow: UnitOfWork, spec: EntitySpec, found: Page, reader: Reader, row: dict[str, Any]
) -> dict[str, Any]:
    when = going(uow, row)
    shown = {
        name: display_html(spec[name].type, row[name], reader, row) or _NONE
        for name in ("owner", "pool")
    }
    return {
        "id": row["id"],
        "label": row["company"],
        "url": record_url("lead", row["id"]),
        "cells": [
            row["company"] or f"#{row['id']}",
            shown["owner"],
            shown["pool"],
            format_date(when.on) if when else _NONE,
            when.said() if when else _NONE,
        ],
    }


def _tabs(period: str, pool: str) -> list[tuple[str, str, bool, None]]:
    return [
        (
            text,
            url_for("crm_leads.returns", period=name, pool=pool or None),
            name == period,
            None,
        )
        for name, text in (("tonight", _("Tonight")), ("week", _("Within a week")))
    ]


def _pool_tabs(
    rules: Sequence[ReturnRules], period: str, pool: str
) -> list[tuple[str, str, bool, None]]:
    if len(rules) < 2:
        return []
    named = [("", _("All pools")), *((str(one.pool), one.name) for one in rules)]
    return [
        (
            text,
            url_for("crm_leads.returns", period=period, pool=key or None),
            key == pool,
            None,
        )
        for key, text in named
    ]
