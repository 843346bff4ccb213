"""Figures as the pages show them: written in the reader's language, each with the list behind it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import url_for
from markupsafe import Markup

from core.http.addresses import list_url, record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import (
    currency_decimals,
    format_date,
    format_datetime,
    format_money,
    format_month,
    format_number,
)
from plugins.crm_sales.targets.figures import attainment, share
from plugins.crm_sales.targets.forecast import Asked, Deal, Forecast
from plugins.crm_sales.targets.grid import Grid
from plugins.crm_sales.targets.league import Entry, League
from plugins.crm_sales.targets.money import Exchange
from plugins.crm_sales.targets.narrowing import narrowing_page
from plugins.crm_sales.targets.periods import Period, period_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "forecast_head",
    "forecast_page",
    "grid_tabs",
    "kind_tabs",
    "league_page",
    "league_screen",
    "progress",
    "short",
    "steps",
]

_MONTHS = (
    *(_l("Jan"), _l("Feb"), _l("Mar"), _l("Apr"), _l("May"), _l("Jun")),
    *(_l("Jul"), _l("Aug"), _l("Sep"), _l("Oct"), _l("Nov"), _l("Dec")),
)
#: So many ranks fit on a screen that is read from across the room.
ON_THE_WALL = 12
#: What `core.entities.query.counts` counts up to.
_COUNTED = 10_000
_LINK = Markup('<a href="{}">{}</a>')
_NONE = Markup('<span class="none">—</span>')
_BAR = Markup('<progress class="progress-bar" max="100" value="{}" aria-label="{}"></progress>')


def short(period: Period) -> str:
    """A period within its year, for the head of a column."""
    if period.kind == "quarter":
        return f"Q{(period.first.month + 2) // 3}"
    return str(_MONTHS[period.first.month - 1])


def _money(exchange: Exchange, amount: Decimal | None) -> Any:
    return _NONE if amount is None else exchange.written(amount)


def _round(exchange: Exchange, amount: Decimal | None) -> str:
    """Without cents, for the large figures at the top."""
    return "—" if amount is None else format_money(amount, exchange.company, 0)


def kind_tabs(period: Period, endpoint: str, today: Any, **kept: Any) -> list[tuple[Any, ...]]:
    """The three lengths; another one shows the period that holds today, if this one does too."""
    return [
        (
            text,
            url_for(endpoint, kind=kind, period=_key_of(period, today), **kept),
            kind == period.kind,
            None,
        )
        for kind, text in (("month", _("Month")), ("quarter", _("Quarter")), ("year", _("Year")))
    ]


def _key_of(period: Period, today: Any) -> str:
    day = today if period.first <= today <= period.last else period.first
    return f"{day:%Y-%m}"


def steps(period: Period, endpoint: str, **kept: Any) -> dict[str, Any]:
    """The period that is shown, the one before it and the one after, for the head of a page."""

    def step(to: Period) -> tuple[str, str]:
        return to.label, url_for(endpoint, kind=to.kind, period=to.key, **kept)

    return {
        "period": period,
        "previous": step(period.before) if period.before.is_known else None,
        "following": step(period.after) if period.after.is_known else None,
    }


def _rates(exchange: Exchange, used: Any) -> str:
    """By which rates sums were converted; nothing where there is one currency."""
    parts = [
        f"{code} {format_number(Decimal(format(rate.normalize(), 'f')))}"
        for code in sorted(used)
        if code != exchange.company and (rate := exchange.rate(code)) is not None
    ]
    if not parts:
        return ""
    return _(
        "Converted to %(currency)s with the rates of %(day)s: %(rates)s.",
        currency=exchange.company,
        day=format_date(exchange.day),
        rates=_(", ").join(parts),
    )


def _left_out(exchange: Exchange, left_out: Mapping[str, Decimal]) -> str:
    if not left_out:
        return ""
    return _(
        "Not counted, since there is no exchange rate on %(day)s: %(amounts)s.",
        day=format_date(exchange.day),
        amounts=_(", ").join(
            format_money(amount, code, currency_decimals(code))
            for code, amount in sorted(left_out.items())
        ),
    )


# The forecast


def forecast_page(uow: UnitOfWork, asked: Asked, found: Forecast) -> dict[str, Any]:
    """What the page of the forecast shows."""
    period, kept = asked.period, asked.narrowing.kept
    return {
        **steps(period, "crm_sales.forecast", **kept),
        "tabs": kind_tabs(period, "crm_sales.forecast", uow.clock.today(), **kept),
        **narrowing_page(uow, asked.narrowing),
        **forecast_head(asked, found),
        "explained": _explained(asked, found),
        "month_columns": _month_columns(),
        "month_rows": _month_rows(found) if len(found.months) > 1 else [],
        "deal_columns": _deal_columns(),
        "deal_rows": [_deal_row(found, deal) for deal in found.deals],
        "closing": _closing(found),
        "beside": _beside(asked, found),
    }


def forecast_head(asked: Asked, found: Forecast) -> dict[str, Any]:
    """What stands at the top of it: the three parts, the sum against the target, and what lacks a rate."""
    return {
        "figures": _figures(asked, found),
        "facts": _facts(found),
        "notices": [text for text in (_left_out(found.exchange, found.left_out),) if text],
    }


def _rows_of(asked: Asked) -> tuple[tuple[str, ...], ...]:
    return asked.narrowing.rows


def _figures(asked: Asked, found: Forecast) -> list[dict[str, str]]:
    exchange, period = found.exchange, asked.period
    span = (period.first.isoformat(), period.last.isoformat())
    whose, is_open = _rows_of(asked), ("status", "in", "open")
    won = list_url("opportunity", *whose, ("status", "in", "won"), ("closed_on", "between", *span))
    due = ("expected_close_on", "between", *span)
    least = str(found.committed_from)
    committed = list_url("opportunity", *whose, is_open, due, ("probability", "ge", least))
    others = list_url(
        *("opportunity", *whose, is_open, due, ("probability", "lt", least)),
        sort="-weighted_amount",
    )
    return [
        {
            "label": f"{_('Won')} · {format_number(found.won.count)}",
            "count": _round(exchange, found.won.amount.total),
            "url": won,
        },
        {
            "label": f"{_('Committed')} · {format_number(found.committed.count)}",
            "count": _round(exchange, found.committed.amount.total),
            "url": committed,
        },
        {
            "label": f"{_('Others, weighted')} · {format_number(found.others.count)}",
            "count": _round(exchange, found.weighted.total),
            "url": others,
        },
    ]


def _facts(found: Forecast) -> list[tuple[str, Any]]:
    exchange, target = found.exchange, found.target
    reached = attainment(found.won.amount.total, target)
    facts: list[tuple[str, Any]] = [
        (
            _("Forecast: won, committed and others weighted"),
            exchange.written(found.forecast),
        ),
        (_("Target"), _money(exchange, target)),
        (_("Attained"), progress(reached)),
        (_("Missing"), _money(exchange, found.gap)),
    ]
    if target is not None:
        facts.append((_("Forecast of target"), share(attainment(found.forecast, target))))
    if found.target_count is not None:
        aim = found.target_count
        facts.append(
            (
                _("Deals won"),
                _(
                    "%(n)s of %(target)s, %(share)s",
                    n=format_number(found.won.count),
                    target=format_number(aim, 0),
                    share=share(attainment(Decimal(found.won.count), aim)),
                ),
            )
        )
    return facts


def progress(percent: Decimal | None) -> Any:
    """A percentage with a bar; a dash for none."""
    if percent is None:
        return _NONE
    return Markup("{} {}").format(
        share(percent), _BAR.format(min(100, int(percent)), _("Attained"))
    )


def _explained(asked: Asked, found: Forecast) -> list[str]:
    said = [
        _(
            "Won counts as it was won. Committed: ongoing, expected to close in this period, and at"
            " least %(share)s likely; it counts in full. Others that are ongoing and expected in it"
            " count by amount times probability. The forecast is the sum of the three, with each"
            " deal in one of them.",
            share=share(Decimal(found.committed_from)),
        )
    ]
    if text := _rates(found.exchange, found.used):
        said += [text, _("What is won counts by the rate of the day on which it was closed.")]
    if asked.whose:
        said.append(_("Of what a team shares, amounts count by shares, and a deal for its owner."))
    return said


def _month_columns() -> list[dict[str, str]]:
    return [
        {"label": _("Month"), "kind": "primary"},
        *(
            {"label": text, "kind": "number"}
            for text in (_("Won"), _("Committed"), _("Others, weighted"))
        ),
        {"label": _("Forecast"), "kind": "number"},
    ]


def _month_rows(found: Forecast) -> list[dict[str, Any]]:
    written = found.exchange.written
    return [
        {
            "id": month.key,
            "label": month.label,
            "cells": [
                format_month(month.first),
                *(written(part.total) for part in (won, committed, weighted)),
                written(won.total + committed.total + weighted.total),
            ],
        }
        for month, won, committed, weighted in found.months
    ]


def _deal_columns() -> list[dict[str, str]]:
    return [
        {"label": _("Opportunity"), "kind": "primary"},
        {"label": _("Customer")},
        {"label": _("Owner")},
        {"label": _("Expected close"), "kind": "date"},
        {"label": _("Amount"), "kind": "number"},
        {"label": _("Probability, %"), "kind": "number"},
        {"label": _("Weighted"), "kind": "number"},
        {"label": _("Then missing"), "kind": "number"},
    ]


def _deal_row(found: Forecast, deal: Deal) -> dict[str, Any]:
    values, written = deal.values, found.exchange.written
    code = values["currency"] or found.exchange.company
    amount = format_money(values["amount"], code, currency_decimals(code))
    return {
        "id": values["id"],
        "label": values.get("name") or "",
        "url": record_url("opportunity", values["id"]),
        "cells": [
            values.get("name") or f"#{values['id']}",
            found.labels.get("customer", {}).get(values.get("customer"), ""),
            found.labels.get("user", {}).get(values.get("owner"), ""),
            format_date(values["expected_close_on"]),
            amount,
            format_number(values["probability"]) if values["probability"] is not None else _NONE,
            written(deal.weighted),
            written(deal.left) if deal.left else _("Target reached"),
        ],
    }


def _closing(found: Forecast) -> str:
    """What the list of deals amounts to."""
    if not found.gap:
        return ""
    if not found.deals:
        return _("Nothing ongoing is expected to close in this period.")
    left = found.deals[-1].left
    if left:
        return _(
            "Even if all of these are won, %(amount)s are missing.",
            amount=found.exchange.written(left),
        )
    return _("If these are won, the target is reached. What weighs most comes first.")


def _beside(asked: Asked, found: Forecast) -> list[tuple[str, str]]:
    """(text, address) of ongoing deals whose day is past, or that have none."""
    whose, is_open = _rows_of(asked), ("status", "in", "open")
    today = found.today.isoformat()
    late = list_url("opportunity", *whose, is_open, ("expected_close_on", "lt", today))
    undated = list_url("opportunity", *whose, is_open, ("expected_close_on", "is_empty"))
    return [
        (text, url)
        for count, text, url in (
            (
                found.late,
                _("%(n)s ongoing, but expected before today", n=_counted(found.late)),
                late,
            ),
            (
                found.undated,
                _("%(n)s ongoing without an expected close", n=_counted(found.undated)),
                undated,
            ),
        )
        if count
    ]


def _counted(count: int) -> str:
    """A number that was counted up to a limit."""
    return f"{format_number(count)}+" if count >= _COUNTED else format_number(count)


# The league table


def league_page(
    uow: UnitOfWork, period: Period, found: League, *, by: str, measure: str
) -> dict[str, Any]:
    """What the page of the league table shows."""
    here, kept = "crm_sales.league", {"by": by, "measure": measure}
    whole = uow.actor.access(uow.entity("opportunity")).is_unlimited("read")
    badge = macros().badge

    def tab(text: str, current: bool, **changed: str) -> tuple[Any, ...]:
        address = url_for(here, kind=period.kind, period=period.key, **(kept | changed))
        return text, address, current, None

    return {
        **steps(period, here, **kept),
        "tabs": kind_tabs(period, here, uow.clock.today(), **kept),
        "by_tabs": [
            tab(_("People"), by == "person", by="person"),
            tab(_("Departments"), by == "department", by="department"),
        ],
        "measure_tabs": [
            tab(_("Amount won"), measure == "amount", measure="amount"),
            tab(_("Deals won"), measure == "count", measure="count"),
        ],
        "is_open": found.is_open,
        "screen": url_for(
            "crm_sales.league_screen",
            kind=period.kind,
            period=None if period == period_of(period.kind, uow.clock.today()) else period.key,
            **kept,
        ),
        "notices": [text for text in (_left_out(found.exchange, found.left_out),) if text],
        "columns": _league_columns(by, measure),
        "rows": [
            _league_row(
                found, entry, period, by, measure, badge, with_link=_links(found, entry, whole)
            )
            for entry in found.entries
        ],
    }


def league_screen(
    uow: UnitOfWork, period: Period, found: League, *, by: str, measure: str
) -> dict[str, Any]:
    """What a screen on the wall shows of it: the first ranks in large type, and the way out."""
    shown = {"kind": period.kind, "by": by, "measure": measure}
    if period != period_of(period.kind, uow.clock.today()):
        shown["period"] = period.key  # without it the screen goes along with the calendar
    badge = macros().badge

    def written(reached: Decimal) -> str:
        is_money = measure == "amount"
        return _round(found.exchange, reached) if is_money else format_number(reached, 0)

    return {
        "period": period,
        "what": _("Amount won") if measure == "amount" else _("Deals won"),
        "rows": [
            {
                "rank": format_number(entry.rank),
                "name": entry.name,
                "reached": written(entry.reached),
                "attained": share(attainment(entry.reached, entry.target)),
                "rise": _rise(entry, badge),
            }
            for entry in found.entries[:ON_THE_WALL]
        ],
        "at": format_datetime(uow.now(), uow.clock.timezone),
        "here": url_for("crm_sales.league_screen", **shown),
        "leave": url_for("crm_sales.league", **shown),
    }


def _links(found: League, entry: Entry, whole: bool) -> bool:
    """Whether the list behind a figure shows what was counted."""
    return entry.count > 0 and (whole or not found.is_open)


def _league_columns(by: str, measure: str) -> list[dict[str, str]]:
    return [
        {"label": _("Rank"), "kind": "number"},
        {"label": _("Sales person") if by == "person" else _("Department"), "kind": "primary"},
        {"label": _("Amount won") if measure == "amount" else _("Deals won"), "kind": "number"},
        *([{"label": _("Deals"), "kind": "number"}] if measure == "amount" else []),
        {"label": _("Target"), "kind": "number"},
        {"label": _("Attained"), "kind": "number"},
        {"label": _("Against the period before")},
    ]


def _league_row(
    found: League,
    entry: Entry,
    period: Period,
    by: str,
    measure: str,
    badge: Any,
    *,
    with_link: bool,
) -> dict[str, Any]:
    written = found.exchange.written if measure == "amount" else (lambda n: format_number(n, 0))
    reached: Any = written(entry.reached)
    if with_link:
        span = (period.first.isoformat(), period.last.isoformat())
        whose = ("owner", "eq") if by == "person" else ("department", "under")
        won = (("status", "in", "won"), ("closed_on", "between", *span))
        reached = _LINK.format(list_url("opportunity", (*whose, str(entry.key)), *won), reached)
    mine = _("You") if by == "person" else _("Your department")
    return {
        "id": entry.key,
        "label": entry.name,
        "mark": {"tone": "info", "label": mine} if entry.is_own else None,
        "cells": [
            format_number(entry.rank),
            Markup("{} {}").format(entry.name, badge(mine, "info")) if entry.is_own else entry.name,
            reached,
            *([format_number(entry.count)] if measure == "amount" else []),
            _NONE if entry.target is None else written(entry.target),
            share(attainment(entry.reached, entry.target)),
            _rise(entry, badge),
        ],
    }


def _rise(entry: Entry, badge: Any) -> Any:
    if entry.rise is None:
        return badge(_("New in the table"), "info") if entry.reached else _NONE
    if entry.rise > 0:
        return badge(_("▲ %(n)s up", n=format_number(entry.rise)), "good")
    if entry.rise < 0:
        return badge(_("▼ %(n)s down", n=format_number(-entry.rise)), "bad")
    return _("As before")


# Entering targets


def grid_tabs(found: Grid) -> list[tuple[Any, ...]]:
    """Amounts or deals, by month or by quarter."""

    def tab(text: str, kind: str, measure: str) -> tuple[Any, ...]:
        address = url_for(
            "crm_sales.edit_targets",
            department=found.department,
            year=found.year.key,
            kind=kind,
            measure=measure,
        )
        return text, address, (kind, measure) == (found.kind, found.measure), None

    return [
        tab(_("Amount by month"), "month", "amount"),
        tab(_("Amount by quarter"), "quarter", "amount"),
        tab(_("Deals by month"), "month", "count"),
        tab(_("Deals by quarter"), "quarter", "count"),
    ]
