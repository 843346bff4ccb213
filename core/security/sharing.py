"""Sharing one record with a person, or with a department and all below it.

A share adds the record to those that somebody reaches; it adds no right. Whoever has no right to read
(or to change) any record of the entity gains nothing by one, and the fields are open as the roles
say. Who owns the record or may change it shares it, with no more than their own roles reach: what one
reaches by a share oneself, or as a deputy, is not passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, case, delete, false, insert, select, true

from core.audit.recorder import record_act
from core.entities.incoming import readable
from core.entities.query import get
from core.entities.scope import living, roles_clause
from core.entities.writing import load
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from core.i18n import gettext as _
from core.notifications.following import tell_shared
from core.runtime import bump_access
from core.security.models import share_table
from core.security.shared import is_shareable
from core.settings.gone import keep_gone, take_gone
from core.work.uow import inserted_key

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = [
    "LEVELS",
    "Share",
    "levels_to_give",
    "offers_sharing",
    "restore_share",
    "share",
    "shares_of",
    "unshare",
]

#: ``write`` is to read and to change.
LEVELS = ("read", "write")


@dataclass(frozen=True)
class Share:
    """With whom a record is shared: ``user`` or ``department`` is given, the other None."""

    id: int
    user: int | None
    department: int | None
    level: str
    by: int | None
    at: datetime
    until: datetime | None


def share(
    uow: UnitOfWork,
    entity: str,
    record_id: int,
    *,
    user: int | None = None,
    department: int | None = None,
    level: str = "read",
    until: datetime | None = None,
) -> int:
    """Share a record and return the number of the share; an earlier one with the same is replaced.

    Raises `NotFound` for a record out of reach, `Forbidden` for who may not share it so far, and
    `Invalid` for somebody who is not there, a level that is none, or an ``until`` that is over.
    """
    spec = uow.entity(entity)
    load(uow, spec, [record_id], "read")  # locked: two who share it at once come one after another
    if level not in LEVELS:
        raise _wrong("level", _("Expected %(expected)s.", expected="read, write"))
    if level not in levels_to_give(uow, spec, record_id):
        raise Forbidden(_("You do not have the right to share this record."))
    _check_with(uow, user, department)
    if until is not None and until <= uow.now():
        raise _wrong("until", _("This moment is over already."))
    with_whom = {"user_id": user, "department_id": department}
    if _is_first(uow, entity, with_whom, level):
        bump_access(uow.connection)
    table = share_table
    uow.execute(
        delete(table).where(
            table.c.entity == entity, table.c.record_id == record_id, _with(with_whom)
        )
    )
    values = {"entity": entity, "record_id": record_id, "level": level, "until": until}
    values |= {"by_id": uow.actor.user_id, "at": uow.now(), **with_whom}
    key = inserted_key(uow.execute(insert(table).values(values)))
    _record(
        uow, "share", entity, record_id, Share(key, user, department, level, None, uow.now(), until)
    )
    if user is not None:
        tell_shared(uow, user, entity, record_id)
    return key


def unshare(uow: UnitOfWork, entity: str, record_id: int, share_id: int) -> None:
    """End a share. Who may share the record so far may; else `Forbidden`, or `NotFound`. The last one
    that a person ended can be restored."""
    spec = uow.entity(entity)
    load(uow, spec, [record_id], "read")
    found = next((one for one in _shares(uow, entity, record_id) if one.id == share_id), None)
    if found is None:
        raise NotFound(_("There is no such share."))
    if found.level not in levels_to_give(uow, spec, record_id):
        raise Forbidden(_("You do not have the right to share this record."))
    uow.execute(delete(share_table).where(share_table.c.id == share_id))
    keep_gone(uow, "share", {**asdict(found), "entity": entity, "record": record_id})
    _record(uow, "unshare", entity, record_id, found)


def restore_share(uow: UnitOfWork, entity: str, record_id: int, share_id: int) -> None:
    """Bring back the share that the actor ended last, as it was; who has the record by it is not told
    anew. Raises as `unshare`, and `Refused` where it is over or shared with them otherwise by now."""
    spec = uow.entity(entity)
    load(uow, spec, [record_id], "read")
    given = levels_to_give(uow, spec, record_id)
    if not given:
        raise Forbidden(_("You do not have the right to share this record."))
    row = take_gone(uow, "share", share_id)
    if (row["entity"], row["record"]) != (entity, record_id):
        raise NotFound(_("There is no such share."))
    if row["level"] not in given:
        raise Forbidden(_("You do not have the right to share this record."))
    until = None if row["until"] is None else datetime.fromisoformat(row["until"])
    with_whom = {"user_id": row["user"], "department_id": row["department"]}
    known = [(one.user, one.department) for one in _shares(uow, entity, record_id)]
    if (until is not None and until <= uow.now()) or (row["user"], row["department"]) in known:
        raise Refused(_("It was changed since."))
    if _is_first(uow, entity, with_whom, row["level"]):
        bump_access(uow.connection)
    at = datetime.fromisoformat(row["at"])
    values = {"id": share_id, "entity": entity, "record_id": record_id, "level": row["level"]}
    values |= {"until": until, "by_id": row["by"], "at": at, **with_whom}
    uow.execute(insert(share_table).values(values))
    one = Share(share_id, row["user"], row["department"], row["level"], row["by"], at, until)
    _record(uow, "share", entity, record_id, one)


def shares_of(uow: UnitOfWork, entity: str, record_id: int) -> list[Share]:
    """With whom a record is shared, ended ones left out, for whoever may share it; else `Forbidden`."""
    spec = uow.entity(entity)
    if not levels_to_give(uow, spec, record_id):
        get(uow, entity, record_id)  # out of reach is not there
        raise Forbidden(_("You do not have the right to share this record."))
    now = uow.now()
    found = _shares(uow, entity, record_id)
    return [one for one in found if one.until is None or one.until > now]


def levels_to_give(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> tuple[str, ...]:
    """What the actor may share of a living record: `LEVELS`, ``("read",)`` or nothing."""
    if not _may_give(uow, spec):
        return ()
    table = spec.table
    mine = table.c.owner_id == uow.actor.user_id if spec.owned else false()
    may_read, may_change = (_reached(uow, spec, action) for action in ("read", "update"))
    asked = select(
        case((mine & may_read, 1), else_=0).label("owns"),
        case((may_read & may_change, 1), else_=0).label("changes"),
    )
    row = uow.execute(asked.where(table.c.id == record_id, *living(uow, spec))).one_or_none()
    if row is None:
        return ()
    return LEVELS if row.changes else LEVELS[:1] if row.owns else ()


def offers_sharing(
    uow: UnitOfWork, spec: EntitySpec, record: Mapping[str, Any], *, can_update: bool
) -> bool:
    """Whether a living record's page offers it: what one reaches by roles alone needs no asking."""
    actor = uow.actor
    if not _may_give(uow, spec):
        return False
    if actor.shared or actor.stands_in:
        return bool(levels_to_give(uow, spec, record["id"]))
    return can_update or (spec.owned and record.get("owner") == actor.user_id)


