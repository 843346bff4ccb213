"""Sites, the orders of a workshop, and the parts of an order."""

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
    Document,
    Email,
    Entity,
    File,
    Image,
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

STATUS = (
    Choice("open", "Open", "info"),
    Choice("working", "Working", "warn"),
    Choice("done", "Done", "good"),
)
TOPICS = (Choice("milling", "Milling"), Choice("turning", "Turning"), Choice("welding", "Welding"))


class Site(Entity):
    """Where the work is done."""

    __tablename__ = "workshop_site"
    name: Mapped[str | None] = field(Text(100), label="Site name", required=True, searchable=True)
    phone: Mapped[str | None] = field(Phone(), label="Site phone")


class Order(Entity, Owned):
    """A piece of work."""

    __tablename__ = "workshop_order"
    title: Mapped[str | None] = field(Text(60), label="Title", required=True, searchable=True)
    number: Mapped[str | None] = field(AutoNumber("W{seq:4}"), label="Number")
    status: Mapped[str | None] = field(ChoiceField(STATUS), label="Status", default="open")
    site: Mapped[int | None] = field(Reference("site"), label="Site", table="workshop_site")
    amount: Mapped[Decimal | None] = field(Money(), label="Amount")
    hours: Mapped[Decimal | None] = field(Number(), label="Hours")
    pieces: Mapped[int | None] = field(Integer(), label="Pieces")
    is_urgent: Mapped[bool | None] = field(Boolean(), label="Urgent")
    due_on: Mapped[date | None] = field(Date(), label="Due on")
    starts_at: Mapped[datetime | None] = field(DateTime(), label="Starts at")
    topics: Mapped[Any] = field(MultiChoice(TOPICS), label="Topics")
    tags: Mapped[Any] = field(Tags(), label="Tags")
    region: Mapped[str | None] = field(Region(), label="Region")
    mobile: Mapped[str | None] = field(Phone(), label="Mobile", mask="3-4", searchable=True)
    email: Mapped[str | None] = field(Email(), label="Mail")
    website: Mapped[str | None] = field(Url(), label="Website")
    secret: Mapped[str | None] = field(Text(60), label="Margin secret", searchable=True)
    note: Mapped[str | None] = field(LongText(), label="Note")
    story: Mapped[str | None] = field(RichText(), label="Story")
    drawing: Mapped[int | None] = field(File(), label="Drawing")
    photo: Mapped[int | None] = field(Image(), label="Photo")
    layout: Mapped[Any] = field(Document(), label="Layout")
    twice: Mapped[Decimal | None] = field(Computed("amount * 2", Money()), label="Twice")
    watchers = detached(References("user"), label="Watchers")
    parts = detached(Lines("part", parent="order"), label="Parts")


class Part(Entity):
    """A line of an order."""

    __tablename__ = "workshop_part"
    order: Mapped[int | None] = field(
        Reference("order", on_delete="cascade"),
        label="Order",
        table="workshop_order",
        column="order_id",
        required=True,
    )
    name: Mapped[str | None] = field(Text(60), label="Part name", required=True)
    quantity: Mapped[Decimal | None] = field(Number(), label="Quantity", default=Decimal(1))
    site: Mapped[int | None] = field(Reference("site"), label="From", table="workshop_site")
    paper: Mapped[int | None] = field(File(max_bytes=2_000_000), label="Paper")
    picture: Mapped[int | None] = field(Image(), label="Picture")
