"""An errand, and the rules that say who runs which."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from core.assigning import models
from core.fields import Choice, ChoiceField, Entity, Owned, Reference, Text, field

TESTED = (Choice("name", "Name"), Choice("size", "Size"))


class Errand(Entity, Owned):
    """Something to be done by somebody."""

    __tablename__ = "assign_sample_errand"
    name: Mapped[str | None] = field(Text(80), label="Name", required=True, searchable=True)
    size: Mapped[str | None] = field(
        ChoiceField(choices=(Choice("small", "Small"), Choice("large", "Large"))), label="Size"
    )
    state: Mapped[str | None] = field(
        ChoiceField(choices=(Choice("open", "Open"), Choice("done", "Done"))),
        label="State",
        default="open",
    )
    assignment_reason: Mapped[str | None] = field(
        Text(300), label="Assigned because", readonly=True
    )


class ErrandRule(models.AskedOnChange, models.AssignmentRule):
    """Which errands go to whom."""

    __tablename__ = "assign_sample_rule"
    conditions = models.condition_lines("errand_condition", "All must be met.")
    target: Mapped[str | None] = models.target_field("Who of a group has fewest errands")
    capacity: Mapped[int | None] = models.capacity_field("Errands of one person")


class ErrandCondition(models.AssignmentCondition):
    """One test of a rule."""

    __tablename__ = "assign_sample_condition"
    rule: Mapped[int | None] = field(
        Reference("errand_rule", on_delete="cascade"),
        label="Rule",
        table="assign_sample_rule",
        column="rule_id",
    )
    field_name: Mapped[str | None] = field(
        ChoiceField(choices=TESTED, fields_of="errand"), label="Field", required=True
    )


rotation = models.rotation_table("assign_sample_rotation", "assign_sample_rule")
moves = models.move_table("assign_sample_move", "assign_sample_errand")
