"""The league table (龙虎榜, S-172): who won how much in a period, and who rises.

Equal figures share a rank, and the next one is as far down as people stand above it: 1, 1, 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities.aggregate import expect_many, reading_aggregate
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.entities.reading import Reading, all_of, read_together
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales.targets.figures import (
    Targets,
    Tree,
    condition,
    reading_targets,
    reading_tree,
    require_fields,
)
from plugins.crm_sales.targets.money import Converted, Exchange, reading_exchange
from plugins.crm_sales.targets.periods import Period
from plugins.crm_sales.targets.shares import SharedDeal, amount_of, reading_shared

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "BY",
    "MEASURES",
    "Entry",
    "League",
    "lane_name",
    "lanes_of",
    "read_league",
    "reading_league",
    "whole_lanes",
]

_USED = ("status", "amount", "currency", "closed_on", "closing_rate", "owner", "department")
BY = {"person": "owner", "department": "department"}
MEASURES = ("amount", "count")
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    key: int
    name: str
    rank: int
    #: An amount in the company's currency, or a number of deals.
    reached: Decimal
    count: int
    target: Decimal | None
    #: So many places up (or, below nothing, down); None for who had won nothing before.
    rise: int | None
    is_own: bool


@dataclass(frozen=True)
class League:
    """The table of a period."""

    exchange: Exchange
    entries: Sequence[Entry]
    #: True where names and sums are shown beyond the reader's scope, because the company wishes it.
    is_open: bool
    left_out: Mapping[str, Decimal]


def read_league(
    uow: UnitOfWork, period: Period, *, by: str, measure: str, is_own: bool = False
) -> League:
    """The ranks within the reader's scope, or of all where the company shows them and not only one's
    own are asked for; targets and their attainment always within the reader's scope alone."""
    expect_many(uow)
    reading = reading_league(uow, period, by=by, measure=measure, is_own=is_own)
    (found,) = read_together(uow, [reading])
    league: League = found
    return league


def reading_league(
    uow: UnitOfWork, period: Period, *, by: str, measure: str, is_own: bool = False
) -> Reading[League]:
    """What `read_league` reads, to be read together with more."""
    require_fields(uow, "opportunity", _USED)
    is_open = not is_own and bool(get_setting(uow, "crm_sales", "open_league"))
    parts = [
        reading_tree(uow),
        *(reading_exchange(uow, each.last) for each in (period, period.before)),
        *(_reading_won(uow, each, by, is_open=is_open) for each in (period, period.before)),
        reading_targets(uow, period, measure),
    ]
    return all_of(parts).then(
        lambda found: _league(uow, _Read(*found), by=by, measure=measure, is_open=is_open)
    )


class _Read(NamedTuple):
    """The departments; rates, and what was won, of the period and the one before; the targets."""

    tree: Tree
    exchange: Exchange
    then: Exchange
    won: _Won
    past: _Won
    targets: Targets


def _league(uow: UnitOfWork, read: _Read, *, by: str, measure: str, is_open: bool) -> League:
    tree, exchange, then, targets = read.tree, read.exchange, read.then, read.targets
    rows, past = read.won.rows(by, tree), read.past.rows(by, tree)
    apart: set[int] = set()
    if by == "person":
        lanes = {key: key for key in (*rows, *past, *targets.people)}
        aims: Mapping[int, Decimal | None] = targets.people
        own = {uow.actor.user_id}
    else:
        lanes = lanes_of({*rows, *past, *_aimed(targets, tree)}, tree)
        aims = {key: targets.of_department(key, tree) for key in whole_lanes(lanes, tree)}
        own = {lanes.get(key) for key in uow.actor.departments}
        apart = set(lanes.values()) - set(aims)
    now = {key: _score(mine, exchange, measure) for key, mine in _gathered(rows, lanes).items()}
    earlier = {key: _score(mine, then, measure) for key, mine in _gathered(past, lanes).items()}
    keys = {*now, *earlier, *(key for key, aim in aims.items() if aim is not None)}
    ranks = _ranks({key: now[key].reached if key in now else _ZERO for key in keys})
    stood = _ranks({key: score.reached for key, score in earlier.items()})
    names = _names(uow, by, keys, is_open=is_open)
    entries = [
        Entry(
            key=key,
            name=lane_name(names.get(key), itself=key in apart),
            rank=ranks[key],
            reached=now[key].reached if key in now else _ZERO,
            count=now[key].count if key in now else 0,
            target=aims.get(key),
            rise=stood[key] - ranks[key] if key in stood else None,
            is_own=key in own,
        )
        for key in keys
    ]
    entries.sort(key=lambda entry: (entry.rank, entry.name, entry.key))
    left_out: dict[str, Decimal] = {}
    for score in now.values():
        for code, amount in score.amount.left_out.items():
            left_out[code] = left_out.get(code, _ZERO) + amount
    return League(exchange, entries, is_open, left_out)


