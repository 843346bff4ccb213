"""What would go back tonight, or within a week, and because of what: looked at, with nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup
from sqlalchemy import ColumnElement, and_, func, or_, select

from core.entities import query
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden
from core.http.addresses import record_url
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_number
from core.pools.declaring import Pooled
from core.pools.returns import ReturnRules, due, going, return_rules
from core.pools.rules import Going
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.entities.query import Page
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["count_due", "page_of", "sees_returns"]

#: So many are listed; all are counted.
ROWS = 200
#: Name of the period: how many days after today.
_PERIODS = {"tonight": 0, "week": 6}
_NONE = Markup('<span class="none">—</span>')


def sees_returns(uow: UnitOfWork, pooled: Pooled) -> bool:
    """Whether the actor may know when records were followed up, and by whom: that is what returns tell."""
    spec = uow.entity(pooled.entity)
    access = uow.actor.access(spec)
    return access.may("read") and all(access.can_use(spec[name]) for name in pooled.fields)


def page_of(uow: UnitOfWork, pooled: Pooled, sent: Mapping[str, str]) -> dict[str, Any]:
    """What ``core/pools/returns.html`` shows, within the reader's reach. Raises `Forbidden` for who may
    not see what it tells."""
    spec = uow.entity(pooled.entity)
    label = spec[spec.label_field]
    if not sees_returns(uow, pooled) or not uow.actor.access(spec).can_use(label):
        raise Forbidden(_("You do not have the right to do this."))
    period = sent.get("period", "")
    period = period if period in _PERIODS else "tonight"
    all_rules = return_rules(uow, pooled)
    chosen = sent.get("pool", "")
    rules = [one for one in all_rules.values() if chosen in ("", str(one.pool))]
    day = uow.clock.today() + timedelta(days=_PERIODS[period])
    total, rows = _found(uow, pooled, spec, rules, day) if rules else (0, [])
    pools = uow.entity(pooled.pools)
    return {
        "title": _title(total, period),
        "above": (str(pools.label_plural), pooled.pools),
        "has_rules": bool(all_rules),
        "tabs": _tabs(pooled, period, chosen),
        "pool_tabs": _pool_tabs(pooled, list(all_rules.values()), period, chosen),
        "columns": [
            {"label": str(label.label), "kind": "primary"},
            {"label": str(spec["owner"].label)},
            {"label": str(spec["pool"].label)},
            {"label": _("Night after"), "kind": "date"},
            {"label": _("Because"), "kind": "reason"},
        ],
        "rows": rows,
        "more": max(0, total - len(rows)),
    }


def count_due(uow: UnitOfWork, pooled: Pooled, rules: Sequence[ReturnRules], day: date) -> int:
    """How many of the records that the reader reaches go back by the night that ends ``day``."""
    spec = uow.entity(pooled.entity)
    within = _within(uow, pooled, spec, rules, day)
    asked = select(func.count()).select_from(spec.table).where(within)
    return int(uow.execute(asked).scalar_one())


def _within(
    uow: UnitOfWork,
    pooled: Pooled,
    spec: EntitySpec,
    rules: Sequence[ReturnRules],
    day: date,
) -> ColumnElement[bool]:
    over = or_(*(due(uow, pooled, one, day, spec.table) for one in rules))
    return and_(over, *query.conditions(uow, spec, ListQuery()))


def _title(total: int, period: str) -> str:
    n = format_number(total)
    if period == "tonight":
        return _("%(n)s would go back tonight", n=n)
    return _("%(n)s would go back within a week", n=n)


def _found(
    uow: UnitOfWork,
    pooled: Pooled,
    spec: EntitySpec,
    rules: Sequence[ReturnRules],
    day: date,
) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and the first of them, in a few statements however many there are."""
    table = spec.table
    first = (
        select(table.c.id)
        .where(_within(uow, pooled, spec, rules, day))
        .order_by(table.c.held_since, table.c.id)
        .limit(ROWS)
    )
    ids = list(uow.execute(first).scalars())
    if not ids:
        return 0, []
    total = len(ids) if len(ids) < ROWS else count_due(uow, pooled, rules, day)
    shown = (spec.label_field, "owner", "pool")
    wanted = ListQuery(fields=shown, ids=tuple(ids), limit=ROWS)
    found = query.page(uow, pooled.entity, wanted)
    when = going(uow, pooled, table.c.id.in_(ids))
    reader = Reader(
        uow.clock.timezone, get_setting(uow, "core", "currency"), found.labels, address=record_url
    )
    by_id = {row["id"]: row for row in found.items}
    due = {key: when[key] for key in ids if key in by_id and key in when}
    dates = {key: each.on for key, each in due.items() if isinstance(each, Going)}
    soonest = sorted(dates, key=lambda key: dates[key])
    return total, [_row(spec, found, reader, by_id[key], due[key]) for key in soonest]


def _row(
    spec: EntitySpec, found: Page, reader: Reader, row: dict[str, Any], when: Any
) -> dict[str, Any]:
    shown = {
        name: display_html(spec[name].type, row[name], reader, row) or _NONE
        for name in ("owner", "pool")
    }
    label = row[spec.label_field] or f"#{row['id']}"
    return {
        "id": row["id"],
        "label": label,
        "url": record_url(spec.name, row["id"]),
        "cells": [label, shown["owner"], shown["pool"], format_date(when.on), when.said()],
    }


def _tabs(pooled: Pooled, period: str, pool: str) -> list[tuple[str, str, bool, None]]:
    return [
        (
            text,
            url_for(pooled.returns_page, period=name, pool=pool or None),
            name == period,
            None,
        )
        for name, text in (("tonight", _("Tonight")), ("week", _("Within a week")))
    ]


def _pool_tabs(
    pooled: Pooled, rules: Sequence[ReturnRules], period: str, pool: str
) -> list[tuple[str, str, bool, None]]:
    if len(rules) < 2:
        return []
    named = [("", _("All pools")), *((str(one.pool), one.name) for one in rules)]
    return [
        (
            text,
            url_for(pooled.returns_page, period=period, pool=key or None),
            key == pool,
            None,
        )
        for key, text in named
    ]
