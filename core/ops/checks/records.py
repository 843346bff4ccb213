"""Records: references, numbers, values that must be unique, and files against their checksums."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exists, func, select

from core.comments.models import Comment
from core.db.bulk import streamed
from core.entities.links import link_table
from core.entities.sequences import sequence_table
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.files.models import StoredFileRecord
from core.files.storage import FileMissing
from core.ops.findings import Finding
from core.security.models import share_table

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["checksums", "checksums_in_full", "numbers", "references", "unique"]

#: Files that the quick look reads: the newest.
NEWEST = 20
_BLOCK = 1 << 20


def references(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Values that point at a record that is not there, and what is kept of such a record."""
    entities = runtime.snapshot.entities
    orphans = 0
    for spec in entities.values():
        for place, count in _orphans(connection, spec, entities):
            orphans += count
            yield Finding("references", "problem", f"{count} of {place} point at nothing")
    for place, count in _about_nothing(connection, entities):
        orphans += count
        yield Finding("references", "problem", f"{count} of {place} are about nothing")
    if not orphans:
        yield Finding("references", "ok", "all point at a record")


def _orphans(connection: Connection, spec: EntitySpec, entities: Any) -> Iterator[tuple[str, int]]:
    for field in spec:
        if isinstance(field.type, t.Reference) and field.is_stored:
            holder: Any = spec.column(field.name)
        elif isinstance(field.type, t.References):
            holder = link_table(spec, field).c.target_id
        else:
            continue
        target = entities.get(field.type.entity)
        if target is None:
            continue
        other = target.table.alias()
        missing = ~exists().where(other.c.id == holder)
        count = connection.execute(
            select(func.count()).select_from(holder.table).where(holder.is_not(None), missing)
        ).scalar_one()
        if count:
            yield f"{spec.name}.{field.name}", count


def _about_nothing(connection: Connection, entities: Any) -> Iterator[tuple[str, int]]:
    """Shares, comments and files that name a record which is gone: purging takes them along."""
    kept: tuple[Any, ...] = (share_table, Comment.__table__, StoredFileRecord.__table__)
    for table in kept:
        named = select(table.c.entity).where(table.c.record_id.is_not(None)).distinct()
        for name in sorted({*connection.execute(named).scalars()} & entities.keys()):
            other = entities[name].table.alias()
            missing = ~exists().where(other.c.id == table.c.record_id)
            mine = (table.c.entity == name) & table.c.record_id.is_not(None)
            rows = select(func.count()).select_from(table).where(mine, missing)
            if count := connection.execute(rows).scalar_one():
                yield f"{table.name} ({name})", count


def numbers(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Each counter against the numbers that it gave: none missing, none beyond it."""
    specs, wrong, counters = runtime.snapshot.entities, 0, 0
    for row in connection.execute(select(sequence_table)):
        place, _colon, pattern = row.key.partition(":")
        entity, _dot, name = place.partition(".")
        if entity not in specs or name not in specs[entity]:
            continue  # of a module that is off
        counters += 1
        given = _given(connection, specs[entity], specs[entity][name], pattern)
        if given > row.last:
            wrong += 1
            detail = f"{place}: the counter stands at {row.last}, {given} were given"
            yield Finding("numbers", "problem", detail)
        elif given < row.last:
            wrong += 1
            detail = f"{place}: {row.last - given} of {row.last} numbers are missing"
            yield Finding("numbers", "warning", detail)
    if not wrong:
        yield Finding("numbers", "ok", f"{counters} counters fit")


def _given(connection: Connection, spec: EntitySpec, field: FieldSpec, pattern: str) -> int:
    """How many records have a number of the pattern, in which ``#`` stands for the counter."""
    before, _mark, after = pattern.rpartition("#")
    column: Any = spec.column(field.name)
    mine = column.startswith(before, autoescape=True) & column.endswith(after, autoescape=True)
    return int(connection.execute(select(func.count()).where(mine)).scalar_one())


def unique(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Values of unique fields that several living records have."""
    fields = twice = 0
    for spec in runtime.snapshot.entities.values():
        for field in spec.stored:
            if not field.unique:
                continue
            fields += 1
            column = spec.column(field.name)
            living = [spec.table.c.archived_at.is_(None)] if "archived_at" in spec.table.c else []
            groups = select(column).where(column.is_not(None), *living)
            shared = groups.group_by(column).having(func.count() > 1).subquery()
            count = connection.execute(select(func.count()).select_from(shared)).scalar_one()
            if count:
                twice += 1
                detail = f"{spec.name}.{field.name}: {count} values stand in several records"
                yield Finding("unique", "problem", detail)
    if not twice:
        yield Finding("unique", "ok", f"{fields} fields have each value once")


def checksums(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """The newest files, read and compared."""
    yield from _compared(runtime, connection, NEWEST)


def checksums_in_full(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """All files."""
    yield from _compared(runtime, connection, None)


def _compared(runtime: Runtime, connection: Connection, limit: int | None) -> Iterator[Finding]:
    table = StoredFileRecord.__table__
    newest = select(table.c.id, table.c.storage_key, table.c.sha256).order_by(table.c.id.desc())
    read, wrong = 0, list[int]()
    for row in streamed(connection, newest if limit is None else newest.limit(limit)):
        try:
            read += 1
            if _digest(runtime, row.storage_key) != row.sha256:
                wrong.append(row.id)
        except FileMissing:
            continue  # told by the check of files
    if wrong:
        some = ", ".join(map(str, wrong[:10]))
        yield Finding("checksums", "problem", f"{len(wrong)} files were altered: {some}")
    else:
        yield Finding("checksums", "ok", f"{read} files as they were uploaded")


def _digest(runtime: Runtime, key: str) -> str:
    digest = sha256()
    with runtime.storage.open(key) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