@dataclass(frozen=True)
class _Score:
    reached: Decimal
    count: int
    amount: Converted


Rows = dict[int, list[dict[str, Any]]]


class _Won(NamedTuple):
    """What was won in a period: sums by owner or department, and the deals that teams share."""

    sums: Sequence[dict[str, Any]]
    shared: Sequence[SharedDeal]

    def rows(self, by: str, tree: Tree) -> Rows:
        """By owner or department what is theirs, by the shares of teams."""
        found: Rows = {}
        for row in self.sums:
            if row[BY[by]]["id"] is not None:
                found.setdefault(row[BY[by]]["id"], []).append(row)
        for deal in self.shared:
            for key, row in deal.moved(by, tree):
                if key is not None:
                    found.setdefault(key, []).append(row)
        return found


def _reading_won(uow: UnitOfWork, period: Period, by: str, *, is_open: bool) -> Reading[_Won]:
    wanted = condition(
        [
            ("status", "eq", "won"),
            ("closed_on", "ge", period.first.isoformat()),
            ("closed_on", "le", period.last.isoformat()),
        ]
    )
    with uow.elevated() if is_open else nullcontext():  # names and sums alone are shown
        groups, measures = [BY[by], "currency", "closing_rate"], ["count", "sum:amount"]
        sums = reading_aggregate(uow, "opportunity", groups, measures, ListQuery(filter=wanted))
        shared = reading_shared(uow, wanted, "closed_on")
    return all_of([sums, shared]).then(lambda found: _Won(*found))


def _gathered(rows: Rows, lanes: Mapping[int, int]) -> Rows:
    found: Rows = {}
    for key, mine in rows.items():
        found.setdefault(lanes[key], []).extend(mine)
    return found


def _score(rows: Sequence[Mapping[str, Any]], exchange: Exchange, measure: str) -> _Score:
    amount = exchange.convert(amount_of(row) for row in rows)
    count = sum(row["count"] for row in rows)
    return _Score(amount.total if measure == "amount" else Decimal(count), count, amount)


def _ranks(reached: Mapping[int, Decimal]) -> dict[int, int]:
    """By figure, the largest first; equals share a rank."""
    places: dict[Decimal, int] = {}
    for place, value in enumerate(sorted(reached.values(), reverse=True), 1):
        places.setdefault(value, place)
    return {key: places[value] for key, value in reached.items()}


def _names(uow: UnitOfWork, by: str, keys: set[int], *, is_open: bool) -> Mapping[int, str]:
    entity = "user" if by == "person" else "department"
    with uow.elevated() if is_open else nullcontext():
        return resolve_labels(uow, {entity: keys}).get(entity, {})


def lane_name(name: str | None, *, itself: bool) -> str:
    """What an entry is called; ``itself`` is a department beside those below it."""
    if not name:
        return _("Not visible to you")
    return _("%(department)s itself", department=name) if itself else name


# Departments of one level


def _aimed(targets: Targets, tree: Tree) -> set[int]:
    """The departments for which, or for whose people, there are targets."""
    homes = (tree.homes.get(person) for person in targets.people)
    return {key for key in (*targets.departments, *homes) if key is not None}


def lanes_of(seen: set[int], tree: Tree) -> dict[int, int]:
    """By department the one that stands for it: all are directly below the lowest that holds all.

    Else a department would be ranked against what is part of it. What lies in that lowest one itself
    stands by itself.
    """
    ways = {key: tree.above(key)[::-1] for key in seen}  # from the top down
    top = 0
    while len({tuple(way[: top + 1]) for way in ways.values() if way}) == 1 and any(
        len(way) > top + 1 for way in ways.values()
    ):
        top += 1
    return {key: way[min(top, len(way) - 1)] if way else key for key, way in ways.items()}


def whole_lanes(lanes: Mapping[int, int], tree: Tree) -> set[int]:
    """The lanes that stand for all below them: not the one that holds the others."""
    found = set(lanes.values())
    return {key for key in found if not any(key in tree.above(each)[1:] for each in found)}