def _may_give(uow: UnitOfWork, spec: EntitySpec) -> bool:
    """True where records are shared at all, and by the actor: no token for reading shares anything."""
    is_shared = is_shareable(spec) and spec.updatable
    return is_shared and uow.actor.token_allows(spec.governed_by, "update")


def _reached(uow: UnitOfWork, spec: EntitySpec, action: str) -> ColumnElement[bool]:
    clause = None if uow.actor.is_system else roles_clause(uow, spec, action)
    return true() if clause is None else clause


def _check_with(uow: UnitOfWork, user: int | None, department: int | None) -> None:
    if (user is None) == (department is None):
        raise _wrong("user", _("Name one person or one department."))
    name, key = ("user", user) if user is not None else ("department", department)
    assert key is not None
    if key not in readable(uow, name, {key}):
        raise _wrong(name, _("There is no such record, or you may not see it."))
    if name == "user" and key == uow.actor.user_id:
        raise _wrong(name, _("You have this record already."))


def _is_first(uow: UnitOfWork, entity: str, with_whom: dict[str, int | None], level: str) -> bool:
    """True when processes do not know yet that something of the entity is shared with them so.

    The one that is found is locked, so that it cannot go before this share is there.
    """
    table = share_table
    known = select(table.c.id).where(
        table.c.entity == entity, table.c.level == level, _with(with_whom)
    )
    return uow.execute(known.limit(1).with_for_update()).first() is None


def _with(with_whom: dict[str, int | None]) -> ColumnElement[bool]:
    name, key = next((name, key) for name, key in with_whom.items() if key is not None)
    found: ColumnElement[bool] = share_table.c[name] == key
    return found


def _shares(uow: UnitOfWork, entity: str, record_id: int) -> list[Share]:
    table = share_table
    rows = uow.execute(
        select(table)
        .where(table.c.entity == entity, table.c.record_id == record_id)
        .order_by(table.c.id)
    )
    return [Share(r.id, r.user_id, r.department_id, r.level, r.by_id, r.at, r.until) for r in rows]


def _record(uow: UnitOfWork, action: str, entity: str, record_id: int, one: Share) -> None:
    told = {"user": one.user, "department": one.department, "level": one.level, "until": one.until}
    details = {name: value for name, value in told.items() if value is not None}
    record_act(uow, action, entity=entity, record_ids=[record_id], details=details)


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, [Problem(field, "share", message)])
