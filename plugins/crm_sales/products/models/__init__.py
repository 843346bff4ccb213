"""The tables of products, prices, exchange rates, limits of discounts, and quotes."""

from __future__ import annotations

from plugins.crm_sales.products.models.prices import (
    DiscountLimit,
    ExchangeRate,
    PriceList,
    PriceListItem,
)
from plugins.crm_sales.products.models.products import (
    Product,
    ProductAttribute,
    ProductCategory,
    ProductParameter,
)
from plugins.crm_sales.products.models.quotes import (
    Quote,
    QuoteLine,
    QuoteVersion,
    quote_link_table,
)

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
