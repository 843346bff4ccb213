"""Telling people, and what a person does with what they were told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, func, insert, select, update

from core.entities.labels import resolve_labels
from core.errors import NotFound
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_number
from core.notifications.tables import notification_table
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.security.directory import without_plugins
from core.security.models import User
from core.settings.preferences import get_preference, preference_table, put_preference

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "CLEAN",
    "CLEANED",
    "MOST_COUNTED",
    "Notification",
    "choose_kinds",
    "count_unread",
    "kinds",
    "latest",
    "mark_read",
    "notify",
    "put_off",
    "read_all",
    "unread_again",
    "unwanted_kinds",
]

#: More records of one act than so many are one notification with their number.
SINGLY = 3
#: What one person does with many records within this time is told as one.
TOGETHER = timedelta(hours=1)
#: Unread ones are counted up to here.
MOST_COUNTED = 99
#: How long what was read is kept.
KEPT = timedelta(days=90)
_AT_ONCE = 1_000
_UNWANTED = "notifications:unwanted"


@dataclass(frozen=True)
class Notification:
    """One of them as its reader sees it."""

    id: int
    kind: str
    icon: str
    text: str
    entity: str | None
    record_id: int | None
    at: datetime
    due_at: datetime
    is_read: bool


def kinds(uow: UnitOfWork) -> dict[str, NotificationKind]:
    """What there is to be told of, by name, of the modules that are on for the actor."""
    found = uow.contributions("register_notifications")
    return {contribution.item.name: contribution.item for contribution in found}


def notify(
    uow: UnitOfWork,
    kind: str,
    people: Iterable[int],
    *,
    entity: str | None = None,
    record_ids: Sequence[int] = (),
    count: int = 1,
) -> None:
    """Tell these people, in this transaction, but not who acts and not who does not want that kind,
    nor those to whom the module is closed that tells, or that the records are of.

    ``record_ids`` are what it is about; many of them are told as a number. Of one record ``count``
    is what the kind's text calls ``%(n)s``.
    """
    told = set(people) - {uow.actor.user_id}
    if not told:
        return
    told -= _unwilling(uow, kind, told) | without_plugins(uow, told, _plugins(uow, kind, entity))
    if len(record_ids) > SINGLY:
        told -= _add_to_unread(uow, kind, told, entity, len(record_ids))
        abouts: list[tuple[int | None, int]] = [(None, len(record_ids))]
    else:
        abouts = [(key, count) for key in record_ids] or [(None, count)]
    now = uow.now()
    common = {"kind": kind, "actor_id": uow.actor.user_id, "entity": entity}
    rows = [
        {**common, "user_id": person, "record_id": key, "count": n, "at": now, "due_at": now}
        for person in sorted(told)
        for key, n in abouts
    ]
    if rows:
        uow.execute(insert(notification_table), rows)


def _add_to_unread(
    uow: UnitOfWork, kind: str, people: set[int], entity: str | None, count: int
) -> set[int]:
    """Those whose unread one of the last hour has this number added: an import is one, not hundreds."""
    c, now = notification_table.c, uow.now()
    same = [
        *(c.user_id.in_(people), c.kind == kind, c.read_at.is_(None), c.record_id.is_(None)),
        *(c.entity == entity, c.actor_id == uow.actor.user_id, c.at > now - TOGETHER),
    ]
    more = update(notification_table).where(*same)
    more = more.values(count=c.count + count, at=now, due_at=now).returning(c.user_id)
    return set(uow.execute(more).scalars())


def count_unread(uow: UnitOfWork) -> int:
    """How many wait for the reader, `MOST_COUNTED` + 1 where there are more than that."""
    c = notification_table.c
    some = select(c.id).where(*_due(uow), c.read_at.is_(None)).limit(MOST_COUNTED + 1)
    return int(uow.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def latest(
    uow: UnitOfWork, limit: int, *, before: tuple[datetime, int] | None = None
) -> list[Notification]:
    """The reader's, the newest first; those after ``before``, the last one's ``due_at`` and id."""
    c = notification_table.c
    wanted = select(notification_table).where(*_due(uow))
    if before is not None:
        moment, key = before
        wanted = wanted.where((c.due_at < moment) | ((c.due_at == moment) & (c.id < key)))
    rows = uow.execute(wanted.order_by(c.due_at.desc(), c.id.desc()).limit(limit)).all()
    return _shown(uow, rows)


def mark_read(uow: UnitOfWork, key: int) -> tuple[str, str | None, int | None]:
    """Note that it was read; its kind, and the entity and the record that it is about."""
    row = _own(uow, key)
    c = notification_table.c
    uow.execute(update(notification_table).where(c.id == key).values(read_at=uow.now()))
    return row.kind, row.entity, row.record_id


def read_all(uow: UnitOfWork) -> datetime:
    """Note that all were read; the moment, by which `unread_again` knows them."""
    c, moment = notification_table.c, uow.now()
    waiting = update(notification_table).where(*_due(uow), c.read_at.is_(None))
    uow.execute(waiting.values(read_at=moment))
    return moment


def unread_again(uow: UnitOfWork, moment: datetime) -> None:
    """Those of the reader's that were noted as read just then are not."""
    c = notification_table.c
    mine = (c.user_id == uow.actor.user_id) & (c.read_at == moment)
    uow.execute(update(notification_table).where(mine).values(read_at=None))


