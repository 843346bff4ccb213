"""The table of comments."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from core.fields import Entity, Integer, LongText, Text, field
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l

__all__ = ["Comment"]


class Comment(Entity):
    """What somebody has written under a record; it is read by whoever reads the record."""

    __tablename__ = "core_comment"
    __table_args__ = (
        Index("ix_core_comment_entity_record_id_created_at", "entity", "record_id", "created_at"),
        *entity_indexes("core_comment"),
    )

    entity: Mapped[str | None] = field(Text(63), label=_l("Entity"), required=True, readonly=True)
    record_id: Mapped[int | None] = field(
        Integer(), label=_l("Record"), required=True, readonly=True
    )
    text: Mapped[str | None] = field(LongText(4000), label=_l("Comment"), required=True)
