"""How rules and their conditions are named and arranged, and the verb that asks them again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from core.assigning.models import rule_sections
from core.assigning.verbs import distribute_verb
from core.fields import EntityDef
from core.i18n import lazy_gettext as _l
from core.pools.members import in_administered_pools
from core.pools.verbs import require_unowned
from plugins.crm_sales.assigning.declared import CUSTOMERS
from plugins.crm_sales.assigning.models import CustomerAssignmentCondition, CustomerAssignmentRule
from plugins.crm_sales.pools import declared as pools

__all__ = ["DISTRIBUTE", "ENTITIES"]

DISTRIBUTE = replace(
    distribute_verb(CUSTOMERS),
    why_not=partial(require_unowned, pools.CUSTOMERS),
    scope=partial(in_administered_pools, pools.CUSTOMERS),
)

customer_assignment_rule = EntityDef(
    name="customer_assignment_rule",
    model=CustomerAssignmentRule,
    label=_l("Customer assignment rule"),
    label_plural=_l("Customer assignment rules"),
    label_field="name",
    icon="git-branch",
    list_columns=(
        *("position", "name", "target", "person", "people", "department"),
        *("on_change", "is_active"),
    ),
    sections=rule_sections(_l("Which customers"), pools=True, on_change=True),
    default_sort="position",
    duplicate_keys=("name",),
    shapes_access=True,
)

customer_assignment_condition = EntityDef(
    name="customer_assignment_condition",
    model=CustomerAssignmentCondition,
    label=_l("Condition"),
    label_plural=_l("Conditions"),
    label_field="field_name",
    list_columns=("field_name", "op", "value"),
    parent_field="rule",
    navigable=False,
    shapes_access=True,
)

ENTITIES = (customer_assignment_rule, customer_assignment_condition)
