"""The tables of leads, pools, rules and campaigns, and of who held which lead when."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Table, TextClause, text
from sqlalchemy.orm import Mapped, declared_attr

from core.db.base import metadata
from core.db.types import BigId
from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Date,
    DateTime,
    Email,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    MultiChoice,
    Owned,
    Phone,
    Reference,
    References,
    Region,
    Related,
    Tags,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from core.pools.models import (
    IMPORTANCE,
    Pool,
    Transfer,
    alert_table,
    important_index,
    warning_table,
)
from plugins.crm_leads.criteria import COMPARISONS, TESTED

__all__ = [
    "ASKED",
    "OPEN",
    "SOURCES",
    "STATUSES",
    "TARGET_STATES",
    "VEILABLE",
    "AssignmentCondition",
    "AssignmentRule",
    "Campaign",
    "CampaignStep",
    "CampaignTarget",
    "ChannelPolicy",
    "Lead",
    "LeadForm",
    "LeadOutcome",
    "LeadPool",
    "LeadTransfer",
    "ScoreRule",
    "lead_alert_table",
    "return_warning_table",
    "rotation_table",
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

#: What a public form can ask for, in the order of its page.
ASKED = (
    Choice("company", _l("Company name")),
    Choice("contact_name", _l("Contact person")),
    Choice("mobile", _l("Mobile")),
    Choice("email", _l("E-mail")),
    Choice("wechat", _l("WeChat")),
    Choice("province", _l("Province")),
    Choice("city", _l("City")),
    Choice("industry", _l("Industry")),
    Choice("note", _l("Note")),
)

#: What a pool can mask until a lead is claimed: how somebody is reached, and what is known of them.
VEILABLE = (
    Choice("contact_name", _l("Contact person")),
    Choice("mobile", _l("Mobile")),
    Choice("phone", _l("Telephone")),
    Choice("email", _l("E-mail")),
    Choice("wechat", _l("WeChat")),
    Choice("address", _l("Address")),
    Choice("note", _l("Note")),
)


class LeadPool(Pool):
    """Leads that nobody owns, for a group of people to claim (公海)."""

    __tablename__ = "crm_leads_lead_pool"

    veiled: Mapped[Any] = field(
        MultiChoice(choices=VEILABLE),
        label=_l("Masked before claiming"),
        help=_l(
            "What members see of it until somebody owns the lead is masked. Administrators of the pool, "
            "and who may change leads in pools, see it."
        ),
    )
    unconverted_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days without conversion"),
        help=_l("A lead that its owner has not converted by then goes back. Empty: never."),
        totals=False,
    )


class AssignmentRule(Entity):
    """Which new leads go to whom, or into which pool (分配规则); the first that fits is used."""

    __tablename__ = "crm_leads_assignment_rule"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=1_000_000),
        label=_l("Order"),
        required=True,
        default=100,
        help=_l("The smallest is asked first."),
        totals=False,
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)
    pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("For leads in"),
        table="crm_leads_lead_pool",
        column="pool_id",
        index=False,
        help=_l("Empty: whatever the pool."),
    )
    conditions = detached(
        Lines("assignment_condition", "rule", max_items=20),
        label=_l("Conditions"),
        help=_l("All must be met. Without any every lead fits."),
    )
    target: Mapped[str | None] = field(
        ChoiceField(
            choices=(
                Choice("person", _l("One person")),
                Choice("pool", _l("A pool, to be claimed")),
                Choice("round_robin", _l("A group, in turn")),
                Choice("least_loaded", _l("Who of a group has fewest open leads")),
            )
        ),
        label=_l("Goes to"),
        required=True,
    )
    person: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Person"),
        table="core_user",
        column="person_id",
        index=False,
    )
    people = detached(References("user"), label=_l("People of the group"))
    department: Mapped[int | None] = field(
        Reference("department"),
        label=_l("Department of the group"),
        table="core_department",
        column="department_id",
        index=False,
        help=_l("Its people and those of all departments below. Who is absent is left out."),
    )
    to_pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Into pool"),
        table="crm_leads_lead_pool",
        column="to_pool_id",
        index=False,
        help=_l("Empty: it stays in the pool that it came into."),
    )
    capacity: Mapped[int | None] = field(
        Integer(minimum=1, maximum=1_000_000),
        label=_l("Open leads of one person"),
        help=_l("Who has so many gets no more by this rule. Empty: no limit."),
        totals=False,
    )


class AssignmentCondition(Entity):
    """One test of a rule: a field of the lead, a comparison, a value."""

    __tablename__ = "crm_leads_assignment_condition"

    rule: Mapped[int | None] = field(
        Reference("assignment_rule", on_delete="cascade"),
        label=_l("Rule"),
        required=True,
        table="crm_leads_assignment_rule",
        column="rule_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    field_name: Mapped[str | None] = field(
        ChoiceField(choices=TESTED, fields_of="lead"), label=_l("Field"), required=True
    )
    op: Mapped[str | None] = field(
        ChoiceField(choices=COMPARISONS), label=_l("Comparison"), required=True, default="is"
    )
    value: Mapped[str | None] = field(
        Text(500), label=_l("Value"), help=_l("Several with commas between them.")
    )


class ChannelPolicy(Entity):
    """What one source of leads asks for: how important they are, and by when somebody calls (渠道策略)."""

    __tablename__ = "crm_leads_channel_policy"

    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES), label=_l("Source"), required=True, unique=True
    )
    priority: Mapped[str | None] = field(
        ChoiceField(choices=IMPORTANCE), label=_l("Importance"), required=True, default="normal"
    )
    first_contact_hours: Mapped[int | None] = field(
        Integer(minimum=1, maximum=8760),
        label=_l("First contact within hours"),
        help=_l("Counted from when the lead came in. Empty: as in the settings."),
        totals=False,
    )


class ScoreRule(Entity):
    """So many points for a lead that meets one test (评分规则)."""

    __tablename__ = "crm_leads_score_rule"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    field_name: Mapped[str | None] = field(
        ChoiceField(
            choices=tuple(choice for choice in TESTED if choice.value != "score"),
            fields_of="lead",
        ),
        label=_l("Field"),
        required=True,
    )
    op: Mapped[str | None] = field(
        ChoiceField(choices=COMPARISONS), label=_l("Comparison"), required=True, default="is"
    )
    value: Mapped[str | None] = field(
        Text(500), label=_l("Value"), help=_l("Several with commas between them.")
    )
    points: Mapped[int | None] = field(
        Integer(minimum=-1000, maximum=1000), label=_l("Points"), required=True, totals=False
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)


class LeadForm(Entity):
    """A page on which anybody leaves an address, without signing in (公开表单)."""

    __tablename__ = "crm_leads_lead_form"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Pool"),
        required=True,
        table="crm_leads_lead_pool",
        column="pool_id",
        index=False,
    )
    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES), label=_l("Source"), default="官网表单"
    )
    campaign: Mapped[int | None] = field(
        Reference("campaign"),
        label=_l("Campaign"),
        table="crm_leads_campaign",
        column="campaign_id",
        help=_l("Then it is the campaign's sign-up page."),
    )
    is_open: Mapped[bool | None] = field(Boolean(), label=_l("Open to everybody"), default=True)
    key: Mapped[str | None] = field(Text(40), label=_l("Key"), unique=True, readonly=True)
    title: Mapped[str | None] = field(Text(80), label=_l("Title of the page"))
    intro: Mapped[str | None] = field(LongText(1000), label=_l("Text above the fields"))
    fields: Mapped[Any] = field(
        MultiChoice(choices=ASKED),
        label=_l("Asked for"),
        default=["company", "contact_name", "mobile", "email"],
    )
    thanks: Mapped[str | None] = field(Text(300), label=_l("Thanks"))
    sites: Mapped[Any] = field(
        Tags(max_length=120, max_items=20),
        label=_l("Sites that may embed it"),
        help=_l("As https://www.example.com. Empty: none; the page has an address of its own."),
    )
    welcome_subject: Mapped[str | None] = field(Text(150), label=_l("Subject of the welcome mail"))
    welcome_text: Mapped[str | None] = field(
        LongText(4000),
        label=_l("Welcome mail"),
        help=_l("{name}, {company} and {us} are filled in. Empty: no mail is sent."),
    )


class Campaign(Entity):
    """A marketing effort that brings leads (市场活动)."""

    __tablename__ = "crm_leads_campaign"

    name: Mapped[str | None] = field(Text(120), label=_l("Name"), required=True, searchable=True)
    status: Mapped[str | None] = field(
        ChoiceField(
            choices=(
                Choice("planned", _l("Planned"), "info"),
                Choice("running", _l("Under way"), "warn"),
                Choice("finished", _l("Finished"), "good"),
                Choice("cancelled", _l("Cancelled"), "neutral"),
            )
        ),
        label=_l("Status"),
        required=True,
        default="planned",
    )
    starts_on: Mapped[date | None] = field(Date(), label=_l("Starts on"))
    ends_on: Mapped[date | None] = field(Date(), label=_l("Ends on"))
    parent: Mapped[int | None] = field(
        Reference("campaign"),
        label=_l("Part of"),
        related_label=_l("Its parts"),
        column="parent_id",
        constraint=False,
        index=True,
    )
    source: Mapped[str | None] = field(
        ChoiceField(choices=SOURCES),
        label=_l("Source"),
        help=_l("Its cost is counted for this channel."),
    )
    budget: Mapped[Decimal | None] = field(Money(), label=_l("Budget"))
    cost: Mapped[Decimal | None] = field(Money(), label=_l("Cost so far"))
    target: Mapped[str | None] = field(LongText(2000), label=_l("Target audience"))
    steps = detached(Lines("campaign_step", "campaign", max_items=50), label=_l("Steps"))
    result: Mapped[str | None] = field(LongText(4000), label=_l("Result"))
    to_pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Its leads then go to the pool"),
        help=_l("When it is finished, those that nobody owns."),
        column="to_pool_id",
        constraint=False,  # the column came to a table that was there
        index=False,
    )
    ready_score: Mapped[int | None] = field(
        Integer(minimum=1, maximum=100_000),
        label=_l("From score"),
        help=_l("Empty: all of them."),
        totals=False,
    )
    note: Mapped[str | None] = field(LongText(4000), label=_l("Note"))


class CampaignStep(Entity):
    """One step of a campaign: what is to be done by when and by whom."""

    __tablename__ = "crm_leads_campaign_step"

    campaign: Mapped[int | None] = field(
        Reference("campaign", on_delete="cascade"),
        label=_l("Campaign"),
        required=True,
        table="crm_leads_campaign",
        column="campaign_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    name: Mapped[str | None] = field(Text(120), label=_l("Step"), required=True)
    due_on: Mapped[date | None] = field(Date(), label=_l("Due on"))
    person: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Person"),
        table="core_user",
        column="person_id",
        index=False,
    )
    is_done: Mapped[bool | None] = field(Boolean(), label=_l("Done"), default=False)


#: How somebody on a target list stands to the campaign.
TARGET_STATES = (
    Choice("planned", _l("On the list"), "neutral"),
    Choice("invited", _l("Invited"), "info"),
    Choice("answered", _l("Has replied"), "good"),
    Choice("declined", _l("Will not come"), "neutral"),
)


class CampaignTarget(Entity):
    """One on the target list of a campaign: a lead, a customer, or who else there is (目标名单)."""

    __tablename__ = "crm_leads_target"

    campaign: Mapped[int | None] = field(
        Reference("campaign", on_delete="cascade"),
        label=_l("Campaign"),
        related_label=_l("Target list"),
        required=True,
        table="crm_leads_campaign",
        column="campaign_id",
    )
    related_entity: Mapped[str | None] = field(Text(63), label=_l("Kind of record"))
    related_id: Mapped[int | None] = field(
        Related(entity_field="related_entity"), label=_l("Target")
    )
    state: Mapped[str | None] = field(
        ChoiceField(choices=TARGET_STATES), label=_l("State"), required=True, default="planned"
    )
    note: Mapped[str | None] = field(Text(300), label=_l("Note"))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        about = Index(f"ix_{cls.__tablename__}_related", "related_entity", "related_id")
        return (*indexes, about, options)


def _partial(name: str, where: TextClause, *columns: str) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


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
            _partial(f"{name}_in_pool", text("owner_id IS NULL"), "pool_id", "created_at", "id"),
            _partial(
                f"{name}_next_follow_at", text("next_follow_at IS NOT NULL"), "next_follow_at"
            ),
            # What may go back to its pool, which few leads of an import can.
            _partial(
                f"{name}_pool_id_held_since",
                text("owner_id IS NOT NULL AND pool_id IS NOT NULL"),
                *("pool_id", "held_since"),
            ),
            # Whether somebody has filled in a form already today, and what a form has brought.
            _partial(
                f"{name}_form_id_created_at", text("form_id IS NOT NULL"), "form_id", "created_at"
            ),
            important_index(cls.__tablename__, "priority = 'high'"),
            _partial(f"{name}_campaign_id", text("campaign_id IS NOT NULL"), "campaign_id"),
            # Who else works on it: by number, by name, and from the end of a name (`core.entities.likeness`).
            _partial(f"{name}_mobile", text("mobile IS NOT NULL"), "mobile"),
            _partial(f"{name}_phone", text("phone IS NOT NULL"), "phone"),
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

#: Who got the last lead of a rule that gives them out in turn.
rotation_table = Table(
    "crm_leads_rotation",
    metadata,
    Column(
        "rule_id",
        BigId,
        ForeignKey("crm_leads_assignment_rule.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("person_id", BigId, nullable=False),
)

lead_alert_table = alert_table("crm_leads_alert", "crm_leads_lead", "lead_id")
