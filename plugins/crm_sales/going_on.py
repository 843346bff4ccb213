"""How many go on from each stage of a process in a period, against the period before it (S-193).

**The rule.** Of a stage count the deals that entered it in the period, each once, however often it came. They
**went on** if afterwards they entered a stage behind it, or were won, by now. A stage that was skipped was not
entered. Leads, of all processes, stand in front: those that came in in the period; the converted ones went on.

A period that is not over is compared with the same part of the one before. And both have had as long: of the period
before counts what had gone on when it was as old as this one is today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup
from sqlalchemy import and_, case, func, or_, select

from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, conditions
from core.entities.reading import Reading, all_of, read, read_together
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_number
from plugins.crm_sales import funnel
from plugins.crm_sales.goals.shown import plain
from plugins.crm_sales.stages import Book, reading_stages
from plugins.crm_sales.targets.figures import (
    attainment,
    condition,
    read_tree,
    require_fields,
)
from plugins.crm_sales.targets.league import lane_name, lanes_of, whole_lanes
from plugins.crm_sales.targets.narrowing import Narrowing, narrowing_page, read_narrowing
from plugins.crm_sales.targets.periods import Period, earlier, parse
from plugins.crm_sales.targets.shown import kind_tabs, steps

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "HERE",
    "Line",
    "Passed",
    "Window",
    "fell_most",
    "page_of",
    "reading_lines",
    "said",
    "table_of",
    "windows",
]

HERE = "crm_sales.funnel_change"
_LEADS = "leads"
_USED = ("stage", "status", "closed_on", "owner", "department")
_USED_OF_VISITS = ("opportunity", "stage", "entered_at")
_USED_OF_LEADS = ("status", "converted_at", "owner", "department", "created_at")
_NONE = Markup('<span class="none">—</span>')

#: A stage, or the leads.
Key = int | str


# Which days


@dataclass(frozen=True)
class Window:
    """What came in from ``first`` to ``last``, and what was known of it at the end of the day ``seen``."""

    first: date
    last: date
    seen: date


def windows(period: Period, today: date) -> tuple[Window, Window]:
    """What is over of the period, and the same part of the one before it, when that was as old."""
    last, before = min(today, period.last), period.before
    same = before.last if last == period.last else earlier(last, period.kind)
    return (
        Window(period.first, last, today),
        Window(before.first, same, max(same, earlier(today, period.kind))),
    )


def _begin(uow: UnitOfWork, day: date) -> datetime:
    return datetime.combine(day, time(), uow.clock.timezone).astimezone(UTC)


def _end(uow: UnitOfWork, day: date) -> datetime:
    return _begin(uow, day + timedelta(days=1))


# What is counted


@dataclass(frozen=True)
class Passed:
    """How many came in, and how many of them went on."""

    entered: int = 0
    went: int = 0

    @property
    def share(self) -> Decimal | None:
        """Percent of those that came in; None where none did."""
        return attainment(Decimal(self.went), Decimal(self.entered))

    def __add__(self, other: Passed) -> Passed:
        return Passed(self.entered + other.entered, self.went + other.went)


#: By stage and department.
Found = Mapping[tuple[Key, int | None], Passed]


@dataclass(frozen=True)
class Line:
    """A stage in the two periods, in all and by department."""

    key: Key
    name: str
    now: Mapping[int | None, Passed]
    then: Mapping[int | None, Passed]

    def pair(self, departments: Iterable[int | None] | None = None) -> tuple[Passed, Passed]:
        """This period and the one before; of some departments, or of all."""
        wanted = None if departments is None else set(departments)
        now, then = (
            sum((each for key, each in side.items() if wanted is None or key in wanted), Passed())
            for side in (self.now, self.then)
        )
        return now, then

    @property
    def change(self) -> Decimal | None:
        """By how many points more go on."""
        return _change(*self.pair())


def _change(now: Passed, then: Passed) -> Decimal | None:
    if now.share is None or then.share is None:
        return None
    return now.share - then.share


def reading_lines(
    uow: UnitOfWork, process: int, period: Period, chosen: Narrowing
) -> Reading[list[Line]]:
    """The stages of a process that something goes on from, leads before them, within the reader's scope.

    Raises `Forbidden` for who may not use a field of it.
    """
    require_fields(uow, "opportunity", _USED)
    require_fields(uow, "stage_visit", _USED_OF_VISITS)
    rows = replace(chosen, process=None).rows
    spans = windows(period, uow.clock.today())
    deals = [_reading_deals(uow, process, rows, span) for span in spans]
    leads = [_reading_leads(uow, rows, span) for span in spans]
    has_leads = bool(leads[0].statements)

    def finish(found: Sequence[Any]) -> list[Line]:
        book: Book = found[0]
        now, then = ({**found[place], **found[place + 2]} for place in (1, 2))
        names: list[tuple[Key, str]] = [(_LEADS, _("Leads"))] if has_leads else []
        names += [(step.id, step.name) for step in book.of(process) if not step.is_closed]
        return [Line(key, name, _of(now, key), _of(then, key)) for key, name in names]

    return all_of([reading_stages(uow, process), *deals, *leads]).then(finish)


def _of(found: Found, key: Key) -> dict[int | None, Passed]:
    return {department: each for (stage, department), each in found.items() if stage == key}


def _reading_deals(
    uow: UnitOfWork, process: int, rows: funnel.Conditions, window: Window
) -> Reading[Found]:
    spec, visit = uow.entity("opportunity"), uow.entity("stage_visit").table
    deal, stage = spec.table, uow.entity("stage").table
    later, behind = uow.alias(visit), uow.alias(stage)
    department = spec.column("department")
    place, further = (func.coalesce(each.c.position, 0) for each in (stage, behind))
    went_on = (
        select(later.c.id)
        .select_from(later.join(behind, behind.c.id == later.c.stage_id))
        .where(
            later.c.opportunity_id == visit.c.opportunity_id,
            later.c.archived_at.is_(None),
            later.c.entered_at < _end(uow, window.seen),
            or_(
                later.c.entered_at > visit.c.entered_at,
                and_(later.c.entered_at == visit.c.entered_at, later.c.id > visit.c.id),
            ),
            behind.c.is_lost.is_not(True),
            or_(
                behind.c.is_won,
                and_(
                    behind.c.process_id == stage.c.process_id,
                    or_(further > place, and_(further == place, behind.c.id > stage.c.id)),
                ),
            ),
        )
        .correlate(visit, stage)
        .exists()
    )
    is_won = and_(deal.c.status == "won", deal.c.closed_on <= window.seen)
    counted = (
        select(
            visit.c.stage_id.label("stage"),
            department.label("department"),
            func.count(visit.c.opportunity_id.distinct()).label("entered"),
            func.count(case((or_(is_won, went_on), visit.c.opportunity_id)).distinct()).label(
                "went"
            ),
        )
        .select_from(
            visit.join(stage, stage.c.id == visit.c.stage_id).join(
                deal, deal.c.id == visit.c.opportunity_id
            )
        )
        .where(
            *conditions(uow, spec, ListQuery(filter=condition(rows))),
            stage.c.process_id == process,
            stage.c.archived_at.is_(None),
            stage.c.is_won.is_not(True),
            stage.c.is_lost.is_not(True),
            visit.c.archived_at.is_(None),
            visit.c.entered_at >= _begin(uow, window.first),
            visit.c.entered_at < _end(uow, window.last),
        )
        .group_by(visit.c.stage_id, department)
    )
    return Reading((counted,), lambda found: _passed(found, [row.stage for row in found]))


def _reading_leads(uow: UnitOfWork, rows: funnel.Conditions, window: Window) -> Reading[Found]:
    """Nothing where their module is off or out of reach."""
    if not funnel.sees_leads(uow, _USED_OF_LEADS):
        return Reading((), dict)
    spec = uow.entity("lead")
    lead, department = spec.table, spec.column("department")
    converted = and_(
        lead.c.status == "converted",
        or_(lead.c.converted_at.is_(None), lead.c.converted_at < _end(uow, window.seen)),
    )
    counted = (
        select(
            department.label("department"),
            func.count().label("entered"),
            func.count(case((converted, 1))).label("went"),
        )
        .where(
            *conditions(uow, spec, ListQuery(filter=condition(rows))),
            lead.c.created_at >= _begin(uow, window.first),
            lead.c.created_at < _end(uow, window.last),
        )
        .group_by(department)
    )
    return Reading((counted,), lambda found: _passed(found, [_LEADS] * len(found)))


def _passed(rows: Sequence[Any], keys: Sequence[Key]) -> Found:
    return {
        (key, row.department): Passed(row.entered, row.went)
        for key, row in zip(keys, rows, strict=True)
    }


# The page


@dataclass(frozen=True)
class _Asked:
    """What the address of the page asks for; no process where there is none."""

    processes: Sequence[Mapping[str, Any]]
    process: int | None
    period: Period
    chosen: Narrowing
    lines: Sequence[Line]

    @property
    def kept(self) -> dict[str, Any]:
        return self.chosen.kept | {"process": self.process}


def _read(uow: UnitOfWork, sent: Mapping[str, str]) -> _Asked:
    processes = read(uow, funnel.reading_processes(uow))
    current = funnel.chosen_process(processes, sent.get("process", ""))
    period = parse(sent.get("kind", ""), sent.get("period", ""), uow.clock.today())
    chosen, lines = read_narrowing(sent), list[Line]()
    if current is not None:
        (lines,) = read_together(uow, [reading_lines(uow, current["id"], period, chosen)])
    return _Asked(processes, None if current is None else current["id"], period, chosen, lines)


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, in as many statements for one deal as for thousands."""
    asked = _read(uow, sent)
    period, today = asked.period, uow.clock.today()
    columns = _columns(period)
    return {
        **steps(period, HERE, **asked.kept),
        **narrowing_page(uow, asked.chosen, by_process=False),
        "tabs": kind_tabs(period, HERE, today, **asked.kept),
        "process": asked.process,
        "process_tabs": funnel.process_tabs(
            asked.processes,
            asked.process,
            lambda key: url_for(
                HERE, kind=period.kind, period=period.key, **(asked.kept | {"process": key})
            ),
        ),
        "columns": columns,
        "rows": [
            {"id": line.key, "label": line.name, "cells": [line.name, *_cells(*line.pair())]}
            for line in asked.lines
        ]
        if _has_any(asked.lines)
        else [],
        "is_begun": period.first <= today,
        "told": _told(period, today, asked.lines),
        "may_export": uow.actor.access(uow.entity("opportunity")).may("export"),
        **_teams(uow, asked.lines),
    }


