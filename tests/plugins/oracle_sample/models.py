"""Four entities: an account, a deal with lines that refers to it, and notes that nobody owns."""

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
    Computed,
    Date,
    DateTime,
    Email,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    MultiChoice,
    Number,
    Owned,
    Phone,
    Reference,
    References,
    Region,
    RichText,
    Tags,
    Text,
    Url,
    detached,
    field,
)

STAGES = ("new", "talking", "won", "lost")
FLAGS = ("hot", "vip", "late")


def _choices(values: tuple[str, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(value, value.title()) for value in values)


class Account(Owned, Entity):
    """Whom one sells to."""

    __tablename__ = "oracle_sample_account"

    name: Mapped[str | None] = field(Text(120), label="Name", required=True, searchable=True)
    level: Mapped[str | None] = field(ChoiceField(_choices(("a", "b", "c"))), label="Level")
    credit: Mapped[Decimal | None] = field(Money(), label="Credit")
    region: Mapped[str | None] = field(Region(), label="Region")
    code: Mapped[str | None] = field(Text(40), label="Code", unique=True, searchable=True)


class Deal(Owned, Entity):
    """One chance to sell, with a field of every kind."""

    __tablename__ = "oracle_sample_deal"

    title: Mapped[str | None] = field(Text(120), label="Title", required=True, searchable=True)
    account: Mapped[int | None] = field(
        Reference("oracle_account"), label="Account", table="oracle_sample_account",
        column="account_id",
    )  # fmt: skip
    amount: Mapped[Decimal | None] = field(Money(), label="Amount")
    cost: Mapped[Decimal | None] = field(Number(18, 4), label="Cost")
    quantity: Mapped[int | None] = field(Integer(), label="Quantity")
    won: Mapped[bool | None] = field(Boolean(), label="Won")
    closes_on: Mapped[date | None] = field(Date(), label="Closes on")
    seen_at: Mapped[datetime | None] = field(DateTime(), label="Seen at")
    stage: Mapped[str | None] = field(ChoiceField(_choices(STAGES)), label="Stage", default="new")
    flags: Mapped[Any] = field(MultiChoice(_choices(FLAGS)), label="Flags")
    tags: Mapped[Any] = field(Tags(), label="Tags")
    phone: Mapped[str | None] = field(Phone(), label="Phone", mask="3-4", searchable=True)
    email: Mapped[str | None] = field(Email(), label="E-mail")
    site: Mapped[str | None] = field(Url(), label="Site")
    notes: Mapped[str | None] = field(LongText(), label="Notes")
    body: Mapped[str | None] = field(RichText(), label="Body")
    region: Mapped[str | None] = field(Region(), label="Region")
    secret: Mapped[str | None] = field(Text(60), label="Secret", searchable=True)
    reviewer: Mapped[int | None] = field(
        Reference("user"), label="Reviewer", table="core_user", column="reviewer_id"
    )
    number: Mapped[str | None] = field(AutoNumber("D{yyyy}-{seq:4}"), label="Number")
    margin: Mapped[Decimal | None] = field(
        Computed("amount - cost", Money()), label="Margin", readonly=True
    )
    total: Mapped[Decimal | None] = field(
        Computed("SUM(lines.price * lines.quantity)", Money()), label="Total", readonly=True
    )
    watchers = detached(References("user"), label="Watchers")
    partners = detached(References("oracle_account"), label="Partners")
    lines = detached(Lines("oracle_line", parent="deal"), label="Lines")


class Line(Entity):
    """A position of a deal."""

    __tablename__ = "oracle_sample_line"

    deal: Mapped[int | None] = field(
        Reference("oracle_deal", on_delete="cascade"), label="Deal", table="oracle_sample_deal",
        column="deal_id", required=True,
    )  # fmt: skip
    product: Mapped[str | None] = field(Text(80), label="Product", searchable=True)
    price: Mapped[Decimal | None] = field(Money(), label="Price")
    quantity: Mapped[int | None] = field(Integer(), label="Quantity")
    position: Mapped[int | None] = field(Integer(), label="Position")


class Note(Entity):
    """What somebody wrote down; nobody's own but its maker's."""

    __tablename__ = "oracle_sample_note"

    text: Mapped[str | None] = field(Text(200), label="Text", required=True, searchable=True)
    deal: Mapped[int | None] = field(
        Reference("oracle_deal"), label="Deal", table="oracle_sample_deal", column="deal_id"
    )
    color: Mapped[str | None] = field(Text(20), label="Color", mask="1-0")
