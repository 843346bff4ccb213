"""The funnel of a process: what stands in which stage, and how many go on from each to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup

from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Forbidden
from core.http.addresses import list_url
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.crm_sales.cards import written
from plugins.crm_sales.stages import Step, stages_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

_USED = ("process", "stage", "status", "currency", "amount", "weighted_amount", "furthest_stage")
_PERIODS = ("this_month", "this_quarter", "this_year")
_LINK = Markup('<a href="{}">{}</a>')
_BAR = Markup('<progress class="progress-bar" max="{}" value="{}" aria-label="{}"></progress>')
_NONE = Markup('<span class="none">—</span>')


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, within the reader's scope: two statements of opportunities."""
    spec = uow.entity("opportunity")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(access.can_use(spec[name]) for name in _USED):
        raise Forbidden(_("You do not have the right to do this."))
    processes = query.page(
        uow, "sales_process", ListQuery(fields=("name", "is_active"), sort="-is_active,id")
    ).items
    wanted = sent.get("process", "")
    current = next((row for row in processes if str(row["id"]) == wanted), None)
    current = current or (processes[0] if processes else None)
    period = sent.get("period", "")
    period = period if period in _PERIODS else ""
    if current is None:
        return {"process_tabs": [], "period_tabs": [], "rows": [], "columns": [], "figures": []}
    rows: tuple[tuple[str, ...], ...] = (("process", "eq", str(current["id"])),)
    if period:
        rows = (*rows, ("created_at", "within", period))
    steps = stages_of(uow, processes=[current["id"]]).of(current["id"])
    standing, reached = _standing(uow, rows), _reached(uow, rows, steps)
    return {
        "process_tabs": [
            (
                row["name"],
                url_for("crm_sales.funnel", process=row["id"], period=period or None),
                row["id"] == current["id"],
                None,
            )
            for row in processes
        ],
        "period_tabs": [
            (
                text,
                url_for("crm_sales.funnel", process=current["id"], period=key or None),
                key == period,
                None,
            )
            for key, text in (
                ("", _("All")),
                ("this_month", _("Begun this month")),
                ("this_quarter", _("Begun this quarter")),
                ("this_year", _("Begun this year")),
            )
        ],
        "columns": [
            {"label": _("Stage"), "kind": "primary"},
            {"label": _("Stand here"), "kind": "number"},
            {"label": _("Amount"), "kind": "number"},
            {"label": _("Weighted"), "kind": "number"},
            {"label": _("Came this far"), "kind": "number"},
            {"label": ""},
            {"label": _("Of the stage before"), "kind": "number"},
        ],
        "rows": _rows(uow, steps, standing, reached, rows) if standing else [],
        "figures": _figures(uow, standing, rows),
    }


def _condition(rows: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    return {"all": [{"field": field, "op": op, "value": value} for field, op, value in rows]}


def _standing(uow: UnitOfWork, rows: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    measures = ["count", "sum:amount", "sum:weighted_amount"]
    asked = ListQuery(filter=_condition(rows))
    return aggregate(uow, "opportunity", ["stage", "status", "currency"], measures, asked)


def _reached(
    uow: UnitOfWork, rows: Sequence[tuple[str, ...]], steps: Sequence[Step]
) -> dict[int, int]:
    """By stage: how many came that far or further, lost ones too."""
    asked = ListQuery(filter=_condition(rows))
    counts = {
        row["furthest_stage"]["id"]: row["count"]
        for row in aggregate(uow, "opportunity", ["furthest_stage"], ["count"], asked)
    }
    found, total = {}, 0
    for step in reversed([step for step in steps if not step.is_lost]):
        total += counts.get(step.id, 0)
        found[step.id] = total
    return found


def _rows(
    uow: UnitOfWork,
    steps: Sequence[Step],
    standing: Sequence[Mapping[str, Any]],
    reached: Mapping[int, int],
    rows: tuple[tuple[str, ...], ...],
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    most, before = max(reached.values(), default=0), None
    for step in steps:
        here = [row for row in standing if row["stage"]["id"] == step.id]
        came = reached.get(step.id)
        found.append(
            {
                "id": step.id,
                "label": step.name,
                "cells": [
                    step.name,
                    _number(sum(row["count"] for row in here), step, rows),
                    written(uow, here, "sum:amount"),
                    _NONE if step.is_closed else written(uow, here, "sum:weighted_amount"),
                    _NONE if came is None else format_number(came),
                    "" if came is None else _BAR.format(most or 1, came, step.name),
                    _NONE if came is None else _share(came, before),
                ],
            }
        )
        before = came if came is not None else before
    return found


def _number(count: int, step: Step, rows: tuple[tuple[str, ...], ...]) -> Any:
    if not count:
        return Markup('<span class="none">0</span>')
    return _LINK.format(
        list_url("opportunity", *rows, ("stage", "eq", str(step.id))), format_number(count)
    )


def _share(came: int, before: int | None) -> Any:
    if not before:
        return _NONE
    return f"{format_number(round(100 * came / before))}%"


def _figures(
    uow: UnitOfWork,
    standing: Sequence[Mapping[str, Any]],
    rows: tuple[tuple[str, ...], ...],
) -> list[dict[str, str]]:
    found = []
    for label, status, measure in (
        (_("Ongoing"), "open", "sum:amount"),
        (_("Weighted"), "open", "sum:weighted_amount"),
        (_("Won"), "won", "sum:amount"),
        (_("Lost deal"), "lost", "sum:amount"),
    ):
        these = [row for row in standing if row["status"]["id"] == status]
        count = format_number(sum(row["count"] for row in these))
        found.append(
            {
                "label": f"{label} · {count}",
                "count": written(uow, these, measure),
                "url": list_url("opportunity", *rows, ("status", "in", status)),
            }
        )
    return found
