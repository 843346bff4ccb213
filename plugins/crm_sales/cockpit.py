"""The cockpit of a team (团队驾驶舱, S-182): attainment, what is stuck, goals, key figures and the funnel on one page.

Each part is what its own page shows, within the same rights: whoever has no right to a part is not shown it. The
key figures compare a period with the one before it (S-193, S-194).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import request, url_for
from markupsafe import Markup

from core.entities import query
from core.entities.aggregate import expect_many
from core.entities.measures import Figures, measures_of, reading_measures
from core.entities.query import ListQuery
from core.entities.reading import Reading, all_of, read_together
from core.errors import Forbidden
from core.http.addresses import list_condition, list_url
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_number
from core.plugins.contributions import GoalAsked, NavItem
from core.settings.service import get_setting
from plugins.crm_sales import funnel, going_on
from plugins.crm_sales.care.touches import reading_idle_count
from plugins.crm_sales.goals import shown as goals_shown
from plugins.crm_sales.goals.standing import questions, standings
from plugins.crm_sales.goals.views import FIELDS
from plugins.crm_sales.targets import shown
from plugins.crm_sales.targets.figures import (
    attainment,
    condition,
    reading_departments,
    require_fields,
)
from plugins.crm_sales.targets.forecast import Asked, reading_forecast
from plugins.crm_sales.targets.league import League, reading_league
from plugins.crm_sales.targets.narrowing import Narrowing
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
    """How the team stands: against its targets, with what is stuck, its goals and its funnel.

    Two statements for all of it, each with one for the names in it: measures and the funnel are read when it is
    known what the goals ask, and which process is the first.
    """
    sent = request.args
    with unit_of_work(write=False) as uow:
        today = uow.clock.today()
        period = parse(sent.get("kind", ""), sent.get("period", ""), today)
        stuck = _warnings(uow)
        expect_many(uow)
        attained, counts, goals, processes = read_together(
            uow,
            [
                _reading_attained(uow, period),
                all_of([reading for _label, _url, reading in stuck]),
                _reading_goals(uow, period),
                _reading_processes(uow),
            ],
        )
        asked = _questions(uow, period)
        figures, flow = read_together(
            uow,
            [
                reading_measures(uow, [*asked, *questions(goals or ())]),
                _reading_funnel(uow, processes, period),
            ],
        )
        return render(
            "crm_sales/cockpit.html",
            **shown.steps(period, "crm_sales.cockpit"),
            tabs=shown.kind_tabs(period, "crm_sales.cockpit", today),
            **attained,
            warnings=[
                {"label": label, "count": format_number(count), "url": url}
                for (label, url, _reading), count in zip(stuck, counts, strict=True)
            ],
            **_goals(uow, goals, figures),
            **_key_figures(uow, period, figures),
            **flow,
        )


# Attainment


def _reading_attained(uow: UnitOfWork, period: Period) -> Reading[dict[str, Any]]:
    asked, kept = Asked(period), {"kind": period.kind, "period": period.key}
    ways: list[tuple[str, str]] = []
    if uow.actor.has_permission(SEE_LEAGUE):
        ways = [("department", _("Departments")), ("person", _("People"))]
    leagues = [
        reading_league(uow, period, by=by, measure="amount", is_own=True) for by, _title in ways
    ]

    def finish(found: Sequence[Any]) -> dict[str, Any]:
        forecast, departments, *tables = found
        return {
            **shown.forecast_head(asked, forecast),
            "forecast_url": url_for("crm_sales.forecast", **kept),
            "teams": [
                {
                    "title": title,
                    "columns": _team_columns(title),
                    "rows": _team_rows(league, period, by),
                    "url": url_for("crm_sales.league", by=by, **kept),
                    "left_out": max(0, len(league.entries) - MOST),
                }
                for (by, title), league in zip(ways, tables, strict=True)
                if _is_shown(by, league, len(departments))
            ],
        }

    departments = reading_departments(uow, "opportunity", "department_below", "read")
    return all_of([reading_forecast(uow, asked), departments, *leagues]).then(finish)


def _is_shown(by: str, league: League, departments: int) -> bool:
    """Departments stand beside each other where there are several to choose from."""
    return bool(league.entries) and (
        by == "person" or (departments > 1 and len(league.entries) > 1)
    )


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


def _reading_goals(uow: UnitOfWork, period: Period) -> Reading[list[dict[str, Any]] | None]:
    """The goals of the period; None for who may not see any."""
    if not _may_use(uow, "goal", FIELDS):
        return Reading((), lambda: None)
    of_period = condition(
        [("starts_on", "le", period.last.isoformat()), ("ends_on", "ge", period.first.isoformat())]
    )
    wanted = ListQuery(fields=FIELDS, filter=of_period, sort="ends_on,id", limit=MOST)
    return query.reading_page(uow, "goal", wanted).then(lambda page: page.items)


def _goals(
    uow: UnitOfWork, goals: Sequence[dict[str, Any]] | None, figures: Figures
) -> dict[str, Any]:
    return {
        "goals_url": "" if goals is None else url_for("crm_sales.goals"),
        "goal_columns": goals_shown.columns(),
        "goal_rows": goals_shown.rows(uow, standings(uow, goals or (), figures)),
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


def _spans(period: Period) -> tuple[GoalAsked, GoalAsked]:
    before = period.before
    return GoalAsked(period.first, period.last), GoalAsked(before.first, before.last)


def _questions(uow: UnitOfWork, period: Period) -> list[tuple[str, GoalAsked]]:
    return [(name, asked) for name in measures_of(uow) for asked in _spans(period)]


def _key_figures(uow: UnitOfWork, period: Period, found: Figures) -> dict[str, Any]:
    """Every measure in the period and in the one before."""
    measures, (now, then) = measures_of(uow), _spans(period)
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


def _reading_processes(uow: UnitOfWork) -> Reading[list[dict[str, Any]]]:
    if not uow.actor.has_permission("crm_sales.see_funnel"):
        return Reading((), list)
    try:
        return funnel.reading_processes(uow)
    except Forbidden:
        return Reading((), list)


def _reading_funnel(
    uow: UnitOfWork, processes: Sequence[Mapping[str, Any]], period: Period
) -> Reading[dict[str, Any]]:
    """The funnel of the first process, and the stage from which fewer go on than in the period before."""
    nothing = {"funnel_rows": [], "funnel_columns": [], "fell": None}
    first = funnel.chosen_process(processes, "")
    if first is None:
        return Reading((), lambda: nothing)
    try:
        rows = funnel.reading_rows(uow, first["id"])
    except Forbidden:
        return Reading((), lambda: nothing)

    def finish(found: Sequence[Any]) -> dict[str, Any]:
        rows, lines = found
        fell = going_on.fell_most(lines)
        return {
            "funnel_rows": rows,
            "funnel_columns": funnel.columns(),
            "fell": None
            if fell is None
            else (
                going_on.said(fell),
                url_for(going_on.HERE, kind=period.kind, period=period.key, process=first["id"]),
            ),
        }

    return all_of([rows, _reading_lines(uow, first["id"], period)]).then(finish)


def _reading_lines(uow: UnitOfWork, process: int, period: Period) -> Reading[list[going_on.Line]]:
    try:
        return going_on.reading_lines(uow, process, period, Narrowing())
    except Forbidden:
        return Reading((), list)
