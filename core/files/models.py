"""Stored files as an entity: who may read one is decided by the record it is attached to."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from core.fields import Entity, Integer, Text, field
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l

__all__ = ["StoredFileRecord"]


class StoredFileRecord(Entity):
    """The description of one file in the store."""

    __tablename__ = "core_file"
    __table_args__ = (
        Index("ix_core_file_attached", "entity", "record_id"),
        *entity_indexes("core_file"),
    )

    name: Mapped[str | None] = field(
        Text(255), label=_l("File name"), required=True, searchable=True, readonly=True
    )
    media_type: Mapped[str | None] = field(Text(100), label=_l("Type"), readonly=True)
    size: Mapped[int | None] = field(Integer(), label=_l("Size"), readonly=True)
    sha256: Mapped[str | None] = field(Text(64), label=_l("Checksum"), readonly=True)
    storage_key: Mapped[str | None] = field(Text(200), label=_l("Stored as"), readonly=True)
    #: The record it belongs to; none while it is uploaded and not yet attached.
    entity: Mapped[str | None] = field(Text(63), label=_l("Entity"), readonly=True)
    record_id: Mapped[int | None] = field(Integer(), label=_l("Record"), readonly=True)
    #: The field of that record that it was given to; none for an attachment of the record itself.
    field: Mapped[str | None] = field(Text(63), label=_l("Field"), readonly=True)
