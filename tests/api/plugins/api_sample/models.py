"""Notes and their lines."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import (
    AutoNumber,
    Boolean,
    Choice,
    ChoiceField,
    Date,
    DateTime,
    Entity,
    Lines,
    Money,
    Number,
    Owned,
    Phone,
    Reference,
    References,
    Tags,
    Text,
    detached,
    field,
)


class Note(Entity, Owned):
    """Something somebody wrote down."""

    __tablename__ = "api_sample_note"

    number: Mapped[str | None] = field(AutoNumber("N{seq:4}"), label="Number")
    title: Mapped[str | None] = field(Text(120), label="Title", required=True, searchable=True)
    amount: Mapped[Decimal | None] = field(Money(), label="Amount")
    ratio: Mapped[Decimal | None] = field(Number(9, 4), label="Ratio")
    happened_at: Mapped[datetime | None] = field(DateTime(), label="Happened at")
    due_on: Mapped[date | None] = field(Date(), label="Due on")
    status: Mapped[str | None] = field(
        ChoiceField(choices=(Choice("open", "Open"), Choice("closed", "Closed"))),
        label="Status",
        default="open",
    )
    tags: Mapped[Any] = field(Tags(), label="Tags")
    urgent: Mapped[bool | None] = field(Boolean(), label="Urgent")
    phone: Mapped[str | None] = field(Phone(), label="Phone", mask="3-4")
    about = detached(References("department"), label="About")
    lines = detached(Lines("note_line", parent="note"), label="Lines")


class NoteLine(Entity):
    """One line of a note."""

    __tablename__ = "api_sample_note_line"

    note: Mapped[int | None] = field(
        Reference("note", on_delete="cascade"),
        label="Note",
        table="api_sample_note",
        column="note_id",
        required=True,
    )
    text: Mapped[str | None] = field(Text(80), label="Text", required=True)
    quantity: Mapped[Decimal | None] = field(Number(12, 2), label="Quantity")
