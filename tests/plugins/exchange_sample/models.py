"""A lead as sales people keep it in a sheet, and an entity with the rarer kinds of fields."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Computed,
    Date,
    DateTime,
    Email,
    Entity,
    EntityDef,
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
    Tags,
    Text,
    detached,
    field,
)

SIZES = (Choice("s", "小"), Choice("m", "中"), Choice("l", "大"), Choice("小", "特小"))


class Prospect(Owned, Entity):
    """Somebody who may buy."""

    __tablename__ = "exchange_sample_prospect"

    company: Mapped[str | None] = field(
        Text(120),
        label="Company",
        required=True,
        searchable=True,
        synonyms=("公司名称", "客户名称", "单位"),
    )
    contact_name: Mapped[str | None] = field(Text(60), label="Contact", synonyms=("联系人",))
    mobile: Mapped[str | None] = field(
        Phone(mobile_only=True), label="Mobile", mask="3-4", synonyms=("手机",)
    )
    email: Mapped[str | None] = field(Email(), label="E-mail", synonyms=("邮箱",))
    source: Mapped[str | None] = field(Text(40), label="Source", synonyms=("来源",))
    province: Mapped[str | None] = field(Region(), label="Region", synonyms=("省份",))
    industry: Mapped[str | None] = field(Text(60), label="Industry", synonyms=("行业",))
    expected_amount: Mapped[Decimal | None] = field(
        Money(), label="Expected amount", synonyms=("预计金额",)
    )
    entered_on: Mapped[date | None] = field(Date(), label="Entered on", synonyms=("录入日期",))
    note: Mapped[str | None] = field(LongText(), label="Note", synonyms=("备注",))
    score: Mapped[int | None] = field(Integer(), label="Score", readonly=True)


class Thing(Entity):
    """One field of each other type."""

    __tablename__ = "exchange_sample_thing"

    name: Mapped[str | None] = field(Text(200), label="Name", required=True)
    text: Mapped[str | None] = field(LongText(), label="Text")
    count: Mapped[int | None] = field(Integer(), label="Count")
    ratio: Mapped[Decimal | None] = field(Number(18, 4), label="Ratio")
    amount: Mapped[Decimal | None] = field(Money(), label="Amount")
    is_new: Mapped[bool | None] = field(Boolean(), label="New")
    day: Mapped[date | None] = field(Date(), label="Day")
    moment: Mapped[datetime | None] = field(DateTime(), label="Moment")
    size: Mapped[str | None] = field(ChoiceField(choices=SIZES), label="Size")
    sizes: Mapped[Any] = field(MultiChoice(choices=SIZES), label="Sizes")
    tags: Mapped[Any] = field(Tags(), label="Tags")
    region: Mapped[str | None] = field(Region(), label="Region")
    keeper: Mapped[int | None] = field(Reference("user"), label="Keeper", table="core_user")
    part_of: Mapped[int | None] = field(
        Reference("thing"), label="Part of", table="exchange_sample_thing"
    )
    helpers = detached(References("user"), label="Helpers")
    paper: Mapped[int | None] = field(File(max_bytes=100_000), label="Paper")
    picture: Mapped[int | None] = field(Image(), label="Picture")


class Parcel(Entity):
    """What is sent to somebody, with its contents as lines."""

    __tablename__ = "exchange_sample_parcel"

    title: Mapped[str | None] = field(Text(80), label="Title", required=True)
    code: Mapped[str | None] = field(Text(20), label="Code", unique=True)
    contents = detached(Lines("parcel_line", parent="parcel"), label="Contents")
    value: Mapped[Decimal | None] = field(
        Computed("SUM(contents.price)", Money()), label="Value", column="value_total"
    )


class ParcelLine(Entity):
    """One thing in a parcel."""

    __tablename__ = "exchange_sample_parcel_line"

    parcel: Mapped[int | None] = field(
        Reference("parcel", on_delete="cascade"),
        label="Parcel",
        table="exchange_sample_parcel",
        column="parcel_id",
        required=True,
    )
    what: Mapped[str | None] = field(Text(80), label="What", required=True)
    price: Mapped[Decimal | None] = field(Money(), label="Price")


PROSPECT = EntityDef(
    name="prospect",
    model=Prospect,
    label="Prospect",
    label_plural="Prospects",
    label_field="company",
    list_columns=("company", "contact_name", "mobile", "expected_amount"),
    duplicate_keys=("company", "mobile"),
)
THING = EntityDef(
    name="thing", model=Thing, label="Thing", label_plural="Things", label_field="name"
)
PARCEL = EntityDef(
    name="parcel", model=Parcel, label="Parcel", label_plural="Parcels", label_field="title"
)
PARCEL_LINE = EntityDef(
    name="parcel_line",
    model=ParcelLine,
    label="Content",
    label_plural="Contents",
    label_field="what",
    parent_field="parcel",
    navigable=False,
)
