"""The cockpit of a team (团队驾驶舱, S-182): attainment, what is stuck, goals, key figures and the funnel on one page.

Each part is what its own page shows, within the same rights: whoever has no right to a part is not shown it. The
key figures compare a period with the one before it (S-193, S-194).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import request, url_for
from markupsafe import Markup

from core.entities import query
from core.entities.measures import measures_of, read_measures
from core.entities.query import ListQuery, reading_page
from core.entities.reading import Reading, read_together
from core.errors import Forbidden
from core.http.addresses import list_condition, list_url
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_number
from core.plugins.contributions import GoalAsked, NavItem
from core.settings.service import get_setting
from plugins.crm_sales import funnel
from plugins.crm_sales.care.touches import reading_idle_count
from plugins.crm_sales.goals import shown as goals_shown
from plugins.crm_sales.goals.standing import standings
from plugins.crm_sales.goals.views import FIELDS
from plugins.crm_sales.targets import shown
from plugins.crm_sales.targets.figures import attainment, condition, departments_of, require_fields
from plugins.crm_sales.targets.forecast import Asked, read_forecast
from plugins.crm_sales.targets.league import League, read_league
from plugins.crm_sales.targets.periods import Period, parse
from plugins.crm_sales.targets.policies import SEE_FORECAST, SEE_LEAGUE
from plugins.crm_sales.views import blueprint

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["NAVIGATION", "blueprint"]

NAVIGATION = (
    NavItem(_l("Cockpit"), "crm_sales.cockpit", "activity", order=59, permission=SEE_FORECAST),
)

#: People or departments, and goals, that stand here; their own pages have them all.
MOST = 30
_LINK = Markup('<a href="{}">{}</a>')
_NONE = Markup('<span class="none">—</span>')
_IS_OPEN = ("status", "in", "open")
_STUCK = ("status", "stage_due_at", "owner", "priority", "last_followed_at", "held_since", "pool")

Rows = tuple[tuple[str, ...], ...]


@blueprint.get("/cockpit", endpoint="cockpit")
@requires(SEE_FORECAST)
def show_cockpit() -> Any:
    """How the team stands: against its targets, with what is stuck, its goals and its funnel."""
    sent = request.args
    with unit_of_work(write=False) as uow:
        today = uow.clock.today()
        period = parse(sent.get("kind", ""), sent.get("period", ""), today)
        warnings, goals = _warnings_and_goals(uow, period)
        return render(
            "crm_sales/cockpit.html",
            **shown.steps(period, "crm_sales.cockpit"),
            tabs=shown.kind_tabs(period, "crm_sales.cockpit", today),
            **_attained(uow, period),
            warnings=warnings,
            **goals,
            **_key_figures(uow, period),
            **_funnel(uow),
        )


# Attainment


def _attained(uow: UnitOfWork, period: Period) -> dict[str, Any]:
    page = shown.forecast_page(uow, Asked(period), read_forecast(uow, Asked(period)))
    kept = {"kind": period.kind, "period": period.key}
    found = {name: page[name] for name in ("figures", "facts", "notices")}
    found |= {"forecast_url": url_for("crm_sales.forecast", **kept), "teams": []}
    if not uow.actor.has_permission(SEE_LEAGUE):
        return found
    ways = [("person", _("People"))]
    if len(departments_of(uow, "opportunity", "department_below", "read")) > 1:
        ways.insert(0, ("department", _("Departments")))
    for by, title in ways:
        league = read_league(uow, period, by=by, measure="amount", is_own=True)
        if league.entries and (by == "person" or len(league.entries) > 1):
            found["teams"].append(
                {
                    "title": title,
                    "columns": _team_columns(title),
                    "rows": _team_rows(league, period, by),
                    "url": url_for("crm_sales.league", by=by, **kept),
                    "left_out": max(0, len(league.entries) - MOST),
                }
            )
    return found


def _team_columns(title: str) -> list[dict[str, str]]:
    return [
        {"label": title, "kind": "primary"},
        {"label": _("Amount won"), "kind": "number"},
        {"label": _("Target"), "kind": "number"},
        {"label": _("Attained"), "kind": "number"},
    ]


def _team_rows(league: League, period: Period, by: str) -> list[dict[str, Any]]:
    span = (period.first.isoformat(), period.last.isoformat())
    won: Rows = (("status", "in", "won"), ("closed_on", "between", *span))
    whose = ("owner", "eq") if by == "person" else ("department", "under")
    written = league.exchange.written
    return [
        {
            "id": each.key,
            "label": each.name,
            "cells": [
                each.name,
                _LINK.format(
                    list_url("opportunity", (*whose, str(each.key)), *won), written(each.reached)
                ),
                _NONE if each.target is None else written(each.target),
                shown.progress(attainment(each.reached, each.target)),
            ],
        }
        for each in league.entries[:MOST]
    ]


# What is stuck, and goals


def _warnings_and_goals(
    uow: UnitOfWork, period: Period
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Both in one statement, and the goals' figures in another."""
    asked, sees_goals = _warnings(uow), _may_use(uow, "goal", FIELDS)
    readings = [reading for _label, _url, reading in asked]
    if sees_goals:
        of_period = condition(
            [
                ("starts_on", "le", period.last.isoformat()),
                ("ends_on", "ge", period.first.isoformat()),
            ]
        )
        wanted = ListQuery(fields=FIELDS, filter=of_period, sort="ends_on,id", limit=MOST)
        readings.append(reading_page(uow, "goal", wanted))
    answers = read_together(uow, readings)
    warnings = [
        {"label": label, "count": format_number(count), "url": url}
        for (label, url, _reading), count in zip(asked, answers, strict=False)
    ]
    goals = standings(uow, answers[-1].items) if sees_goals else []
    return warnings, {
        "goals_url": url_for("crm_sales.goals") if sees_goals else "",
        "goal_columns": goals_shown.columns(),
        "goal_rows": goals_shown.rows(uow, goals),
        "rule": goals_shown.rule(),
    }


