"""Records go back to their pool when its days are over: in the night, with a warning before.

The nightly job, the rehearsal and the explanation on a record ask the same questions: `due` is the SQL
condition, `going` what `core.pools.rules` makes of the same columns. What is looked at is found by one
condition for each pool, however many records it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, and_, delete, insert, or_, select

from core.db.types import UtcDateTime
from core.entities import service
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind
from core.pools.declaring import LimitKind, Pooled, Shelter
from core.pools.rules import Going, Kept, Limit, goes_back, untouched_since

if TYPE_CHECKING:
    from core.fields.types import Label
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["ReturnRules", "Returning", "due", "going", "return_rules"]

_AT_ONCE = 200
#: As long as the field is in which the reason is kept.
_REASON = 300


@dataclass(frozen=True)
class ReturnRules:
    """After how many days the records of a pool go back, what keeps them, and when owners are warned."""

    pool: int
    name: str
    limits: tuple[Limit, ...]
    warn_days: int
    #: Other limits, by grade; none at all for a grade that never goes back.
    grades: Mapping[Any, tuple[Limit, ...]] = field(default_factory=dict)
    #: By name, for how many days; None: as long as it holds.
    shelters: Mapping[str, int | None] = field(default_factory=dict)

    def limits_of(self, grade: Any) -> tuple[Limit, ...]:
        """The limits of records of a grade."""
        return self.grades.get(grade, self.limits)


def return_rules(uow: UnitOfWork, pooled: Pooled) -> Mapping[int, ReturnRules]:
    """The active pools to which records go back by themselves, by id."""
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    key = ("return rules", pooled.pools)
    if key not in kept:
        pool = pooled.pool_table(uow)
        asked = select(pool).where(pool.c.is_active, pool.c.archived_at.is_(None))
        grades = _read_grades(uow, pooled)
        found = (
            ReturnRules(
                row.id,
                row.name,
                tuple(_limits(pooled, row)),
                row.warn_days or 0,
                {
                    grade: () if line.stays else tuple(_limits(pooled, line, row))
                    for grade, line in grades.get(row.id, {}).items()
                },
                dict(_shelters(pooled, row)),
            )
            for row in uow.execute(asked.order_by(pool.c.id))
        )
        kept[key] = {
            rules.pool: rules for rules in found if rules.limits or any(rules.grades.values())
        }
    rules_of: Mapping[int, ReturnRules] = kept[key]
    return rules_of


def _read_grades(uow: UnitOfWork, pooled: Pooled) -> dict[int, dict[Any, Any]]:
    """The lines of pools that say other days for some grades, by pool and grade."""
    if pooled.grades is None:
        return {}
    lines = uow.snapshot.installed_entities[pooled.grades.entity]
    assert lines.parent_field is not None
    found = defaultdict[int, dict[Any, Any]](dict)
    asked = select(lines.table).where(lines.table.c.archived_at.is_(None))
    for row in uow.execute(asked.order_by(lines.table.c.id)).mappings():
        line = _Line(row)
        found[row[lines.column(lines.parent_field).name]][row[pooled.grades.field]] = line
    return found


class _Line:
    """A row whose columns are read as attributes, as those of pools are."""

    def __init__(self, row: Mapping[Any, Any]) -> None:
        self.__dict__.update(row)


def _limits(pooled: Pooled, *rows: Any) -> Iterator[Limit]:
    """The days of the first row that says some."""
    for kind in pooled.limits:
        days = next((d for row in rows if (d := getattr(row, kind.field)) is not None), None)
        if days is not None:
            yield Limit(kind.name, days, kind.says)


def _shelters(pooled: Pooled, pool: Any) -> Iterator[tuple[str, int | None]]:
    for shelter in pooled.shelters:
        value = getattr(pool, shelter.field)
        if value is True:
            yield shelter.name, None
        elif value:  # days; none at all is no shelter
            yield shelter.name, int(value)


# What SQL looks for


def due(
    uow: UnitOfWork, pooled: Pooled, rules: ReturnRules, day: date, table: FromClause
) -> ColumnElement[bool]:
    """The records of a pool that go back by the night that ends ``day``."""
    kinds = {kind.name: kind for kind in pooled.limits}
    shelters = {shelter.name: shelter for shelter in pooled.shelters}

    def over(limits: Sequence[Limit]) -> ColumnElement[bool]:
        return or_(*(_is_over(uow, table, kinds[one.name], one, day) for one in limits))

    alternatives = []
    if rules.limits:
        ordinary = over(rules.limits)
        if rules.grades and pooled.grades is not None:
            grade = table.c[pooled.grades.field]
            ordinary = and_(or_(grade.is_(None), grade.not_in(list(rules.grades))), ordinary)
        alternatives.append(ordinary)
    for name, limits in rules.grades.items():
        if limits and pooled.grades is not None:
            alternatives.append(and_(table.c[pooled.grades.field] == name, over(limits)))
    fewest = min(one.days for limits in (rules.limits, *rules.grades.values()) for one in limits)
    return and_(
        table.c.pool_id == rules.pool,
        table.c.owner_id.is_not(None),
        table.c.archived_at.is_(None),
        # Whatever else counts, it has not been in these hands for longer than that: the index serves.
        _before(uow, table.c.held_since, day, fewest),
        pooled.while_open(uow, table),
        or_(*alternatives),
        *(
            _does_not_keep(uow, table, shelters[name], days, day)
            for name, days in rules.shelters.items()
        ),
    )


def _is_over(
    uow: UnitOfWork, table: FromClause, kind: LimitKind, limit: Limit, day: date
) -> ColumnElement[bool]:
    later: list[ColumnElement[Any]] = [table.c[name] for name in kind.counts]
    later += [moment(uow, table) for moment in kind.moments]
    parts = [_before(uow, table.c.held_since, day, limit.days)]
    parts += [or_(each.is_(None), _before(uow, each, day, limit.days)) for each in later]
    if kind.unless is not None:
        parts.append(~kind.unless(uow, table))
    return and_(*parts)


def _does_not_keep(
    uow: UnitOfWork, table: FromClause, shelter: Shelter, days: int | None, day: date
) -> ColumnElement[bool]:
    moment = shelter.moment(uow, table)
    if days is None:
        return moment.is_(None)
    return or_(moment.is_(None), _before(uow, moment, day, days))


def _before(
    uow: UnitOfWork, column: ColumnElement[Any], day: date, days: int
) -> ColumnElement[bool]:
    """It lies so far back that its days are over by the night that ends ``day``."""
    morning = untouched_since(day, days)
    if isinstance(column.type, UtcDateTime):
        return column < datetime.combine(morning, time(), uow.clock.timezone)
    return column < morning


# What a record is told


def going(
    uow: UnitOfWork, pooled: Pooled, condition: ColumnElement[bool]
) -> dict[int, Going | Kept]:
    """When the records found by ``condition`` go back and why, or what keeps them; by id. Those of
    which nothing is asked are left out."""
    return {
        row["id"]: found
        for row in _read(uow, pooled, condition)
        if (found := _decide(uow, pooled, row)) is not None
    }


def _read(
    uow: UnitOfWork, pooled: Pooled, condition: ColumnElement[bool]
) -> Sequence[Mapping[Any, Any]]:
    """Of each record what `_decide` looks at."""
    table = pooled.table(uow)
    names = [*(name for kind in pooled.limits for name in kind.counts)]
    names += [pooled.open[0]] if pooled.open else []
    names += [pooled.grades.field] if pooled.grades else []
    columns: list[ColumnElement[Any]] = [table.c[name] for name in dict.fromkeys(names)]
    for kind in pooled.limits:
        columns += [
            moment(uow, table).label(f"{kind.name}_{place}")
            for place, moment in enumerate(kind.moments)
        ]
        if kind.unless is not None:
            columns.append(kind.unless(uow, table).label(f"{kind.name}_unless"))
    columns += [each.moment(uow, table).label(f"kept_{each.name}") for each in pooled.shelters]
    asked = select(
        table.c.id, table.c.pool_id, table.c.owner_id, table.c.held_since, *columns
    ).where(condition, table.c.archived_at.is_(None))
    asked = asked.order_by(table.c.id).limit(_AT_ONCE)
    return uow.execute(asked).mappings().all()


def _decide(uow: UnitOfWork, pooled: Pooled, row: Mapping[Any, Any]) -> Going | Kept | None:
    rules = return_rules(uow, pooled).get(row["pool_id"])
    held = row["held_since"]
    if rules is None or row["owner_id"] is None or held is None or not pooled.is_open(row):
        return None
    grade = row[pooled.grades.field] if pooled.grades else None
    since: dict[str, date] = {}
    for kind in pooled.limits:
        if kind.unless is not None and row[f"{kind.name}_unless"]:
            continue
        counted = [held, *(row[name] for name in kind.counts)]
        counted += [row[f"{kind.name}_{place}"] for place in range(len(kind.moments))]
        since[kind.name] = max(_day(uow, each) for each in counted if each is not None)
    kept = [
        Kept(_day(uow, moment), shelter.says, rules.shelters[shelter.name])
        for shelter in pooled.shelters
        if shelter.name in rules.shelters and (moment := row[f"kept_{shelter.name}"]) is not None
    ]
    return goes_back(rules.limits_of(grade), since, kept)


def _day(uow: UnitOfWork, value: datetime | date) -> date:
    if isinstance(value, datetime):
        return value.astimezone(uow.clock.timezone).date()
    return value


# At night


@dataclass(frozen=True)
class Returning:
    """The nightly work of a pooled entity. The plugin registers `job`, a schedule that starts it daily,
    and both kinds of notifications: that something goes back ``soon``, and that it was ``returned``."""

    pooled: Pooled
    title: Label
    soon: NotificationKind
    returned: NotificationKind
    name: str = "return"

    @property
    def job(self) -> Job:
        """The job, under the plugin's name."""
        name = f"{self.pooled.plugin}.{self.name}"
        return Job(name, partial(_return, self), title=self.title, limit=1)


