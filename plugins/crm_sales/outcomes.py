"""Why deals were won and lost, and against whom: shares by reason and competitor (S-204)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from core.entities import query
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.http.addresses import list_url
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.crm_sales.cards import written
from plugins.crm_sales.targets.figures import attainment, condition, require_fields, share
from plugins.crm_sales.targets.narrowing import narrowing_page, read_narrowing
from plugins.crm_sales.targets.periods import Period, parse
from plugins.crm_sales.targets.shown import kind_tabs, steps

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

_USED = (
    *("status", "closed_on", "amount", "currency", "lost_reason", "won_reason"),
    *("process", "owner", "department"),
)
_LINK = Markup('<a href="{}">{}</a>')
_NONE = Markup('<span class="none">—</span>')
_BAR = Markup('<progress class="progress-bar" max="100" value="{}" aria-label="{}"></progress>')
#: Competitors that are shown, those met most often.
MOST = 50

Rows = tuple[tuple[str, ...], ...]
Row = Mapping[str, Any]


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, within the reader's scope. Raises `Forbidden` for who may not use a field."""
    require_fields(uow, "opportunity", _USED)
    period = parse(sent.get("kind") or "quarter", sent.get("period", ""), uow.clock.today())
    chosen = read_narrowing(sent)
    closed: Rows = (
        *chosen.rows,
        ("closed_on", "between", period.first.isoformat(), period.last.isoformat()),
    )
    lost, won = _by_reason(uow, closed, "lost"), _by_reason(uow, closed, "won")
    here = "crm_sales.outcomes"
    return {
        **steps(period, here, **chosen.kept),
        **narrowing_page(uow, chosen),
        "tabs": kind_tabs(period, here, uow.clock.today(), **chosen.kept),
        "figures": _figures(uow, lost, won, closed) if lost or won else [],
        "tables": [
            {
                "title": title,
                "columns": _columns(_("Reason")),
                "rows": _reason_rows(uow, found, closed, status),
            }
            for title, found, status in (
                (_("Why deals were lost"), lost, "lost"),
                (_("Why deals were won"), won, "won"),
            )
            if found
        ],
        **_rivals(uow, period, closed),
    }


def _condition(closed: Rows, *more: tuple[str, str, str]) -> dict[str, Any]:
    plain = [
        (field, op, value if not rest else [value, *rest]) for field, op, value, *rest in closed
    ]
    return condition([*plain, *more])


def _by_reason(uow: UnitOfWork, closed: Rows, status: str) -> list[dict[str, Any]]:
    """By reason and currency how many, and how much."""
    asked = ListQuery(filter=_condition(closed, ("status", "eq", status)))
    groups, measures = [f"{status}_reason", "currency"], ["count", "sum:amount"]
    return aggregate(uow, "opportunity", groups, measures, asked)


def _count(rows: Sequence[Row]) -> int:
    return sum(row["count"] for row in rows)


def _percent(part: int, whole: int) -> Decimal:
    return attainment(Decimal(part), Decimal(whole)) or Decimal(0)


def _figures(
    uow: UnitOfWork, lost: Sequence[Row], won: Sequence[Row], closed: Rows
) -> list[dict[str, str]]:
    ended = _count(won) + _count(lost)
    return [
        {
            "label": f"{label} · {format_number(_count(rows))}",
            "count": written(uow, rows, "sum:amount"),
            "url": list_url("opportunity", *closed, ("status", "in", status)),
        }
        for label, rows, status in ((_("Won"), won, "won"), (_("Lost deal"), lost, "lost"))
    ] + [
        {
            "label": _("Won of what ended"),
            "count": share(_percent(_count(won), ended)),
            "url": list_url("opportunity", *closed, ("status", "in", "won", "lost")),
        }
    ]


def _columns(first: str) -> list[dict[str, str]]:
    return [
        {"label": first, "kind": "primary"},
        {"label": _("Deals"), "kind": "number"},
        {"label": _("Of all"), "kind": "number"},
        {"label": ""},
        {"label": _("Amount"), "kind": "number"},
    ]


def _reason_rows(
    uow: UnitOfWork, found: Sequence[Row], closed: Rows, status: str
) -> list[dict[str, Any]]:
    name, whole = f"{status}_reason", _count(found)
    reasons: dict[str | None, list[Row]] = {}
    for row in found:
        reasons.setdefault(row[name]["id"], []).append(row)
    told = []
    for reason, rows in sorted(reasons.items(), key=lambda pair: -_count(pair[1])):
        label = rows[0][name]["label"] or reason or _("Not stated")
        percent = _percent(_count(rows), whole)
        mine = (name, "is_empty") if reason is None else (name, "in", reason)
        address = list_url("opportunity", *closed, ("status", "in", status), mine)
        told.append(
            {
                "id": reason or "none",
                "label": label,
                "cells": [
                    label,
                    _LINK.format(address, format_number(_count(rows))),
                    share(percent),
                    _BAR.format(int(percent), label),
                    written(uow, rows, "sum:amount"),
                ],
            }
        )
    return told


# Competitors


def _rivals(uow: UnitOfWork, period: Period, closed: Rows) -> dict[str, Any]:
    """Of each competitor that was named: won against it, lost to it, and what that comes to."""
    spec = uow.entity("opportunity")
    if not uow.actor.access(spec).can_use(spec["competitors"]):
        return {"rival_columns": [], "rival_rows": []}
    ended = _condition(closed, ("status", "in", ["won", "lost"]))
    ended["all"].append({"field": "competitors", "op": "is_set"})
    fields = ("competitors", "status", "currency", "amount")
    met: dict[str, dict[str, list[Row]]] = {}
    # A deal has several: they cannot be grouped in SQL alike for both databases.
    asked = ListQuery(fields=fields, filter=ended, sort="id", labels=False)
    for page in query.stream(uow, "opportunity", asked, action="read", chunk=2_000):
        for row in page.items:
            for name in row["competitors"] or ():
                kept = {
                    "currency": {"id": row["currency"]},
                    "sum:amount": row["amount"],
                    "count": 1,
                }
                met.setdefault(name, {"won": [], "lost": []})[row["status"]].append(kept)
    often = sorted(met.items(), key=lambda pair: (-sum(map(len, pair[1].values())), pair[0]))
    return {
        "rival_columns": [
            {"label": _("Competitor"), "kind": "primary"},
            {"label": _("Won against"), "kind": "number"},
            {"label": _("Lost to"), "kind": "number"},
            {"label": _("Won of these"), "kind": "number"},
            {"label": _("Amount lost"), "kind": "number"},
        ],
        "rival_rows": [_rival_row(uow, name, found, closed) for name, found in often[:MOST]],
    }


def _rival_row(
    uow: UnitOfWork, name: str, found: Mapping[str, Sequence[Row]], closed: Rows
) -> dict[str, Any]:
    def linked(status: str) -> Any:
        count = len(found[status])
        if not count:
            return _NONE
        mine = ("competitors", "contains", name)
        address = list_url("opportunity", *closed, ("status", "in", status), mine)
        return _LINK.format(address, format_number(count))

    won, lost = len(found["won"]), len(found["lost"])
    return {
        "id": name,
        "label": name,
        "cells": [
            name,
            linked("won"),
            linked("lost"),
            share(_percent(won, won + lost)),
            written(uow, found["lost"], "sum:amount") if lost else _NONE,
        ],
    }
