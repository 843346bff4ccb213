"""What rules assign, and what follows from that."""

from __future__ import annotations

from core.assigning.declaring import Assigned
from core.assigning.models import rule_sections
from core.assigning.verbs import distribute_verb
from core.fields import EntityDef
from core.plugins.contributions import NotificationKind

from .models import Errand, ErrandCondition, ErrandRule, moves, rotation

ERRANDS = Assigned(
    entity="errand",
    rules="errand_rule",
    conditions="errand_condition",
    rotation=rotation,
    moves=moves,
    open=("state", ("open",)),
    fewest="By rule “%(rule)s”: fewest errands (%(n)s).",
    given=NotificationKind("assign_sample.given", "An errand for me", "%(record)s is yours."),
    lost=NotificationKind("assign_sample.lost", "An errand less", "%(record)s is another's."),
)

errand = EntityDef(
    name="errand",
    model=Errand,
    label="Errand",
    label_plural="Errands",
    label_field="name",
    actions=(distribute_verb(ERRANDS),),
)
errand_rule = EntityDef(
    name="errand_rule",
    model=ErrandRule,
    label="Rule of errands",
    label_plural="Rules of errands",
    label_field="name",
    sections=rule_sections("Which errands", on_change=True),
    default_sort="position",
    shapes_access=True,
)
errand_condition = EntityDef(
    name="errand_condition",
    model=ErrandCondition,
    label="Condition",
    label_plural="Conditions",
    label_field="field_name",
    parent_field="rule",
    navigable=False,
    shapes_access=True,
)
