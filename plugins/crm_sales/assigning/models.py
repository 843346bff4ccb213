"""The tables of rules, of their conditions, whose turn it is, and what rules moved."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from core.assigning import models
from core.fields import Choice, ChoiceField, Reference, Text, field
from core.i18n import lazy_gettext as _l

__all__ = [
    "AssignedByRule",
    "CustomerAssignmentCondition",
    "CustomerAssignmentRule",
    "move_table",
    "rotation_table",
]

#: The fields of a customer that rules look at, beside those that the company added.
TESTED = (
    Choice("level", _l("Level")),
    Choice("priority", _l("Importance")),
    Choice("industry", _l("Industry")),
    Choice("size", _l("Company size")),
    Choice("source", _l("Source")),
    Choice("province", _l("Province")),
    Choice("city", _l("City")),
    Choice("tags", _l("Tags")),
    Choice("name", _l("Customer name")),
    Choice("lifecycle", _l("Stage of life")),
    Choice("won_count", _l("Deals won")),
    Choice("won_amount", _l("Won so far")),
)


class AssignedByRule:
    """What a customer holds of the rule by which somebody was given it."""

    assignment_reason: Mapped[str | None] = field(
        Text(300), label=_l("Assigned because"), readonly=True
    )


class CustomerAssignmentRule(models.AskedOnChange, models.AssignmentRule):
    """Which customers go to whom, or into which pool; the first that fits is used."""

    __tablename__ = "crm_sales_customer_assignment_rule"

    pool: Mapped[int | None] = field(
        Reference("customer_pool"),
        label=_l("For customers in"),
        table="crm_sales_customer_pool",
        column="pool_id",
        index=False,
        help=_l("Empty: whatever the pool, and those in none."),
    )
    conditions = models.condition_lines(
        "customer_assignment_condition", _l("All must be met. Without any every customer fits.")
    )
    target: Mapped[str | None] = models.target_field(
        _l("Who of a group has fewest customers"), pools=True
    )
    to_pool: Mapped[int | None] = field(
        Reference("customer_pool"),
        label=_l("Into pool"),
        table="crm_sales_customer_pool",
        column="to_pool_id",
        index=False,
        help=_l("Empty: it stays where it is. What its owner is selling to stays with them."),
    )
    capacity: Mapped[int | None] = models.capacity_field(_l("Customers of one person"))


class CustomerAssignmentCondition(models.AssignmentCondition):
    """One test of a rule: a field of the customer, a comparison, a value."""

    __tablename__ = "crm_sales_customer_assignment_condition"

    rule: Mapped[int | None] = field(
        Reference("customer_assignment_rule", on_delete="cascade"),
        label=_l("Rule"),
        required=True,
        table="crm_sales_customer_assignment_rule",
        column="rule_id",
    )
    field_name: Mapped[str | None] = field(
        ChoiceField(choices=TESTED, fields_of="customer"), label=_l("Field"), required=True
    )


rotation_table = models.rotation_table(
    "crm_sales_customer_rotation", "crm_sales_customer_assignment_rule"
)
move_table = models.move_table("crm_sales_customer_move", "crm_sales_customer")
