"""The tables of quotes: their lines, the versions that were submitted, and links for customers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Table, text
from sqlalchemy import Integer as IntegerColumn
from sqlalchemy.orm import Mapped, declared_attr

from core.db.base import metadata
from core.db.types import BigId, PlainText, UtcDateTime
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
    Integer,
    Lines,
    LongText,
    Money,
    Owned,
    Reference,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.products.models.lines import PricedLine

__all__ = [
    "Quote",
    "QuoteLine",
    "QuoteVersion",
    "quote_link_table",
]

STATUSES = (
    Choice("draft", _l("Draft"), "neutral"),
    Choice("in_approval", _l("Waiting for consent"), "warn"),
    Choice("submitted", _l("Submitted"), "info"),
    Choice("accepted", _l("Accepted"), "good"),
    Choice("declined", _l("Declined"), "neutral"),
)


class Quote(Entity, Owned):
    """What a customer is offered at what price (报价单)."""

    __tablename__ = "crm_sales_quote"

    number: Mapped[str | None] = field(
        AutoNumber("Q{yyyy}{mm}-{seq:4}"),
        label=_l("Quotation"),
        unique=True,
        searchable=True,
        synonyms=("报价单号", "报价编号", "quote number"),
    )
    customer: Mapped[int | None] = field(
        Reference("customer"),
        label=_l("Customer"),
        required=True,
        table="crm_sales_customer",
        column="customer_id",
        synonyms=("客户", "客户名称", "customer"),
    )
    opportunity: Mapped[int | None] = field(
        Reference("opportunity"),
        within="customer",
        label=_l("Opportunity"),
        help=_l("Its amount follows the quote."),
        table="crm_sales_opportunity",
        column="opportunity_id",
        synonyms=("商机", "opportunity"),
    )
    status: Mapped[str | None] = field(
        ChoiceField(choices=STATUSES), label=_l("Status"), readonly=True, default="draft"
    )
    revision: Mapped[int | None] = field(
        Integer(minimum=1, maximum=1000),
        label=_l("Version"),
        readonly=True,
        default=1,
        totals=False,
    )
    currency: Mapped[str | None] = field(
        ChoiceField(choices=CURRENCIES),
        label=_l("Currency"),
        help=_l("Empty: that of the price list, of the opportunity, or the company's."),
        synonyms=("币种", "currency"),
    )
    price_list: Mapped[int | None] = field(
        Reference("price_list", on_delete="clear"),
        label=_l("Price list"),
        help=_l("Empty: each line finds the list that fits customer, currency and day."),
        table="crm_sales_price_list",
        column="price_list_id",
        index=False,
        synonyms=("价格表", "price list"),
    )
    quoted_on: Mapped[date | None] = field(
        Date(),
        label=_l("Day of the quote"),
        help=_l("The day whose prices and rates count. Empty: today."),
        synonyms=("报价日期", "quote date"),
    )
    valid_until: Mapped[date | None] = field(
        Date(), label=_l("Valid until"), synonyms=("有效期至", "valid until", "expiry")
    )
    tax_included: Mapped[bool | None] = field(
        Boolean(), label=_l("Unit prices include tax"), readonly=True, default=True
    )
    net_total: Mapped[Decimal | None] = field(
        Computed("SUM(lines.net_amount)", Money(currency_field="currency")),
        label=_l("Total without tax"),
        readonly=True,
    )
    tax_total: Mapped[Decimal | None] = field(
        Computed("SUM(lines.tax_amount)", Money(currency_field="currency")),
        label=_l("Tax"),
        readonly=True,
    )
    total: Mapped[Decimal | None] = field(
        Computed("SUM(lines.amount)", Money(currency_field="currency")),
        label=_l("Total with tax"),
        readonly=True,
    )
    terms: Mapped[str | None] = field(
        LongText(4000), label=_l("Terms"), synonyms=("条款", "付款条件", "terms")
    )
    lines = detached(
        Lines("quote_line", "quote", max_items=200),
        label=_l("Lines"),
    )
    sent_to: Mapped[str | None] = field(
        Email(), label=_l("Last sent to"), readonly=True, personal=True
    )
    sent_at: Mapped[datetime | None] = field(DateTime(), label=_l("Last sent at"), readonly=True)
    #: What the customer answered through a link; empty where somebody here noted the answer.
    answered_by: Mapped[str | None] = field(
        Text(80), label=_l("Who answered"), readonly=True, personal=True
    )
    answered_at: Mapped[datetime | None] = field(DateTime(), label=_l("Answered at"), readonly=True)
    answer_note: Mapped[str | None] = field(
        LongText(1000), label=_l("Remark or reason"), readonly=True
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        name = "ix_crm_sales_quote"
        return (
            *indexes,
            Index(f"{name}_status_valid_until", "status", "valid_until"),
            Index(
                f"{name}_price_list_id",
                "price_list_id",
                sqlite_where=text("price_list_id IS NOT NULL"),
                postgresql_where=text("price_list_id IS NOT NULL"),
            ),
            options,
        )


class QuoteLine(PricedLine, Entity):
    """One product of a quote, with its price and how that came about."""

    __tablename__ = "crm_sales_quote_line"

    quote: Mapped[int | None] = field(
        Reference("quote", on_delete="cascade"),
        label=_l("Quotation"),
        required=True,
        table="crm_sales_quote",
        column="quote_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    product: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
    )


class QuoteVersion(Entity):
    """A quote as it was submitted: kept for good, and compared with the others."""

    __tablename__ = "crm_sales_quote_version"

    quote: Mapped[int | None] = field(
        Reference("quote", on_delete="cascade"),
        label=_l("Quotation"),
        required=True,
        table="crm_sales_quote",
        column="quote_id",
    )
    revision: Mapped[int | None] = field(
        Integer(minimum=1, maximum=1000), label=_l("Version"), required=True, totals=False
    )
    submitted_at: Mapped[datetime | None] = field(DateTime(), label=_l("Submitted at"))
    submitted_by: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Submitted by"),
        column="submitted_by_id",
        constraint=False,
        index=False,
    )
    currency: Mapped[str | None] = field(Text(3), label=_l("Currency"))
    net_total: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Total without tax")
    )
    tax_total: Mapped[Decimal | None] = field(Money(currency_field="currency"), label=_l("Tax"))
    total: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Total with tax")
    )
    #: ``{"quote": {…}, "lines": [{…}]}``: values as text, products by name and code.
    contents: Mapped[Any] = field(Document(), label=_l("Contents"))


#: Links by which a customer answers a version of a quote. The token is in the link and nowhere else.
quote_link_table = Table(
    "crm_sales_quote_link",
    metadata,
    Column("token_hash", PlainText(64), primary_key=True),
    Column(
        "quote_id",
        BigId,
        ForeignKey("crm_sales_quote.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("revision", IntegerColumn, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, nullable=True),
)
