"""Pages of targets: entering those of a department, the forecast, and the league table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import flash, redirect, request, url_for

from core.errors import Conflict, Invalid, Refused
from core.http.rendering import render
from core.http.requests import requires, signed_in, unit_of_work
from core.i18n import lazy_gettext as _l
from core.i18n import ngettext
from core.i18n.formats import currency_sign, format_number
from core.plugins.contributions import NavItem
from core.settings.service import get_setting
from plugins.crm_sales.targets import grid, shown
from plugins.crm_sales.targets.figures import read_targets
from plugins.crm_sales.targets.forecast import Asked, read_forecast
from plugins.crm_sales.targets.league import BY, MEASURES, read_league
from plugins.crm_sales.targets.models import KINDS
from plugins.crm_sales.targets.narrowing import key_of, read_narrowing
from plugins.crm_sales.targets.periods import Period, parse
from plugins.crm_sales.targets.policies import SEE_FORECAST, SEE_LEAGUE
from plugins.crm_sales.views import blueprint

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["NAVIGATION", "blueprint"]

NAVIGATION = (
    NavItem(_l("Forecast"), "crm_sales.forecast", "chart-bar", order=61, permission=SEE_FORECAST),
    NavItem(_l("League table"), "crm_sales.league", "star", order=62, permission=SEE_LEAGUE),
)


def _one_of(text: str, known: tuple[str, ...]) -> str:
    return text if text in known else known[0]


# The forecast


@blueprint.get("/forecast", endpoint="forecast")
@requires(SEE_FORECAST)
def show_forecast() -> Any:
    """Won, committed and weighted against the target of a period, and what closes the gap."""
    sent = request.args
    with unit_of_work(write=False) as uow:
        period = parse(sent.get("kind", ""), sent.get("period", ""), uow.clock.today())
        asked = Asked(period, *dataclasses.astuple(read_narrowing(sent)))
        found = read_forecast(uow, asked)
        return render("crm_sales/forecast.html", **shown.forecast_page(uow, asked, found))


# The league table


@blueprint.get("/league", endpoint="league")
@requires(SEE_LEAGUE)
def show_league() -> Any:
    """Who won how much in a period, and who rises."""
    sent = request.args
    with unit_of_work(write=False) as uow:
        period = parse(sent.get("kind", ""), sent.get("period", ""), uow.clock.today())
        by = _one_of(sent.get("by", ""), tuple(BY))
        measure = _one_of(sent.get("measure", ""), MEASURES)
        found = read_league(uow, period, by=by, measure=measure)
        return render(
            "crm_sales/league.html",
            **shown.league_page(uow, period, found, by=by, measure=measure),
        )


@blueprint.get("/league/screen", endpoint="league_screen")
@requires(SEE_LEAGUE)
def show_league_screen() -> Any:
    """The same for a screen on the wall: large, without navigation, anew every minute."""
    sent = request.args
    with unit_of_work(write=False) as uow:
        period = parse(sent.get("kind", ""), sent.get("period", ""), uow.clock.today())
        by = _one_of(sent.get("by", ""), tuple(BY))
        measure = _one_of(sent.get("measure", ""), MEASURES)
        found = read_league(uow, period, by=by, measure=measure)
        return render(
            "crm_sales/league_screen.html",
            **shown.league_screen(uow, period, found, by=by, measure=measure),
        )


# Entering targets


@blueprint.get("/targets")
@signed_in
def edit_targets() -> Any:
    """The targets of a department and its people for a year."""
    with unit_of_work(write=False) as uow:
        found, choices = _grid(uow, request.args)
        return _grid_page(uow, found, choices, {}, None)


@blueprint.post("/targets")
@signed_in
def save_targets() -> Any:
    """Save what was changed, or show what stands against it."""
    sent = request.form
    try:
        with unit_of_work() as uow:
            found, _choices = _grid(uow, sent)
            count = 0 if found is None else grid.save(uow, found, sent)
    except (Invalid, Refused, Conflict) as error:
        with unit_of_work(write=False) as uow:
            found, choices = _grid(uow, sent)
            return _grid_page(uow, found, choices, sent, error), error.status
    flash(ngettext("%(n)s target saved.", "%(n)s targets saved.", count), "good")
    names = ("department", "year", "kind", "measure")
    return redirect(url_for("crm_sales.edit_targets", **{n: sent.get(n, "") for n in names}), 303)


def _grid(
    uow: UnitOfWork, sent: Mapping[str, str]
) -> tuple[grid.Grid | None, list[tuple[str, str]]]:
    year: Period = parse("year", sent.get("year", ""), uow.clock.today())
    return grid.read_grid(
        uow,
        department=key_of(sent.get("department", "")),
        year=year,
        kind=_one_of(sent.get("kind", ""), tuple(choice.value for choice in KINDS)),
        measure=_one_of(sent.get("measure", ""), MEASURES),
    )


def _grid_page(
    uow: UnitOfWork,
    found: grid.Grid | None,
    choices: list[tuple[str, str]],
    sent: Mapping[str, str],
    error: Invalid | Refused | Conflict | None,
) -> str:
    if found is None:
        return render("crm_sales/targets.html", found=None, tabs=[], choices=[])
    marks: dict[str, str] = {}
    for problem in error.problems if error is not None else ():
        marks.setdefault(problem.field, problem.message)
    rows, errors = [], []
    for row in found.rows:
        cells = []
        for place, column in enumerate(found.columns):
            name, there = grid.cell_name(row, place), found.cells.get((row.name, place))
            value = "" if there is None else _plain(there.value)
            if name in marks:
                errors.append((name, f"{row.label}, {shown.short(column)}", marks[name]))
            cells.append(
                {
                    "name": name,
                    "label": f"{row.label}, {shown.short(column)}",
                    "value": sent.get(name, value)[:60],
                    "version": "" if there is None else there.version,
                    "error": marks.get(name, ""),
                    "column": shown.short(column),
                }
            )
        mine = [found.cells.get((row.name, place)) for place in range(len(found.columns))]
        rows.append(
            {"label": row.label, "is_person": row.field == "person", "cells": cells}
            | {"total": _together(each.value for each in mine if each is not None)}
        )
    company, people = get_setting(uow, "core", "currency"), _people_sums(uow, found)
    return render(
        "crm_sales/targets.html",
        found=found,
        rows=rows,
        columns=[shown.short(column) for column in found.columns],
        sums=_sums(people),
        differences=_differences(found, people),
        errors=errors,
        message=error.message if error is not None and not marks else "",
        choices=choices,
        tabs=shown.grid_tabs(found),
        unit=currency_sign(company) if found.measure == "amount" else "",
        year=found.year,
        before=found.year.before,
        after=found.year.after,
    )


def _plain(value: Decimal) -> str:
    """As it is typed: without decimals that say nothing."""
    whole = value == value.to_integral_value()
    return format_number(value, 0 if whole else 2)


def _together(values: Any) -> str:
    found = list(values)
    return _plain(sum(found, Decimal(0))) if found else ""


def _people_sums(uow: UnitOfWork, found: grid.Grid) -> list[Decimal | None]:
    """Of the people, by column; None where none of them has a target.

    A quarter without a target of its own has those of its months, as everywhere.
    """
    if found.kind == "quarter":
        keys = {row.key for row in found.rows if row.field == "person"}
        columns = [
            [value for key, value in people.items() if key in keys]
            for column in found.columns
            for people in (read_targets(uow, column, found.measure).people,)
        ]
    else:
        names = {row.name for row in found.rows if row.field == "person"}
        columns = [
            [
                cell.value
                for (name, at), cell in found.cells.items()
                if at == place and name in names
            ]
            for place in range(len(found.columns))
        ]
    return [sum(each, Decimal(0)) if each else None for each in columns]


def _sums(people: Sequence[Decimal | None]) -> list[str]:
    """By column and in all."""
    written = ["" if total is None else _plain(total) for total in people]
    return [*written, _together(total for total in people if total is not None)]


def _differences(found: grid.Grid, people: Sequence[Decimal | None]) -> list[dict[str, Any]]:
    """By column and in all, by how much the people's targets come to more or less than the
    department's (S-070); nothing where one of the two is not set. Empty where nothing can differ."""
    if found.is_cut:
        return []  # not all people are here
    own = [found.cells.get((found.rows[0].name, place)) for place in range(len(people))]
    pairs = [
        None if aim is None or total is None else (aim.value, total)
        for aim, total in zip(own, people, strict=True)
    ]
    both = [pair for pair in pairs if pair is not None]
    every = (sum((a for a, _p in both), Decimal(0)), sum((p for _a, p in both), Decimal(0)))
    return [_difference(pair) for pair in (*pairs, every)] if both else []


def _difference(pair: tuple[Decimal, Decimal] | None) -> dict[str, Any]:
    """How it is written: target of the department, and of its people together."""
    if pair is None:
        return {"text": "", "is_off": False}
    less = pair[1] - pair[0]
    sign = "+" if less > 0 else "−" if less < 0 else ""
    return {"text": f"{sign}{_plain(abs(less))}", "is_off": bool(less)}
