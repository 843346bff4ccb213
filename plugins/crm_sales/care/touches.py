"""What counts as looking after a customer, and the two reports that follow from it (S-024).

It counts that a stage of an opportunity was entered, that a quote was made and, where the module of
follow-ups is on, a follow-up of the customer, its contacts and its opportunities. Customers are those
within the reader's scope; what was done for them counts whoever did it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, not_, or_, select, union_all

from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, conditions
from core.entities.reading import Reading

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MOST", "Cared", "idle", "idle_since", "reading_idle_count", "shared"]

#: Customers that a page shows.
MOST = 200


@dataclass(frozen=True)
class Cared:
    """A customer, who has it, when anything was last done, and who did it."""

    id: int
    name: str
    owner: str
    last: datetime | None
    people: tuple[str, ...] = ()


#: From what; its customer, person and moment; what must hold.
Touch = tuple[
    FromClause,
    ColumnElement[int],
    ColumnElement[int],
    ColumnElement[datetime],
    ColumnElement[bool],
]


def _touches(uow: UnitOfWork) -> list[Touch]:
    """Each way to look after a customer."""
    deal, quote = uow.entity("opportunity").table, uow.entity("quote").table
    found: list[Touch] = [
        (
            deal,
            deal.c.customer_id,
            deal.c.owner_id,
            deal.c.stage_entered_at,
            deal.c.archived_at.is_(None),
        ),
        (
            quote,
            quote.c.customer_id,
            quote.c.owner_id,
            quote.c.created_at,
            quote.c.archived_at.is_(None),
        ),
    ]
    spec = uow.entities.get("follow_up")
    if spec is None or spec.plugin != "activities":
        return found
    talk, contact = spec.table, uow.entity("contact").table
    lives = talk.c.archived_at.is_(None)
    moment, who = talk.c.happened_at, talk.c.owner_id
    about = talk.c.related_entity
    found.append((talk, talk.c.related_id, who, moment, and_(about == "customer", lives)))
    for entity, table in (("opportunity", deal), ("contact", contact)):
        joined = table.join(talk, and_(about == entity, talk.c.related_id == table.c.id))
        found.append((joined, table.c.customer_id, who, moment, lives))
    return found


def idle_since(uow: UnitOfWork, edge: datetime) -> ColumnElement[bool]:
    """The condition on customers that are older than ``edge``, and for whom nothing was done since."""
    customer = uow.entity("customer").table
    done = [
        select(key)
        .select_from(source)
        .where(key == customer.c.id, moment >= edge, holds)
        .correlate(customer)
        .exists()
        for source, key, _who, moment, holds in _touches(uow)
    ]
    return and_(customer.c.created_at < edge, not_(or_(*done)))


def idle(uow: UnitOfWork, days: int) -> list[Cared]:
    """Customers for whom nothing was done for so many days, the longest first; at most `MOST`."""
    spec = uow.entity("customer")
    table, edge = spec.table, uow.now() - timedelta(days=days)
    rows = uow.execute(
        select(table.c.id, table.c.name, table.c.owner_id)
        .where(*conditions(uow, spec, ListQuery()), idle_since(uow, edge))
        .order_by(table.c.name, table.c.id)
        .limit(MOST)
    ).all()
    last = {key: moment for key, _person, moment in _last(uow, [row.id for row in rows])}
    names = resolve_labels(uow, {"user": {row.owner_id for row in rows if row.owner_id}})
    people = names.get("user", {})
    found = [
        Cared(row.id, row.name or "", people.get(row.owner_id, ""), last.get(row.id))
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.last is not None, each.last or edge, each.name))


def reading_idle_count(uow: UnitOfWork, days: int) -> Reading[int]:
    """How many customers `idle` is about, to be read together with more."""
    spec, edge = uow.entity("customer"), uow.now() - timedelta(days=days)
    counted = select(func.count().label("total")).select_from(spec.table)
    counted = counted.where(*conditions(uow, spec, ListQuery()), idle_since(uow, edge))
    return Reading((counted,), lambda rows: int(rows[0].total))


def shared(uow: UnitOfWork, days: int) -> list[Cared]:
    """Customers for whom more than one person did something in so many days; at most `MOST`."""
    spec = uow.entity("customer")
    table, edge = spec.table, uow.now() - timedelta(days=days)
    done = union_all(*_selects(uow, since=edge)).subquery()
    several = func.count(done.c.person.distinct())
    rows = uow.execute(
        select(table.c.id, table.c.name, table.c.owner_id)
        .join(done, done.c.customer == table.c.id)
        .where(*conditions(uow, spec, ListQuery()))
        .group_by(table.c.id, table.c.name, table.c.owner_id)
        .having(several > 1)
        .order_by(several.desc(), table.c.name, table.c.id)
        .limit(MOST)
    ).all()
    by_customer: dict[int, list[tuple[int, datetime]]] = {}
    for key, person, moment in _last(uow, [row.id for row in rows], since=edge, by_person=True):
        by_customer.setdefault(key, []).append((person or 0, moment))
    keys = {person for each in by_customer.values() for person, _moment in each}
    wanted = {"user": keys | {row.owner_id for row in rows if row.owner_id}}
    people = resolve_labels(uow, wanted).get("user", {})
    return [
        Cared(
            row.id,
            row.name or "",
            people.get(row.owner_id, ""),
            max((moment for _person, moment in by_customer.get(row.id, ())), default=None),
            tuple(sorted(people.get(person, "") for person, _m in by_customer.get(row.id, ()))),
        )
        for row in rows
    ]


def _selects(
    uow: UnitOfWork, *, since: datetime | None = None, customers: Iterable[int] | None = None
) -> Sequence[Select[int, int, datetime]]:
    """Customer, person and moment, of each way."""
    wanted = None if customers is None else list(customers)
    found = []
    for source, key, who, moment, holds in _touches(uow):
        statement = (
            select(key.label("customer"), who.label("person"), moment.label("moment"))
            .select_from(source)
            .where(holds, moment.is_not(None))
        )
        if since is not None:
            statement = statement.where(moment >= since, who.is_not(None))
        if wanted is not None:
            statement = statement.where(key.in_(wanted))
        found.append(statement)
    return found


def _last(
    uow: UnitOfWork,
    customers: Sequence[int],
    *,
    since: datetime | None = None,
    by_person: bool = False,
) -> list[tuple[int, int | None, datetime]]:
    """(customer, person or None, the last moment)."""
    if not customers:
        return []
    done = union_all(*_selects(uow, since=since, customers=customers)).subquery()
    groups = [done.c.customer, *([done.c.person] if by_person else [])]
    last = func.max(done.c.moment, type_=done.c.moment.type).label("last")
    rows = uow.execute(select(*groups, last).group_by(*groups))
    return [(row.customer, row.person if by_person else None, row.last) for row in rows]
