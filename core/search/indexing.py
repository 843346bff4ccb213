"""The index follows the records: after each commit, in batches, and anew when fields change.

The relay of events leaves here which records were written, in the transaction that marks the events
as read, so that a crash loses nothing. Index and reality are brought together by reading the records
again, in turn, whatever the order of the events was. See docs/adr/0015.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from core.db.bulk import bulk_insert, one_of
from core.db.locks import take_turns
from core.errors import NotFound
from core.faults import fault
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.search import index
from core.search.contents import Content, contents
from core.search.tables import entity_table, todo_table
from core.security.actor import SYSTEM
from core.work import events
from core.work.tables import job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.work.jobs import JobContext

__all__ = ["FILL", "fill", "follow_records", "forget_entity", "note_written", "rebuild", "status"]

log = logging.getLogger("dougong.search")

#: Records that are indexed in one transaction.
CHUNK = 1_000
#: … when nobody waits for them, and people who write at the same time should not either.
SLICE = 250
_WRITTEN = frozenset(
    {events.RecordsCreated.name, events.RecordsDeleted.name, events.RecordsRestored.name}
)
_CHANGED = frozenset({events.RecordsUpdated.name, events.RecordsRecomputed.name})
#: What fails is tried again after so many minutes, twice as many each time, a day at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 1, 24 * 60
_INDEXER = Origin("search")
_CHECKED = "search index checked"


def note_written(uow: UnitOfWork, rows: Iterable[Row[Any]]) -> None:
    """Leave the records that events tell of to `follow_records`; part of the relay's transaction."""
    searched, ids = contents(uow.snapshot), defaultdict[str, set[int]](set)
    for row in rows:
        content = searched.get(row.entity)
        if content is None:
            continue
        names = set(row.payload.get("fields", ()))
        if row.type in _WRITTEN or (
            row.type in _CHANGED
            and any(each.name in names for each in (*content.fields, *content.holders))
        ):
            ids[row.entity].update(row.payload["ids"])
    now = uow.now()
    todo = [(name, some, now) for name, keys in ids.items() for some in _chunks(sorted(keys))]
    bulk_insert(uow.connection, todo_table, ("entity", "ids", "due_at"), todo)


