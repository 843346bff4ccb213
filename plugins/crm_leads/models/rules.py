"""Rules that assign leads and that score them."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from core.assigning import models
from core.fields import Boolean, ChoiceField, Entity, Integer, Reference, Text, field
from core.i18n import lazy_gettext as _l
from plugins.crm_leads.criteria import COMPARISONS, TESTED

__all__ = ["AssignmentCondition", "AssignmentRule", "ScoreRule", "rotation_table"]


class AssignmentRule(models.AssignmentRule):
    """Which new leads go to whom, or into which pool (分配规则); the first that fits is used."""

    __tablename__ = "crm_leads_assignment_rule"

    pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("For leads in"),
        table="crm_leads_lead_pool",
        column="pool_id",
        index=False,
        help=_l("Empty: whatever the pool."),
    )
    conditions = models.condition_lines(
        "assignment_condition", _l("All must be met. Without any every lead fits.")
    )
    target: Mapped[str | None] = models.target_field(
        _l("Who of a group has fewest open leads"), pools=True
    )
    to_pool: Mapped[int | None] = field(
        Reference("lead_pool"),
        label=_l("Into pool"),
        table="crm_leads_lead_pool",
        column="to_pool_id",
        index=False,
        help=_l("Empty: it stays in the pool that it came into."),
    )
    capacity: Mapped[int | None] = models.capacity_field(_l("Open leads of one person"))


class AssignmentCondition(models.AssignmentCondition):
    """One test of a rule: a field of the lead, a comparison, a value."""

    __tablename__ = "crm_leads_assignment_condition"

    rule: Mapped[int | None] = field(
        Reference("assignment_rule", on_delete="cascade"),
        label=_l("Rule"),
        required=True,
        table="crm_leads_assignment_rule",
        column="rule_id",
    )
    field_name: Mapped[str | None] = field(
        ChoiceField(choices=TESTED, fields_of="lead"), label=_l("Field"), required=True
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


rotation_table = models.rotation_table("crm_leads_rotation", "crm_leads_assignment_rule")