def _return(returning: Returning, context: JobContext) -> dict[str, int]:
    """Send back what was due by last night, then warn of what is due soon. Doing it twice does it once."""
    pooled = returning.pooled
    with context.unit_of_work(write=False) as uow:
        all_rules, today = list(return_rules(uow, pooled).values()), uow.clock.today()
    yesterday = today - timedelta(days=1)
    returned = warned = 0
    for rules in all_rules:
        more = True
        while more:
            with context.unit_of_work() as uow:
                ids = _send_back(uow, returning, rules, yesterday)
            returned += len(ids)
            context.progress(returned)
            more = bool(ids)
    for rules in all_rules:
        if rules.warn_days:
            warned += _warn(context, returning, rules, today + timedelta(days=rules.warn_days))
    return {"returned": returned, "warned": warned}


def _send_back(uow: UnitOfWork, returning: Returning, rules: ReturnRules, day: date) -> list[int]:
    """The next few records of a pool; they are locked first, and those that somebody has just followed
    up are not among them any more."""
    pooled = returning.pooled
    table = pooled.table(uow)
    over = due(uow, pooled, rules, day, table)
    ids = list(
        uow.execute(select(table.c.id).where(over).order_by(table.c.id).limit(_AT_ONCE)).scalars()
    )
    if not ids:
        return []
    named = table.c.id.in_(ids)
    uow.execute(select(table.c.id).where(named).order_by(table.c.id).with_for_update()).all()
    values: dict[int, dict[str, Any]] = {}
    by_owner, by_reason = defaultdict[int, list[int]](list), defaultdict[str, list[int]](list)
    for row in _read(uow, pooled, and_(named, over)):
        found = _decide(uow, pooled, row)
        assert isinstance(found, Going)
        reason = found.said()[:_REASON]
        values[row["id"]] = {
            "owner": None,
            "department": None,
            "release_reason": reason,
            **pooled.returned,
        }
        by_owner[row["owner_id"]].append(row["id"])
        by_reason[reason].append(row["id"])
    if values:
        service.update(uow, pooled.entity, values)
    if pooled.released is not None:
        for reason, keys in by_reason.items():
            uow.publish(pooled.released(tuple(keys), reason))
    for owner, keys in by_owner.items():
        notify(uow, returning.returned.name, [owner], entity=pooled.entity, record_ids=keys)
    return list(values)


