"""The tables of customers, contacts, sales processes and their stages, and opportunities."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, TextClause, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Computed,
    Date,
    DateTime,
    Email,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    MultiChoice,
    Number,
    Owned,
    Phone,
    Reference,
    Region,
    Tags,
    Text,
    Url,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from core.pools.models import IMPORTANCE, important_index, in_hands_index, in_pool_index
from plugins.crm_sales import lifecycle
from plugins.crm_sales.pools.models import LEVELS, InCustomerPool, InOpportunityPool

__all__ = [
    "CURRENCIES",
    "LOST_REASON",
    "NEEDS",
    "OTHER",
    "SIZES",
    "STATUSES",
    "WON_REASON",
    "Contact",
    "Customer",
    "Opportunity",
    "SalesProcess",
    "Stage",
    "StageVisit",
]

#: What a customer has whose lead has no source.
OTHER = "其他"

#: The values are what people write in their lists, and the same as those of leads.
SOURCES = (
    Choice("线上推广", _l("Online promotion")),
    Choice("展会", _l("Exhibition")),
    Choice("老客户推荐", _l("Customer referral")),
    Choice("电话营销", _l("Telemarketing")),
    Choice("官网表单", _l("Website form")),
    Choice(OTHER, _l("Other")),
)

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

#: How many people work at a customer (人员规模): the values are what public registers write.
SIZES = (
    Choice("20人以下", _l("Fewer than 20 people")),
    Choice("20-99人", _l("20 to 99 people")),
    Choice("100-499人", _l("100 to 499 people")),
    Choice("500-999人", _l("500 to 999 people")),
    Choice("1000-9999人", _l("1,000 to 9,999 people")),
    Choice("10000人以上", _l("10,000 people and more")),
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

#: What a stage may ask for: fields of the opportunity that may be empty, by their names. The
#: company's own are offered behind them.
NEEDS = (
    Choice("amount", _l("Amount")),
    Choice("expected_close_on", _l("Expected close")),
    Choice("contact", _l("Contact")),
    Choice("competitors", _l("Competitors")),
    Choice("strategy", _l("Strategy")),
    Choice("next_step", _l("Next step")),
    Choice("lines", _l("Products")),
    Choice("members", _l("Team")),
    Choice("owner", _l("Owner")),
    Choice("won_reason", _l("Reason of the win")),
    Choice("closing_note", _l("How it was decided")),
)

STATUSES = (
    Choice("open", _l("Ongoing"), "info"),
    Choice("won", _l("Won"), "good"),
    Choice("lost", _l("Lost deal"), "neutral"),
)


def _partial(name: str, where: TextClause, *columns: str) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class Customer(InCustomerPool, Entity, Owned):
    """A company that buys, or is to buy (客户)."""

    __tablename__ = "crm_sales_customer"

    name: Mapped[str | None] = field(
        Text(120),
        label=_l("Customer name"),
        required=True,
        searchable=True,
        synonyms=(
            *("客户名称", "客户", "公司名称", "公司", "单位名称", "企业名称", "账户"),
            *("customer", "customer name", "company", "company name", "account", "account name"),
        ),
    )
    code: Mapped[str | None] = field(
        Text(40),
        label=_l("Customer code"),
        unique=True,
        searchable=True,
        synonyms=("客户编号", "客户编码", "编号", "customer code", "customer id", "account id"),
    )
    uscc: Mapped[str | None] = field(
        Text(18),
        label=_l("Credit code"),
        help=_l("The unified social credit code: 18 signs, the last of which is checked."),
        searchable=True,
        index=True,
        synonyms=("统一社会信用代码", "社会信用代码", "信用代码", "税号", "纳税人识别号", "uscc"),
    )
    level: Mapped[str | None] = field(
        ChoiceField(choices=LEVELS),
        label=_l("Level"),
        synonyms=("客户级别", "客户等级", "级别", "等级", "level", "grade", "tier"),
    )
    industry: Mapped[str | None] = field(
        Text(60),
        label=_l("Industry"),
        synonyms=("行业", "所属行业", "行业类别", "industry", "sector"),
    )
    size: Mapped[str | None] = field(
        ChoiceField(choices=SIZES, shaped=True),
        label=_l("Company size"),
        help=_l("How many people work there."),
        synonyms=(
            *("人员规模", "企业规模", "公司规模", "规模", "员工人数", "人数"),
            *("size", "company size", "employees", "number of employees", "headcount"),
        ),
    )
    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES),
        label=_l("Source"),
        required=True,
        synonyms=("来源", "客户来源", "来源渠道", "渠道", "source", "channel"),
    )
    province: Mapped[str | None] = field(
        Region(level="province"),
        label=_l("Province"),
        synonyms=("省份", "省", "所在省份", "province"),
    )
    city: Mapped[str | None] = field(
        Region(level="city"),
        within="province",
        label=_l("City"),
        synonyms=("城市", "市", "所在城市", "city"),
    )
    address: Mapped[str | None] = field(
        Text(200),
        label=_l("Address"),
        synonyms=("地址", "公司地址", "详细地址", "address", "office_location"),
    )
    phone: Mapped[str | None] = field(
        Phone(),
        label=_l("Telephone"),
        searchable=True,
        synonyms=("电话", "座机", "固定电话", "公司电话", "phone", "telephone", "tel"),
    )
    website: Mapped[str | None] = field(
        Url(300), label=_l("Website"), synonyms=("网址", "网站", "官网", "website", "url")
    )
    parent: Mapped[int | None] = field(
        Reference("customer"),
        label=_l("Parent company"),
        related_label=_l("Subsidiaries"),
        table="crm_sales_customer",
        column="parent_id",
        index=False,
        synonyms=("上级公司", "母公司", "上级客户", "parent", "parent company", "subsidiary_of"),
    )
    tags: Mapped[Any] = field(Tags(), label=_l("Tags"), synonyms=("标签", "客户标签", "tags"))
    note: Mapped[str | None] = field(
        LongText(), label=_l("Note"), synonyms=("备注", "说明", "note", "remark", "notes")
    )
    referrer: Mapped[int | None] = field(
        Reference("customer", on_delete="clear"),
        label=_l("Introduced by"),
        related_label=_l("Introduced by them"),
        help=_l("The customer that brought us this one."),
        column="referrer_id",
        constraint=False,
        index=False,
        synonyms=(
            "介绍客户",
            "介绍人",
            "推荐客户",
            "推荐人",
            "referrer",
            "referred by",
            "introduced by",
        ),
    )
    lifecycle: Mapped[str | None] = field(
        ChoiceField(choices=lifecycle.STAGES),
        label=_l("Stage of life"),
        readonly=True,
        default=lifecycle.PROSPECT,
    )
    lifecycle_on: Mapped[Any] = field(Date(), label=_l("In this stage since"), readonly=True)
    won_count: Mapped[int | None] = field(
        Integer(), label=_l("Deals won"), readonly=True, default=0
    )
    won_amount: Mapped[Decimal | None] = field(
        Money(),
        label=_l("Won so far"),
        help=_l(
            "Of all deals, in the company's currency; others count once there is a rate of their closing day."
        ),
        readonly=True,
        default=Decimal(0),
    )
    first_won_on: Mapped[Any] = field(Date(), label=_l("First deal"), readonly=True)
    last_won_on: Mapped[Any] = field(Date(), label=_l("Last deal"), readonly=True)
    #: The name as it is compared: without its legal form, punctuation and case.
    name_key: Mapped[str | None] = field(Text(120), label=_l("Name for comparison"), readonly=True)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = "ix_crm_sales_customer"
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        return (
            *indexes,
            Index(f"{name}_name_id", "name", "id"),
            Index(f"{name}_name_key", "name_key"),
            # By the end of a name, with all that is looked at: see `core.entities.likeness`.
            Index(
                f"{name}_name_backwards",
                text("reverse(name_key)"),
                postgresql_include=["name_key", "id"],
            ).ddl_if(dialect="postgresql"),
            _partial(f"{name}_parent_id", text("parent_id IS NOT NULL"), "parent_id"),
            in_pool_index(cls.__tablename__),
            in_hands_index(cls.__tablename__),
            _partial(f"{name}_referrer_id", text("referrer_id IS NOT NULL"), "referrer_id"),
            Index(f"{name}_lifecycle_last_won_on", "lifecycle", "last_won_on"),
            Index(f"{name}_won_amount_id", "won_amount", "id"),
            options,
        )


class Contact(Entity):
    """A person at a customer (联系人); whoever may read the customer may read them."""

    __tablename__ = "crm_sales_contact"

    name: Mapped[str | None] = field(
        Text(60),
        label=_l("Name"),
        required=True,
        personal=True,
        searchable=True,
        synonyms=("姓名", "联系人", "联系人姓名", "name", "contact", "contact name"),
    )
    customer: Mapped[int | None] = field(
        Reference("customer"),
        label=_l("Customer"),
        required=True,
        table="crm_sales_customer",
        column="customer_id",
        synonyms=("客户", "客户名称", "公司", "customer", "company", "account"),
    )
    title: Mapped[str | None] = field(
        Text(60), label=_l("Job title"), synonyms=("职务", "职位", "title", "job title")
    )
    mobile: Mapped[str | None] = field(
        Phone(mobile_only=True),
        label=_l("Mobile"),
        mask="3-4",
        personal=True,
        searchable=True,
        index=True,
        synonyms=("手机", "手机号", "手机号码", "mobile", "mobile phone", "cell"),
    )
    email: Mapped[str | None] = field(
        Email(),
        label=_l("E-mail"),
        personal=True,
        searchable=True,
        synonyms=("邮箱", "电子邮箱", "email", "e-mail", "mail"),
    )
    wechat: Mapped[str | None] = field(
        Text(60), label=_l("WeChat"), personal=True, synonyms=("微信", "微信号", "wechat")
    )
    is_decision_maker: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Decides"),
        default=False,
        synonyms=("关键决策人", "决策人", "decision maker"),
    )
    is_primary: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Primary contact"),
        help=_l("Of each customer one: whoever becomes it takes the place of another."),
        default=False,
        synonyms=("主要联系人", "首要联系人", "primary"),
    )
    reports_to: Mapped[int | None] = field(
        Reference("contact", on_delete="clear"),
        within="customer",
        label=_l("Reports to"),
        related_label=_l("Those who report to them"),
        help=_l("Somebody at the same customer; the organisation chart is made of it."),
        table="crm_sales_contact",
        column="reports_to_id",
        index=False,
        synonyms=("上级", "汇报对象", "reports to", "manager"),
    )
    note: Mapped[str | None] = field(
        LongText(2000), label=_l("Note"), personal=True, synonyms=("备注", "note")
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        above = _partial(
            "ix_crm_sales_contact_reports_to_id", text("reports_to_id IS NOT NULL"), "reports_to_id"
        )
        return (*indexes, above, options)


class SalesProcess(Entity):
    """One way to sell, with stages of its own (销售流程)."""

    __tablename__ = "crm_sales_process"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    description: Mapped[str | None] = field(LongText(2000), label=_l("Description"))
    is_active: Mapped[bool | None] = field(
        Boolean(), label=_l("Active"), help=_l("New opportunities may begin in it."), default=True
    )
    category: Mapped[int | None] = field(
        Reference("product_category", on_delete="clear"),
        label=_l("Of the product category"),
        help=_l(
            "An opportunity that names no process and whose first product is of this category, or of"
            " one below it, begins in this process."
        ),
        related_label=_l("Sales processes of it"),
        column="category_id",
        constraint=False,
        index=False,
    )
    stages = detached(
        Lines("stage", "process", max_items=20),
        label=_l("Stages"),
        help=_l("In their order. One stage is the won one; at most one is for the lost."),
    )


class Stage(Entity):
    """One step of a process: how likely it makes a deal, how long it may take, what it asks."""

    __tablename__ = "crm_sales_stage"

    process: Mapped[int | None] = field(
        Reference("sales_process", on_delete="cascade"),
        label=_l("Process"),
        required=True,
        table="crm_sales_process",
        column="process_id",
    )
    name: Mapped[str | None] = field(Text(60), label=_l("Name"), required=True, searchable=True)
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    probability: Mapped[int | None] = field(
        Integer(minimum=0, maximum=100), label=_l("Probability, %"), default=0, totals=False
    )
    days_allowed: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days allowed"),
        help=_l("Whoever stays longer is marked as stuck. Empty: any time."),
        totals=False,
    )
    quiet_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days without movement"),
        help=_l("Then the owner is told, and may ask for support. Empty: never."),
        totals=False,
    )
    required_fields: Mapped[Any] = field(
        MultiChoice(choices=NEEDS, fields_of="opportunity"),
        label=_l("To be filled in before it is left"),
    )
    key_tasks: Mapped[Any] = field(
        Tags(max_length=60, max_items=20),
        label=_l("Key tasks"),
        help=_l("To be ticked off on the opportunity before it leaves the stage."),
    )
    is_won: Mapped[bool | None] = field(Boolean(), label=_l("Won"), default=False)
    is_lost: Mapped[bool | None] = field(Boolean(), label=_l("Lost deal"), default=False)


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
            _partial(f"{name}_stage_due_at", text("stage_due_at IS NOT NULL"), "stage_due_at"),
            _partial(f"{name}_lead_id", text("lead_id IS NOT NULL"), "lead_id"),
            important_index(cls.__tablename__, "priority = 'high'"),
            _partial(f"{name}_contact_id", text("contact_id IS NOT NULL"), "contact_id"),
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
    )
    entered_at: Mapped[datetime | None] = field(DateTime(), label=_l("Entered at"))
    left_at: Mapped[datetime | None] = field(DateTime(), label=_l("Left at"))
    days: Mapped[Decimal | None] = field(Number(9, 1), label=_l("Days in the stage"))
