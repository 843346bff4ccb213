"""Visits, calls and the rest by person and period: one statement, each number with its list."""

from __future__ import annotations

from collections.abc import Mapping
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
from core.settings.service import get_setting
from plugins.activities.models import KINDS
from plugins.activities.people import people_in_reach
from plugins.activities.periods import DEFAULT, period_tabs, valid_period
from plugins.activities.prompts import templates_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

_WEEKS = ("this_week", "last_week")
_LINK = Markup('<a href="{}">{}</a>')


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page of numbers shows, within the reader's scope."""
    spec = uow.entity("follow_up")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(
        access.can_use(spec[name]) for name in ("owner", "kind", "happened_at")
    ):
        raise Forbidden(_("You do not have the right to do this."))
    period = valid_period(sent.get("period", DEFAULT))
    department = sent.get("department", "")
    department = department if department.isdecimal() and len(department) < 18 else ""
    rows: tuple[tuple[str, ...], ...] = (("happened_at", "within", period),)
    if department:
        rows = (*rows, ("department", "under", department))
    counts = _counts(uow, rows)
    quota = get_setting(uow, "activities", "weekly_quota") if period in _WEEKS else 0
    people = _people(uow, counts, department, with_all=bool(quota))
    return {
        "tabs": period_tabs("activities.statistics", period, sent),
        "period": period,
        "department": department,
        "departments": _departments(uow),
        "columns": _columns(quota),
        "rows": [_row(key, name, counts, rows, quota) for key, name in people],
        "totals": _totals(counts, rows, quota),
        "export_url": _export_url(rows) if access.may("export") else "",
        "may_review": access.may("review"),
        "templates_url": _templates_url(uow),
        "has_templates": bool(templates_of(uow)),
    }


def _export_url(rows: tuple[tuple[str, ...], ...]) -> str:
    """The export of the list of all that was counted."""
    address = list_url("follow_up", *rows, sort="-happened_at")
    return f"{url_for('web.export_records', entity='follow_up')}?{address.partition('?')[2]}"


def _templates_url(uow: UnitOfWork) -> str:
    """The templates, for who makes them: everybody else meets them in the form."""
    spec = uow.entity("follow_up_template")
    return list_url(spec.name) if uow.actor.access(spec).may("create") else ""


Counts = dict[int | None, dict[str, int]]


def _counts(uow: UnitOfWork, rows: tuple[tuple[str, ...], ...]) -> Counts:
    """Numbers by person and kind; the person's name lies under ``label``."""
    condition = {"all": [{"field": field, "op": op, "value": value} for field, op, value in rows]}
    found: Counts = {}
    names: dict[int | None, str] = uow.memo.setdefault("names of the counted", {})
    asked = ListQuery(filter=condition)
    for row in aggregate(uow, "follow_up", ["owner", "kind"], ["count"], asked):
        person = row["owner"]["id"]
        names[person] = row["owner"]["label"] or _("Nobody")
        found.setdefault(person, {})[row["kind"]["id"] or ""] = row["count"]
    return found


def _people(
    uow: UnitOfWork, counts: Counts, department: str, *, with_all: bool
) -> list[tuple[int | None, str]]:
    """Who has written some, the most first; where a quota is set, also who has written none."""
    names: dict[int | None, str] = uow.memo["names of the counted"]
    found: dict[int | None, str] = {key: names[key] for key in counts}
    if with_all:
        for key, name in people_in_reach(uow, "follow_up", int(department) if department else None):
            found.setdefault(key, name)
    return sorted(found.items(), key=lambda each: (-_total(counts, each[0]), each[1]))


def _total(counts: Counts, person: int | None) -> int:
    return sum(counts.get(person, {}).values())


def _columns(quota: int) -> list[dict[str, str]]:
    columns = [{"label": _("Person"), "kind": "primary"}]
    columns += [{"label": str(choice.label), "kind": "number"} for choice in KINDS]
    columns.append({"label": _("All"), "kind": "number"})
    if quota:
        columns.append({"label": _("Quota"), "kind": "number"})
    return columns


def _row(
    key: int | None,
    name: str,
    counts: Counts,
    rows: tuple[tuple[str, ...], ...],
    quota: int,
) -> dict[str, Any]:
    whose = ("owner", "is_empty") if key is None else ("owner", "eq", str(key))
    mine = counts.get(key, {})
    cells: list[Any] = [name]
    for choice in KINDS:
        of_kind = ("kind", "in", choice.value)
        cells.append(_number(mine.get(choice.value, 0), (*rows, whose, of_kind)))
    total = sum(mine.values())
    cells.append(_number(total, (*rows, whose)))
    if quota:
        cells.append(f"{format_number(total)}/{format_number(quota)}")
    return {"id": key or 0, "label": name, "cells": cells}


def _number(count: int, rows: tuple[tuple[str, ...], ...]) -> Any:
    if not count:
        return Markup('<span class="none">0</span>')
    return _LINK.format(list_url("follow_up", *rows, sort="-happened_at"), format_number(count))


def _totals(counts: Counts, rows: tuple[tuple[str, ...], ...], quota: int) -> list[Any] | None:
    if len(counts) < 2:
        return None
    cells: list[Any] = [_("Together")]
    for choice in KINDS:
        count = sum(mine.get(choice.value, 0) for mine in counts.values())
        cells.append(_number(count, (*rows, ("kind", "in", choice.value))))
    cells.append(_number(sum(sum(mine.values()) for mine in counts.values()), rows))
    return [*cells, ""] if quota else cells


def _departments(uow: UnitOfWork) -> list[tuple[str, str]]:
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