def _has_any(lines: Sequence[Line]) -> bool:
    return any(each.entered for line in lines for each in line.pair())


def _columns(period: Period) -> list[dict[str, str]]:
    return [
        {"label": _("Stage"), "kind": "primary"},
        {"label": period.label, "kind": "number"},
        {"label": period.before.label, "kind": "number"},
        {"label": _("Difference"), "kind": "number"},
    ]


def _cells(now: Passed, then: Passed) -> list[Any]:
    return [_written(now), _written(then), _mark(_change(now, then))]


def _written(passed: Passed) -> Any:
    if passed.share is None:
        return _NONE
    counts = f"{format_number(passed.went)}/{format_number(passed.entered)}"
    return f"{counts} · {plain(passed.share)}%"


def _mark(change: Decimal | None) -> Any:
    """Better or worse by an arrow and a word: no colour alone says it."""
    if change is None:
        return _NONE
    points = plain(abs(change))
    if change > 0:
        return macros().badge(_("▲ %(n)s points better", n=points), "good")
    if change < 0:
        return macros().badge(_("▼ %(n)s points worse", n=points), "bad")
    return _("As before")


def _told(period: Period, today: date, lines: Sequence[Line]) -> list[str]:
    """Which days are compared, and by which rule."""
    now, then = windows(period, today)
    told = []
    if now.first <= today < period.last:
        told.append(
            _(
                "This period is not over: %(days)s is compared with %(before)s.",
                days=_days(now),
                before=_days(then),
            )
        )
    told.append(
        _(
            "Of the deals that entered a stage in the period, so many later entered a stage behind it or were"
            " won. Each counts once for a stage, and not for a stage that it skipped."
        )
    )
    if then.seen > then.last:
        told.append(
            _(
                "So that both have had as long to go on, the period before is shown as it stood on %(day)s.",
                day=format_date(then.seen),
            )
        )
    if any(line.key == _LEADS for line in lines):
        told.append(
            _(
                "Leads are those of all processes that came in in the period; converted ones went on."
            )
        )
    return told


