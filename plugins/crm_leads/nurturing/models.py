"""The tables of nurturing: plans with their touches, and how far each lead is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    DateTime,
    Entity,
    Integer,
    Lines,
    LongText,
    Reference,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l

__all__ = [
    "FINISHED",
    "QUALIFIED",
    "RUNNING",
    "STOPPED",
    "NurturePlan",
    "NurtureTouch",
    "Nurturing",
]

RUNNING, QUALIFIED, FINISHED, STOPPED = "running", "qualified", "finished", "stopped"


class NurturePlan(Entity):
    """What leads of a pool get, one touch after another, until they are ready for sales (培育计划)."""

    __tablename__ = "crm_leads_nurture_plan"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)
    from_pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Leads of the pool"),
        related_label=_l("Nurture plans of its leads"),
        help=_l("Whoever comes into it is nurtured by this plan. Empty: only those given to it."),
        table="crm_leads_lead_pool",
        column="from_pool_id",
    )
    threshold: Mapped[int | None] = field(
        Integer(minimum=1, maximum=100_000),
        label=_l("Ready from score"),
        required=True,
        help=_l("By the score rules."),
        totals=False,
    )
    to_pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Then they go to the pool"),
        related_label=_l("Nurture plans that lead here"),
        required=True,
        table="crm_leads_lead_pool",
        column="to_pool_id",
    )
    person: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Who does the tasks"),
        table="core_user",
        column="person_id",
        index=False,
    )
    touches = detached(
        Lines("nurture_touch", "plan", max_items=20),
        label=_l("Touches"),
        help=_l("In their order: mails, and tasks for somebody."),
    )


class NurtureTouch(Entity):
    """One step of a plan: a mail or a task, so many days after the one before."""

    __tablename__ = "crm_leads_nurture_touch"

    plan: Mapped[int | None] = field(
        Reference("nurture_plan", on_delete="cascade"),
        label=_l("Plan"),
        required=True,
        table="crm_leads_nurture_plan",
        column="plan_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    wait_days: Mapped[int | None] = field(
        Integer(minimum=0, maximum=365),
        label=_l("Days after the one before"),
        default=0,
        totals=False,
    )
    kind: Mapped[str | None] = field(
        ChoiceField((Choice("mail", _l("A mail")), Choice("task", _l("A task")))),
        label=_l("Kind of touch"),
        required=True,
        default="mail",
    )
    subject: Mapped[str | None] = field(Text(150), label=_l("Subject"), required=True)
    body: Mapped[str | None] = field(
        LongText(4000),
        label=_l("What it says"),
        required=True,
        help=_l("{name}, {company} and {us} are filled in."),
    )


class Nurturing(Entity):
    """How far a lead is in a plan; governed by the lead."""

    __tablename__ = "crm_leads_nurturing"

    lead: Mapped[int | None] = field(
        Reference("lead", on_delete="cascade"),
        label=_l("Lead"),
        required=True,
        table="crm_leads_lead",
        column="lead_id",
    )
    plan: Mapped[int | None] = field(
        Reference("nurture_plan", on_delete="cascade"),
        label=_l("Plan"),
        required=True,
        table="crm_leads_nurture_plan",
        column="plan_id",
    )
    state: Mapped[str | None] = field(
        ChoiceField(
            (
                Choice(RUNNING, _l("Being nurtured"), "info"),
                Choice(QUALIFIED, _l("Ready for sales"), "good"),
                Choice(FINISHED, _l("All touches done"), "neutral"),
                Choice(STOPPED, _l("Stopped"), "neutral"),
            )
        ),
        label=_l("State"),
        required=True,
        default=RUNNING,
    )
    done: Mapped[int | None] = field(Integer(), label=_l("Touches done"), default=0)
    skipped: Mapped[int | None] = field(Integer(), label=_l("Touches skipped"), default=0)
    next_at: Mapped[datetime | None] = field(DateTime(), label=_l("Next touch"))
    ended_at: Mapped[datetime | None] = field(DateTime(), label=_l("Ended at"))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        is_running = text("state = 'running'")
        due = Index(
            "ix_crm_leads_nurturing_running",
            *("next_at", "id"),
            sqlite_where=is_running,
            postgresql_where=is_running,
        )
        return (*indexes, due, options)
