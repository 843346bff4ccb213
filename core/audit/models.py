"""The table of the audit trail. Nothing but `core.audit.recorder` writes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base
from core.db.types import BigId
from core.fields import DateTime, Document, Integer, Reference, Text, field
from core.i18n import lazy_gettext as _l

__all__ = ["AuditEntry"]


class AuditEntry(Base):
    """One change of one record, or one act such as a sign-in or an export."""

    __tablename__ = "core_audit_entry"
    __table_args__ = (
        Index("ix_core_audit_entry_record", "entity", "record_id", "id"),
        Index("ix_core_audit_entry_actor_id_id", "actor_id", "id"),
        #: What an import did, for undoing it.
        Index(
            "ix_core_audit_entry_import",
            "request_id",
            "id",
            postgresql_where=text("channel = 'import'"),
            sqlite_where=text("channel = 'import'"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    entity: Mapped[str | None] = field(Text(63), label=_l("Entity"))
    record_id: Mapped[int | None] = field(Integer(), label=_l("Record"))
    action: Mapped[str | None] = field(Text(63), label=_l("Action"))
    #: Without a foreign key: an entry outlives whatever it speaks of.
    actor: Mapped[int | None] = field(
        Reference("user"), label=_l("Who"), column="actor_id", constraint=False, index=False
    )
    #: The administrator who acted under the actor's name.
    behind: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Signed in as"),
        column="behind_id",
        constraint=False,
        index=False,
    )
    at: Mapped[datetime | None] = field(DateTime(), label=_l("When"), index=True)
    channel: Mapped[str | None] = field(Text(16), label=_l("Way"))
    address: Mapped[str | None] = field(Text(64), label=_l("Address"))
    request_id: Mapped[str | None] = field(Text(64), label=_l("Request"))
    #: ``{field: [old, new]}`` as JSON values.
    changes: Mapped[Any] = field(Document(), label=_l("Changes"))
