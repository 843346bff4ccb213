"""Visits, calls and the rest by person and period, each number with its list; and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for
from markupsafe import Markup

from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Forbidden
from core.http.addresses import Row, list_condition, list_url, read_number
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.activities.check_ins import CHECKED_IN
from plugins.activities.models import KINDS
from plugins.activities.people import people_in_reach
from plugins.activities.periods import DEFAULT, period_tabs, valid_period
from plugins.activities.prompts import templates_of
from plugins.activities.quota import WRITTEN, weekly_quota

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["departments_offered", "page_of", "table_of"]

#: Visits that were checked in.
_THERE: tuple[Row, ...] = (("kind", "in", "visit"), CHECKED_IN)
_WEEKS = ("this_week", "last_week")
_LINK = Markup('<a href="{}">{}</a>')


class Line(NamedTuple):
    """What one person wrote in the period, by kind, and how much of it counts for the quota."""

    person: int | None
    name: str
    by_kind: Mapping[str, int]
    counted: int
    #: How many of the visits were checked in.
    checked_in: int = 0

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(self.by_kind.values())


@dataclass(frozen=True)
class Numbers:
    """What was counted, within the reader's scope."""

    period: str
    department: int | None
    #: The conditions, as the list of follow-ups takes them.
    rows: tuple[Row, ...]
    #: 0 where none is asked for, and for periods that are no week.
    quota: int
    #: Whether the reader is told what was checked in.
    tells_place: bool
    lines: list[Line]


def _numbers(uow: UnitOfWork, sent: Mapping[str, str]) -> Numbers:
    """Raises `Forbidden` for who may not read what is counted."""
    spec = uow.entity("follow_up")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(
        access.can_use(spec[name]) for name in ("owner", "kind", "happened_at")
    ):
        raise Forbidden(_("You do not have the right to do this."))
    period = valid_period(sent.get("period", DEFAULT))
    department = read_number(sent.get("department"))
    rows: tuple[Row, ...] = (("happened_at", "within", period),)
    if department is not None:
        rows = (*rows, ("department", "under", str(department)))
    quota = weekly_quota(uow) if period in _WEEKS else 0
    tells_place = access.can_use(spec["checked_in_at"])
    lines = _lines(uow, rows, department, quota, tells_place=tells_place)
    return Numbers(period, department, rows, quota, tells_place, lines)


def _lines(
    uow: UnitOfWork,
    rows: tuple[Row, ...],
    department: int | None,
    quota: int,
    *,
    tells_place: bool,
) -> list[Line]:
    """Who has written some, the most first; where a quota is set, also who has written none."""
    names: dict[int | None, str] = {}
    counts: dict[int | None, dict[str, int]] = {}
    asked = ListQuery(filter=list_condition(*rows))
    for row in aggregate(uow, "follow_up", ["owner", "kind"], ["count"], asked):
        person = row["owner"]["id"]
        names[person] = row["owner"]["label"] or _("Nobody")
        counts.setdefault(person, {})[row["kind"]["id"] or ""] = row["count"]
    counted: dict[int | None, int] = {}
    if quota:
        asked = ListQuery(filter=list_condition(*rows, WRITTEN))
        found = aggregate(uow, "follow_up", ["owner"], ["count"], asked)
        counted = {row["owner"]["id"]: row["count"] for row in found}
        for key, name in people_in_reach(uow, "follow_up", department):
            names.setdefault(key, name)
    there: dict[int | None, int] = {}
    if tells_place and counts:
        asked = ListQuery(filter=list_condition(*rows, *_THERE))
        found = aggregate(uow, "follow_up", ["owner"], ["count"], asked)
        there = {row["owner"]["id"]: row["count"] for row in found}
    lines = [
        Line(key, name, counts.get(key, {}), counted.get(key, 0), there.get(key, 0))
        for key, name in names.items()
    ]
    return sorted(lines, key=lambda line: (-line.total, line.name))