def _days(window: Window) -> str:
    if window.first == window.last:
        return format_date(window.first)
    return _(
        "%(first)s to %(last)s", first=format_date(window.first), last=format_date(window.last)
    )


def _teams(uow: UnitOfWork, lines: Sequence[Line]) -> dict[str, Any]:
    """Departments of one level beside each other; nothing where there are not two."""
    lanes, left_out = _lanes(uow, lines)
    return {
        "team_columns": [
            {"label": _("Stage"), "kind": "primary"},
            *({"label": name, "kind": "number"} for name, _departments in lanes),
        ],
        "team_rows": [
            {
                "id": line.key,
                "label": line.name,
                "cells": [line.name, *(_beside(*line.pair(theirs)) for _name, theirs in lanes)],
            }
            for line in lines
        ]
        if lanes
        else [],
        "teams_left_out": left_out,
    }


def _beside(now: Passed, then: Passed) -> Any:
    if not now.entered:
        return _NONE
    change = _change(now, then)
    return _written(now) if change is None else Markup("{} {}").format(_written(now), _mark(change))


def _lanes(
    uow: UnitOfWork, lines: Sequence[Line]
) -> tuple[list[tuple[str, list[int | None]]], int]:
    """(name, departments) of each team, those with most first, and how many are left out."""
    came: dict[int, int] = {}
    for line in lines:
        for side in (line.now, line.then):
            for key, each in side.items():
                if key is not None:
                    came[key] = came.get(key, 0) + (each.entered if side is line.now else 0)
    tree = read_tree(uow)
    lanes = lanes_of(set(came), tree)
    teams: dict[int, list[int | None]] = {}
    for key, lane in lanes.items():
        teams.setdefault(lane, []).append(key)
    if len(teams) < 2:
        return [], 0
    often = sorted(teams, key=lambda lane: (-sum(came[key] for key in teams[lane] if key), lane))
    shown = often[: funnel.MOST_TEAMS]
    names = resolve_labels(uow, {"department": set(shown)}).get("department", {})
    whole = whole_lanes(lanes, tree)
    return [
        (lane_name(names.get(lane), itself=lane not in whole), teams[lane]) for lane in shown
    ], len(often) - len(shown)


