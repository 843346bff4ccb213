"""Purging: what is in the recycle bin goes for good, with its lines, files and shares.

Nothing else changes with it: a record that any other names, in the bin or not, stays until that one
no longer does. People, roles and departments stay in any case, as the trail names them; a person's
data goes by erasing (`core.privacy`). The trail keeps what it says of the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnClause, delete, select, update
from sqlalchemy.exc import IntegrityError

from core.audit.recorder import record_act
from core.db.bulk import one_of
from core.entities.drafts import draft_table
from core.entities.links import link_table
from core.entities.writing import load
from core.errors import Forbidden
from core.fields import EntitySpec, FieldSpec, Integer
from core.fields import types as t
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule, SettingsGroup
from core.plugins.state import plugin_table
from core.security.models import share_table
from core.settings.service import get_setting
from core.work import events

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "BIN",
    "BINS_EMPTIED",
    "EMPTY_BINS",
    "empty_bins",
    "is_purgeable",
    "pointing",
    "purge",
    "require_purge",
    "with_tables",
]

BIN = SettingsGroup(
    "core_bin",
    _l("Recycle bin"),
    (
        FieldSpec(
            "keep_days",
            Integer(minimum=1, maximum=36_500),
            _l("Keep deleted records for days"),
            help=_l(
                "Empty: for ever. What is older goes for good, unless another record names it."
            ),
        ),
    ),
)
#: Records of one transaction.
_AT_ONCE = 200
#: Files that belong to nobody from now on are cleaned up as such.
_NOBODYS = {"entity": None, "record_id": None, "field": None, "created_by": None}


def is_purgeable(spec: EntitySpec) -> bool:
    """True for records with a recycle bin of their own, but for those that the trail names."""
    return "archived_at" in spec.table.c and not spec.shapes_access and spec.deletable


def require_purge(uow: UnitOfWork, spec: EntitySpec) -> None:
    """Raise `Forbidden` for others than administrators, and for records that are never purged."""
    if not uow.actor.manages_security:
        raise Forbidden(_("Only administrators remove records for good."))
    if not is_purgeable(spec):
        raise Forbidden(_("%(entity)s are never removed for good.", entity=str(spec.label_plural)))


def purge(uow: UnitOfWork, entity: str, ids: Sequence[int]) -> list[int]:
    """Remove records that are in the recycle bin; returns the ids that went.

    The others are named by other records. Raises `Forbidden`, and `NotFound` for what is not in
    the bin.
    """
    spec = uow.entity(entity)
    require_purge(uow, spec)
    waiting = set(load(uow, spec, list(dict.fromkeys(ids)), "delete", archived=True))
    gone: list[int] = []
    while waiting:  # what is named by others of them goes after those
        free = waiting - _named(uow, spec, waiting)
        done = _remove(uow, spec, sorted(free))
        if not done:
            break
        gone += done
        waiting -= set(done)
    if gone:
        record_act(uow, "purge", entity=spec.name, record_ids=gone)
        uow.publish(events.RecordsPurged(spec.name, tuple(gone)))
    return gone


def empty_bins(
    begin: Callable[[], AbstractContextManager[UnitOfWork]],
    days: int,
    *,
    entity: str = "",
    tell: Callable[[int], None] = lambda _done: None,
) -> int:
    """Purge what was deleted more than ``days`` ago, of all entities or of one; how many went.

    In batches, each in a transaction of its own that ``begin`` opens. What another record names is
    tried again after that one.
    """
    with begin() as uow:
        before = uow.now() - timedelta(days=days)
        names = [each.name for each in uow.snapshot.entities.values() if is_purgeable(each)]
    names = [name for name in names if entity in ("", name)]
    total, found = 0, True
    while found:
        found = False
        for name in names:
            for done in _in_turn(begin, name, before):
                total, found = total + done, found or done > 0
                tell(total)
    if not entity:
        with begin() as uow:
            _forget_what_was_taken_away(uow, before)
    return total


def _forget_what_was_taken_away(uow: UnitOfWork, before: datetime) -> None:
    """Comments and files that were taken away from a record which is still there."""
    comments = uow.snapshot.installed_entities["comment"].table
    uow.execute(delete(comments).where(comments.c.archived_at < before))
    files = uow.snapshot.installed_entities["file"].table
    uow.execute(update(files).where(files.c.archived_at < before).values(_NOBODYS))


def _in_turn(
    begin: Callable[[], AbstractContextManager[UnitOfWork]], entity: str, before: datetime
) -> Iterator[int]:
    """How many went, for each batch of one entity's bin."""
    last = 0
    while True:
        with begin() as uow:
            table = uow.entity(entity).table
            old = select(table.c.id).where(table.c.archived_at < before, table.c.id > last)
            ids = uow.execute(old.order_by(table.c.id).limit(_AT_ONCE)).scalars().all()
            done = len(purge(uow, entity, ids)) if ids else 0
        if not ids:
            return
        last = ids[-1]
        yield done


