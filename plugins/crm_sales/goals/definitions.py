"""How goals are named and arranged."""

from __future__ import annotations

from core.fields import EntityDef, Section
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.goals.models import Goal
from plugins.crm_sales.targets.policies import BELOW, MINE

__all__ = ["ENTITIES"]

goal = EntityDef(
    name="goal",
    model=Goal,
    label=_l("Goal"),
    label_plural=_l("Goals"),
    label_field="name",
    icon="target-arrow",
    list_columns=(
        *("name", "measure", "baseline", "target"),
        *("starts_on", "ends_on", "person", "department"),
    ),
    sections=(
        Section(_l("What is to change"), ("name", "measure", "baseline", "target")),
        Section(_l("For when"), ("starts_on", "ends_on")),
        Section(_l("Whose it is"), ("person", "department")),
        Section(_l("More"), ("note",)),
    ),
    scopes=(MINE, BELOW),
    default_sort="-ends_on,id",
)

ENTITIES = (goal,)
