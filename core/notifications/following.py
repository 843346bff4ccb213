"""What people are told of by the core itself: records that became theirs, and what was shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.i18n import lazy_gettext as _l
from core.notifications.service import notify
from core.plugins.contributions import NotificationKind

if TYPE_CHECKING:
    from core.entities.changes import Change
    from core.work.uow import UnitOfWork

__all__ = ["ASSIGNED", "SHARED", "follow", "tell_shared", "told_together"]

#: In the unit of work's memo while nobody is told of single records.
_TOGETHER = "owners are told together"

ASSIGNED = NotificationKind(
    "core.assigned",
    _l("A record becomes yours"),
    _l("%(who)s made you responsible for %(record)s."),
    icon="target-arrow",
)
SHARED = NotificationKind(
    "core.shared",
    _l("A record is shared with you"),
    _l("%(who)s shared %(record)s with you."),
    icon="share",
)


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Tell those who own records now that others have given them; part of that transaction.

    What the system does is no news: it makes demonstrations, and fills and mends by itself.
    """
    spec = changes[0].entity
    if not spec.owned or uow.actor.user_id is None or _TOGETHER in uow.memo:
        return
    given: dict[int, list[int]] = {}
    for change in changes:
        owner = change.after.get("owner")
        if owner is None or change.id is None or not change.is_news:
            continue
        if change.changed("owner"):
            given.setdefault(owner, []).append(change.id)
    for owner, keys in given.items():
        notify(uow, ASSIGNED.name, [owner], entity=spec.name, record_ids=keys)


@contextmanager
def told_together(uow: UnitOfWork) -> Iterator[None]:
    """Within the block nobody is told of records that become theirs: who opens it tells them of all at once."""
    uow.memo[_TOGETHER] = True
    try:
        yield
    finally:
        del uow.memo[_TOGETHER]


def tell_shared(uow: UnitOfWork, user: int, entity: str, record_id: int) -> None:
    """Tell whom a record was shared with."""
    notify(uow, SHARED.name, [user], entity=entity, record_ids=[record_id])
