"""How plans are named and arranged, and the verbs that leads have of them."""

from __future__ import annotations

from functools import partial

from core.fields import ActionSpec, EntityDef, FieldSpec, Reference, Section
from core.i18n import lazy_gettext as _l
from core.pools.verbs import why_not_claim
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.nurturing import plans
from plugins.crm_leads.nurturing.models import NurturePlan, NurtureTouch, Nurturing
from plugins.crm_leads.pools import LEADS

__all__ = ["ACTIONS", "ENTITIES"]

nurture_plan = EntityDef(
    name="nurture_plan",
    model=NurturePlan,
    label=_l("Nurture plan"),
    label_plural=_l("Nurture plans"),
    label_field="name",
    icon="refresh",
    list_columns=("name", "from_pool", "threshold", "to_pool", "is_active"),
    sections=(
        Section(_l("Plan"), ("name", "is_active", "from_pool")),
        Section(_l("Touches"), ("touches", "person")),
        Section(_l("Ready for sales"), ("threshold", "to_pool")),
    ),
    default_sort="name",
    duplicate_keys=("name",),
)

nurture_touch = EntityDef(
    name="nurture_touch",
    model=NurtureTouch,
    label=_l("Touch"),
    label_plural=_l("Touches"),
    label_field="subject",
    list_columns=("wait_days", "kind", "subject", "body"),
    parent_field="plan",
    navigable=False,
)

#: Governed by the lead: whoever may read the lead may read how far it is.
nurturing = EntityDef(
    name="nurturing",
    model=Nurturing,
    label=_l("Nurturing"),
    label_plural=_l("Nurturing"),
    label_field="state",
    icon="refresh",
    list_columns=("plan", "state", "done", "skipped", "next_at", "ended_at"),
    parent_field="lead",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    audited=False,
    navigable=False,
)

#: Whoever has a lead works on it: nurtured is what nobody has.
_IS_FREE = {
    "all": [
        {"field": "owner", "op": "is_empty"},
        {"field": "status", "op": "in", "value": list(OPEN)},
    ]
}
#: Verbs of leads.
ACTIONS = (
    ActionSpec(
        "nurture",
        _l("Nurture"),
        plans.nurture,
        params=(FieldSpec("plan", Reference("nurture_plan"), _l("Plan"), required=True),),
        when=_IS_FREE,
        why_not=partial(why_not_claim, LEADS),
    ),
    ActionSpec(
        "stop_nurturing",
        _l("Stop nurturing"),
        plans.stop_nurturing,
        when=_IS_FREE,
        why_not=partial(why_not_claim, LEADS),
        tone="warn",
        confirm=_l("The plan does not go on; nurturing begins it anew."),
    ),
)

ENTITIES = (nurture_plan, nurture_touch, nurturing)