# The page


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page of numbers shows."""
    numbers = _numbers(uow, sent)
    access = uow.actor.access(uow.entity("follow_up"))
    return {
        "tabs": period_tabs("activities.statistics", numbers.period, sent),
        "period": numbers.period,
        "department": str(numbers.department or ""),
        "departments": departments_offered(uow),
        "columns": _columns(numbers),
        "rows": [_row(numbers, line) for line in numbers.lines],
        "totals": _totals(numbers),
        "export_url": _export_url(numbers) if access.may("export") else "",
        "may_review": access.may("review"),
        "templates_url": _templates_url(uow),
        "has_templates": bool(templates_of(uow)),
    }


def _export_url(numbers: Numbers) -> str:
    """The export of the list of all that was counted."""
    address = list_url("follow_up", *numbers.rows, sort="-happened_at")
    return f"{url_for('web.export_records', entity='follow_up')}?{address.partition('?')[2]}"


def _templates_url(uow: UnitOfWork) -> str:
    """The templates, for who makes them: everybody else meets them in the form."""
    spec = uow.entity("follow_up_template")
    return list_url(spec.name) if uow.actor.access(spec).may("create") else ""


def _columns(numbers: Numbers) -> list[dict[str, str]]:
    columns = [{"label": _("Person"), "kind": "primary"}]
    columns += [{"label": title, "kind": "number"} for title in _titles(numbers)]
    columns.append({"label": _("All"), "kind": "number"})
    if numbers.quota:
        columns.append({"label": _("Quota"), "kind": "number"})
    return columns


def _titles(numbers: Numbers) -> list[str]:
    """The kinds, and beside the visits how many of them were checked in."""
    titles = []
    for choice in KINDS:
        titles.append(str(choice.label))
        if choice.value == "visit" and numbers.tells_place:
            titles.append(_("Checked in"))
    return titles


def _row(numbers: Numbers, line: Line) -> dict[str, Any]:
    whose = ("owner", "is_empty") if line.person is None else ("owner", "eq", str(line.person))
    rows = (*numbers.rows, whose)
    cells: list[Any] = [line.name, *_counts(numbers, line.by_kind, line.checked_in, rows)]
    if numbers.quota:
        text = f"{format_number(line.counted)}/{format_number(numbers.quota)}"
        cells.append(_linked(text, (*rows, WRITTEN)) if line.counted else text)
    return {"id": line.person or 0, "label": line.name, "cells": cells}


def _counts(
    numbers: Numbers, by_kind: Mapping[str, int], checked_in: int, rows: tuple[Row, ...]
) -> list[Any]:
    """The cells of a line: each kind, and all of them."""
    cells = []
    for choice in KINDS:
        cells.append(_number(by_kind.get(choice.value, 0), (*rows, ("kind", "in", choice.value))))
        if choice.value == "visit" and numbers.tells_place:
            cells.append(_number(checked_in, (*rows, *_THERE)))
    return [*cells, _number(sum(by_kind.values()), rows)]


def _number(count: int, rows: tuple[Row, ...]) -> Any:
    return _linked(format_number(count), rows) if count else Markup('<span class="none">0</span>')


def _linked(text: str, rows: tuple[Row, ...]) -> Any:
    return _LINK.format(list_url("follow_up", *rows, sort="-happened_at"), text)


def _totals(numbers: Numbers) -> list[Any] | None:
    if len([line for line in numbers.lines if line.by_kind]) < 2:
        return None
    there = sum(line.checked_in for line in numbers.lines)
    cells = [_("Together"), *_counts(numbers, _together(numbers), there, numbers.rows)]
    return [*cells, ""] if numbers.quota else cells


def _together(numbers: Numbers) -> dict[str, int]:
    return {
        choice.value: sum(line.by_kind.get(choice.value, 0) for line in numbers.lines)
        for choice in KINDS
    }


def departments_offered(uow: UnitOfWork) -> list[tuple[str, str]]:
    """The departments that the reader may choose from; none where there is nothing to choose."""
    access = uow.actor.access(uow.entity("follow_up"))
    asked = ListQuery(fields=("name",), sort="path", limit=200)
    if not access.is_unlimited("read"):
        below = list(uow.actor.departments_below)
        asked = ListQuery(fields=("name",), ids=tuple(below), sort="path", limit=200)
        if "department_below" not in access.scopes.get("read", ()):
            return []
    found = query.page(uow, "department", asked).items
    return [(str(row["id"]), str(row["name"])) for row in found] if len(found) > 1 else []


# The file


def table_of(uow: UnitOfWork, sent: Mapping[str, str]) -> tuple[list[str], list[list[Any]]]:
    """(headings, rows) of the same as a table for a spreadsheet: numbers stay numbers."""
    numbers = _numbers(uow, sent)
    header = [_("Person"), *_titles(numbers), _("All")]
    if numbers.quota:
        header += [_("Counts for the quota"), _("Quota")]
    rows = []
    for line in numbers.lines:
        row = [line.name, *_plain(numbers, line.by_kind, line.checked_in), line.total]
        if numbers.quota:
            row += [line.counted, f"{line.counted}/{numbers.quota}"]
        rows.append(row)
    if len(rows) > 1:
        together = _together(numbers)
        there = sum(line.checked_in for line in numbers.lines)
        counts = _plain(numbers, together, there)
        rows.append([_("Together"), *counts, sum(together.values())])
    return header, rows


def _plain(numbers: Numbers, by_kind: Mapping[str, int], checked_in: int) -> list[Any]:
    """The counts of a line in the order of `_titles`."""
    counts = []
    for choice in KINDS:
        counts.append(by_kind.get(choice.value, 0))
        if choice.value == "visit" and numbers.tells_place:
            counts.append(checked_in)
    return counts
