"""Who works with the suite, and how much (S-239, S-251): by sign-ins and by what the trail tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from core.audit.models import AuditEntry
from core.entities.periods import day_start
from core.security.models import User, session_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["DAYS", "WARNING", "PersonUsage", "active_share", "usage_of_people"]

#: As far back as is looked.
DAYS = 30
#: A smaller share of people at work is worth a word (S-239).
WARNING = 0.3


@dataclass(frozen=True)
class PersonUsage:
    """What one active person did in the last `DAYS` days."""

    id: int
    name: str
    department_id: int | None
    #: When a browser of theirs was last seen, whenever that was.
    seen_at: datetime | None
    #: Days on which they wrote something.
    active_days: int
    #: Entries of theirs in the audit trail.
    changes: int

    def is_active(self, since: datetime) -> bool:
        """True for who was there, to read or to write."""
        return self.active_days > 0 or (self.seen_at is not None and self.seen_at >= since)


def usage_of_people(uow: UnitOfWork) -> list[PersonUsage]:
    """Everybody whose account is active, the busiest first; three statements."""
    today = uow.clock.today()
    days = [today - timedelta(days=back) for back in range(DAYS)]
    bounds = [day_start(day, uow.clock.timezone) for day in days]
    entries = AuditEntry.__table__.c
    before = select(entries.id).where(entries.at < bounds[-1]).order_by(entries.id.desc()).limit(1)
    first = uow.execute(before).scalar() or 0
    which = case(*((entries.at >= bound, n) for n, bound in enumerate(bounds)))
    written = (
        select(
            entries.actor_id,
            func.count().label("changes"),
            func.count(which.distinct()).label("days"),
        )
        .where(entries.id > first, entries.at >= bounds[-1], entries.actor_id.is_not(None))
        .group_by(entries.actor_id)
    )
    wrote = {row.actor_id: row for row in uow.execute(written)}
    people = User.__table__.c
    seen = (
        select(session_table.c.user_id, func.max(session_table.c.seen_at).label("seen_at"))
        .where(session_table.c.behind_id.is_(None))
        .group_by(session_table.c.user_id)
        .subquery()
    )
    asked = (
        select(people.id, people.name, people.department_id, seen.c.seen_at)
        .outerjoin(seen, seen.c.user_id == people.id)
        .where(people.is_active, people.archived_at.is_(None))
    )
    found = [
        PersonUsage(
            row.id,
            row.name,
            row.department_id,
            row.seen_at,
            wrote[row.id].days if row.id in wrote else 0,
            wrote[row.id].changes if row.id in wrote else 0,
        )
        for row in uow.execute(asked)
    ]
    return sorted(found, key=lambda each: (-each.active_days, -each.changes, each.name))


def active_share(uow: UnitOfWork, people: Sequence[PersonUsage]) -> float:
    """The share of these people who were there in the last `DAYS` days, 0 to 1."""
    since = uow.now() - timedelta(days=DAYS)
    return sum(each.is_active(since) for each in people) / len(people) if people else 0.0
