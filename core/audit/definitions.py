"""The audit trail and the events as entities that can be read and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Mapped

from core.audit.models import AuditEntry
from core.db.base import Base
from core.fields import DateTime, Document, EntityDef, Reference, Text
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


def _without_hidden(uow: UnitOfWork, row: dict[str, Any]) -> dict[str, Any]:
    """Changes of fields that the reader may not see are left out."""
    changes, actor = row.get("changes"), uow.actor
    spec = uow.snapshot.installed_entities.get(row.get("entity") or "")
    if actor.is_system or actor.is_admin or not isinstance(changes, dict) or spec is None:
        return row
    access = actor.access(spec)
    shown = {
        name: value
        for name, value in changes.items()
        if name not in spec or access.can_use(spec[name])
    }
    return {**row, "changes": shown}


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
    **_READ_ONLY,
)