def put_off(uow: UnitOfWork, key: int, until: datetime) -> None:
    """Show it again, as unread, from then on and not before."""
    _own(uow, key)
    c = notification_table.c
    later = update(notification_table).where(c.id == key)
    uow.execute(later.values(due_at=until, read_at=None))


def choose_kinds(uow: UnitOfWork, wanted: Iterable[str]) -> None:
    """What this person is told of from now on."""
    put_preference(uow, _UNWANTED, sorted(set(kinds(uow)) - set(wanted)))


def unwanted_kinds(uow: UnitOfWork) -> set[str]:
    """What this person is not told of."""
    return set(get_preference(uow, _UNWANTED, ()))


def _unwilling(uow: UnitOfWork, kind: str, people: set[int]) -> set[int]:
    t = preference_table.c
    chosen = select(t.user_id, t.value).where(t.key == _UNWANTED, t.user_id.in_(people))
    return {row.user_id for row in uow.execute(chosen) if kind in row.value}


def _plugins(uow: UnitOfWork, kind: str, entity: str | None) -> set[str]:
    """Whose kind it is, and whose records it is about."""
    registered = uow.snapshot.contributions.get("register_notifications", ())
    found = {each.owner for each in registered if each.item.name == kind}
    spec = uow.snapshot.installed_entities.get(entity or "")
    return found if spec is None else found | {spec.plugin}


def _due(uow: UnitOfWork) -> tuple[Any, ...]:
    c = notification_table.c
    # Those of modules that are off, or closed to the reader, are neither shown nor counted.
    return (c.user_id == uow.actor.user_id, c.kind.in_(kinds(uow)), c.due_at <= uow.now())


def _own(uow: UnitOfWork, key: int) -> Row[Any]:
    c = notification_table.c
    mine = select(notification_table).where(c.id == key, c.user_id == uow.actor.user_id)
    found = uow.execute(mine).one_or_none()
    if found is None:
        raise NotFound(_("There is no such notification."))
    return found


def _shown(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> list[Notification]:
    known = kinds(uow)
    abouts: dict[str, set[int]] = {}
    for row in rows:
        if row.entity and row.record_id:
            abouts.setdefault(row.entity, set()).add(row.record_id)
    labels = resolve_labels(uow, abouts)
    people = {row.actor_id for row in rows} - {None}
    users = User.__table__.c
    names: dict[int, str] = {
        row.id: row.name
        for row in uow.execute(select(users.id, users.name).where(users.id.in_(people)))
    }
    return [
        Notification(
            row.id,
            row.kind,
            known[row.kind].icon,
            _text(uow, known[row.kind], row, names.get(row.actor_id, ""), labels),
            row.entity,
            row.record_id if _label(row, labels) else None,
            row.at,
            row.due_at,
            row.read_at is not None,
        )
        for row in rows
    ]


def _label(row: Row[Any], labels: Any) -> str | None:
    """What the record is called; None where the reader may not see it, or no longer."""
    found = labels.get(row.entity, {}).get(row.record_id)
    return None if found is None else str(found)


def _text(uow: UnitOfWork, kind: NotificationKind, row: Row[Any], who: str, labels: Any) -> str:
    spec = uow.entities.get(row.entity or "")
    record, number = _label(row, labels) or _("a record"), format_number(row._mapping["count"])
    if row.record_id is None:
        plural = "" if spec is None else str(spec.label_plural)
        record = _("%(entity)s (%(n)s)", entity=plural, n=number) if row.entity else ""
    elif spec is not None:
        record = _("%(entity)s “%(record)s”", entity=str(spec.label), record=record)
    told = {"who": who or _("The system"), "record": record, "n": number}
    return str(kind.text) % told


def _clean(context: JobContext) -> dict[str, int]:
    """Drop what was read long ago; answers how many."""
    c, dropped = notification_table.c, 0
    while True:
        with context.unit_of_work() as uow:
            old = select(c.id).where(c.read_at < uow.now() - KEPT).limit(_AT_ONCE)
            ids = uow.execute(old).scalars().all()
            uow.execute(delete(notification_table).where(c.id.in_(ids)))
        dropped += len(ids)
        if not ids:
            return {"dropped": dropped}
        context.progress(dropped)


CLEAN = Job("core.clean_notifications", _clean, title=_l("Remove notifications read long ago"))
CLEANED = Schedule("clean_notifications", CLEAN.name, daily_at="03:55")
