"""Who may read a stored file: whoever reads the record and the field that it belongs to, now.

A file that belongs to nothing yet is its maker's alone. What a job has made is for who started it,
and for administrators, for a day, and only while they hold the right that the job needed. What
administrators alone may have is theirs for as long as the job is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, or_, select

from core.entities.scope import about_readable, may
from core.fields import EntitySpec
from core.security.actor import FieldAccess
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ADMINISTRATORS", "RESULT_LIFETIME", "file_scope", "result_place"]

RESULT_LIFETIME = timedelta(hours=24)
#: The action of a result that is for administrators alone.
ADMINISTRATORS = "administer"


def result_place(action: str = "", entity: str = "") -> str:
    """What stands in ``file.entity`` for the result of a job; no entity can have such a name.

    With an action and an entity it is handed out only to who still holds that right.
    """
    return f"-{action}:{entity}" if action else "-job"


def file_scope(uow: UnitOfWork, action: str, table: FromClause) -> ColumnElement[bool]:
    """The rows of the file table that the actor reaches; the scope of the entity ``file``."""
    if uow.actor.user_id is None:
        return false()
    loose = and_(table.c.entity.is_(None), table.c.created_by == uow.actor.user_id)
    if action != "read":
        return loose
    return or_(loose, _results(uow, table), *_attached(uow, table))


def _attached(uow: UnitOfWork, table: FromClause) -> Iterator[ColumnElement[bool]]:
    for spec, clause in about_readable(uow, table):
        fields = or_(table.c.field.is_(None), table.c.field.in_(_open_fields(uow, spec)))
        yield and_(clause, fields)


def _open_fields(uow: UnitOfWork, spec: EntitySpec) -> list[str]:
    access = uow.actor.access(spec)
    return [item.name for item in spec if access.field(item.name) >= FieldAccess.READ]


def _results(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    jobs = job_table.alias()
    mine: list[ColumnElement[bool]] = [jobs.c.id == table.c.record_id]
    if not uow.actor.is_admin:
        mine.append(jobs.c.actor_id == uow.actor.user_id)
    places = [
        result_place(action, spec.name)
        for spec in uow.entities.values()
        for action in ("import", "export")
        if may(uow, spec, action)
    ]
    found = and_(
        table.c.entity.in_(["-job", *places]),
        table.c.created_at > uow.now() - RESULT_LIFETIME,
    )
    if uow.actor.manages_security:
        found = or_(found, table.c.entity == result_place(ADMINISTRATORS, "user"))
    return and_(found, exists(select(1).select_from(jobs).where(*mine)))