# The file, and the cockpit


def table_of(uow: UnitOfWork, sent: Mapping[str, str]) -> tuple[list[str], list[list[Any]]]:
    """(headings, rows) of the same as a table for a spreadsheet, of all and of each team: numbers stay numbers."""
    asked = _read(uow, sent)
    now, before = asked.period.label, asked.period.before.label
    header = [_("Department"), _("Stage")]
    for period in (now, before):
        header += [
            _("Entered: %(period)s", period=period),
            _("Went on: %(period)s", period=period),
            _("Conversion in percent: %(period)s", period=period),
        ]
    lanes, _left_out = _lanes(uow, asked.lines)
    whole: list[tuple[str, list[int | None] | None]] = [(_("All"), None), *lanes]
    rows = []
    for name, theirs in whole:
        for line in asked.lines:
            pair = line.pair(theirs)
            figures = [part for each in pair for part in (each.entered, each.went, each.share)]
            rows.append([name, line.name, *figures, _change(*pair)])
    return [*header, _("Difference, points")], rows


def fell_most(lines: Sequence[Line]) -> Line | None:
    """The stage from which fewer go on, by most points."""
    found = [(line.change, line) for line in lines if line.key != _LEADS]
    fallen = [(change, line) for change, line in found if change is not None and change < 0]
    return min(fallen, key=lambda pair: pair[0])[1] if fallen else None


def said(line: Line) -> str:
    """That fewer go on from a stage, in one sentence."""
    now, then = line.pair()
    return _(
        "Conversion fell most at “%(stage)s”: %(now)s after %(before)s, %(n)s points less.",
        stage=line.name,
        now=_written(now),
        before=_written(then),
        n=plain(abs(line.change or Decimal(0))),
    )
