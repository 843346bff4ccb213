"""The funnel of a process: what stands in which stage, and how many go on from each to the next; of all
that the reader sees, of a department or a person, and of teams side by side (S-171, S-179).

Leads stand before the first stage where their module is on: how many there are, and how many were
converted. Opportunities begin without a lead too, so the first stage has no share of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for
from markupsafe import Markup

from core.entities.aggregate import expect_many, reading_aggregate
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, reading_page
from core.entities.reading import Reading, all_of, read, read_together
from core.http.addresses import list_url
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.crm_sales.cards import written
from plugins.crm_sales.stages import Book, Step, reading_stages
from plugins.crm_sales.targets.figures import condition, read_tree, require_fields
from plugins.crm_sales.targets.league import lane_name, lanes_of, whole_lanes
from plugins.crm_sales.targets.narrowing import narrowing_page, read_narrowing

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "MOST_TEAMS",
    "Conditions",
    "chosen_process",
    "columns",
    "page_of",
    "process_tabs",
    "reading_processes",
    "reading_rows",
    "sees_leads",
]

_USED = (
    *("process", "stage", "status", "currency", "amount", "weighted_amount", "furthest_stage"),
    *("owner", "department"),
)
_USED_OF_LEADS = ("status", "owner", "department", "created_at")
#: Teams that stand side by side, those with most first.
MOST_TEAMS = 8
_PERIODS = ("this_month", "this_quarter", "this_year")
_LINK = Markup('<a href="{}">{}</a>')
_BAR = Markup('<progress class="progress-bar" max="{}" value="{}" aria-label="{}"></progress>')
_NONE = Markup('<span class="none">—</span>')

Conditions = tuple[tuple[str, ...], ...]
Row = Mapping[str, Any]


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, within the reader's scope: one statement of stages, opportunities and
    leads, for one team as for many."""
    require_fields(uow, "opportunity", _USED)
    processes = read(uow, reading_processes(uow))
    current = chosen_process(processes, sent.get("process", ""))
    period = sent.get("period", "")
    period = period if period in _PERIODS else ""
    if current is None:
        return {"process_tabs": [], "period_tabs": [], "rows": [], "columns": [], "figures": []}
    chosen = replace(read_narrowing(sent), process=None)
    begun: Conditions = (("created_at", "within", period),) if period else ()
    asked = _Asked(current["id"], (*chosen.rows, *begun))
    expect_many(uow)
    (found,) = read_together(uow, [_reading(uow, asked)])
    kept = chosen.kept | {"period": period or None}
    return {
        **narrowing_page(uow, chosen, by_process=False),  # processes are tabs here
        "process": asked.process,
        "period": period,
        "change_url": url_for(
            "crm_sales.funnel_change", **chosen.kept | {"process": asked.process}
        ),
        **_teams(uow, found),
        "process_tabs": process_tabs(
            processes,
            asked.process,
            lambda key: url_for("crm_sales.funnel", **(kept | {"process": key})),
        ),
        "period_tabs": [
            (
                text,
                url_for(
                    "crm_sales.funnel",
                    **(kept | {"process": asked.process, "period": key or None}),
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
        "columns": columns(),
        "rows": _rows(uow, asked, found),
        "has_leads": bool(found.leads),
        "figures": _figures(uow, found.standing, asked.rows),
    }


def columns() -> list[dict[str, str]]:
    """The columns of the table of stages."""
    return [
        {"label": _("Stage"), "kind": "primary"},
        {"label": _("Stand here"), "kind": "number"},
        {"label": _("Amount"), "kind": "number"},
        {"label": _("Weighted"), "kind": "number"},
        {"label": _("Came this far"), "kind": "number"},
        {"label": ""},
        {"label": _("Of the stage before"), "kind": "number"},
    ]


# The process


def reading_processes(uow: UnitOfWork) -> Reading[list[dict[str, Any]]]:
    """The processes that the reader may see, those in use first."""
    asked = ListQuery(fields=("name", "is_active"), sort="-is_active,id")
    return reading_page(uow, "sales_process", asked).then(lambda page: page.items)


def chosen_process(processes: Sequence[Row], wanted: str) -> Row | None:
    """The one that an address names, else the first."""
    named = (row for row in processes if str(row["id"]) == wanted)
    return next(named, processes[0] if processes else None)


def process_tabs(
    processes: Sequence[Row], current: int | None, address: Callable[[int], str]
) -> list[tuple[Any, ...]]:
    """One tab each."""
    return [(row["name"], address(row["id"]), row["id"] == current, None) for row in processes]


# What is counted


class _Asked(NamedTuple):
    """Of which process, and what must hold of opportunities and leads alike."""

    process: int
    begun: Conditions

    @property
    def rows(self) -> Conditions:
        """What must hold of opportunities."""
        return (("process", "eq", str(self.process)), *self.begun)


class _Found(NamedTuple):
    """The stages; opportunities by stage, status and currency; by department and furthest stage; and
    leads by department and status."""

    steps: Sequence[Step]
    standing: Sequence[Row]
    furthest: Sequence[Row]
    leads: Sequence[Row]


def reading_rows(uow: UnitOfWork, process: int) -> Reading[list[dict[str, Any]]]:
    """The rows of a process, of all that the reader sees, to be read together with more.

    Raises `Forbidden` for who may not use a field of them.
    """
    require_fields(uow, "opportunity", _USED)
    asked = _Asked(process, ())
    return _reading(uow, asked).then(lambda found: _rows(uow, asked, found))


def _reading(uow: UnitOfWork, asked: _Asked) -> Reading[_Found]:
    def finish(found: Sequence[Any]) -> _Found:
        book: Book = found[0]
        return _Found(book.of(asked.process), *found[1:])

    measures = ["count", "sum:amount", "sum:weighted_amount"]
    deals = ListQuery(filter=condition(asked.rows))
    groups = ["stage", "status", "currency"], ["department", "furthest_stage"]
    leads: Reading[Any] = Reading((), list)
    if sees_leads(uow, _USED_OF_LEADS):
        came_in = ListQuery(filter=condition(asked.begun))
        leads = reading_aggregate(uow, "lead", ["department", "status"], ["count"], came_in)
    return all_of(
        [
            reading_stages(uow, asked.process),
            reading_aggregate(uow, "opportunity", groups[0], measures, deals),
            reading_aggregate(uow, "opportunity", groups[1], ["count"], deals),
            leads,
        ]
    ).then(finish)


def sees_leads(uow: UnitOfWork, used: Sequence[str]) -> bool:
    """Whether leads stand in front: their module is on, and the reader may use these fields."""
    spec = uow.entities.get("lead")
    if spec is None or spec.plugin != "crm_leads":
        return False
    access = uow.actor.access(spec)
    return access.may("read") and all(access.can_use(spec[name]) for name in used)


def _reached(furthest: Sequence[Row], steps: Sequence[Step]) -> dict[int, int]:
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


def _came_in(leads: Sequence[Row]) -> tuple[int, int]:
    """(leads, those of them that were converted)"""
    return (
        sum(row["count"] for row in leads),
        sum(row["count"] for row in leads if row["status"]["id"] == "converted"),
    )


def _lead_rows(leads: Sequence[Row], begun: Conditions) -> list[dict[str, Any]]:
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


def _teams(uow: UnitOfWork, found: _Found) -> dict[str, Any]:
    """Departments of one level beside each other; nothing where there are not two."""
    steps, furthest, leads = found.steps, found.furthest, found.leads
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
        :MOST_TEAMS
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


def _rows(uow: UnitOfWork, asked: _Asked, found: _Found) -> list[dict[str, Any]]:
    """Nothing where there is nothing at all."""
    if not found.standing and not found.leads:
        return []
    reached, before = _reached(found.furthest, found.steps), None
    most = max(reached.values(), default=0)
    rows = _lead_rows(found.leads, asked.begun) if found.leads else []
    for step in found.steps:
        here = [row for row in found.standing if row["stage"]["id"] == step.id]
        came = reached.get(step.id)
        rows.append(
            {
                "id": step.id,
                "label": step.name,
                "cells": [
                    step.name,
                    _number(sum(row["count"] for row in here), step, asked.rows),
                    written(uow, here, "sum:amount"),
                    _NONE if step.is_closed else written(uow, here, "sum:weighted_amount"),
                    _NONE if came is None else format_number(came),
                    "" if came is None else _BAR.format(most or 1, came, step.name),
                    _NONE if came is None else _share(came, before),
                ],
            }
        )
        before = came if came is not None else before
    return rows


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
