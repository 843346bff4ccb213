"""What an import did to each record, read from the audit trail, the newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, and_, func, literal_column, select

from core.audit.models import AuditEntry
from core.work.uow import Origin

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Deed",
    "count_entries",
    "deeds_before",
    "import_origin",
    "left_by_undo",
    "made",
    "undo_origin",
]

_entries: Any = AuditEntry.__table__
#: As the condition of the index says it.
_BY_IMPORTS = _entries.c.channel == literal_column("'import'")
_CHANGES = ("create", "update", "delete", "restore")
#: An import takes out of the recycle bin what it would have made otherwise.
_MAKING = ("create", "restore")
_IN_CHUNK = 900


def import_origin(job_id: int) -> Origin:
    """The origin of all that an import writes; by it the audit trail knows what to undo."""
    return Origin("import", request_id=f"import-{job_id}")


def undo_origin(job_id: int) -> Origin:
    """The origin of all that the undo of the import ``job_id`` writes."""
    return Origin("import", request_id=f"undo-{job_id}")


@dataclass(frozen=True)
class Deed:
    """All that an import did to one record, and who has touched it since."""

    entity: str
    record_id: int
    #: ``create``, ``update``, ``delete``, or empty when in the end nothing is different.
    kind: str
    #: The values before, as JSON, of the fields that an update changed.
    old: dict[str, Any]
    #: When the import, or its undo, last wrote it.
    at: datetime
    #: The entry of somebody else, if any, that came after: ``actor_id, at, action``.
    since: Row[Any] | None = None


def count_entries(uow: UnitOfWork, job_id: int) -> int:
    """How many changes of records the trail holds of an import."""
    counted = select(func.count()).select_from(_entries).where(_of(import_origin(job_id)))
    return int(uow.execute(counted).scalar_one())


def deeds_before(
    uow: UnitOfWork, job_id: int, before: int | None, limit: int, *, lock: bool = False
) -> tuple[list[Deed], int, int | None]:
    """(deeds from the newest entry on, the entries that they stand in, where to go on; None at the
    end). A record is told once, where its newest entry stands.

    With ``lock`` nobody can write the records between what is told here and the end of ``uow``.
    """
    mine = _of(import_origin(job_id))
    statement = select(_entries.c.id, _entries.c.entity, _entries.c.record_id).where(mine)
    if before is not None:
        statement = statement.where(_entries.c.id < before)
    rows = uow.execute(statement.order_by(_entries.c.id.desc()).limit(limit)).all()
    if not rows:
        return [], 0, None
    first = uow.execute(select(func.min(_entries.c.id)).where(mine)).scalar_one()
    ids: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        ids[row.entity].add(row.record_id)
    if lock:
        _lock(uow, ids)
    told = {
        (entity, key): entries
        for entity, keys in ids.items()
        for key, entries in _histories(uow, entity, sorted(keys), first)
    }
    own = import_origin(job_id).request_id, undo_origin(job_id).request_id
    deeds = []
    for row in rows:
        entries = told[row.entity, row.record_id]
        newest = max(each.id for each in entries if _is(each, own[0]))
        if newest == row.id:
            deeds.append(_deed(row.entity, row.record_id, entries, own))
    return deeds, len(rows), rows[-1].id


def made(
    uow: UnitOfWork, job_id: int, entity: str, ids: Sequence[int], *, untouched: bool = False
) -> set[int]:
    """Those of ``ids`` that an import created; with ``untouched``, that nobody else wrote since."""
    first = uow.execute(select(func.min(_entries.c.id)).where(_of(import_origin(job_id))))
    own = import_origin(job_id).request_id, undo_origin(job_id).request_id
    found = set()
    for key, entries in _histories(uow, entity, sorted(ids), first.scalar() or 0):
        created = any(each.action in _MAKING and _is(each, own[0]) for each in entries)
        if created and not (untouched and _of_others(entries, own)):
            found.add(key)
    return found


def left_by_undo(uow: UnitOfWork, entity: str, ids: Sequence[int]) -> set[int]:
    """Those of ``ids`` to which the last thing that happened is that an import was taken back."""
    found = set()
    for key, entries in _histories(uow, entity, ids, 0):
        last = next((each for each in reversed(entries) if each.action in _CHANGES), None)
        if last is not None and last.channel == "import" and last.request_id.startswith("undo-"):
            found.add(key)
    return found


def _lock(uow: UnitOfWork, ids: Mapping[str, set[int]]) -> None:
    """In the order in which everybody locks records: by entity, then by number."""
    for entity in sorted(ids.keys() & uow.entities.keys()):
        table, keys = uow.entity(entity).table, sorted(ids[entity])
        for start in range(0, len(keys), _IN_CHUNK):
            chosen = select(table.c.id).where(table.c.id.in_(keys[start : start + _IN_CHUNK]))
            uow.execute(chosen.order_by(table.c.id).with_for_update()).all()


def _of(origin: Origin) -> ColumnElement[bool]:
    return and_(
        _BY_IMPORTS,
        _entries.c.request_id == origin.request_id,
        _entries.c.record_id.is_not(None),
    )


def _histories(
    uow: UnitOfWork, entity: str, keys: Sequence[int], first: int
) -> Iterator[tuple[int, list[Row[Any]]]]:
    """The entries of each record since the import began, in their order."""
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    columns = ("id", "record_id", "action", "actor_id", "at", "channel", "request_id", "changes")
    for start in range(0, len(keys), _IN_CHUNK):
        statement = select(*(_entries.c[name] for name in columns)).where(
            _entries.c.entity == entity,
            _entries.c.record_id.in_(keys[start : start + _IN_CHUNK]),
            _entries.c.id >= first,
        )
        for row in uow.execute(statement.order_by(_entries.c.id)):
            found[row.record_id].append(row)
    yield from found.items()


def _is(entry: Row[Any], request_id: str) -> bool:
    return bool(entry.channel == "import" and entry.request_id == request_id)


def _deed(entity: str, record_id: int, entries: Sequence[Row[Any]], own: tuple[str, str]) -> Deed:
    by_import = [each for each in entries if _is(each, own[0])]
    others = _of_others(entries, own)
    kind, old = "", dict[str, Any]()
    for each in by_import:
        kind = _joined(kind, each.action)
        if each.action == "update":
            for name, (before, _after) in each.changes.items():
                old.setdefault(name, before)
    since = [each for each in others if each.id > by_import[0].id]
    at = max(each.at for each in entries if each not in since)
    return Deed(entity, record_id, kind, old, at, since[-1] if since else None)


def _of_others(entries: Sequence[Row[Any]], own: tuple[str, str]) -> list[Row[Any]]:
    """What is neither the import's nor its undo's, nor of another import that was taken back."""
    undone = {
        each.request_id.removeprefix("undo-")
        for each in entries
        if each.channel == "import" and each.request_id.startswith("undo-")
    }
    settled = {*own, *(f"{kind}-{number}" for kind in ("import", "undo") for number in undone)}
    return [e for e in entries if not (e.channel == "import" and e.request_id in settled)]


def _joined(kind: str, action: str) -> str:
    """What one change after another comes to."""
    if action not in _CHANGES:
        return kind
    if action == "create":
        return "create"
    if kind == "create":
        return "" if action == "delete" else kind
    if action == "delete":
        return "delete"
    if action == "restore":
        return "update" if kind == "delete" else kind or "create"
    return kind or "update"
