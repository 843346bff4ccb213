"""The tables of follow-ups, their templates and answers, tasks, and reminders to come."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Table, text
from sqlalchemy import Date as DayColumn
from sqlalchemy.orm import Mapped, declared_attr

from core.db.base import metadata
from core.db.types import BigId, UtcDateTime
from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Date,
    DateTime,
    Entity,
    Integer,
    Lines,
    LongText,
    Number,
    Owned,
    Reference,
    Related,
    Tags,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes, partial_index
from core.i18n import lazy_gettext as _l

__all__ = [
    "KINDS",
    "PRIORITIES",
    "RECURRENCES",
    "REMINDERS",
    "FollowUp",
    "FollowUpAnswer",
    "FollowUpPrompt",
    "FollowUpTemplate",
    "Task",
    "quota_week_table",
    "reminder_table",
]

KINDS = (
    Choice("call", _l("Call"), "info"),
    Choice("visit", _l("Visit"), "good"),
    Choice("wechat", _l("WeChat"), "info"),
    Choice("email", _l("Mail"), "neutral"),
    Choice("meeting", _l("Meeting"), "warn"),
)

PRIORITIES = (
    Choice("low", _l("Low"), "neutral"),
    Choice("normal", _l("Normal"), "neutral"),
    Choice("high", _l("High"), "warn"),
    Choice("urgent", _l("Urgent"), "bad"),
)

STATUSES = (
    Choice("open", _l("To do"), "info"),
    Choice("done", _l("Done"), "good"),
    Choice("cancelled", _l("Cancelled"), "neutral"),
)

DIRECTIONS = (Choice("in", _l("From them")), Choice("out", _l("To them")))

REMINDERS = (
    Choice("none", _l("No reminder")),
    Choice("on_time", _l("When it is due")),
    Choice("10_minutes", _l("10 minutes before")),
    Choice("30_minutes", _l("30 minutes before")),
    Choice("1_hour", _l("1 hour before")),
    Choice("1_day", _l("1 day before")),
)

RECURRENCES = (
    Choice("daily", _l("Daily")),
    Choice("weekly", _l("Weekly")),
    Choice("monthly", _l("Monthly")),
    Choice("yearly", _l("Yearly")),
)


class FollowUpTemplate(Entity):
    """What a company asks of every visit or call (跟进模板)."""

    __tablename__ = "activities_follow_up_template"

    name: Mapped[str | None] = field(
        Text(80), label=_l("Name"), required=True, unique=True, searchable=True
    )
    kind: Mapped[str | None] = field(
        ChoiceField(KINDS), label=_l("Kind of follow-up"), required=True, default="visit"
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)
    is_obligatory: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Obligatory"),
        help=_l("Follow-ups of this kind are not taken without it."),
        default=False,
    )
    prompts = detached(Lines("follow_up_prompt", parent="template"), label=_l("Prompts"))


class FollowUpPrompt(Entity):
    """One thing that a template asks for."""

    __tablename__ = "activities_follow_up_prompt"

    template: Mapped[int | None] = field(
        Reference("follow_up_template", on_delete="cascade"),
        label=_l("Template"),
        required=True,
        table="activities_follow_up_template",
        column="template_id",
    )
    label: Mapped[str | None] = field(Text(120), label=_l("Prompt"), required=True)
    kind: Mapped[str | None] = field(
        ChoiceField(
            (
                Choice("text", _l("Text")),
                Choice("choice", _l("One of several")),
                Choice("number", _l("Number")),
                Choice("date", _l("Day")),
            )
        ),
        label=_l("Answered by"),
        required=True,
        default="text",
    )
    options: Mapped[Any] = field(Tags(), label=_l("To choose from"))
    is_required: Mapped[bool | None] = field(Boolean(), label=_l("Must be answered"), default=True)


class FollowUp(Entity, Owned):
    """One talk with somebody: a call, a visit, a message, a meeting (跟进记录)."""

    __tablename__ = "activities_follow_up"

    related_entity: Mapped[str | None] = field(Text(63), label=_l("Kind of record"))
    related_id: Mapped[int | None] = field(
        Related(entity_field="related_entity"), label=_l("Regarding")
    )
    kind: Mapped[str | None] = field(
        ChoiceField(KINDS), label=_l("Kind of follow-up"), required=True, default="call"
    )
    content: Mapped[str | None] = field(
        LongText(10_000),
        label=_l("What was said and done"),
        required=True,
        personal=True,
        searchable=True,
    )
    subject: Mapped[str | None] = field(
        Text(80), label=_l("In short"), readonly=True, personal=True
    )
    happened_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("When it was"), help=_l("Empty: now.")
    )
    next_follow_at: Mapped[datetime | None] = field(DateTime(), label=_l("Next follow-up"))
    next_step: Mapped[str | None] = field(Text(200), label=_l("Next step"))
    no_next: Mapped[bool | None] = field(Boolean(), label=_l("No further follow-up"), default=False)
    template: Mapped[int | None] = field(
        Reference("follow_up_template"),
        label=_l("Template"),
        table="activities_follow_up_template",
        column="template_id",
        index=False,
    )
    answers = detached(Lines("follow_up_answer", parent="follow_up"), label=_l("Answers"))
    review: Mapped[str | None] = field(
        ChoiceField(
            (Choice("passed", _l("Passed"), "good"), Choice("failed", _l("Not passed"), "bad"))
        ),
        label=_l("Spot check"),
        readonly=True,
    )
    review_note: Mapped[str | None] = field(Text(300), label=_l("Found"), readonly=True)
    reviewed_by: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Checked by"),
        readonly=True,
        table="core_user",
        column="reviewed_by_id",
        index=False,
    )
    reviewed_at: Mapped[datetime | None] = field(DateTime(), label=_l("Checked at"), readonly=True)
    direction: Mapped[str | None] = field(ChoiceField(DIRECTIONS), label=_l("Direction"))
    seconds: Mapped[int | None] = field(
        Integer(minimum=0, maximum=86_400),
        label=_l("Length in seconds"),
        help=_l("Of a call. 0: nobody answered."),
    )
    party: Mapped[str | None] = field(
        Text(254), label=_l("Number or address of the other side"), personal=True
    )
    own_party: Mapped[str | None] = field(Text(254), label=_l("Own number or address"))
    consent: Mapped[bool | None] = field(Boolean(), label=_l("Agreed to be recorded"))
    external_id: Mapped[str | None] = field(
        Text(120),
        label=_l("Number in the other system"),
        help=_l("Of what a telephone system, mail gateway or archive logs: each once."),
    )
    # All four, or none: only the verb ``check_in`` writes them.
    checked_in_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("Checked in at"), readonly=True, personal="maker"
    )
    latitude: Mapped[Decimal | None] = field(
        Number(8, 6), label=_l("Latitude"), readonly=True, personal="maker", totals=False
    )
    longitude: Mapped[Decimal | None] = field(
        Number(9, 6), label=_l("Longitude"), readonly=True, personal="maker", totals=False
    )
    accuracy: Mapped[int | None] = field(
        Integer(minimum=0),
        label=_l("Accuracy in metres"),
        readonly=True,
        personal="maker",
        totals=False,
    )

    # For: a record's timeline; a person's month and calendar; the list, newest first, alone and
    # within departments; what is planned.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = f"ix_{cls.__tablename__}"
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        return (
            *indexes,
            Index(f"{name}_about", "related_entity", "related_id", "happened_at"),
            Index(f"{name}_owner_id_happened_at_kind", "owner_id", "happened_at", "kind"),
            Index(f"{name}_department_id_happened_at", "department_id", "happened_at"),
            Index(f"{name}_happened_at_id", "happened_at", "id"),
            Index(f"{name}_kind_happened_at", "kind", "happened_at"),
            partial_index(
                f"{name}_next_follow_at", text("next_follow_at IS NOT NULL"), "next_follow_at"
            ),
            partial_index(f"{name}_template_id", text("template_id IS NOT NULL"), "template_id"),
            partial_index(
                f"{name}_external_id", text("external_id IS NOT NULL"), "external_id", unique=True
            ),
            options,
        )


class FollowUpAnswer(Entity):
    """What was answered to one prompt, as text and, for sums and periods, as what it is."""

    __tablename__ = "activities_follow_up_answer"

    follow_up: Mapped[int | None] = field(
        Reference("follow_up", on_delete="cascade"),
        label=_l("Follow-up"),
        required=True,
        table="activities_follow_up",
        column="follow_up_id",
    )
    prompt: Mapped[int | None] = field(
        Reference("follow_up_prompt"),
        label=_l("Prompt"),
        required=True,
        table="activities_follow_up_prompt",
        column="prompt_id",
    )
    answer: Mapped[str | None] = field(
        Text(2_000), label=_l("What was answered"), required=True, personal=True
    )
    number: Mapped[Decimal | None] = field(Number(18, 4), label=_l("As a number"), readonly=True)
    day: Mapped[date | None] = field(Date(), label=_l("As a day"), readonly=True)


class Task(Entity, Owned):
    """Something that somebody is to do (任务). Its owner is always its assignee."""

    __tablename__ = "activities_task"

    title: Mapped[str | None] = field(Text(200), label=_l("Task"), required=True, searchable=True)
    description: Mapped[str | None] = field(LongText(10_000), label=_l("Description"))
    related_entity: Mapped[str | None] = field(Text(63), label=_l("Kind of record"))
    related_id: Mapped[int | None] = field(
        Related(entity_field="related_entity"), label=_l("Regarding")
    )
    due_at: Mapped[datetime | None] = field(DateTime(), label=_l("Due"))
    assignee: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Assignee"),
        help=_l("Empty: yourself."),
        table="core_user",
        column="assignee_id",
        index=False,
    )
    priority: Mapped[str | None] = field(
        ChoiceField(PRIORITIES), label=_l("Priority"), required=True, default="normal"
    )
    status: Mapped[str | None] = field(
        ChoiceField(STATUSES), label=_l("Status"), required=True, default="open"
    )
    reminder: Mapped[str | None] = field(
        ChoiceField(REMINDERS), label=_l("Reminder"), help=_l("Empty: as in the settings.")
    )
    recurrence: Mapped[str | None] = field(
        ChoiceField(RECURRENCES),
        label=_l("Repeats"),
        help=_l("Once it is done, the next one is made."),
    )
    every: Mapped[int | None] = field(
        Integer(minimum=1, maximum=99),
        label=_l("Every"),
        help=_l("2: every other day, week, month or year."),
        totals=False,
    )
    repeat_until: Mapped[date | None] = field(Date(), label=_l("Repeats until"))
    #: When the first of a series was due: the 31st stays the 31st behind a shorter month.
    recurs_from: Mapped[datetime | None] = field(
        DateTime(), label=_l("Repeats from"), readonly=True
    )
    previous: Mapped[int | None] = field(
        Reference("task", on_delete="clear"),
        label=_l("The one before"),
        readonly=True,
        table="activities_task",
        column="previous_id",
        index=False,
    )
    follow_up: Mapped[int | None] = field(
        Reference("follow_up", on_delete="clear"),
        label=_l("Planned by"),
        readonly=True,
        table="activities_follow_up",
        column="follow_up_id",
        index=False,
    )
    completed_at: Mapped[datetime | None] = field(
        DateTime(), label=_l("Completed at"), readonly=True
    )
    assigned_at: Mapped[datetime | None] = field(
        DateTime(),
        label=_l("Assigned at"),
        help=_l("Since when it is with who is to do it."),
        readonly=True,
    )

    # For: one's day, and what one has done this month; the list by date, alone and within each of the
    # scopes that a role may grant; all that is open, by date; a record's open tasks; the two references.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = f"ix_{cls.__tablename__}"
        *indexes, options = entity_indexes(cls.__tablename__, owned=True)
        done = text("completed_at IS NOT NULL")
        return (
            *indexes,
            Index(f"{name}_assignee_id_status_due_at", "assignee_id", "status", "due_at"),
            Index(f"{name}_assignee_id_status_assigned_at", "assignee_id", "status", "assigned_at"),
            partial_index(f"{name}_assignee_id_completed_at", done, "assignee_id", "completed_at"),
            Index(f"{name}_due_at_id", "due_at", "id"),
            Index(f"{name}_owner_id_due_at_id", "owner_id", "due_at", "id"),
            Index(f"{name}_created_by_due_at_id", "created_by", "due_at", "id"),
            Index(f"{name}_status_due_at_id", "status", "due_at", "id"),
            Index(f"{name}_about", "related_entity", "related_id", "status"),
            partial_index(f"{name}_previous_id", text("previous_id IS NOT NULL"), "previous_id"),
            partial_index(
                f"{name}_follow_up_id", text("follow_up_id IS NOT NULL"), "follow_up_id", "status"
            ),
            options,
        )


#: Reminders still to be given: a row goes away with the notification, in one transaction.
reminder_table = Table(
    "activities_reminder",
    metadata,
    Column(
        "task_id",
        BigId,
        ForeignKey("activities_task.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("at", UtcDateTime, nullable=False, index=True),
)

#: Weeks, by their Monday, of which people were told who is behind with the quota.
quota_week_table = Table(
    "activities_quota_week",
    metadata,
    Column("week", DayColumn, primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
)
