"""The tables of products, prices, exchange rates, limits of discounts, and quotes."""

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
    Number,
    Owned,
    Reference,
    Region,
    Tags,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.models import CURRENCIES, LEVELS

__all__ = [
    "DiscountLimit",
    "ExchangeRate",
    "PriceList",
    "PriceListItem",
    "Product",
    "ProductAttribute",
    "ProductCategory",
    "ProductParameter",
    "Quote",
    "QuoteLine",
    "QuoteVersion",
    "quote_link_table",
]

PARAMETER_KINDS = (
    Choice("number", _l("Number")),
    Choice("choice", _l("One of a list")),
    Choice("text", _l("Text")),
    Choice("yes_no", _l("Yes or no")),
)

STATUSES = (
    Choice("draft", _l("Draft"), "neutral"),
    Choice("in_approval", _l("Waiting for consent"), "warn"),
    Choice("submitted", _l("Submitted"), "info"),
    Choice("accepted", _l("Accepted"), "good"),
    Choice("declined", _l("Declined"), "neutral"),
)

_LIVING = text("archived_at IS NULL")


class ProductCategory(Entity):
    """A branch of the tree of products (产品分类)."""

    __tablename__ = "crm_sales_product_category"

    name: Mapped[str | None] = field(
        Text(60),
        label=_l("Category"),
        required=True,
        searchable=True,
        synonyms=("产品分类", "分类", "类别", "category", "product category"),
    )
    parent: Mapped[int | None] = field(
        Reference("product_category"),
        label=_l("Above it"),
        table="crm_sales_product_category",
        column="parent_id",
        synonyms=("上级分类", "parent", "parent category"),
    )


class Product(Entity):
    """Something that is sold (产品); it may be the variant of another."""

    __tablename__ = "crm_sales_product"

    name: Mapped[str | None] = field(
        Text(120),
        label=_l("Product"),
        required=True,
        searchable=True,
        synonyms=("产品名称", "产品", "品名", "名称", "product", "product name", "name"),
    )
    code: Mapped[str | None] = field(
        Text(60),
        label=_l("Product code"),
        required=True,
        unique=True,
        searchable=True,
        synonyms=(
            "产品编码",
            "产品编号",
            "编码",
            "型号",
            "物料编码",
            "code",
            "sku",
            "product code",
        ),
    )
    category: Mapped[int | None] = field(
        Reference("product_category"),
        label=_l("Category"),
        table="crm_sales_product_category",
        column="category_id",
        synonyms=("产品分类", "分类", "类别", "category"),
    )
    unit: Mapped[str | None] = field(
        Text(20),
        label=_l("Unit"),
        required=True,
        default="台",
        synonyms=("单位", "计量单位", "unit", "uom"),
    )
    list_price: Mapped[Decimal | None] = field(
        Money(),
        label=_l("List price"),
        help=_l(
            "In the company's currency, for one unit. A price list or a formula may say otherwise."
        ),
        synonyms=("标准价", "目录价", "单价", "价格", "list price", "price"),
    )
    cost: Mapped[Decimal | None] = field(
        Money(), label=_l("Cost"), synonyms=("成本", "成本价", "cost", "unit cost")
    )
    tax_rate: Mapped[Decimal | None] = field(
        Number(5, 2),
        label=_l("Tax rate, %"),
        default=Decimal("13"),
        synonyms=("税率", "tax rate", "vat"),
    )
    is_active: Mapped[bool | None] = field(
        Boolean(),
        label=_l("On sale"),
        help=_l("What is not on sale is put into no quote; quotes that hold it keep it."),
        default=True,
        synonyms=("在售", "启用", "active"),
    )
    description: Mapped[str | None] = field(
        LongText(2000), label=_l("Description"), synonyms=("描述", "规格说明", "description")
    )
    variant_of: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Variant of"),
        help=_l(
            "It has the prices, parameters and formula of that product where it has none of its own."
        ),
        table="crm_sales_product",
        column="variant_of_id",
        synonyms=("主产品", "所属产品", "variant of"),
    )
    attributes = detached(
        Lines("product_attribute", "product", max_items=20),
        label=_l("Attributes"),
        help=_l("By which a variant differs from others, such as voltage or colour."),
    )
    price_formula: Mapped[str | None] = field(
        LongText(4000),
        label=_l("Price formula"),
        help=_l(
            "Over the parameters below, quantity, list_price, day and day_number, in the company's"
            ' currency: ROUND(power * 1200 + LOOKUP("steel", material, "price") * weight, 0)'
        ),
        synonyms=("价格公式", "price formula"),
    )
    parameters = detached(
        Lines("product_parameter", "product", max_items=40),
        label=_l("Parameters"),
        help=_l("What is asked when it is quoted; the formula names them."),
    )


