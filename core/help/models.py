"""The table of questions to the people who help."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from core.fields import DateTime, Entity, LongText, Reference, Text, field
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l

__all__ = ["HelpQuestion"]


class HelpQuestion(Entity):
    """What somebody asked who was stuck; its comments are the conversation."""

    __tablename__ = "core_help_question"
    __table_args__ = (
        Index("ix_core_help_question_asked_by_id_created_at", "asked_by_id", "created_at"),
        Index("ix_core_help_question_answered_at_created_at", "answered_at", "created_at"),
        *entity_indexes("core_help_question"),
    )

    subject: Mapped[str | None] = field(Text(80), label=_l("In short"), readonly=True)
    question: Mapped[str | None] = field(
        LongText(2000), label=_l("Question"), required=True, readonly=True
    )
    page: Mapped[str | None] = field(Text(200), label=_l("Asked on"), readonly=True)
    asked_by: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Asked by"),
        required=True,
        readonly=True,
        table="core_user",
        column="asked_by_id",
        index=False,
    )
    answered_at: Mapped[datetime | None] = field(DateTime(), label=_l("Answered"), readonly=True)
