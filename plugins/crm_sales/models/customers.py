"""Customers, and the people who work there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Date,
    Email,
    Entity,
    Integer,
    LongText,
    Money,
    Owned,
    Phone,
    Reference,
    Region,
    Tags,
    Text,
    Url,
    field,
)
from core.fields.declare import entity_indexes, partial_index
from core.i18n import lazy_gettext as _l
from core.pools.models import IMPORTANCE, important_index, in_hands_index, in_pool_index
from plugins.crm_sales import lifecycle
from plugins.crm_sales.assigning.models import AssignedByRule
from plugins.crm_sales.pools.models import LEVELS, InCustomerPool

__all__ = ["OTHER", "SIZES", "SOURCES", "Contact", "Customer"]

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


#: How many people work at a customer (人员规模): the values are what public registers write.
SIZES = (
    Choice("20人以下", _l("Fewer than 20 people")),
    Choice("20-99人", _l("20 to 99 people")),
    Choice("100-499人", _l("100 to 499 people")),
    Choice("500-999人", _l("500 to 999 people")),
    Choice("1000-9999人", _l("1,000 to 9,999 people")),
    Choice("10000人以上", _l("10,000 people and more")),
)


class Customer(InCustomerPool, AssignedByRule, Entity, Owned):
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
    priority: Mapped[str | None] = field(
        ChoiceField(choices=IMPORTANCE),
        label=_l("Importance"),
        default="normal",
        synonyms=("重要程度", "优先级", "priority", "importance"),
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
            partial_index(f"{name}_parent_id", text("parent_id IS NOT NULL"), "parent_id"),
            important_index(cls.__tablename__, "priority = 'high'"),
            in_pool_index(cls.__tablename__),
            in_hands_index(cls.__tablename__),
            partial_index(f"{name}_referrer_id", text("referrer_id IS NOT NULL"), "referrer_id"),
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
        above = partial_index(
            "ix_crm_sales_contact_reports_to_id", text("reports_to_id IS NOT NULL"), "reports_to_id"
        )
        return (*indexes, above, options)
