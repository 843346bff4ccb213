"""Follow-ups, where the module of activities is on: customers and opportunities keep the date of the last.

For a customer those of its contacts and opportunities count as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Table, func, select

from core.entities import service
from core.entities.changes import Change

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ENTITY", "follow"]

#: What the other module calls them.
ENTITY = "follow_up"
#: What belongs to a customer, by its column.
_PARTS = ("contact", "opportunity")
_AT_ONCE = 900


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Take over when customers and opportunities were last followed up."""
    about: dict[str, set[int]] = {}
    gone: set[datetime] = set()
    for change in changes:
        for values in (change.before, change.after):
            if values.get("related_id") is not None:
                about.setdefault(values["related_entity"], set()).add(values["related_id"])
        if change.before.get("happened_at") is not None:
            gone.add(change.before["happened_at"])
    follow_up = changes[0].entity.table
    deals = about.get("opportunity", set())
    customers = about.get("customer", set()) | _customers_of(uow, about)
    _write(uow, "opportunity", deals, _latest(uow, follow_up, "opportunity", deals), gone)
    if customers:
        latest = _latest(uow, follow_up, "customer", customers)
        for part in _PARTS:
            for key, at in _latest_of_parts(uow, follow_up, part, customers).items():
                latest[key] = max(at, latest.get(key, at))
        _write(uow, "customer", customers, latest, gone)


def _customers_of(uow: UnitOfWork, about: dict[str, set[int]]) -> set[int]:
    found: set[int] = set()
    for part in _PARTS:
        table = uow.snapshot.installed_entities[part].table
        for ids in _chunks(about.get(part, ())):
            asked = select(table.c.customer_id).where(table.c.id.in_(ids))
            found.update(key for key in uow.execute(asked).scalars() if key is not None)
    return found


def _latest(
    uow: UnitOfWork, follow_up: Table, entity: str, ids: Iterable[int]
) -> dict[int, datetime]:
    """When each record was last followed up itself."""
    found: dict[int, datetime] = {}
    for chunk in _chunks(ids):
        asked = select(follow_up.c.related_id, func.max(follow_up.c.happened_at)).where(
            follow_up.c.related_entity == entity,
            follow_up.c.related_id.in_(chunk),
            follow_up.c.archived_at.is_(None),
        )
        found.update((key, at) for key, at in uow.execute(asked.group_by(follow_up.c.related_id)))
    return found


def _latest_of_parts(
    uow: UnitOfWork, follow_up: Table, part: str, customers: Iterable[int]
) -> dict[int, datetime]:
    """When what belongs to each customer was last followed up."""
    table = uow.snapshot.installed_entities[part].table
    found: dict[int, datetime] = {}
    for chunk in _chunks(customers):
        asked = (
            select(table.c.customer_id, func.max(follow_up.c.happened_at))
            .join(
                follow_up,
                (follow_up.c.related_entity == part) & (follow_up.c.related_id == table.c.id),
            )
            .where(table.c.customer_id.in_(chunk), follow_up.c.archived_at.is_(None))
            .group_by(table.c.customer_id)
        )
        found.update((key, at) for key, at in uow.execute(asked))
    return found


def _write(
    uow: UnitOfWork,
    entity: str,
    ids: Iterable[int],
    latest: dict[int, datetime],
    gone: set[datetime],
) -> None:
    """A date that no follow-up stands for, such as an imported one, is only replaced by a later one.

    Rows are locked first: of two who follow up one record at once, the second sees what the first wrote.
    """
    table = uow.snapshot.installed_entities[entity].table
    values = {}
    for chunk in _chunks(ids):
        asked = select(table.c.id, table.c.last_followed_at).where(
            table.c.id.in_(chunk), table.c.archived_at.is_(None)
        )
        for row in uow.execute(asked.order_by(table.c.id).with_for_update()):
            kept = None if row.last_followed_at in gone else row.last_followed_at
            last = max((at for at in (kept, latest.get(row.id)) if at is not None), default=None)
            if last != row.last_followed_at:
                values[row.id] = {"last_followed_at": last}
    if values:
        with uow.elevated():
            service.update(uow, entity, values)


def _chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    wanted = sorted(ids)
    return (wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE))
