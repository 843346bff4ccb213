"""How targets are named and arranged."""

from __future__ import annotations

from core.fields import EntityDef, Section
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.targets.models import SalesTarget
from plugins.crm_sales.targets.policies import BELOW, MINE

__all__ = ["ENTITIES"]

sales_target = EntityDef(
    name="sales_target",
    model=SalesTarget,
    label=_l("Sales target"),
    label_plural=_l("Sales targets"),
    label_field="name",
    icon="target-arrow",
    list_columns=("name", "person", "department", "measure", "value", "updated_at"),
    sections=(
        Section(_l("Whose it is"), ("person", "department")),
        Section(_l("For when"), ("period_kind", "starts_on")),
        Section(_l("How much"), ("measure", "value")),
    ),
    scopes=(MINE, BELOW),
    default_sort="-starts_on,id",
    duplicate_keys=("person", "department", "period_kind", "starts_on", "measure"),
)

ENTITIES = (sales_target,)
