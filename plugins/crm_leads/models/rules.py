"""Rules that assign leads and that score them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table
from sqlalchemy.orm import Mapped

from core.db.base import metadata
from core.db.types import BigId
from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Entity,
    Integer,
    Lines,
    Reference,
    References,
    Text,
    detached,
    field,
)
from core.i18n import lazy_gettext as _l
from plugins.crm_leads.criteria import COMPARISONS, TESTED

__all__ = ["AssignmentCondition", "AssignmentRule", "ScoreRule", "rotation_table"]


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
