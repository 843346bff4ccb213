"""Important records that lie unclaimed, or that their owner leaves alone: who leads the sales is told, once.

Told once for each time that the clock began: a follow-up, a claim or a return begins it anew. Where a pool
has neither administrators nor departments with a head, the installation's administrators are told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, and_, case, delete, exists, insert, literal, or_, select

from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.pools.declaring import Pooled
from core.security.directory import administrators_of
from core.security.heads import head_above, heads_of
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.fields.types import Label
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["Neglect"]

_AT_ONCE = 200


@dataclass(frozen=True)
class Neglect:
    """Who looks after important records of pools that nobody works on.

    The plugin registers `job`, `schedule` and both kinds of notifications. The group of settings of
    ``pooled`` says after how many hours in a pool (``alert_unclaimed_hours``) and after how many days
    without a follow-up (``alert_idle_days``); empty is never. Administrators of the pool are told of
    what lies there, or else heads of its departments; the owner's head of what is left alone; where there
    is none of them the installation's administrators.
    """

    pooled: Pooled
    title: Label
    _: KW_ONLY
    unclaimed: NotificationKind
    neglected: NotificationKind
    #: The field and its value of records that are important; a partial index should have them
    #: (`core.pools.models.important_index`).
    important: tuple[str, str]
    #: Made by `core.pools.models.alert_table`.
    told: Table
    name: str = "alert"

    @property
    def job(self) -> Job:
        """The job, under the plugin's name."""
        name = f"{self.pooled.plugin}.{self.name}"
        return Job(name, partial(_alert, self), title=self.title, limit=1)

    @property
    def schedule(self) -> Schedule:
        """Six times an hour."""
        return Schedule(self.name, self.job.name, every=timedelta(minutes=10))

    def unclaimed_hours(self, uow: UnitOfWork) -> int | None:
        """After how many hours in a pool somebody is told; None: never."""
        return self._setting(uow, "alert_unclaimed_hours")

    def idle_days(self, uow: UnitOfWork) -> int | None:
        """After how many days without a follow-up somebody is told; None: never."""
        return self._setting(uow, "alert_idle_days")

    def _setting(self, uow: UnitOfWork, name: str) -> int | None:
        found: int | None = get_setting(uow, self.pooled.settings or self.pooled.plugin, name)
        return found


def _alert(neglect: Neglect, context: JobContext) -> dict[str, int]:
    told = 0
    for kind in (neglect.unclaimed, neglect.neglected):
        more = True
        while more:
            with context.unit_of_work() as uow:
                n = _tell(uow, neglect, kind)
            told += n
            more = n == _AT_ONCE
    return {"told": told}


def _tell(uow: UnitOfWork, neglect: Neglect, kind: NotificationKind) -> int:
    """Tell of the next few; how many they were."""
    limit = _limit(uow, neglect, kind)
    rows = [] if limit is None else uow.execute(_wanted(uow, neglect, kind, limit)).all()
    if not rows:
        return 0
    pools = sorted({row.pool_id for row in rows if row.pool_id})
    administrators = _linked(uow, neglect.pooled, "administrators", pools)
    departments = _linked(uow, neglect.pooled, "departments", pools)
    tree = heads_of(uow)
    last_resort: list[int] | None = None
    by_person = defaultdict[int, list[int]](list)
    noted = []
    for row in rows:
        people = administrators.get(row.pool_id, ())
        if kind is neglect.neglected:
            head = head_above(tree, row.department_id, but=row.owner_id)
            people = people if head is None else [head]
        elif not people:
            above = (head_above(tree, each) for each in departments.get(row.pool_id, ()))
            people = sorted({head for head in above if head is not None})
        if not people:
            last_resort = administrators_of(uow) if last_resort is None else last_resort
            people = last_resort
        for person in people:
            by_person[person].append(row.id)
        if people:
            noted.append(row)
    _note(uow, neglect, kind, noted)
    for person, ids in by_person.items():
        notify(uow, kind.name, [person], entity=neglect.pooled.entity, record_ids=ids)
    return len(noted)


def _note(uow: UnitOfWork, neglect: Neglect, kind: NotificationKind, rows: Sequence[Any]) -> None:
    """They are not told of again until the clock begins anew."""
    if not rows:
        return
    told = neglect.told
    key = told.c[0].name
    mine = and_(told.c[key].in_([row.id for row in rows]), told.c.kind == kind.name)
    uow.execute(delete(told).where(mine))
    uow.execute(
        insert(told), [{key: row.id, "kind": kind.name, "since": row.since} for row in rows]
    )


def _limit(uow: UnitOfWork, neglect: Neglect, kind: NotificationKind) -> timedelta | None:
    if kind is neglect.unclaimed:
        hours = neglect.unclaimed_hours(uow)
        return None if hours is None else timedelta(hours=hours)
    days = neglect.idle_days(uow)
    return None if days is None else timedelta(days=days)


def _wanted(uow: UnitOfWork, neglect: Neglect, kind: NotificationKind, limit: timedelta) -> Any:
    pooled, told = neglect.pooled, neglect.told
    table, edge = pooled.table(uow), uow.now() - limit
    followed = table.c.last_followed_at
    if kind is neglect.unclaimed:
        whose, since = and_(table.c.owner_id.is_(None), table.c.pool_id.is_not(None)), None
    else:
        whose = and_(table.c.owner_id.is_not(None), or_(followed.is_(None), followed <= edge))
        since = case((followed > table.c.held_since, followed), else_=table.c.held_since)
    began = table.c.held_since if since is None else since
    known = exists().where(told.c[0] == table.c.id, told.c.kind == kind.name, told.c.since == began)
    column, value = neglect.important
    return (
        select(
            *(table.c.id, table.c.owner_id, table.c.department_id, table.c.pool_id),
            began.label("since"),
        )
        .where(
            # In the statement's own text, as the partial index has it.
            table.c[column] == literal(value, literal_execute=True),
            whose,
            pooled.while_open(uow, table),
            table.c.archived_at.is_(None),
            table.c.held_since <= edge,
            ~known,
        )
        .order_by(table.c.held_since, table.c.id)
        .limit(_AT_ONCE)
    )


def _linked(
    uow: UnitOfWork, pooled: Pooled, name: str, pools: Sequence[int]
) -> Mapping[int, Sequence[int]]:
    """Who or which departments belong to pools, by pool."""
    links = pooled.links(uow, name)
    found = defaultdict[int, list[int]](list)
    for row in uow.execute(select(links).where(links.c.source_id.in_(pools))):
        found[row.source_id].append(row.target_id)
    return found
