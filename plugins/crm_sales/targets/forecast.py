"""The forecast: won, committed and weighted against the target of a period, and what closes the gap.

**Won** is what was closed in the period. **Committed** is what is ongoing, expected to close in it, and at
least as likely as the setting ``committed_from`` says: it counts in full. The **others** that are ongoing
and expected in it count **weighted**, by amount times probability. The **forecast** is the sum of the
three, and each deal stands in one of them (S-071).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities import query
from core.entities.aggregate import expect_many, reading_aggregate
from core.entities.query import ListQuery
from core.entities.reading import Reading, all_of, read_together
from core.settings.service import get_setting
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.targets.figures import (
    Targets,
    Tree,
    condition,
    reading_targets,
    reading_tree,
    require_fields,
)
from plugins.crm_sales.targets.money import Converted, Exchange, reading_exchange
from plugins.crm_sales.targets.narrowing import Narrowing
from plugins.crm_sales.targets.periods import Period, period_of
from plugins.crm_sales.targets.shares import (
    Part,
    SharedDeal,
    amount_of,
    corrections,
    reading_shared,
)

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Asked", "Deal", "Figure", "Forecast", "read_forecast", "reading_forecast"]

_USED = (
    *("status", "amount", "currency", "probability", "weighted_amount"),
    *("expected_close_on", "closed_on", "closing_rate", "owner", "department"),
)
_ZERO = Decimal(0)
#: Deals that are shown, at most.
MOST = 30
#: Of others' deals in which somebody has a part, the list of what closes the gap holds so many.
_MOST_JOINED = 500

Rows = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Asked:
    """Of which period and whom."""

    period: Period
    department: int | None = None
    person: int | None = None
    process: int | None = None

    @property
    def narrowing(self) -> Narrowing:
        """The same without the period."""
        return Narrowing(self.department, self.person, self.process)

    @property
    def of_process(self) -> Rows:
        """The condition on deals that says of which process they are."""
        return () if self.process is None else (("process", "eq", self.process),)

    @property
    def whose(self) -> Rows:
        """The conditions on deals that say whom it is about."""
        rows: Rows = ()
        if self.department is not None:
            rows = (("department", "under", self.department),)
        if self.person is not None:
            rows = (*rows, ("owner", "eq", self.person))
        return rows


@dataclass(frozen=True)
class Figure:
    """Deals that are counted together."""

    count: int = 0
    amount: Converted = Converted(_ZERO)


@dataclass(frozen=True)
class Deal:
    """An ongoing deal that may close the gap; amounts in its currency and in the company's."""

    values: Mapping[str, Any]
    amount: Decimal
    weighted: Decimal
    #: What would be missing still if this one and all before it were won.
    left: Decimal = _ZERO


@dataclass(frozen=True)
class Forecast:
    """All figures of a period; amounts in the company's currency."""

    exchange: Exchange
    committed_from: int
    won: Figure
    committed: Figure
    #: Ongoing and less likely, with their whole amounts; and what they come to weighted.
    others: Figure
    weighted: Converted
    target: Decimal | None
    target_count: Decimal | None
    #: By month: won, committed, others weighted.
    months: Sequence[tuple[Period, Converted, Converted, Converted]]
    #: Ongoing deals that no period counts: expected before today, and without a date.
    late: int
    undated: int
    today: date
    #: The currencies that occur.
    used: frozenset[str]
    deals: Sequence[Deal] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def forecast(self) -> Decimal:
        """What is won, what is committed, and the others weighted."""
        return self.won.amount.total + self.committed.amount.total + self.weighted.total

    @property
    def gap(self) -> Decimal | None:
        """What is missing to the target; None without one, nothing when it is reached."""
        return None if self.target is None else max(_ZERO, self.target - self.won.amount.total)

    @property
    def left_out(self) -> dict[str, Decimal]:
        """What no rate converts, by currency: of what is won and of what is ongoing."""
        found: dict[str, Decimal] = {}
        for part in (self.won.amount, self.committed.amount, self.others.amount):
            for code, amount in part.left_out.items():
                found[code] = found.get(code, _ZERO) + amount
        return found


def read_forecast(uow: UnitOfWork, asked: Asked) -> Forecast:
    """The figures within the reader's scope, and what closes the gap, in as many statements for one
    person as for thousands."""
    expect_many(uow)
    (found,) = read_together(uow, [_reading(uow, asked)])
    figures: _Figures = found
    forecast = figures.forecast
    if not forecast.gap:
        return forecast
    parts = {
        deal.id: deal.of(figures.tree, asked.person, asked.department) for deal in figures.shared
    }
    deals, labels = _deals(uow, asked, forecast.exchange, figures.ongoing, parts)
    return replace(forecast, deals=_closing(deals, forecast.gap), labels=labels)


