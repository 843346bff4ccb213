"""The tables of prices: price lists, exchange rates, and limits of discounts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Boolean,
    ChoiceField,
    Date,
    Entity,
    Integer,
    Lines,
    Number,
    Reference,
    Region,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.pools.models import LEVELS

__all__ = [
    "DiscountLimit",
    "ExchangeRate",
    "PriceList",
    "PriceListItem",
]

_LIVING = text("archived_at IS NULL")


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
        totals=False,
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
        Integer(minimum=0, maximum=100_000), label=_l("Place"), default=0, totals=False
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
        totals=False,
    )
    price: Mapped[Decimal | None] = field(
        Number(18, 2), label=_l("Price"), synonyms=("价格", "单价", "price"), totals=False
    )
    discount: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Discount, %"), synonyms=("折扣", "discount"), totals=False
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
        totals=False,
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
        totals=False,
    )
