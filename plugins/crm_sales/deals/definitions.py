"""How product lines and teams of opportunities are named and arranged."""

from __future__ import annotations

from core.entities.edits import FormEdit
from core.fields import EntityDef, EntitySpec, Section
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.deals.models import OpportunityLine, OpportunityMember

__all__ = ["ENTITIES", "form_edits"]

#: Its list answers which products are in the pipeline: by status, expected close and product.
opportunity_line = EntityDef(
    name="opportunity_line",
    model=OpportunityLine,
    label=_l("Product in an opportunity"),
    label_plural=_l("Products in opportunities"),
    label_field="product",
    icon="package",
    list_columns=(
        *("product", "opportunity", "description", "quantity", "unit"),
        *("unit_price", "discount", "amount"),
    ),
    sections=(
        Section(
            _l("Product"),
            (
                *("opportunity", "product", "description", "specification", "quantity", "unit"),
                *("unit_price", "base_price", "discount", "tax_rate", "net_amount", "tax_amount"),
                *("amount", "currency", "status", "expected_close_on"),
            ),
        ),
    ),
    parent_field="opportunity",
    default_sort="opportunity,position,id",
)

opportunity_member = EntityDef(
    name="opportunity_member",
    model=OpportunityMember,
    label=_l("Team member"),
    label_plural=_l("Team members"),
    label_field="person",
    icon="users",
    list_columns=("person", "role", "share"),
    parent_field="opportunity",
    default_sort="opportunity,position,id",
    navigable=False,
)

ENTITIES = (opportunity_line, opportunity_member)


def form_edits(entity: EntitySpec) -> list[FormEdit]:
    """What a configured product asks stands on the page of the lines, by its names."""
    if entity.name == "opportunity_line":
        return [FormEdit("hide", "parameters"), FormEdit("hide", "reasons")]
    return []