def reading_forecast(uow: UnitOfWork, asked: Asked) -> Reading[Forecast]:
    """The figures alone, to be read together with more."""
    return _reading(uow, asked).then(lambda figures: figures.forecast)


class _Figures(NamedTuple):
    """The forecast without the deals that close the gap, and what these are worked out from."""

    forecast: Forecast
    tree: Tree
    shared: Sequence[SharedDeal]
    ongoing: Sequence[Mapping[str, Any]]


def _reading(uow: UnitOfWork, asked: Asked) -> Reading[_Figures]:
    require_fields(uow, "opportunity", _USED)
    least = int(get_setting(uow, "crm_sales", "committed_from"))
    is_open, is_won = ("status", "eq", "open"), ("status", "eq", "won")
    likely, unlikely = ("probability", "ge", least), ("probability", "lt", least)
    expected, closed = "expected_close_on", "closed_on"
    parts = [
        reading_tree(uow),
        reading_exchange(uow, asked.period.last),
        _reading_shared(uow, asked, closed, is_won),
        _reading_shared(uow, asked, expected, is_open),
        _reading_sums(uow, asked, closed, is_won, by=("closing_rate",)),
        _reading_sums(uow, asked, expected, is_open, likely),
        _reading_sums(uow, asked, expected, is_open, unlikely),
        _reading_beside(uow, asked),
        *(_reading_target(uow, asked, measure) for measure in ("amount", "count")),
    ]
    return all_of(parts).then(lambda found: _figures(uow, asked, least, *found))


def _figures(
    uow: UnitOfWork,
    asked: Asked,
    least: int,
    tree: Tree,
    exchange: Exchange,
    shared_won: Sequence[SharedDeal],
    shared: Sequence[SharedDeal],
    *rest: Any,
) -> _Figures:
    sums_won, sums_likely, sums_unlikely, (late, undated), target, target_count = rest
    mine = partial(corrections, tree=tree, person=asked.person, department=asked.department)
    won = [*sums_won, *mine(shared_won)]
    committed = [*sums_likely, *mine([deal for deal in shared if deal.probability >= least])]
    others = [*sums_unlikely, *mine([deal for deal in shared if deal.probability < least])]
    ongoing = [*committed, *others]
    forecast = Forecast(
        exchange=exchange,
        committed_from=least,
        won=_figure(won, exchange),
        committed=_figure(committed, exchange),
        others=_figure(others, exchange),
        weighted=_converted(others, exchange, "sum:weighted_amount"),
        target=_target(asked, target, tree),
        target_count=_target(asked, target_count, tree),
        months=_by_month(asked.period, exchange, won, committed, others),
        late=late,
        undated=undated,
        today=uow.clock.today(),
        used=frozenset(row["currency"]["id"] or exchange.company for row in (*won, *ongoing)),
    )
    return _Figures(forecast, tree, shared, ongoing)


def _within(period: Period, name: str) -> Rows:
    return ((name, "ge", period.first.isoformat()), (name, "le", period.last.isoformat()))


def _reading_sums(
    uow: UnitOfWork, asked: Asked, day: str, *rows: tuple[Any, ...], by: tuple[str, ...] = ()
) -> Reading[list[dict[str, Any]]]:
    """Counts and sums by currency and day, and by what else is asked."""
    wanted = condition((*asked.whose, *asked.of_process, *rows, *_within(asked.period, day)))
    measures = ["count", "sum:amount", "sum:weighted_amount"]
    groups = ["currency", day, *by]
    sums = reading_aggregate(uow, "opportunity", groups, measures, ListQuery(filter=wanted))
    return sums.then(
        lambda found: [{**row, "day": date.fromisoformat(row[day]["id"])} for row in found]
    )


def _reading_shared(
    uow: UnitOfWork, asked: Asked, day: str, *rows: tuple[Any, ...]
) -> Reading[Sequence[SharedDeal]]:
    """Deals that teams share, whoever has a part; the company's figures need none of them."""
    if not asked.whose:
        return Reading((), tuple)
    wanted = condition((*asked.of_process, *rows, *_within(asked.period, day)))
    return reading_shared(uow, wanted, day)


def _converted(
    rows: Sequence[Mapping[str, Any]], exchange: Exchange, measure: str = "sum:amount"
) -> Converted:
    return exchange.convert(amount_of(row, measure) for row in rows)


def _figure(rows: Sequence[Mapping[str, Any]], exchange: Exchange) -> Figure:
    return Figure(sum(row["count"] for row in rows), _converted(rows, exchange))