class ProductAttribute(Entity):
    """What one variant is like, by one attribute."""

    __tablename__ = "crm_sales_product_attribute"

    product: Mapped[int | None] = field(
        Reference("product", on_delete="cascade"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0
    )
    name: Mapped[str | None] = field(Text(40), label=_l("Attribute"), required=True)
    value: Mapped[str | None] = field(Text(60), label=_l("Value"), required=True)


class ProductParameter(Entity):
    """What is asked of a configured product when it is quoted."""

    __tablename__ = "crm_sales_product_parameter"

    product: Mapped[int | None] = field(
        Reference("product", on_delete="cascade"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0
    )
    name: Mapped[str | None] = field(
        Text(40), label=_l("Parameter"), help=_l("As the formula calls it."), required=True
    )
    kind: Mapped[str | None] = field(
        ChoiceField(choices=PARAMETER_KINDS), label=_l("Kind"), required=True, default="number"
    )
    unit: Mapped[str | None] = field(Text(20), label=_l("Unit"))
    minimum: Mapped[Decimal | None] = field(Number(18, 4), label=_l("At least"))
    maximum: Mapped[Decimal | None] = field(Number(18, 4), label=_l("At most"))
    choices: Mapped[Any] = field(Tags(max_length=60), label=_l("Options"))
    default_value: Mapped[str | None] = field(Text(60), label=_l("To begin with"))
    is_optional: Mapped[bool | None] = field(Boolean(), label=_l("May stay empty"), default=False)


class PriceList(Entity):
    """Prices for some customers, in one currency, for some time (价格表)."""

    __tablename__ = "crm_sales_price_list"

    name: Mapped[str | None] = field(
        Text(80),
        label=_l("Price list"),
        required=True,
        searchable=True,
        synonyms=("价格表", "价格表名称", "price list", "name"),
    )
    currency: Mapped[str | None] = field(
        ChoiceField(choices=CURRENCIES),
        label=_l("Currency"),
        required=True,
        default="CNY",
        synonyms=("币种", "currency"),
    )
    customer_level: Mapped[str | None] = field(
        ChoiceField(choices=LEVELS),
        label=_l("Level of customers"),
        help=_l("Empty: of any level."),
        synonyms=("客户级别", "客户等级", "customer level"),
    )
    region: Mapped[str | None] = field(
        Region(level="city"),
        label=_l("Region of customers"),
        help=_l("A province, or a city. Empty: from anywhere."),
        synonyms=("地区", "区域", "region"),
    )
    valid_from: Mapped[date | None] = field(
        Date(), label=_l("Valid from"), required=True, synonyms=("生效日期", "valid from")
    )
    valid_to: Mapped[date | None] = field(
        Date(),
        label=_l("Valid to"),
        help=_l("That day included. Empty: until further notice."),
        synonyms=("失效日期", "截止日期", "valid to"),
    )
    priority: Mapped[int | None] = field(
        Integer(minimum=0, maximum=1000),
        label=_l("Priority"),
        help=_l("Of several that fit, the highest is asked first."),
        default=0,
        synonyms=("优先级", "priority"),
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("In use"), default=True)
    items = detached(
        Lines("price_list_item", "price_list", max_items=500),
        label=_l("Prices"),
        help=_l("A price, or a discount on the product's own price."),
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        name = "ix_crm_sales_price_list"
        return (*indexes, Index(f"{name}_currency_valid_from", "currency", "valid_from"), options)


class PriceListItem(Entity):
    """What one product costs from some quantity on."""

    __tablename__ = "crm_sales_price_list_item"

    price_list: Mapped[int | None] = field(
        Reference("price_list", on_delete="cascade"),
        label=_l("Price list"),
        required=True,
        table="crm_sales_price_list",
        column="price_list_id",
        index=False,
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=100_000), label=_l("Place"), default=0
    )
    product: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
        synonyms=("产品", "product"),
    )
    minimum_quantity: Mapped[Decimal | None] = field(
        Number(14, 3),
        label=_l("From quantity"),
        default=Decimal(0),
        synonyms=("起订量", "数量起", "minimum quantity"),
    )
    price: Mapped[Decimal | None] = field(
        Number(18, 2), label=_l("Price"), synonyms=("价格", "单价", "price")
    )
    discount: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Discount, %"), synonyms=("折扣", "discount")
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        list_ = Index("ix_crm_sales_price_list_item_price_list_id", "price_list_id", "product_id")
        return (*indexes, list_, options)


class ExchangeRate(Entity):
    """What one unit of a currency is worth in the company's, from a day on (汇率)."""

    __tablename__ = "crm_sales_exchange_rate"

    currency: Mapped[str | None] = field(
        ChoiceField(choices=CURRENCIES),
        label=_l("Currency"),
        required=True,
        synonyms=("币种", "currency"),
    )
    valid_from: Mapped[date | None] = field(
        Date(), label=_l("Valid from"), required=True, synonyms=("生效日期", "日期", "date")
    )
    rate: Mapped[Decimal | None] = field(
        Number(18, 8),
        label=_l("Rate"),
        help=_l("So much of the company's currency for one unit of this one."),
        required=True,
        synonyms=("汇率", "rate"),
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        one = Index(
            "uq_crm_sales_exchange_rate_currency_valid_from",
            *("currency", "valid_from"),
            unique=True,
            sqlite_where=_LIVING,
            postgresql_where=_LIVING,
        )
        return (*indexes, one, options)


class DiscountLimit(Entity):
    """How much discount a role may give without asking (折扣权限)."""

    __tablename__ = "crm_sales_discount_limit"

    role: Mapped[int | None] = field(
        Reference("role", on_delete="cascade"),
        label=_l("Role"),
        required=True,
        unique=True,
        table="core_role",
        column="role_id",
    )
    limit: Mapped[Decimal | None] = field(
        Number(5, 2),
        label=_l("Discount up to, %"),
        help=_l("Against the price by the rules, a lower price typed in included."),
        required=True,
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
        Integer(minimum=1, maximum=1000), label=_l("Version"), readonly=True, default=1
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


class QuoteLine(Entity):
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
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0
    )
    product: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
    )
    parameters: Mapped[Any] = field(
        Document(), label=_l("Parameters"), help=_l("By name, such as power and material.")
    )
    specification: Mapped[str | None] = field(Text(500), label=_l("Specification"), readonly=True)
    quantity: Mapped[Decimal | None] = field(
        Number(14, 3), label=_l("Quantity"), required=True, default=Decimal(1)
    )
    unit: Mapped[str | None] = field(Text(20), label=_l("Unit"), readonly=True)
    #: What the rules say; `unit_price` is the same unless somebody typed another.
    base_price: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Price by the rules"), readonly=True
    )
    unit_price: Mapped[Decimal | None] = field(
        Money(currency_field="currency"),
        label=_l("Unit price"),
        help=_l("Empty: the price by the rules."),
    )
    discount: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Discount, %"), default=Decimal(0)
    )
    tax_rate: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Tax rate, %"), help=_l("Empty: that of the product.")
    )
    net_amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Amount without tax"), readonly=True
    )
    tax_amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Tax"), readonly=True
    )
    amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Amount with tax"), readonly=True
    )
    currency: Mapped[str | None] = field(Text(3), label=_l("Currency"), readonly=True)
    #: ``[{"code": …, …}]``, as `prices.said` puts into words.
    reasons: Mapped[Any] = field(Document(), label=_l("Why this price"), readonly=True)


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
        Integer(minimum=1, maximum=1000), label=_l("Version"), required=True
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
