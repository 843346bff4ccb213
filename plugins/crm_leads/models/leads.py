"""Leads, who held which when, and what is told of them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Choice,
    ChoiceField,
    Date,
    DateTime,
    Email,
    Entity,
    Integer,
    LongText,
    Money,
    Owned,
    Phone,
    Reference,
    Region,
    Related,
    Tags,
    Text,
    field,
)
from core.fields.declare import entity_indexes, partial_index
from core.i18n import lazy_gettext as _l
from core.pools.models import IMPORTANCE, Transfer, alert_table, important_index, warning_table

__all__ = [
    "OPEN",
    "SOURCES",
    "STATUSES",
    "Lead",
    "LeadOutcome",
    "LeadTransfer",
    "lead_alert_table",
    "return_warning_table",
]

#: The states in which a lead is worked on: it may be claimed, released, assigned, converted, lost.
OPEN = ("new", "following")


STATUSES = (
    Choice("new", _l("New lead"), "info"),
    Choice("following", _l("Following up"), "warn"),
    Choice("converted", _l("Converted"), "good"),
    Choice("lost", _l("Lost"), "neutral"),
    Choice("invalid", _l("Invalid"), "neutral"),
)


#: The values are what people write in their lists, so that imports and REST read as the screen does.
SOURCES = (
    Choice("线上推广", _l("Online promotion")),
    Choice("展会", _l("Exhibition")),
    Choice("老客户推荐", _l("Customer referral")),
    Choice("电话营销", _l("Telemarketing")),
    Choice("官网表单", _l("Website form")),
)


class Lead(Entity, Owned):
    """Somebody who may buy, not yet qualified (线索)."""

    __tablename__ = "crm_leads_lead"

    company: Mapped[str | None] = field(
        Text(120),
        label=_l("Company name"),
        required=True,
        searchable=True,
        synonyms=(
            *("公司名称", "客户名称", "公司", "单位", "单位名称", "企业名称", "客户", "线索名称"),
            *("company", "company name", "customer", "customer name", "account", "account name"),
        ),
    )
    name_key: Mapped[str | None] = field(Text(120), label=_l("Name for comparison"), readonly=True)
    contact_name: Mapped[str | None] = field(
        Text(60),
        label=_l("Contact person"),
        personal=True,
        searchable=True,
        synonyms=("联系人", "联系人姓名", "姓名", "contact", "contact name", "contact person"),
    )
    mobile: Mapped[str | None] = field(
        Phone(mobile_only=True),
        label=_l("Mobile"),
        mask="3-4",
        personal=True,
        searchable=True,
        synonyms=("手机", "手机号", "手机号码", "联系人手机", "mobile", "mobile phone", "cell"),
    )
    phone: Mapped[str | None] = field(
        Phone(),
        label=_l("Telephone"),
        mask="3-4",
        personal=True,
        synonyms=("电话", "座机", "固定电话", "联系电话", "phone", "telephone", "tel"),
    )
    email: Mapped[str | None] = field(
        Email(),
        label=_l("E-mail"),
        personal=True,
        synonyms=("邮箱", "电子邮箱", "邮件", "email", "e-mail", "mail"),
    )
    wechat: Mapped[str | None] = field(
        Text(60), label=_l("WeChat"), personal=True, synonyms=("微信", "微信号", "wechat")
    )
    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES),
        label=_l("Source"),
        synonyms=("来源", "线索来源", "客户来源", "渠道", "来源渠道", "source", "channel"),
    )
    campaign: Mapped[int | None] = field(
        Reference("campaign"),
        label=_l("Campaign"),
        table="crm_leads_campaign",
        column="campaign_id",
        index=False,
        synonyms=("市场活动", "活动", "campaign"),
    )
    form: Mapped[int | None] = field(
        Reference("lead_form"),
        label=_l("Public form"),
        readonly=True,
        column="form_id",
        constraint=False,  # the column came to a table that was there
        index=False,
    )
    origin: Mapped[str | None] = field(
        Text(300),
        label=_l("Came from"),
        readonly=True,
        help=_l("The page on which the form was filled in."),
    )
    welcome: Mapped[str | None] = field(
        ChoiceField(
            choices=(
                Choice("sent", _l("Sent"), "good"),
                Choice("skipped", _l("Skipped, no address"), "neutral"),
            )
        ),
        label=_l("Welcome mail"),
        readonly=True,
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
        synonyms=("地址", "公司地址", "详细地址", "address", "location", "office_location"),
    )
    industry: Mapped[str | None] = field(
        Text(60),
        label=_l("Industry"),
        synonyms=("行业", "所属行业", "行业类别", "industry", "sector"),
    )
    expected_amount: Mapped[Decimal | None] = field(
        Money(),
        label=_l("Expected amount"),
        synonyms=("预计金额", "意向金额", "预算", "金额", "expected amount", "amount", "budget"),
    )
    status: Mapped[str | None] = field(
        ChoiceField(choices=STATUSES),
        label=_l("Status"),
        required=True,
        default="new",
        synonyms=("状态", "线索状态", "跟进状态", "status"),
    )
    pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Pool"),
        table="crm_leads_lead_pool",
        column="pool_id",
        index=False,
        synonyms=("公海", "公海池", "所属公海", "pool"),
    )
    tags: Mapped[Any] = field(Tags(), label=_l("Tags"), synonyms=("标签", "tags"))
    score: Mapped[int | None] = field(Integer(), label=_l("Score"), readonly=True, totals=False)
    priority: Mapped[str | None] = field(
        ChoiceField(choices=IMPORTANCE),
        label=_l("Importance"),
        help=_l("Empty: as the policy of its source says."),
        synonyms=("重要程度", "意向", "意向程度", "优先级", "priority", "importance", "rating"),
    )
    first_contact_due_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("First contact due"), readonly=True
    )
    first_contacted_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("First contact"), readonly=True
    )
    first_contact_minutes: Mapped[int | None] = field(
        Integer(),
        label=_l("Minutes to first contact"),
        readonly=True,
        help=_l("From when it came in until somebody first followed it up."),
        totals=False,
    )
    last_followed_at: Mapped[datetime | None] = field(
        DateTime(),
        label=_l("Last follow-up"),
        synonyms=("最后跟进时间", "最近跟进时间", "last follow-up"),
    )
    next_follow_at: Mapped[datetime | None] = field(
        DateTime(),
        label=_l("Next follow-up"),
        synonyms=("下次跟进时间", "下次联系时间", "next follow-up"),
    )
    held_since: Mapped[datetime | None] = field(
        DateTime(),
        label=_l("In these hands since"),
        readonly=True,
        help=_l("Since when its owner has it, or since when it lies in this pool."),
    )
    entered_on: Mapped[date | None] = field(
        Date(),
        label=_l("Entered on"),
        synonyms=("录入日期", "登记日期", "创建日期", "entered on", "entry date"),
    )
    note: Mapped[str | None] = field(
        LongText(),
        label=_l("Note"),
        personal=True,
        synonyms=("备注", "说明", "描述", "note", "remark", "notes"),
    )
    lost_reason: Mapped[str | None] = field(
        Text(300), label=_l("Lost because"), synonyms=("丢单原因", "流失原因", "lost reason")
    )
    release_reason: Mapped[str | None] = field(
        Text(300), label=_l("Released because"), readonly=True
    )
    assignment_reason: Mapped[str | None] = field(
        Text(300), label=_l("Assigned because"), readonly=True
    )
    converted_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("Converted at"), readonly=True
    )

    # Every index is paid for by each of a million imported rows. These serve: sorting by company,
    # the two filters used most, newest first, what lies in a pool, what is due, and what a campaign
    # brought; the last three leave out the rows that they are never asked for. Those of a file's own
    # rows are found through the key table of `core.exchange`.
    # Some hold more than they are sorted by, so that the table itself, ten times as large, needs not
    # be read: for how many leads of a status have a text in the company's name, and for how many
    # there are and what they come to by status and owner, which every funnel asks.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = "ix_crm_leads_lead"
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        return (
            *indexes,
            Index(f"{name}_company_id", "company", "id"),
            Index(
                f"{name}_status_created_at_id_company",
                *("status", "created_at", "id", "company", "archived_at"),
            ),
            Index(
                f"{name}_status_owner_id_expected_amount",
                *("status", "owner_id", "expected_amount", "archived_at"),
            ),
            Index(f"{name}_source_created_at_id", "source", "created_at", "id"),
            partial_index(
                f"{name}_in_pool", text("owner_id IS NULL"), "pool_id", "created_at", "id"
            ),
            partial_index(
                f"{name}_next_follow_at", text("next_follow_at IS NOT NULL"), "next_follow_at"
            ),
            # What may go back to its pool, which few leads of an import can.
            partial_index(
                f"{name}_pool_id_held_since",
                text("owner_id IS NOT NULL AND pool_id IS NOT NULL"),
                *("pool_id", "held_since"),
            ),
            # Whether somebody has filled in a form already today, and what a form has brought.
            partial_index(
                f"{name}_form_id_created_at", text("form_id IS NOT NULL"), "form_id", "created_at"
            ),
            important_index(cls.__tablename__, "priority = 'high'"),
            partial_index(f"{name}_campaign_id", text("campaign_id IS NOT NULL"), "campaign_id"),
            # Who else works on it: by number, by name, and from the end of a name (`core.entities.likeness`).
            partial_index(f"{name}_mobile", text("mobile IS NOT NULL"), "mobile"),
            partial_index(f"{name}_phone", text("phone IS NOT NULL"), "phone"),
            Index(f"{name}_name_key", "name_key"),
            Index(
                f"{name}_name_backwards",
                text("reverse(name_key)"),
                postgresql_include=["name_key", "id"],
            ).ddl_if(dialect="postgresql"),
            options,
        )


class LeadTransfer(Transfer):
    """One change of hands of a lead."""

    __tablename__ = "crm_leads_lead_transfer"

    lead: Mapped[int | None] = field(
        Reference("lead", on_delete="cascade"),
        label=_l("Lead"),
        required=True,
        table="crm_leads_lead",
        column="lead_id",
    )
    pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Pool"),
        table="crm_leads_lead_pool",
        column="pool_id",
        index=False,
    )


class LeadOutcome(Entity):
    """What a lead became: a customer, an opportunity, or what another module makes of leads."""

    __tablename__ = "crm_leads_outcome"

    lead: Mapped[int | None] = field(
        Reference("lead", on_delete="cascade"),
        label=_l("Lead"),
        required=True,
        table="crm_leads_lead",
        column="lead_id",
    )
    related_entity: Mapped[str | None] = field(Text(63), label=_l("Kind of record"))
    related_id: Mapped[int | None] = field(
        Related(entity_field="related_entity"), label=_l("Became")
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        became = Index(f"ix_{cls.__tablename__}_related", "related_entity", "related_id")
        return (*indexes, became, options)


return_warning_table = warning_table("crm_leads_return_warning", "crm_leads_lead", "lead_id")


lead_alert_table = alert_table("crm_leads_alert", "crm_leads_lead", "lead_id")
