"""Goals as pages show them: written by the unit of their measure, each figure with the list behind it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from core.entities.labels import resolve_labels
from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_date, format_money, format_number
from core.plugins.contributions import GoalAsked, GoalMeasure
from core.settings.service import get_setting
from plugins.crm_sales.goals.standing import Standing, asked_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["LIGHTS", "columns", "figure", "plain", "rows", "rule", "said", "written"]

#: How a light is called, and its colour.
LIGHTS = {
    "reached": (_l("Goal reached"), "good"),
    "on_way": (_l("On its way"), "good"),
    "behind": (_l("Behind"), "warn"),
    "missed": (_l("Missed"), "bad"),
    "not_begun": (_l("Not begun"), "neutral"),
    "no_figure": (_l("No figure"), "neutral"),
}
_LINK = Markup('<a href="{}">{}</a>')
_NONE = Markup('<span class="none">—</span>')
_BAR = Markup('{} <progress class="progress-bar" max="100" value="{}" aria-label="{}"></progress>')


def written(uow: UnitOfWork, unit: str, value: Decimal | None) -> str:
    """A figure in the reader's format; a dash for none."""
    if value is None:
        return "—"
    match unit:
        case "percent":
            return f"{plain(value)}%"
        case "days":
            return _("%(n)s days", n=plain(value))
        case "amount":
            return format_money(value, get_setting(uow, "core", "currency"), 0)
    return plain(value)


def plain(value: Decimal) -> str:
    """Without decimals that say nothing."""
    return format_number(value, 0 if value == value.to_integral_value() else None)


def figure(
    uow: UnitOfWork, measure: GoalMeasure, asked: GoalAsked, value: Decimal | None
) -> str | Markup:
    """A figure that leads to the list behind it."""
    if value is None:
        return _NONE
    entity, behind = measure.behind(asked)
    return _LINK.format(list_url(entity, *behind), written(uow, measure.unit, value))


def columns() -> list[dict[str, str]]:
    """The columns of a table of goals."""
    return [
        {"label": _("Goal"), "kind": "primary"},
        {"label": _("Traffic light")},
        {"label": _("Current value"), "kind": "number"},
        {"label": _("Baseline"), "kind": "number"},
        {"label": _("Target"), "kind": "number"},
        {"label": _("Of the way"), "kind": "number"},
        {"label": _("Of the time"), "kind": "number"},
        {"label": _("Until"), "kind": "date"},
        {"label": _("Whose it is")},
    ]


def rows(uow: UnitOfWork, found: Sequence[Standing]) -> list[dict[str, Any]]:
    """Goals as rows of a table."""
    names = resolve_labels(
        uow,
        {
            "user": {each.goal["person"] for each in found if each.goal["person"]},
            "department": {each.goal["department"] for each in found if each.goal["department"]},
        },
    )
    return [
        {
            "id": each.goal["id"],
            "label": each.goal["name"],
            "url": record_url("goal", each.goal["id"]),
            "cells": [each.goal["name"], *_cells(uow, each), _whose(each, names)],
        }
        for each in found
    ]


def _cells(uow: UnitOfWork, each: Standing) -> list[Any]:
    text, tone = LIGHTS[each.light]
    unit = each.measure.unit if each.measure else ""
    now: Any = _NONE
    if each.measure is not None:
        now = figure(uow, each.measure, asked_of(each.goal), each.current)
    return [
        macros().badge(text, tone),
        now,
        written(uow, unit, each.goal["baseline"]),
        written(uow, unit, each.goal["target"]),
        _NONE if each.way is None else _bar(each.way),
        f"{format_number(_percent(each.time))}%",
        format_date(each.goal["ends_on"]),
    ]


def _whose(each: Standing, names: Any) -> str:
    """The name of whose it is; for who may not see them, that there is somebody."""
    for field, entity in (("person", "user"), ("department", "department")):
        if (key := each.goal[field]) is not None:
            return str(names.get(entity, {}).get(key) or _("Not visible to you"))
    return _("Company")


def _percent(part: Decimal) -> Decimal:
    return (part * 100).quantize(Decimal(1), ROUND_HALF_UP)


def _bar(way: Decimal) -> Markup:
    percent = _percent(way)
    minus = "−" if percent < 0 else ""
    text = f"{minus}{format_number(abs(percent))}%"
    return _BAR.format(text, min(100, max(0, int(percent))), _("Of the way"))


def said(uow: UnitOfWork, each: Standing) -> list[tuple[str, Any]]:
    """What stands over a goal's own page: (label, value)."""
    light, now, _baseline, _target, way, time, _until = _cells(uow, each)
    return [
        (_("Traffic light"), light),
        (_("Current value"), now),
        (_("Of the way"), way),
        (_("Of the time"), time),
    ]


def rule() -> str:
    """By what the lights go, in a few sentences."""
    return _(
        "What is gone of the way from baseline to target is held against the days that are over: on its way while"
        " as much is gone of the way as of the time, otherwise behind. Reached counts on whatever day; missed is what"
        " is not reached when its last day is over. Counted is what you may see."
    )
