"""Half-filled forms, kept on the server for the person who types: by person, record and form.

They are rows and not the browser's store, because what people type here is private data and
machines are shared; and because a draft begun on the phone goes on at the desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, UniqueConstraint, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime
from core.errors import TooLarge
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.work.idempotency import forget_answers

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "CLEAN_DRAFTS",
    "DRAFTS_CLEANED",
    "DRAFT_LIFETIME",
    "Draft",
    "discard_draft",
    "draft_table",
    "find_drafts",
    "save_draft",
]

DRAFT_LIFETIME = timedelta(days=30)
#: Kept of one form by one person; the oldest gives way.
_PER_FORM = 5
_PER_PERSON = 200
_LONGEST = 500_000
#: What the keys of drafts begin with that were put aside, for so long; no form has such a key.
_ASIDE, _ASIDE_FOR = "~", timedelta(days=1)

draft_table = Table(
    "core_draft",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", BigId, nullable=False),
    Column("entity", PlainText(63), nullable=False),
    #: 0 for a record that is not made yet.
    Column("record_id", BigId, nullable=False),
    #: The page on which it was typed: two tabs have two drafts.
    Column("key", PlainText(60), nullable=False),
    #: ``[[name, text], …]`` as the browser sends them.
    Column("inputs", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("user_id", "entity", "record_id", "key"),
)


@dataclass(frozen=True)
class Draft:
    """What somebody had typed, and when last."""

    key: str
    inputs: Sequence[tuple[str, str]]
    at: datetime


def find_drafts(uow: UnitOfWork, entity: str, record_id: int = 0) -> list[Draft]:
    """The actor's own drafts of a form, newest first; ``record_id`` 0 asks for new records."""
    c = draft_table.c
    rows = uow.execute(
        select(c.key, c.inputs, c.at)
        .where(_own(uow, entity, record_id), c.at > uow.now() - DRAFT_LIFETIME)
        .where(~c.key.startswith(_ASIDE))
        .order_by(c.at.desc(), c.id.desc())
    )
    return [Draft(row.key, [(name, text) for name, text in row.inputs], row.at) for row in rows]


def save_draft(
    uow: UnitOfWork, entity: str, record_id: int, key: str, inputs: Sequence[tuple[str, str]]
) -> None:
    """Keep what is typed so far, in place of what this form had kept before. Raises `TooLarge`."""
    if sum(len(name) + len(text) for name, text in inputs) > _LONGEST:
        raise TooLarge(_("The draft is too long to be kept."))
    values = {"inputs": [list(pair) for pair in inputs], "at": uow.now()}
    mine = _own(uow, entity, record_id) & (draft_table.c.key == key)
    if uow.execute(update(draft_table).where(mine).values(**values)).rowcount:
        return
    place = {"user_id": uow.actor.user_id, "entity": entity, "record_id": record_id, "key": key}
    try:
        with uow.savepoint():
            uow.execute(insert(draft_table).values(**place, **values))
    except IntegrityError:
        return  # the same form at the same instant: one of them is enough
    _make_room(uow, _own(uow, entity, record_id), _PER_FORM)
    _make_room(uow, draft_table.c.user_id == uow.actor.user_id, _PER_PERSON)


def discard_draft(uow: UnitOfWork, entity: str, record_id: int, key: str) -> None:
    """Drop a draft of the actor's own; one that is not there is no error."""
    mine = _own(uow, entity, record_id) & (draft_table.c.key == key)
    uow.execute(delete(draft_table).where(mine))


def put_aside(uow: UnitOfWork, entity: str, record_id: int, key: str) -> None:
    """Offer a draft of the actor's own no more; for a day `take_up` brings it back."""
    discard_draft(uow, entity, record_id, _aside(key))
    mine = _own(uow, entity, record_id) & (draft_table.c.key == key)
    at = uow.now() - DRAFT_LIFETIME + _ASIDE_FOR
    uow.execute(update(draft_table).where(mine).values(key=_aside(key), at=at))


def take_up(uow: UnitOfWork, entity: str, record_id: int, key: str) -> bool:
    """Bring back the draft that was put aside; False when it is gone, or its form has another one."""
    own, c = _own(uow, entity, record_id), draft_table.c
    if uow.execute(select(c.id).where(own, c.key == key)).first() is not None:
        return False
    mine = own & (c.key == _aside(key)) & (c.at > uow.now() - DRAFT_LIFETIME)
    back = update(draft_table).where(mine).values(key=key, at=uow.now())
    return uow.execute(back).rowcount == 1


def _aside(key: str) -> str:
    return f"{_ASIDE}{key}"[:60]


def _own(uow: UnitOfWork, entity: str, record_id: int) -> Any:
    c = draft_table.c
    return (c.user_id == uow.actor.user_id) & (c.entity == entity) & (c.record_id == record_id)


def _make_room(uow: UnitOfWork, which: Any, most: int) -> None:
    c = draft_table.c
    newest = select(c.id).where(which).order_by(c.at.desc(), c.id.desc()).limit(most)
    kept = list(uow.execute(newest).scalars())
    if len(kept) == most:
        uow.execute(delete(draft_table).where(which, c.id.not_in(kept)))


def _clean(context: JobContext) -> dict[str, int]:
    """Drop old drafts, and the answers to forms and requests that tell of a draft's saving."""
    with context.unit_of_work() as uow:
        before = uow.now() - DRAFT_LIFETIME
        dropped = uow.execute(delete(draft_table).where(draft_table.c.at <= before)).rowcount
        return {"dropped": dropped, "answers": forget_answers(uow, before)}


CLEAN_DRAFTS = Job("core.clean_drafts", _clean, title=_l("Remove old drafts of forms"))
DRAFTS_CLEANED = Schedule("clean_drafts", CLEAN_DRAFTS.name, daily_at="03:40")