def _warn(context: JobContext, returning: Returning, rules: ReturnRules, day: date) -> int:
    """Tell owners of what goes back by ``day``: of each record once, until another day is foreseen."""
    told, last = 0, 0
    while True:
        with context.unit_of_work() as uow:
            table = returning.pooled.table(uow)
            over = and_(due(uow, returning.pooled, rules, day, table), table.c.id > last)
            rows = _read(uow, returning.pooled, over)
            told += _warn_of(uow, returning, rows)
        if len(rows) < _AT_ONCE:
            return told
        last = rows[-1]["id"]


def _warn_of(uow: UnitOfWork, returning: Returning, rows: Sequence[Mapping[Any, Any]]) -> int:
    if not rows:
        return 0
    table = returning.pooled.warnings
    (record,) = table.primary_key.columns
    known = select(record.label("record"), table.c.due_on).where(
        record.in_([row["id"] for row in rows])
    )
    before = {row.record: row.due_on for row in uow.execute(known)}
    foreseen: dict[int, date] = {}
    by_owner = defaultdict[int, list[int]](list)
    for row in rows:
        found = _decide(uow, returning.pooled, row)
        if isinstance(found, Going) and before.get(row["id"]) != found.on:
            foreseen[row["id"]] = found.on
            by_owner[row["owner_id"]].append(row["id"])
    if foreseen:
        uow.execute(delete(table).where(record.in_(list(foreseen))))
        uow.execute(
            insert(table), [{record.name: key, "due_on": on} for key, on in foreseen.items()]
        )
    entity = returning.pooled.entity
    for owner, keys in by_owner.items():
        notify(uow, returning.soon.name, [owner], entity=entity, record_ids=keys)
    return len(foreseen)