# Who names them


def _named(uow: UnitOfWork, spec: EntitySpec, ids: set[int]) -> set[int]:
    """Those of the records that others name, themselves or by one of their lines."""
    found = _referred(uow, spec, ids)
    for child, lines in _lines(uow, spec, ids):
        named = _referred(uow, child, set(lines)) if lines else set()
        found |= {parent for line, parent in lines.items() if line in named}
    return found


def _referred(uow: UnitOfWork, spec: EntitySpec, ids: set[int]) -> set[int]:
    """Those of the records that a reference of another record holds; lines do not hold theirs."""
    found: set[int] = set()
    for other, item in pointing(uow, spec):
        target: ColumnClause[Any]
        if isinstance(item.type, t.References):
            links = link_table(other, item)
            target, source = links.c.target_id, links.c.source_id
        else:
            target, source = other.column(item.name), other.table.c.id
        held = select(target).where(one_of(uow.connection, target, sorted(ids)))
        if other.name == spec.name:
            held = held.where(source != target)
        found.update(uow.execute(held).scalars())
    return found


def pointing(
    uow: UnitOfWork, spec: EntitySpec, *, lines: bool = False
) -> Iterator[tuple[EntitySpec, FieldSpec]]:
    """Every reference to the entity, those of modules that are off included; with ``lines``, that of
    a line to what it is part of, too."""
    for other in with_tables(uow):
        for item in other.fields:
            if getattr(item.type, "entity", "") != spec.name or isinstance(item.type, t.Lines):
                continue
            is_line = item.name == other.parent_field
            if (lines or not is_line) and (item.column or not item.is_stored):
                yield other, item


def with_tables(uow: UnitOfWork) -> list[EntitySpec]:
    """The entities that there can be records of: of modules that are on, or were once."""
    ever_on = {"core", "custom", *uow.execute(select(plugin_table.c.name)).scalars()}
    return [
        spec
        for spec in uow.snapshot.installed_entities.values()
        if spec.plugin in ever_on or spec.name in uow.snapshot.entities
    ]


def _lines(
    uow: UnitOfWork, spec: EntitySpec, ids: set[int]
) -> Iterator[tuple[EntitySpec, dict[int, int]]]:
    """For each kind of line: its entity, and ``{line: parent}``."""
    for item in spec.detached:
        if isinstance(item.type, t.Lines):
            child = uow.snapshot.installed_entities[item.type.entity]
            parent = child.column(item.type.parent)
            mine = one_of(uow.connection, parent, sorted(ids))
            rows = uow.execute(select(child.table.c.id, parent.label("above")).where(mine))
            yield child, {row.id: row.above for row in rows}


# Removing


def _remove(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> list[int]:
    """Those that went; one that the database still holds for a reason of its own stays."""
    if not ids:
        return []
    try:
        with uow.savepoint():
            _remove_rows(uow, spec, ids)
        return list(ids)
    except IntegrityError:
        halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :]) if len(ids) > 1 else ()
        return [key for half in halves for key in _remove(uow, spec, half)]


def _remove_rows(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> None:
    for child, lines in _lines(uow, spec, set(ids)):
        if lines:
            _remove_rows(uow, child, sorted(lines))
            record_act(uow, "purge", entity=child.name, record_ids=sorted(lines))
    for item in spec.detached:
        if isinstance(item.type, t.References):
            links = link_table(spec, item)
            uow.execute(delete(links).where(one_of(uow.connection, links.c.source_id, ids)))
    uow.execute(delete(spec.table).where(one_of(uow.connection, spec.table.c.id, ids)))
    for table in (share_table, draft_table):
        mine = one_of(uow.connection, table.c.record_id, ids)
        uow.execute(delete(table).where(table.c.entity == spec.name, mine))
    comments = uow.snapshot.installed_entities["comment"].table
    about = (comments.c.entity == spec.name) & one_of(uow.connection, comments.c.record_id, ids)
    uow.execute(delete(comments).where(about))
    files = uow.snapshot.installed_entities["file"].table
    theirs = (files.c.entity == spec.name) & one_of(uow.connection, files.c.record_id, ids)
    uow.execute(update(files).where(theirs).values(_NOBODYS))


def _empty(context: JobContext) -> dict[str, int]:
    with context.unit_of_work(write=False) as uow:
        days = get_setting(uow, BIN.name, "keep_days")
    if days is None:
        return {"purged": 0}
    return {"purged": empty_bins(context.unit_of_work, days, tell=context.progress)}


EMPTY_BINS = Job("core.empty_bins", _empty, title=_l("Empty the recycle bins"), limit=1)
#: Before uploads that belong to nobody are cleaned up.
BINS_EMPTIED = Schedule("empty_bins", EMPTY_BINS.name, daily_at="03:20")