def _by_month(
    period: Period,
    exchange: Exchange,
    won: Sequence[Mapping[str, Any]],
    committed: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
) -> list[tuple[Period, Converted, Converted, Converted]]:
    def of(rows: Sequence[Mapping[str, Any]], month: Period, measure: str) -> Converted:
        mine = [row for row in rows if period_of("month", row["day"]) == month]
        return _converted(mine, exchange, measure)

    return [
        (
            month,
            of(won, month, "sum:amount"),
            of(committed, month, "sum:amount"),
            of(others, month, "sum:weighted_amount"),
        )
        for month in period.parts("month")
    ]


def _reading_beside(uow: UnitOfWork, asked: Asked) -> Reading[list[int]]:
    """Ongoing deals that were expected before today, and those without a date."""
    today, is_open = uow.clock.today().isoformat(), ("status", "eq", "open")
    of = (*asked.whose, *asked.of_process, is_open)
    late = condition((*of, ("expected_close_on", "lt", today)))
    undated = condition((*of, ("expected_close_on", "is_empty", None)))
    undated["all"][-1].pop("value")
    wanted = [("opportunity", ListQuery(filter=each)) for each in (late, undated)]
    return query.reading_counts(uow, wanted)


def _reading_target(uow: UnitOfWork, asked: Asked, measure: str) -> Reading[Targets | None]:
    if (
        asked.process is not None
    ):  # targets are set for people and departments, whatever they sell by
        return Reading((), lambda: None)
    return reading_targets(uow, asked.period, measure)


def _target(asked: Asked, targets: Targets | None, tree: Tree) -> Decimal | None:
    if targets is None:
        return None
    if asked.person is not None:
        return targets.of_person(asked.person)
    return targets.of_department(asked.department, tree)


# What closes the gap


def _deals(
    uow: UnitOfWork,
    asked: Asked,
    exchange: Exchange,
    ongoing: Sequence[Mapping[str, Any]],
    parts: Mapping[int, Part],
) -> tuple[list[Deal], Mapping[str, Any]]:
    """The largest weighted of what is ongoing in the period: a statement for each currency in use.

    Of what a team shares, ``parts`` says what counts here.
    """
    joined = sorted(key for key, part in parts.items() if part.amount)[:_MOST_JOINED]
    whose: list[dict[str, Any]] = []
    if asked.whose:
        theirs = {"field": "id", "op": "in", "value": joined}
        whose = [{"any": [condition(asked.whose), *([theirs] if joined else [])]}]
    used = {row["currency"]["id"] for row in ongoing}
    codes = [choice.value for choice in CURRENCIES if choice.value in used]
    found: list[Deal] = []
    labels: dict[str, dict[int, str]] = {}
    for code in [*codes, *([None] if None in used else [])]:
        rate = exchange.rate(code)
        if rate is None:
            continue
        currency = ("currency", "eq", code) if code else ("currency", "is_empty", None)
        due = _within(asked.period, "expected_close_on")
        wanted = condition((("status", "eq", "open"), currency, *asked.of_process, *due))
        for each in wanted["all"]:
            if each["op"] == "is_empty":
                each.pop("value")
        wanted["all"] += whose
        fields = (
            *("name", "customer", "owner", "amount", "currency", "probability"),
            *("weighted_amount", "expected_close_on"),
        )
        shown = tuple(
            name
            for name in fields
            if uow.actor.access(uow.entity("opportunity")).can_see(uow.entity("opportunity")[name])
        )
        page = query.page(
            uow,
            "opportunity",
            ListQuery(fields=shown, filter=wanted, sort="-weighted_amount,id", limit=MOST),
        )
        for entity, names in page.labels.items():
            labels.setdefault(entity, {}).update(names)
        for row in page.items:
            amount, weighted = row["amount"] or _ZERO, row["weighted_amount"] or _ZERO
            if (part := parts.get(row["id"])) is not None:
                amount, weighted = part
            if amount > 0:
                own = exchange.convert([(code, amount, None)])
                likely = exchange.convert([(code, weighted, None)])
                found.append(Deal({**row, "amount": amount}, own.total, likely.total))
    found.sort(key=lambda deal: (-deal.weighted, -deal.amount, deal.values["id"]))
    return found, labels


def _closing(deals: Sequence[Deal], gap: Decimal) -> list[Deal]:
    """Of the deals in their order those that it takes until nothing is missing."""
    found: list[Deal] = []
    for deal in deals[:MOST]:
        gap -= deal.amount
        found.append(replace(deal, left=max(_ZERO, gap)))
        if gap <= 0:
            break
    return found
