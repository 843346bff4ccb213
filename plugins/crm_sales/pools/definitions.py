"""How pools and changes of hands are named and arranged, and what pools add to customers and opportunities."""

from __future__ import annotations

from core.fields import EntityDef
from core.i18n import lazy_gettext as _l
from core.pools.members import administered_scope, pool_scope
from core.pools.models import pool_sections
from core.pools.veils import veil_of, veil_through
from core.pools.verbs import assign_verb, claim_verb, move_verb, release_verb
from plugins.crm_sales.pools.declared import CUSTOMERS, OPPORTUNITIES
from plugins.crm_sales.pools.models import (
    OF_CONTACT,
    CustomerPool,
    CustomerPoolLevel,
    CustomerTransfer,
    OpportunityPool,
    OpportunityTransfer,
)

__all__ = [
    "CONTACT_VEIL",
    "CUSTOMER_SCOPE",
    "CUSTOMER_VEIL",
    "CUSTOMER_VERBS",
    "ENTITIES",
    "IN_POOL",
    "OPPORTUNITY_SCOPE",
    "OPPORTUNITY_VEIL",
    "OPPORTUNITY_VERBS",
]

#: Fields of a pooled record, as its page arranges them.
IN_POOL = ("pool", "held_since", "last_followed_at", "release_reason")
CUSTOMER_VERBS = (claim_verb(CUSTOMERS), release_verb(CUSTOMERS), move_verb(CUSTOMERS))
CUSTOMER_SCOPE, CUSTOMER_VEIL = pool_scope(CUSTOMERS), veil_of(CUSTOMERS)
CONTACT_VEIL = veil_through(CUSTOMERS, "customer_id", OF_CONTACT)
OPPORTUNITY_VERBS = (
    claim_verb(OPPORTUNITIES),
    assign_verb(OPPORTUNITIES),
    release_verb(OPPORTUNITIES),
    move_verb(OPPORTUNITIES),
)
OPPORTUNITY_SCOPE, OPPORTUNITY_VEIL = pool_scope(OPPORTUNITIES), veil_of(OPPORTUNITIES)

customer_pool = EntityDef(
    name="customer_pool",
    model=CustomerPool,
    label=_l("Customer pool"),
    label_plural=_l("Customer pools"),
    label_field="name",
    icon="inbox",
    list_columns=("name", "daily_claims", "holding_limit", "idle_days", "is_active"),
    sections=pool_sections(
        *("no_opportunity_days", "not_won_days", "spare_ongoing", "spare_won_days"),
        lines=("takes_new", "levels"),
    ),
    scopes=(administered_scope(CUSTOMERS),),
    default_sort="name",
    duplicate_keys=("name",),
    shapes_access=True,
)

customer_pool_level = EntityDef(
    name="customer_pool_level",
    model=CustomerPoolLevel,
    label=_l("Days of a level"),
    label_plural=_l("Days by level"),
    label_field="level",
    list_columns=("level", "idle_days", "no_opportunity_days", "not_won_days", "stays"),
    parent_field="pool",
    navigable=False,
    shapes_access=True,
)

opportunity_pool = EntityDef(
    name="opportunity_pool",
    model=OpportunityPool,
    label=_l("Opportunity pool"),
    label_plural=_l("Opportunity pools"),
    label_field="name",
    icon="inbox",
    list_columns=("name", "daily_claims", "holding_limit", "idle_days", "is_active"),
    sections=pool_sections("not_won_days", lines=("takes_new",)),
    scopes=(administered_scope(OPPORTUNITIES),),
    default_sort="name",
    duplicate_keys=("name",),
    shapes_access=True,
)

#: Governed by the record: whoever may read it may read who had it.
customer_transfer, opportunity_transfer = (
    EntityDef(
        name=f"{record}_transfer",
        model=model,
        label=_l("Change of hands"),
        label_plural=_l("Changes of hands"),
        label_field="kind",
        icon="history",
        list_columns=("kind", "from_owner", "to_owner", "pool", "reason", "created_at"),
        parent_field=record,
        creatable=False,
        updatable=False,
        deletable=False,
        importable=False,
        audited=False,
        navigable=False,
    )
    for record, model in (("customer", CustomerTransfer), ("opportunity", OpportunityTransfer))
)

ENTITIES = (
    *(customer_pool, customer_pool_level, customer_transfer),
    *(opportunity_pool, opportunity_transfer),
)
