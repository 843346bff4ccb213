"""Comments and files of a record in its timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select

from core.audit.models import AuditEntry
from core.entities.reading import Reading
from core.i18n import gettext as _
from core.plugins.contributions import TimelineItem, TimelineSource

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["COMMENTS", "FILES"]


def _comments(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, before: datetime | None, limit: int
) -> Reading[Sequence[TimelineItem]]:
    table = uow.snapshot.installed_entities["comment"].table
    c = table.c
    wanted = select(c.id, c.text, c.version, c.created_at, c.created_by).where(
        table.c.entity == spec.name,
        table.c.record_id == record_id,
        table.c.archived_at.is_(None),
    )
    if before is not None:
        wanted = wanted.where(table.c.created_at < before)

    def finish(rows: Sequence[Row[Any]]) -> list[TimelineItem]:
        changed = _changed(uow, rows)
        return [
            TimelineItem(
                row.created_at,
                "comment",
                _("commented, changed since") if row.id in changed else _("commented"),
                actor=row.created_by,
                body=row.text,
                data={"comment": row.id, "writer": row.created_by, "version": row.version},
            )
            for row in rows
        ]

    return Reading((wanted.order_by(table.c.created_at.desc()).limit(limit),), finish)


def _changed(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> set[int]:
    """The comments that say something else than at first; to the bin and back is no change."""
    versions = {row.id: row.version for row in rows if row.version > 1}
    if not versions:
        return set()
    table = AuditEntry.__table__
    moves = (
        select(table.c.record_id, func.count().label("times"))
        .where(
            table.c.entity == "comment",
            table.c.record_id.in_(list(versions)),
            table.c.action.in_(("delete", "restore")),
        )
        .group_by(table.c.record_id)
    )
    moved = {row.record_id: row.times for row in uow.execute(moves)}
    return {key for key, version in versions.items() if version > 1 + moved.get(key, 0)}


def _files(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, before: datetime | None, limit: int
) -> Reading[Sequence[TimelineItem]]:
    """Files of the record itself; those of its fields are told by the changes of these."""
    table = uow.snapshot.installed_entities["file"].table
    c = table.c
    wanted = select(c.id, c.name, c.size, c.media_type, c.created_at, c.created_by).where(
        table.c.entity == spec.name,
        table.c.record_id == record_id,
        table.c.field.is_(None),
        table.c.archived_at.is_(None),
    )
    if before is not None:
        wanted = wanted.where(table.c.created_at < before)

    def finish(rows: Sequence[Row[Any]]) -> list[TimelineItem]:
        return [
            TimelineItem(
                row.created_at,
                "file",
                _("added a file"),
                actor=row.created_by,
                data={"file": row.id, "name": row.name, "size": row.size, "media": row.media_type},
            )
            for row in rows
        ]

    return Reading((wanted.order_by(table.c.created_at.desc()).limit(limit),), finish)


COMMENTS = TimelineSource("comments", _comments, goes_along=True)
FILES = TimelineSource("files", _files, goes_along=True)
