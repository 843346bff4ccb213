"""Opportunities, why they end, and how long they were in which stage."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Choice,
    ChoiceField,
    Computed,
    Date,
    DateTime,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    Number,
    Owned,
    Reference,
    Tags,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes, partial_index
from core.i18n import lazy_gettext as _l
from core.pools.models import IMPORTANCE, important_index, in_hands_index, in_pool_index
from plugins.crm_sales.models.customers import OTHER
from plugins.crm_sales.pools.models import InOpportunityPool

__all__ = ["CURRENCIES", "LOST_REASON", "STATUSES", "WON_REASON", "Opportunity", "StageVisit"]

CURRENCIES = (
    Choice("CNY", _l("CNY: yuan")),
    Choice("USD", _l("USD: US dollar")),
    Choice("EUR", _l("EUR: euro")),
    Choice("GBP", _l("GBP: pound")),
    Choice("JPY", _l("JPY: yen")),
    Choice("HKD", _l("HKD: Hong Kong dollar")),
    Choice("KRW", _l("KRW: won")),
    Choice("SGD", _l("SGD: Singapore dollar")),
)


#: Why deals are lost and won, to begin with: the company shapes both. The verbs offer the same.
LOST_REASON = ChoiceField(
    (
        Choice("价格", _l("Price")),
        Choice("产品不符合需求", _l("The product does not fit")),
        Choice("交期", _l("Delivery time")),
        Choice("跟进不及时", _l("Late follow-up")),
        Choice("重复联系", _l("Contacted by several of us")),
        Choice("客户关系", _l("Relations to the customer")),
        Choice("项目暂缓", _l("Project put off")),
        Choice("预算取消", _l("Budget cancelled")),
        Choice(OTHER, _l("Other")),
    ),
    shaped=True,
)


WON_REASON = ChoiceField(
    (
        Choice("价格", _l("Price")),
        Choice("产品与技术", _l("Product and technology")),
        Choice("交期", _l("Delivery time")),
        Choice("服务", _l("Service")),
        Choice("客户关系", _l("Relations to the customer")),
        Choice("品牌与案例", _l("Brand and references")),
        Choice(OTHER, _l("Other")),
    ),
    shaped=True,
)


STATUSES = (
    Choice("open", _l("Ongoing"), "info"),
    Choice("won", _l("Won"), "good"),
    Choice("lost", _l("Lost deal"), "neutral"),
)


class Opportunity(InOpportunityPool, Entity, Owned):
    """Something that a customer may buy (商机)."""

    __tablename__ = "crm_sales_opportunity"

    name: Mapped[str | None] = field(
        Text(120),
        label=_l("Opportunity"),
        required=True,
        searchable=True,
        synonyms=(
            "商机名称",
            "商机",
            "项目名称",
            "名称",
            "opportunity",
            "opportunity name",
            "deal",
        ),
    )
    customer: Mapped[int | None] = field(
        Reference("customer"),
        label=_l("Customer"),
        required=True,
        table="crm_sales_customer",
        column="customer_id",
        index=False,
        synonyms=("客户", "客户名称", "公司", "customer", "account", "company"),
    )
    contact: Mapped[int | None] = field(
        Reference("contact", on_delete="clear"),
        within="customer",
        label=_l("Contact"),
        table="crm_sales_contact",
        column="contact_id",
        index=False,
        synonyms=("联系人", "contact"),
    )
    process: Mapped[int | None] = field(
        Reference("sales_process"),
        label=_l("Sales process"),
        help=_l("Empty: the first one in use."),
        table="crm_sales_process",
        column="process_id",
        index=False,
        synonyms=("销售流程", "流程", "process", "pipeline"),
    )
    stage: Mapped[int | None] = field(
        Reference("stage"),
        within="process",
        label=_l("Stage"),
        help=_l("Empty: the first one of the process."),
        table="crm_sales_stage",
        column="stage_id",
        index=False,
        synonyms=("阶段", "商机阶段", "销售阶段", "stage", "deal_stage"),
    )
    status: Mapped[str | None] = field(
        ChoiceField(choices=STATUSES), label=_l("Status"), readonly=True, default="open"
    )
    amount: Mapped[Decimal | None] = field(
        Money(currency_field="currency"),
        label=_l("Amount"),
        synonyms=("金额", "商机金额", "预计金额", "amount", "value", "close_value"),
    )
    currency: Mapped[str | None] = field(
        ChoiceField(choices=CURRENCIES),
        label=_l("Currency"),
        help=_l("Empty: the company's."),
        synonyms=("币种", "货币", "currency"),
    )
    probability: Mapped[int | None] = field(
        Integer(minimum=0, maximum=100),
        label=_l("Probability, %"),
        help=_l("Empty: that of the stage."),
        synonyms=("成交概率", "赢率", "可能性", "probability"),
        totals=False,
    )
    priority: Mapped[str | None] = field(
        ChoiceField(choices=IMPORTANCE),
        label=_l("Importance"),
        default="normal",
        synonyms=("重要程度", "优先级", "priority", "importance"),
    )
    weighted_amount: Mapped[Decimal | None] = field(
        Computed("amount * probability / 100", Money(currency_field="currency")),
        label=_l("Weighted"),
        readonly=True,
    )
    expected_close_on: Mapped[date | None] = field(
        Date(),
        label=_l("Expected close"),
        synonyms=("预计成交日期", "预计签约日期", "预计结束日期", "expected close", "close date"),
    )
    lead: Mapped[int | None] = field(
        Reference("lead"),
        label=_l("Lead"),
        column="lead_id",
        constraint=False,  # the module of leads may never have been on
        index=False,
        readonly=True,
    )
    next_step: Mapped[str | None] = field(
        Text(200), label=_l("Next step"), synonyms=("下一步", "next step")
    )
    competitors: Mapped[Any] = field(
        Tags(), label=_l("Competitors"), synonyms=("竞争对手", "竞品", "competitors")
    )
    strategy: Mapped[str | None] = field(
        LongText(),
        label=_l("Strategy"),
        help=_l("Earlier versions are in the timeline."),
        synonyms=("销售策略", "策略", "strategy"),
    )
    done_tasks: Mapped[Any] = field(
        Tags(max_length=60, max_items=200),
        label=_l("Key tasks done"),
        help=_l("Of those that the stages ask for."),
    )
    lost_reason: Mapped[str | None] = field(
        LOST_REASON,
        label=_l("Reason of the loss"),
        synonyms=("丢单原因", "输单原因", "流失原因", "lost reason"),
    )
    won_reason: Mapped[str | None] = field(
        WON_REASON,
        label=_l("Reason of the win"),
        synonyms=("赢单原因", "成交原因", "won reason", "win reason"),
    )
    closing_note: Mapped[str | None] = field(
        Text(300),
        label=_l("How it was decided"),
        synonyms=("赢丢单说明", "丢单说明", "赢单说明", "closing note"),
    )
    stage_entered_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("In this stage since"), readonly=True
    )
    stage_due_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("To leave the stage by"), readonly=True
    )
    furthest_stage: Mapped[int | None] = field(
        Reference("stage", on_delete="clear"),
        label=_l("Furthest stage"),
        table="crm_sales_stage",
        column="furthest_stage_id",
        index=False,
        readonly=True,
    )
    closed_on: Mapped[date | None] = field(Date(), label=_l("Closed on"), readonly=True)
    closing_rate: Mapped[Decimal | None] = field(
        Number(18, 8),
        label=_l("Exchange rate on closing"),
        help=_l("Of the day on which it was closed; empty in the company's currency."),
        readonly=True,
        totals=False,
    )
    lines = detached(
        Lines("opportunity_line", "opportunity", max_items=200),
        label=_l("Products"),
        help=_l("With lines the amount is their sum, as long as no quotation says otherwise."),
    )
    members = detached(
        Lines("opportunity_member", "opportunity", max_items=20),
        label=_l("Team"),
        help=_l("Who works on it with the owner, and with what share; the owner has the rest."),
    )

    # These serve: what a customer's page adds up, the funnel and the board of a process, what is
    # stuck, and what closes when.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = "ix_crm_sales_opportunity"
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        return (
            *indexes,
            Index(f"{name}_customer_id_status", "customer_id", "status"),
            Index(f"{name}_process_id_stage_id", "process_id", "stage_id", "status"),
            Index(f"{name}_stage_id", "stage_id", "created_at"),
            Index(f"{name}_status_expected_close_on", "status", "expected_close_on"),
            Index(f"{name}_status_closed_on", "status", "closed_on"),
            partial_index(f"{name}_stage_due_at", text("stage_due_at IS NOT NULL"), "stage_due_at"),
            partial_index(f"{name}_lead_id", text("lead_id IS NOT NULL"), "lead_id"),
            important_index(cls.__tablename__, "priority = 'high'"),
            partial_index(f"{name}_contact_id", text("contact_id IS NOT NULL"), "contact_id"),
            in_pool_index(cls.__tablename__),
            in_hands_index(cls.__tablename__),
            options,
        )


class StageVisit(Entity):
    """One stay of an opportunity in a stage: from when to when."""

    __tablename__ = "crm_sales_stage_visit"

    opportunity: Mapped[int | None] = field(
        Reference("opportunity", on_delete="cascade"),
        label=_l("Opportunity"),
        required=True,
        table="crm_sales_opportunity",
        column="opportunity_id",
    )
    stage: Mapped[int | None] = field(
        Reference("stage"),
        label=_l("Stage"),
        required=True,
        table="crm_sales_stage",
        column="stage_id",
        index=False,
    )
    entered_at: Mapped[datetime | None] = field(DateTime(), label=_l("Entered at"))
    left_at: Mapped[datetime | None] = field(DateTime(), label=_l("Left at"))
    days: Mapped[Decimal | None] = field(Number(9, 1), label=_l("Days in the stage"))

    # For what entered a stage in a period, and for the stage that is to be deleted.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        entered = Index(f"ix_{cls.__tablename__}_stage_id_entered_at", "stage_id", "entered_at")
        return (*indexes, entered, options)
