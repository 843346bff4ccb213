"""What a line has that names a product: of quotes and of opportunities."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import Document, Money, Number, Text, field
from core.i18n import lazy_gettext as _l

__all__ = ["PricedLine"]


class PricedLine:
    """How many of a product, at which price, how that came about, and what it comes to."""

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
        Money(currency_field="currency"),
        label=_l("Price by the rules"),
        readonly=True,
        totals=False,
    )
    unit_price: Mapped[Decimal | None] = field(
        Money(currency_field="currency"),
        label=_l("Unit price"),
        help=_l("Empty: the price by the rules."),
        totals=False,
    )
    discount: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Discount, %"), default=Decimal(0), totals=False
    )
    tax_rate: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Tax rate, %"), help=_l("Empty: that of the product."), totals=False
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