def _chunks(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def follow_records(runtime: Runtime) -> int:
    """Index what was written; returns how many records were looked at.

    Once for each change of structure it also asks whether the index is made of the fields that are
    searched now, and leaves a job for each entity where it is not.
    """
    with UnitOfWork(runtime, SYSTEM, origin=_INDEXER, write=False) as uow:
        waiting = uow.execute(_due(uow)).first() is not None
        snapshot = uow.snapshot
    if _CHECKED not in snapshot.memo:
        with UnitOfWork(runtime, SYSTEM, origin=_INDEXER) as uow:
            _prepare(uow)
        snapshot.memo[_CHECKED] = True
    done = 0
    while waiting:
        found = _index_next(runtime)
        done, waiting = done + found, bool(found)
    return done


def _due(uow: UnitOfWork) -> Any:
    c = todo_table.c
    return select(todo_table).where(c.due_at <= uow.now()).order_by(c.id).limit(1)


def _index_next(runtime: Runtime) -> int:
    with UnitOfWork(runtime, SYSTEM, origin=_INDEXER) as uow:
        take_turns(uow.connection, "search index")
        row = uow.execute(_due(uow)).one_or_none()
        if row is None:
            return 0
        try:
            with uow.savepoint():
                _index(uow, row.entity, row.ids)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            _put_off(uow, row)
        except Exception:
            _put_off(uow, row)
        else:
            uow.execute(delete(todo_table).where(todo_table.c.id == row.id))
        fault("search.before_commit")
    return len(row.ids)


def _put_off(uow: UnitOfWork, row: Row[Any]) -> None:
    """Leave records for later that could not be indexed, so that those after them can."""
    log.exception("records of %s could not be indexed; tried again later", row.entity)
    pause = min(_FIRST_PAUSE * 2**row.attempts, _LONGEST_PAUSE)
    later = {"attempts": row.attempts + 1, "due_at": uow.now() + timedelta(minutes=pause)}
    uow.execute(update(todo_table).where(todo_table.c.id == row.id).values(later))


def _index(uow: UnitOfWork, entity: str, ids: Sequence[int]) -> None:
    """Make the tokens of the records as they are now; those in the recycle bin have none."""
    content = contents(uow.snapshot).get(entity)
    if content is None:
        return  # the module is off: when it comes back, its records are looked at again
    table = content.spec.table
    found = dict.fromkeys(ids, set[str]())
    rows = uow.execute(_living(content).where(one_of(uow.connection, table.c.id, ids)))
    found |= {row["key_"]: content.tokens(dict(row)) for row in rows.mappings()}
    index.replace(uow.connection, _state(uow, content).id, found)


def _living(content: Content) -> Any:
    spec = content.spec
    fields = (*content.fields, *content.holders)
    columns = [spec.column(each.name).label(each.name) for each in fields]
    statement = select(spec.table.c.id.label("key_"), *columns)
    archived = spec.table.c.get("archived_at")
    return statement if archived is None else statement.where(archived.is_(None))


def _state(uow: UnitOfWork, content: Content) -> Row[Any]:
    """The row of an entity, made when there is none."""
    mine = select(entity_table).where(entity_table.c.entity == content.spec.name)
    found = uow.execute(mine).one_or_none()
    if found is None:
        uow.execute(insert(entity_table).values(entity=content.spec.name, content="", filled_to=0))
        found = uow.execute(mine).one()
    return found


# Making it anew


def _prepare(uow: UnitOfWork) -> None:
    """Leave a job for each entity whose index is not made of what is searched now."""
    take_turns(uow.connection, "search index")
    kept = {row.entity: row for row in uow.execute(select(entity_table))}
    for name, content in contents(uow.snapshot).items():
        row = kept.get(name)
        if row is None or row.content != content.mark or row.filled_to is not None:
            _start_again(uow, content, row)


def _start_again(uow: UnitOfWork, content: Content, row: Row[Any] | None = None) -> None:
    """Index the records of an entity: few of them at once, more by a job."""
    row = row or _state(uow, content)
    c, key = entity_table.c, content.spec.table.c.id
    resumed = row.filled_to if row.content == content.mark else None
    few = list(uow.execute(select(key).limit(CHUNK + 1)).scalars())
    if len(few) <= CHUNK:
        _index(uow, content.spec.name, few)
    filled = None if len(few) <= CHUNK else resumed or 0
    state = {"content": content.mark, "filled_to": filled}
    uow.execute(update(entity_table).where(c.id == row.id).values(state))
    if filled is not None and not _is_under_way(uow, content.spec.name):
        uow.enqueue(FILL.name, {"entity": content.spec.name}, title=str(FILL.title))


def _is_under_way(uow: UnitOfWork, entity: str) -> bool:
    j = job_table.c
    jobs = select(j.arguments).where(j.kind == FILL.name, j.state.in_(("queued", "running")))
    return any(each["entity"] == entity for each in uow.execute(jobs).scalars())


def fill(uow: UnitOfWork, entity: str) -> tuple[int, bool]:
    """Index the next records of an entity: (how many, whether there are more)."""
    take_turns(uow.connection, "search index")
    content = contents(uow.snapshot).get(entity)
    state = None if content is None else _state(uow, content)
    if content is None or state is None or state.filled_to is None:
        return 0, False
    begin = state.filled_to if state.content == content.mark else 0
    key = content.spec.table.c.id
    wanted = select(key).where(key > begin).order_by(key).limit(SLICE)
    ids = list(uow.execute(wanted).scalars())
    _index(uow, entity, ids)
    filled = ids[-1] if len(ids) == SLICE else None
    mine = entity_table.c.id == state.id
    done = {"content": content.mark, "filled_to": filled}
    uow.execute(update(entity_table).where(mine).values(done))
    return len(ids), filled is not None


def rebuild(runtime: Runtime, entities: Iterable[str] = ()) -> Iterator[tuple[str, int]]:
    """Make the index of the entities named, or of all, from nothing: how many records of each.

    `NotFound` for one that is not searched, before anything is taken away.
    """
    with UnitOfWork(runtime, SYSTEM, origin=_INDEXER, write=False) as uow:
        searched = contents(uow.snapshot)
        chosen = list(entities) or list(searched)
        for name in chosen:
            if uow.entity(name).name not in searched:
                raise NotFound(_("The search does not look at %(entity)s.", entity=name))
    for name in chosen:
        with UnitOfWork(runtime, SYSTEM, origin=_INDEXER) as uow:
            take_turns(uow.connection, "search index")
            state = _state(uow, contents(uow.snapshot)[name])
            index.forget(uow.connection, state.id)
            mine = entity_table.c.id == state.id
            uow.execute(update(entity_table).where(mine).values(filled_to=0))
        done, more = 0, True
        while more:
            with UnitOfWork(runtime, SYSTEM, origin=_INDEXER) as uow:
                found, more = fill(uow, name)
            done += found
        yield name, done


def forget_entity(uow: UnitOfWork, entity: str) -> None:
    """Take all of an entity out of the index whose table is gone for good."""
    known = select(entity_table.c.id).where(entity_table.c.entity == entity)
    for number in uow.execute(known).scalars().all():
        index.forget(uow.connection, number)
    for table in (entity_table, todo_table):
        uow.execute(delete(table).where(table.c.entity == entity))


def status(uow: UnitOfWork) -> dict[str, Any]:
    """How far the index is: records that wait, and entities whose index is being made."""
    t, e = todo_table.c, entity_table.c
    waiting = list(uow.execute(select(t.ids)).scalars())
    filling = list(uow.execute(select(e.entity).where(e.filled_to.is_not(None))).scalars())
    return {"waiting": sum(map(len, waiting)), "filling": sorted(filling)}


def _fill(context: JobContext, entity: str) -> dict[str, int]:
    done, more = 0, True
    while more:
        with context.unit_of_work() as uow:
            found, more = fill(uow, entity)
            context.advance(uow, done := done + found)
    return {"records": done}


FILL = Job("core.search_fill", _fill, title=_l("Make the search index"))
