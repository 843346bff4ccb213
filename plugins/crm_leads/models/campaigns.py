"""What brings leads: campaigns, their steps, and whom they are for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Date,
    Entity,
    Integer,
    Lines,
    LongText,
    Money,
    Reference,
    Related,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from plugins.crm_leads.models.leads import SOURCES

__all__ = ["TARGET_STATES", "Campaign", "CampaignStep", "CampaignTarget"]


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
