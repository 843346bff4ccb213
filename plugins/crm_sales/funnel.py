"""The funnel of a process: what stands in which stage, and how many go on from each to the next; of all
that the reader sees, of a department or a person, and of teams side by side (S-171, S-179).

Leads stand before the first stage where their module is on: how many there are, and how many were
converted. Opportunities begin without a lead too, so the first stage has no share of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup

from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.errors import Forbidden
from core.http.addresses import list_url
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.crm_sales.cards import written
from plugins.crm_sales.stages import Step, stages_of
from plugins.crm_sales.targets.figures import read_tree
from plugins.crm_sales.targets.league import lane_name, lanes_of, whole_lanes
from plugins.crm_sales.targets.narrowing import narrowing_page, read_narrowing

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

_USED = (
    *("process", "stage", "status", "currency", "amount", "weighted_amount", "furthest_stage"),
    *("owner", "department"),
)
_USED_OF_LEADS = ("status", "owner", "department", "created_at")
#: Teams that stand side by side, those with most first.
_MOST_TEAMS = 8
_PERIODS = ("this_month", "this_quarter", "this_year")
_LINK = Markup('<a href="{}">{}</a>')
_BAR = Markup('<progress class="progress-bar" max="{}" value="{}" aria-label="{}"></progress>')
_NONE = Markup('<span class="none">—</span>')

Conditions = tuple[tuple[str, ...], ...]


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, within the reader's scope: two statements of opportunities and
    one of leads, for one team as for many."""
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
    chosen = replace(read_narrowing(sent), process=None)
    begun: Conditions = (("created_at", "within", period),) if period else ()
    begun = (*chosen.rows, *begun)
    rows: Conditions = (("process", "eq", str(current["id"])), *begun)
    steps = stages_of(uow, processes=[current["id"]]).of(current["id"])
    standing, furthest = _standing(uow, rows), _furthest(uow, rows)
    leads = _leads(uow, begun)
    kept = chosen.kept | {"period": period or None}
    return {
        **narrowing_page(uow, chosen, by_process=False),  # processes are tabs here
        "process": current["id"],
        "period": period,
        **_teams(uow, steps, furthest, leads),
        "process_tabs": [
            (
                row["name"],
                url_for("crm_sales.funnel", **(kept | {"process": row["id"]})),
                row["id"] == current["id"],
                None,
            )
            for row in processes
        ],
        "period_tabs": [
            (
                text,
                url_for(
                    "crm_sales.funnel",
                    **(kept | {"process": current["id"], "period": key or None}),
                ),
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
        "rows": _rows(uow, steps, standing, _reached(furthest, steps), rows, leads, begun)
        if standing or leads
        else [],
        "has_leads": bool(leads),
        "figures": _figures(uow, standing, rows),
    }


def _condition(rows: Conditions) -> dict[str, Any]:
    return {"all": [{"field": field, "op": op, "value": value} for field, op, value in rows]}


def _standing(uow: UnitOfWork, rows: Conditions) -> list[dict[str, Any]]:
    measures = ["count", "sum:amount", "sum:weighted_amount"]
    asked = ListQuery(filter=_condition(rows))
    return aggregate(uow, "opportunity", ["stage", "status", "currency"], measures, asked)


def _furthest(uow: UnitOfWork, rows: Conditions) -> list[dict[str, Any]]:
    """By department and furthest stage how many."""
    asked = ListQuery(filter=_condition(rows))
    return aggregate(uow, "opportunity", ["department", "furthest_stage"], ["count"], asked)


def _reached(furthest: Sequence[Mapping[str, Any]], steps: Sequence[Step]) -> dict[int, int]:
    """By stage: how many came that far or further, lost ones too."""
    counts: dict[int | None, int] = {}
    for row in furthest:
        key = row["furthest_stage"]["id"]
        counts[key] = counts.get(key, 0) + row["count"]
    found, total = {}, 0
    for step in reversed([step for step in steps if not step.is_lost]):
        total += counts.get(step.id, 0)
        found[step.id] = total
    return found


def _leads(uow: UnitOfWork, begun: Conditions) -> list[dict[str, Any]]:
    """By department and status how many leads came in; none where their module is off or out of reach."""
    spec = uow.entities.get("lead")
    if spec is None or spec.plugin != "crm_leads":
        return []
    access = uow.actor.access(spec)
    if not access.may("read") or not all(access.can_use(spec[name]) for name in _USED_OF_LEADS):
        return []
    asked = ListQuery(filter=_condition(begun))
    return aggregate(uow, "lead", ["department", "status"], ["count"], asked)


def _came_in(leads: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """(leads, those of them that were converted)"""
    return (
        sum(row["count"] for row in leads),
        sum(row["count"] for row in leads if row["status"]["id"] == "converted"),
    )


def _lead_rows(leads: Sequence[Mapping[str, Any]], begun: Conditions) -> list[dict[str, Any]]:
    """Leads are many more than opportunities: their bars are measured by themselves."""
    every, converted = _came_in(leads)
    done = ("status", "in", "converted")
    return [
        {
            "id": key,
            "label": label,
            "cells": [
                label,
                _LINK.format(list_url("lead", *begun, *more), format_number(count)),
                _NONE,
                _NONE,
                format_number(count),
                _BAR.format(every or 1, count, label),
                told,
            ],
        }
        for key, label, count, more, told in (
            ("leads", _("Leads"), every, (), _NONE),
            ("converted", _("Converted leads"), converted, (done,), _share(converted, every)),
        )
    ]


def _teams(
    uow: UnitOfWork,
    steps: Sequence[Step],
    furthest: Sequence[Mapping[str, Any]],
    leads: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Departments of one level beside each other; nothing where there are not two."""
    seen = {row["department"]["id"] for row in (*furthest, *leads)}
    tree = read_tree(uow)
    beside = lanes_of({key for key in seen if key is not None}, tree)
    of_team: dict[int, tuple[list[Any], list[Any]]] = {}
    for place, rows in enumerate((furthest, leads)):
        for row in rows:
            if row["department"]["id"] is not None:
                team = of_team.setdefault(beside[row["department"]["id"]], ([], []))
                team[place].append(row)
    if len(of_team) < 2:
        return {"team_columns": [], "team_rows": [], "teams_left_out": 0}
    often = sorted(of_team, key=lambda key: (-sum(row["count"] for row in of_team[key][0]), key))[
        :_MOST_TEAMS
    ]
    names = resolve_labels(uow, {"department": set(often)}).get("department", {})
    whole = whole_lanes(beside, tree)
    lines: dict[Any, tuple[str, list[Any]]] = {}
    for key in often:
        before: int | None = None
        if leads:
            every, converted = _came_in(of_team[key][1])
            lines.setdefault("leads", (_("Leads"), []))[1].append(format_number(every))
            line = lines.setdefault("converted", (_("Converted leads"), []))[1]
            line.append(_with_share(converted, every))
        reached = _reached(of_team[key][0], steps)
        for step in steps:
            if step.id in reached:
                line = lines.setdefault(step.id, (step.name, []))[1]
                line.append(_with_share(reached[step.id], before))
                before = reached[step.id]
    return {
        "team_columns": [
            {"label": _("Came this far"), "kind": "primary"},
            *(
                {"label": lane_name(names.get(key), itself=key not in whole), "kind": "number"}
                for key in often
            ),
        ],
        "team_rows": [
            {"id": key, "label": label, "cells": [label, *cells]}
            for key, (label, cells) in lines.items()
        ],
        "teams_left_out": len(of_team) - len(often),
    }


def _with_share(came: int, before: int | None) -> Any:
    if not before:
        return format_number(came)
    return f"{format_number(came)} · {_share(came, before)}"


def _rows(
    uow: UnitOfWork,
    steps: Sequence[Step],
    standing: Sequence[Mapping[str, Any]],
    reached: Mapping[int, int],
    rows: Conditions,
    leads: Sequence[Mapping[str, Any]],
    begun: Conditions,
) -> list[dict[str, Any]]:
    most, before = max(reached.values(), default=0), None
    found = _lead_rows(leads, begun) if leads else []
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


def _number(count: int, step: Step, rows: Conditions) -> Any:
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
    rows: Conditions,
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
