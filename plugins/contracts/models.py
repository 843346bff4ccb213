"""The tables of contracts and their lines."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    AutoNumber,
    Boolean,
    Choice,
    ChoiceField,
    Date,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    Number,
    Owned,
    Reference,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.api import CURRENCIES

__all__ = ["CONTRACTED", "IN_FORCE", "KINDS", "STATUSES", "Contract", "ContractLine"]

KINDS = (
    Choice("sales", _l("Sales contract")),
    Choice("service", _l("Service contract")),
    Choice("framework", _l("Framework agreement")),
)

#: All that the suite's contract names (DESIGN 6). Nothing leads to the second and third as yet.
STATUSES = (
    Choice("draft", _l("Draft"), "neutral"),
    Choice("in_approval", _l("In approval"), "warn"),
    Choice("approved", _l("Approved"), "info"),
    Choice("signed", _l("Signed"), "info"),
    Choice("active", _l("In force"), "good"),
    Choice("expired", _l("Expired"), "neutral"),
    Choice("terminated", _l("Terminated"), "bad"),
)
#: Signed, and not over yet.
IN_FORCE = ("signed", "active")
#: What counts as contracted: also what ran to its end, but not what was broken off.
CONTRACTED = (*IN_FORCE, "expired")

_HAS_QUOTE = text("quote_id IS NOT NULL AND archived_at IS NULL")
_HAS_DEAL = text("opportunity_id IS NOT NULL")


class Contract(Entity, Owned):
    """What was agreed with a customer (合同)."""

    __tablename__ = "contracts_contract"

    number: Mapped[str | None] = field(
        AutoNumber("HT{yyyy}{mm}-{seq:4}"),
        label=_l("Contract no."),
        unique=True,
        searchable=True,
        synonyms=("合同编号", "合同号", "contract number", "contract no"),
    )
    name: Mapped[str | None] = field(
        Text(120),
        label=_l("Contract name"),
        required=True,
        searchable=True,
        synonyms=("合同名称", "名称", "contract", "contract name"),
    )
    kind: Mapped[str | None] = field(
        ChoiceField(choices=KINDS),
        label=_l("Kind of contract"),
        required=True,
        default="sales",
        synonyms=("合同类型", "类型", "kind", "contract type"),
    )
    customer: Mapped[int | None] = field(
        Reference("customer"),
        label=_l("Customer"),
        required=True,
        table="crm_sales_customer",
        column="customer_id",
        index=False,
        synonyms=("客户", "客户名称", "甲方", "customer"),
    )
    opportunity: Mapped[int | None] = field(
        Reference("opportunity"),
        within="customer",
        label=_l("Opportunity"),
        table="crm_sales_opportunity",
        column="opportunity_id",
        index=False,
        synonyms=("商机", "opportunity"),
    )
    quote: Mapped[int | None] = field(
        Reference("quote"),
        within="customer",
        label=_l("Quotation"),
        help=_l("The accepted one that it carries out; each has one contract."),
        table="crm_sales_quote",
        column="quote_id",
        index=False,
        synonyms=("报价单", "报价", "quote"),
    )
    status: Mapped[str | None] = field(
        ChoiceField(choices=STATUSES), label=_l("Status"), readonly=True, default="draft"
    )
    amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"),
        label=_l("Contract amount"),
        help=_l("With tax. With lines it is their sum."),
        synonyms=("合同金额", "金额", "合同总额", "amount", "contract amount"),
    )
    currency: Mapped[str | None] = field(
        ChoiceField(choices=CURRENCIES),
        label=_l("Currency"),
        help=_l("Empty: that of the quotation, of the opportunity, or the company's."),
        synonyms=("币种", "currency"),
    )
    tax_included: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Unit prices include tax"),
        help=_l("As the quotation has it, or as the company's settings say."),
        readonly=True,
        default=True,
    )
    net_amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Amount without tax"), readonly=True
    )
    tax_amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Tax"), readonly=True
    )
    signed_on: Mapped[date | None] = field(
        Date(), label=_l("Signed on"), readonly=True, synonyms=("签订日期", "签约日期", "signed on")
    )
    starts_on: Mapped[date | None] = field(
        Date(),
        label=_l("Starts on"),
        help=_l("Empty: the day on which it is signed."),
        synonyms=("开始日期", "生效日期", "starts on", "start date"),
    )
    ends_on: Mapped[date | None] = field(
        Date(),
        label=_l("Ends on"),
        help=_l("Its last day. Empty: it does not end by itself."),
        synonyms=("结束日期", "到期日期", "截止日期", "ends on", "end date"),
    )
    payment_terms: Mapped[str | None] = field(
        LongText(4000),
        label=_l("Payment terms"),
        synonyms=("付款条件", "付款方式", "payment terms"),
    )
    delivery_terms: Mapped[str | None] = field(
        LongText(4000),
        label=_l("Delivery terms"),
        synonyms=("交付条款", "交货方式", "delivery terms"),
    )
    deliver_by: Mapped[date | None] = field(
        Date(), label=_l("Deliver by"), synonyms=("交货日期", "交付日期", "delivery date")
    )
    warranty_months: Mapped[int | None] = field(
        Integer(minimum=0, maximum=600),
        label=_l("Warranty, months"),
        totals=False,
        synonyms=("质保期", "质保月数", "warranty"),
    )
    terminated_on: Mapped[date | None] = field(Date(), label=_l("Terminated on"), readonly=True)
    termination_reason: Mapped[str | None] = field(
        Text(300), label=_l("Reason of termination"), readonly=True
    )
    note: Mapped[str | None] = field(LongText(), label=_l("Note"), synonyms=("备注", "note"))
    lines = detached(
        Lines("contract_line", "contract", max_items=200),
        label=_l("Contract lines"),
    )

    # These serve: what a customer's page adds up; the contract of a quote, which is one, and those of
    # an opportunity; what begins or ends on a day; and the columns that the list is sorted by.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = "ix_contracts_contract"
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        return (
            *indexes,
            Index(f"{name}_customer_id_status", "customer_id", "status"),
            Index(
                "uq_contracts_contract_quote_id",
                "quote_id",
                unique=True,
                sqlite_where=_HAS_QUOTE,
                postgresql_where=_HAS_QUOTE,
            ),
            Index(
                f"{name}_opportunity_id",
                "opportunity_id",
                sqlite_where=_HAS_DEAL,
                postgresql_where=_HAS_DEAL,
            ),
            Index(f"{name}_status_starts_on", "status", "starts_on"),
            Index(f"{name}_status_ends_on", "status", "ends_on"),
            Index(f"{name}_kind_status", "kind", "status"),
            Index(f"{name}_name_id", "name", "id"),
            Index(f"{name}_amount_id", "amount", "id"),
            Index(f"{name}_signed_on_id", "signed_on", "id"),
            Index(f"{name}_ends_on_id", "ends_on", "id"),
            options,
        )


class ContractLine(Entity):
    """One thing that is delivered or done, at the price that was agreed.

    Not a `PricedLine` of sales: there rules find the price and say why; here it stands.
    """

    __tablename__ = "contracts_contract_line"

    contract: Mapped[int | None] = field(
        Reference("contract", on_delete="cascade"),
        label=_l("Contract"),
        required=True,
        table="contracts_contract",
        column="contract_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    product: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Product"),
        table="crm_sales_product",
        column="product_id",
        synonyms=("产品", "product"),
    )
    description: Mapped[str | None] = field(
        Text(500), label=_l("Description"), synonyms=("描述", "说明", "规格", "description")
    )
    quantity: Mapped[Decimal | None] = field(
        Number(14, 3), label=_l("Quantity"), required=True, default=Decimal(1)
    )
    unit: Mapped[str | None] = field(Text(20), label=_l("Unit"))
    unit_price: Mapped[Decimal | None] = field(
        Money(currency_field="currency"), label=_l("Unit price"), required=True, totals=False
    )
    discount: Mapped[Decimal | None] = field(
        Number(5, 2), label=_l("Discount, %"), default=Decimal(0), totals=False
    )
    tax_rate: Mapped[Decimal | None] = field(
        Number(5, 2),
        label=_l("Tax rate, %"),
        help=_l("Empty: that of the product."),
        totals=False,
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
