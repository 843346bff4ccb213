"""The audit trail and the events as entities that can be read and nothing else.

Both tell of a record only what their reader may see of the record itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Mapped

from core.audit.models import AuditEntry
from core.db.base import Base
from core.fields import DateTime, Document, EntityDef, EntitySpec, Reference, Text
from core.fields.declare import describe_columns
from core.i18n import lazy_gettext as _l
from core.work.tables import event_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["audit_entry", "event"]


class OutboxEvent(Base):
    """The events of the outbox."""

    __table__ = describe_columns(
        event_table,
        type=(Text(120), _l("Kind")),
        entity=(Text(63), _l("Entity")),
        payload=(Document(), _l("Contents")),
        actor_id=(Reference("user"), _l("Who")),
        at=(DateTime(), _l("When")),
    )
    actor: Mapped[int | None] = event_table.c.actor_id  # type: ignore[assignment]


def _reachable(uow: UnitOfWork, action: str, table: FromClause) -> ColumnElement[bool]:
    """Entries about records that the reader reaches; what somebody did oneself in any case.

    Acts that are about no record (a switched module, a setting) need the right to all entries.
    """
    from core.entities.scope import may, scope_clause

    trail = uow.entity("audit_entry")
    if uow.actor.is_admin and may(uow, trail, action):
        return true()
    if not may(uow, trail, action):
        return false()
    reached: list[ColumnElement[bool]] = [table.c.actor_id == uow.actor.user_id]
    if not uow.actor.access(trail).is_unlimited(action):
        return reached[0]
    whole: list[str] = []
    for spec in uow.entities.values():  # a plugin that is off may have no tables
        if spec.scope is not None:
            continue  # files and the trail itself, whose scope asks for those of all others
        records = uow.alias(spec.table)
        clause = scope_clause(uow, spec, "read", records)
        if clause is None:
            whole.append(spec.name)
        elif may(uow, spec, "read"):
            ids = select(records.c.id).where(clause)
            reached.append(and_(table.c.entity == spec.name, table.c.record_id.in_(ids)))
    return or_(*reached, table.c.entity.is_(None), table.c.entity.in_(whole))


def _without_hidden(uow: UnitOfWork, row: dict[str, Any]) -> dict[str, Any]:
    """Changes of fields that the reader may not see are left out."""
    from core.entities.veils import veils

    changes, actor = row.get("changes"), uow.actor
    spec = uow.snapshot.installed_entities.get(row.get("entity") or "")
    if actor.is_system or actor.is_admin or not isinstance(changes, dict) or not row.get("entity"):
        return row
    if spec is None:
        return {**row, "changes": {}}  # nobody can say any more who might see what
    access = actor.access(spec)
    veiled = veils(uow, spec)  # left out whatever the record: this is not where people look
    of_fields = row.get("action") in ("create", "update", "delete", "restore")
    shown = {
        name: value
        for name, value in changes.items()
        if (access.can_use(spec[name]) and name not in veiled if name in spec else not of_fields)
    }
    return {**row, "changes": shown}


def _events_reached(uow: UnitOfWork, action: str, table: FromClause) -> ColumnElement[bool]:
    """Events about a record that the reader reaches; what somebody did oneself in any case.

    Those about no record are for administrators.
    """
    from core.entities.scope import may, scope_clause

    spec = uow.entity("event")
    if not may(uow, spec, action):
        return false()
    if _sees_everything(uow):
        return true()
    reached: list[ColumnElement[bool]] = [table.c.actor_id == uow.actor.user_id]
    if not uow.actor.access(spec).is_unlimited(action):
        return reached[0]
    whole: list[str] = []
    for other in uow.entities.values():
        if other.scope is not None:
            continue
        records = uow.alias(other.table)
        clause = scope_clause(uow, other, "read", records)
        if clause is None:
            whole.append(other.name)
        elif may(uow, other, "read"):
            ids = select(records.c.id).where(clause)
            reached.append(and_(table.c.entity == other.name, _names_one(uow, table, ids)))
    return or_(*reached, table.c.entity.in_(whole))


def _names_one(uow: UnitOfWork, table: FromClause, ids: Select[Any]) -> ColumnElement[bool]:
    """True where one of the ids that an event names is among ``ids``."""
    key: ColumnElement[Any]
    if uow.runtime.database.is_sqlite:
        key = func.json_each(table.c.payload, "$.ids").table_valued("value").c.value
    else:
        path = cast("$.ids[*]", JSONPATH)
        key = func.jsonb_path_query(table.c.payload, path).column_valued("named")
    return exists(select(key).where(cast(key, BigInteger).in_(ids)).correlate(table))


def _sees_everything(uow: UnitOfWork) -> bool:
    actor = uow.actor
    return actor.is_system or (actor.is_admin and not actor.is_limited)


def _without_unreached(uow: UnitOfWork, row: dict[str, Any]) -> dict[str, Any]:
    """Of an event's contents only the ids and fields that the reader may see."""
    payload = row.get("payload")
    if _sees_everything(uow) or not isinstance(payload, dict):
        return row
    spec = uow.entities.get(row.get("entity") or "")
    if spec is None:
        return {**row, "payload": {}}
    access = uow.actor.access(spec)
    shown = {name: payload[name] for name in ("entity", "action") if name in payload}
    if "ids" in payload:
        shown["ids"] = _seen(uow, spec, payload["ids"])
    if "fields" in payload:
        names = [name for name in payload["fields"] if name in spec]
        shown["fields"] = [name for name in names if access.can_use(spec[name])]
    return {**row, "payload": shown}


def _seen(uow: UnitOfWork, spec: EntitySpec, ids: list[int]) -> list[int]:
    """Those of the ids that the reader reaches, in the recycle bin or not."""
    from core.entities.scope import scope_clause

    clause = scope_clause(uow, spec, "read")
    if clause is None:
        return ids
    found: set[int] = set()
    for start in range(0, len(ids), 900):
        some = select(spec.table.c.id).where(spec.table.c.id.in_(ids[start : start + 900]), clause)
        found.update(uow.execute(some).scalars())
    return [key for key in ids if key in found]


_READ_ONLY: dict[str, Any] = {
    "creatable": False,
    "updatable": False,
    "deletable": False,
    "importable": False,
    "audited": False,
    "navigable": False,
}

audit_entry = EntityDef(
    name="audit_entry",
    model=AuditEntry,
    label=_l("Audit entry"),
    label_plural=_l("Audit trail"),
    label_field="action",
    icon="history",
    list_columns=("at", "actor", "action", "entity", "record_id", "channel", "address"),
    default_sort="-id",
    redact=_without_hidden,
    scope=_reachable,
    **_READ_ONLY,
)

event = EntityDef(
    name="event",
    model=OutboxEvent,
    label=_l("Event"),
    label_plural=_l("Events"),
    label_field="type",
    icon="bolt",
    list_columns=("at", "type", "entity", "actor"),
    default_sort="-id",
    redact=_without_unreached,
    scope=_events_reached,
    **_READ_ONLY,
)
