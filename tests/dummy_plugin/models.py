"""A specimen has one field of every kind; its parts are child lines."""

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
from core.i18n import lazy_gettext as _l

STATES = (Choice("new", _l("New"), "info"), Choice("kept", _l("Kept"), "good"))
COLOURS = (Choice("red", _l("Red")), Choice("green", _l("Green")), Choice("blue", _l("Blue")))


class Specimen(Entity, Owned):
    __tablename__ = "dummy_plugin_specimen"

    code: Mapped[str | None] = field(AutoNumber("S{yyyy}-{seq:4}"), label=_l("Number"), unique=True)
    name: Mapped[str | None] = field(Text(80), label=_l("Name"), required=True, searchable=True)
    notes: Mapped[str | None] = field(LongText(), label=_l("Notes"))
    body: Mapped[str | None] = field(RichText(), label=_l("Description"))
    quantity: Mapped[int | None] = field(Integer(minimum=0), label=_l("Quantity"))
    weight: Mapped[Decimal | None] = field(Number(12, 3), label=_l("Weight"))
    price: Mapped[Decimal | None] = field(Money(), label=_l("Price"))
    active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)
    day: Mapped[date | None] = field(Date(), label=_l("Day"))
    moment: Mapped[datetime | None] = field(DateTime(), label=_l("Moment"))
    state: Mapped[str | None] = field(ChoiceField(STATES), label=_l("State"), default="new")
    colours: Mapped[Any] = field(MultiChoice(COLOURS), label=_l("Colours"))
    tags: Mapped[Any] = field(Tags(), label=_l("Tags"))
    phone: Mapped[str | None] = field(Phone(), label=_l("Phone"), mask="3-4", personal=True)
    email: Mapped[str | None] = field(Email(), label=_l("E-mail"), personal=True)
    website: Mapped[str | None] = field(Url(), label=_l("Website"))
    region: Mapped[str | None] = field(Region(), label=_l("Region"))
    origin: Mapped[int | None] = field(
        Reference("specimen", on_delete="clear"),
        label=_l("Origin"),
        table="dummy_plugin_specimen",
        column="origin_id",
    )
    relatives = detached(References("specimen"), label=_l("Relatives"))
    parts = detached(Lines("specimen_part", parent="specimen"), label=_l("Parts"))
    attachment: Mapped[int | None] = field(File(), label=_l("Attachment"), column="attachment_id")
    picture: Mapped[int | None] = field(Image(), label=_l("Picture"), column="picture_id")
    layout: Mapped[Any] = field(Document(), label=_l("Layout"))
    double_weight: Mapped[Decimal | None] = field(
        Computed("weight * 2", Number(14, 3)), label=_l("Double weight")
    )
    total: Mapped[Decimal | None] = field(
        Computed("SUM(parts.amount)", Money()), label=_l("Total of parts")
    )
    remark: Mapped[str | None] = field(Text(200), label=_l("Remark"), readonly=True)


class SpecimenPart(Entity):
    __tablename__ = "dummy_plugin_specimen_part"

    specimen: Mapped[int | None] = field(
        Reference("specimen", on_delete="cascade"),
        label=_l("Specimen"),
        table="dummy_plugin_specimen",
        column="specimen_id",
        required=True,
    )
    title: Mapped[str | None] = field(Text(80), label=_l("Title"), required=True)
    amount: Mapped[Decimal | None] = field(Money(), label=_l("Amount"))