def _may_use(uow: UnitOfWork, entity: str, names: Sequence[str]) -> bool:
    try:
        require_fields(uow, entity, names)
    except Forbidden:
        return False
    return True


def _warnings(uow: UnitOfWork) -> list[tuple[str, str, Reading[Any]]]:
    """(what is stuck, its list, how many are to be counted)"""
    found: list[tuple[str, str, Reading[Any]]] = []
    for label, rows in _stuck(uow) if _may_use(uow, "opportunity", _STUCK) else ():
        counted = query.reading_count(uow, "opportunity", ListQuery(filter=list_condition(*rows)))
        found.append((label, list_url("opportunity", *rows), counted))
    if _may_use(uow, "customer", ("name", "owner", "created_at")):
        days = int(get_setting(uow, "crm_sales", "idle_days")) or 30
        url = url_for("crm_sales.idle_customers", days=days)
        label = _("Customers without follow-up for %(n)s days", n=format_number(days))
        found.append((label, url, reading_idle_count(uow, days)))
    return found


def _stuck(uow: UnitOfWork) -> list[tuple[str, Rows]]:
    """What lists say of deals that do not move, by their rows."""
    today = uow.clock.today()
    days = get_setting(uow, "crm_sales", "alert_idle_days")
    important = (_IS_OPEN, ("priority", "in", "high"))
    found: list[tuple[str, Rows]] = [
        (_("Over the days of their stage"), (_IS_OPEN, ("stage_due_at", "lt", today.isoformat())))
    ]
    if days:
        edge = (today - timedelta(days=days)).isoformat()
        count = format_number(days)
        held = (*important, ("owner", "is_set"))
        found += [
            (
                _("Important, not followed up for %(n)s days", n=count),
                (*held, ("last_followed_at", "lt", edge)),
            ),
            (
                _("Important, never followed up in %(n)s days", n=count),
                (*held, ("last_followed_at", "is_empty"), ("held_since", "lt", edge)),
            ),
        ]
    found.append(
        (_("Important, in nobody's hands"), (*important, ("owner", "is_empty"), ("pool", "is_set")))
    )
    return found


# Key figures


def _key_figures(uow: UnitOfWork, period: Period) -> dict[str, Any]:
    """Every measure in the period and in the one before: one statement for all."""
    now, then = (GoalAsked(each.first, each.last) for each in (period, period.before))
    measures = measures_of(uow)
    found = read_measures(uow, [(name, asked) for name in measures for asked in (now, then)])
    rows = []
    for name, measure in measures.items():
        if (name, now) not in found:
            continue
        current, before = found[name, now], found.get((name, then))
        rows.append(
            {
                "id": name,
                "label": str(measure.label),
                "cells": [
                    str(measure.label),
                    goals_shown.figure(uow, measure, now, current),
                    goals_shown.figure(uow, measure, then, before),
                    _change(uow, measure.unit, current, before),
                ],
            }
        )
    return {
        "key_columns": [
            {"label": _("Key figure"), "kind": "primary"},
            {"label": period.label, "kind": "number"},
            {"label": period.before.label, "kind": "number"},
            {"label": _("Difference"), "kind": "number"},
        ],
        "key_rows": rows,
        "counted": [
            f"{measure.label}: {measure.help}"
            for name, measure in measures.items()
            if measure.help and (name, now) in found
        ],
    }


def _change(uow: UnitOfWork, unit: str, current: Decimal | None, before: Decimal | None) -> Any:
    if current is None or before is None:
        return _NONE
    change = current - before
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    if unit == "percent":
        return _("%(n)s points", n=f"{sign}{goals_shown.plain(abs(change))}")
    return f"{sign}{goals_shown.written(uow, unit, abs(change))}"


# The funnel


def _funnel(uow: UnitOfWork) -> dict[str, Any]:
    if not uow.actor.has_permission("crm_sales.see_funnel"):
        return {"funnel_rows": [], "funnel_columns": []}
    try:
        page = funnel.page_of(uow, {})
    except Forbidden:
        return {"funnel_rows": [], "funnel_columns": []}
    return {"funnel_rows": page["rows"], "funnel_columns": page["columns"]}
