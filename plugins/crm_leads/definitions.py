"""How leads, pools and campaigns are named and arranged, and which verbs leads have."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from core.assigning.models import rule_sections
from core.assigning.verbs import distribute_verb
from core.entities.edits import FormEdit
from core.fields import ActionSpec, EntityDef, EntitySpec, FieldSpec, Section, Text
from core.i18n import lazy_gettext as _l
from core.pools.members import administered_scope, in_administered_pools, pool_scope
from core.pools.models import pool_sections
from core.pools.veils import veil_of
from core.pools.verbs import assign_verb, claim_verb, move_verb, release_verb, why_not_claim
from plugins.crm_leads import assignment, services
from plugins.crm_leads.models import (
    OPEN,
    AssignmentCondition,
    AssignmentRule,
    Campaign,
    CampaignStep,
    CampaignTarget,
    ChannelPolicy,
    Lead,
    LeadForm,
    LeadOutcome,
    LeadPool,
    LeadTransfer,
    ScoreRule,
)
from plugins.crm_leads.nurturing import definitions as nurturing
from plugins.crm_leads.pools import LEADS, require_open
from plugins.crm_leads.targets import target_verb

__all__ = [
    "ENTITIES",
    "assignment_condition",
    "assignment_rule",
    "campaign",
    "campaign_step",
    "campaign_target",
    "channel_policy",
    "form_edits",
    "lead",
    "lead_form",
    "lead_outcome",
    "lead_pool",
    "lead_transfer",
    "score_rule",
]

_IS_OPEN = {"field": "status", "op": "in", "value": list(OPEN)}

_ACTIONS = (
    claim_verb(LEADS),
    replace(assign_verb(LEADS), when={"field": "status", "op": "ne", "value": "converted"}),
    ActionSpec(
        "convert",
        _l("Convert"),
        services.convert,
        when=_IS_OPEN,
        why_not=require_open,
        tone="good",
        confirm=_l("A converted lead can no longer be changed."),
        sets={"status": "converted"},
    ),
    ActionSpec(
        "mark_lost",
        _l("Mark as lost"),
        services.mark_lost,
        params=(FieldSpec("reason", Text(300), _l("Reason"), required=True),),
        when=_IS_OPEN,
        why_not=require_open,
        tone="warn",
        sets={"status": "lost"},
        undoable=True,
    ),
    release_verb(LEADS),
    move_verb(LEADS),
    replace(
        distribute_verb(assignment.LEADS),
        why_not=partial(why_not_claim, LEADS),
        scope=partial(in_administered_pools, LEADS),
        undoable=False,  # there are tasks of it
    ),
)

lead = EntityDef(
    name="lead",
    model=Lead,
    label=_l("Lead"),
    label_plural=_l("Leads"),
    label_field="company",
    icon="target-arrow",
    list_columns=(
        *("company", "contact_name", "mobile", "source", "province", "industry"),
        *("expected_amount", "status", "owner", "next_follow_at"),
    ),
    sections=(
        Section(
            _l("Company and contact"),
            ("company", "contact_name", "mobile", "phone", "email", "wechat"),
        ),
        Section(_l("Where"), ("province", "city", "address", "industry")),
        Section(
            _l("What for"),
            (
                *("source", "campaign", "expected_amount", "tags", "priority", "status", "score"),
                *("note", "form", "origin", "welcome", "lost_reason", "converted_at"),
            ),
        ),
        Section(
            _l("In whose hands"),
            (
                *("owner", "department", "pool", "held_since", "entered_on"),
                *("first_contact_due_at", "first_contacted_at", "first_contact_minutes"),
                *("last_followed_at", "next_follow_at", "assignment_reason", "release_reason"),
            ),
        ),
    ),
    actions=(*_ACTIONS, *nurturing.ACTIONS, target_verb("lead")),
    scopes=(pool_scope(LEADS),),
    duplicate_keys=("company", "mobile"),
    veil=veil_of(LEADS),
)

lead_pool = EntityDef(
    name="lead_pool",
    model=LeadPool,
    label=_l("Lead pool"),
    label_plural=_l("Lead pools"),
    label_field="name",
    icon="inbox",
    list_columns=("name", "daily_claims", "holding_limit", "idle_days", "is_active"),
    sections=pool_sections("unconverted_days"),
    scopes=(administered_scope(LEADS),),
    default_sort="name",
    duplicate_keys=("name",),
    shapes_access=True,
)

assignment_rule = EntityDef(
    name="assignment_rule",
    model=AssignmentRule,
    label=_l("Assignment rule"),
    label_plural=_l("Assignment rules"),
    label_field="name",
    icon="git-branch",
    list_columns=("position", "name", "pool", "target", "person", "department", "is_active"),
    sections=rule_sections(_l("Which leads"), pools=True),
    default_sort="position",
    duplicate_keys=("name",),
    shapes_access=True,
)

assignment_condition = EntityDef(
    name="assignment_condition",
    model=AssignmentCondition,
    label=_l("Condition"),
    label_plural=_l("Conditions"),
    label_field="field_name",
    list_columns=("field_name", "op", "value"),
    parent_field="rule",
    navigable=False,
    shapes_access=True,
)

channel_policy = EntityDef(
    name="channel_policy",
    model=ChannelPolicy,
    label=_l("Channel policy"),
    label_plural=_l("Channel policies"),
    label_field="source",
    icon="flag",
    list_columns=("source", "priority", "first_contact_hours"),
    default_sort="source",
    duplicate_keys=("source",),
    shapes_access=True,
)

score_rule = EntityDef(
    name="score_rule",
    model=ScoreRule,
    label=_l("Score rule"),
    label_plural=_l("Score rules"),
    label_field="name",
    icon="star",
    list_columns=("name", "field_name", "op", "value", "points", "is_active"),
    default_sort="-points",
    duplicate_keys=("name",),
    shapes_access=True,
)

lead_form = EntityDef(
    name="lead_form",
    model=LeadForm,
    label=_l("Public form"),
    label_plural=_l("Public forms"),
    label_field="name",
    icon="world",
    list_columns=("name", "pool", "source", "campaign", "is_open"),
    sections=(
        Section(_l("Form"), ("name", "is_open", "pool", "source", "campaign")),
        Section(_l("What visitors see"), ("title", "intro", "fields", "thanks", "sites")),
        Section(_l("Welcome mail"), ("welcome_subject", "welcome_text")),
    ),
    default_sort="name",
    duplicate_keys=("name",),
)

campaign = EntityDef(
    name="campaign",
    model=Campaign,
    label=_l("Campaign"),
    label_plural=_l("Campaigns"),
    label_field="name",
    icon="calendar-event",
    list_columns=("name", "status", "source", "starts_on", "ends_on", "budget", "cost"),
    sections=(
        Section(_l("Campaign"), ("name", "status", "parent", "source", "starts_on", "ends_on")),
        Section(_l("Money"), ("budget", "cost")),
        Section(_l("Plan and result"), ("target", "steps", "result", "note")),
        Section(_l("When it is finished"), ("to_pool", "ready_score")),
    ),
    duplicate_keys=("name",),
)

#: Reached by who may read whom it is about, as all that is about others.
campaign_target = EntityDef(
    name="campaign_target",
    model=CampaignTarget,
    label=_l("Target"),
    label_plural=_l("Target lists"),
    label_field="related_id",
    icon="users",
    list_columns=("related_id", "state", "campaign", "note", "created_at"),
    sections=(
        Section(_l("Target"), ("campaign", "related_id", "state", "note", "related_entity")),
    ),
)

campaign_step = EntityDef(
    name="campaign_step",
    model=CampaignStep,
    label=_l("Step"),
    label_plural=_l("Steps"),
    label_field="name",
    list_columns=("name", "due_on", "person", "is_done"),
    parent_field="campaign",
    navigable=False,
)

#: Governed by the lead: whoever may read the lead may read who had it.
lead_transfer = EntityDef(
    name="lead_transfer",
    model=LeadTransfer,
    label=_l("Change of hands"),
    label_plural=_l("Changes of hands"),
    label_field="kind",
    icon="history",
    list_columns=("kind", "from_owner", "to_owner", "pool", "reason", "created_at"),
    parent_field="lead",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    audited=False,
    navigable=False,
)

#: Who may read the lead may know that it became something; of what it became its own rights decide.
lead_outcome = EntityDef(
    name="lead_outcome",
    model=LeadOutcome,
    label=_l("Became"),
    label_plural=_l("What leads became"),
    label_field="related_entity",
    icon="git-branch",
    list_columns=("related_entity", "related_id", "created_at"),
    parent_field="lead",
    origin_field="lead",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    audited=False,
    navigable=False,
)

ENTITIES = (
    *(lead, lead_pool, assignment_rule, assignment_condition, channel_policy, score_rule),
    *(lead_form, campaign, campaign_step, campaign_target, lead_transfer, lead_outcome),
    *nurturing.ENTITIES,
)


def form_edits(entity: EntitySpec) -> list[FormEdit]:
    """How names compare is no field to look at, nor what kind of record a target is, nor the key of a
    form, which its address holds."""
    hidden = {"lead": "name_key", "campaign_target": "related_entity", "lead_form": "key"}
    return [FormEdit("hide", hidden[entity.name])] if entity.name in hidden else []
