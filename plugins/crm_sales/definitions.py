"""How customers, contacts, processes and opportunities are named and arranged, and their verbs."""

from __future__ import annotations

from core.entities.edits import FormEdit
from core.entities.merging import merge_verb
from core.fields import (
    ActionSpec,
    Boolean,
    EntityDef,
    EntitySpec,
    FieldSpec,
    Given,
    LongText,
    Mark,
    Reference,
    Section,
    Tags,
    Text,
)
from core.i18n import lazy_gettext as _l
from plugins.crm_sales import services, stages
from plugins.crm_sales.assigning import definitions as assigning
from plugins.crm_sales.care import quiet
from plugins.crm_sales.deals.policies import TEAM, TEAM_CHANGES
from plugins.crm_sales.models import (
    LOST_REASON,
    WON_REASON,
    Contact,
    Customer,
    Opportunity,
    SalesProcess,
    Stage,
    StageVisit,
)
from plugins.crm_sales.policies import OF_CUSTOMERS
from plugins.crm_sales.pools import definitions as pools

__all__ = ["ENTITIES", "form_edits"]

customer = EntityDef(
    name="customer",
    model=Customer,
    label=_l("Customer"),
    label_plural=_l("Customers"),
    label_field="name",
    icon="building",
    list_columns=(*("name", "level", "industry", "city", "source", "owner", "created_at"),),
    sections=(
        Section(
            _l("Company"),
            (
                *("name", "code", "uscc", "level", "priority"),
                *("industry", "size", "source", "tags"),
            ),
        ),
        Section(_l("Where"), ("province", "city", "address", "phone", "website")),
        Section(
            _l("Whose it is"),
            ("owner", "department", *pools.IN_POOL, "assignment_reason", "parent", "note"),
        ),
        Section(
            _l("With us"),
            (
                *("lifecycle", "lifecycle_on", "won_count", "won_amount"),
                *("first_won_on", "last_won_on", "referrer"),
            ),
        ),
    ),
    actions=(
        *pools.CUSTOMER_VERBS,
        ActionSpec(
            "assign",
            _l("Assign"),
            services.assign,
            params=(
                FieldSpec("owner", Reference("user"), _l("New owner"), required=True),
                FieldSpec(
                    "with_opportunities",
                    Boolean(),
                    _l("With the open opportunities"),
                    help=_l("Those that the former owner looks after."),
                    default=True,
                ),
            ),
        ),
        assigning.DISTRIBUTE,
        merge_verb("customer", _l("Merge")),
    ),
    scopes=(pools.CUSTOMER_SCOPE,),
    veil=pools.CUSTOMER_VEIL,
    marks=(Mark({"field": "priority", "op": "eq", "value": "high"}, _l("Important"), "warn"),),
    duplicate_keys=("name",),
    new_page="crm_sales.new_customer",
)

contact = EntityDef(
    name="contact",
    model=Contact,
    label=_l("Contact"),
    label_plural=_l("Contacts"),
    label_field="name",
    icon="address-book",
    list_columns=(
        *("name", "customer", "title", "mobile", "is_decision_maker", "is_primary", "email"),
    ),
    sections=(
        Section(_l("Contact details"), ("name", "customer", "title", "mobile", "email", "wechat")),
        Section(_l("Part in decisions"), ("is_decision_maker", "is_primary", "reports_to", "note")),
    ),
    scopes=(OF_CUSTOMERS,),
    veil=pools.CONTACT_VEIL,
    actions=(merge_verb("contact", _l("Merge")),),
    duplicate_keys=("name", "mobile"),
)

sales_process = EntityDef(
    name="sales_process",
    model=SalesProcess,
    label=_l("Sales process"),
    label_plural=_l("Sales processes"),
    label_field="name",
    icon="git-branch",
    list_columns=("name", "is_active", "category", "description"),
    default_sort="name",
    duplicate_keys=("name",),
    actions=(
        ActionSpec(
            "clone",
            _l("Copy with its stages"),
            stages.clone,
            params=(FieldSpec("name", Text(60), _l("Name of the new one"), required=True),),
            bulk=False,
        ),
    ),
)

stage = EntityDef(
    name="stage",
    model=Stage,
    label=_l("Stage"),
    label_plural=_l("Stages"),
    label_field="name",
    icon="list-numbers",
    list_columns=(
        *(
            "name",
            "probability",
            "days_allowed",
            "quiet_days",
            "required_fields",
            "key_tasks",
            "is_won",
            "is_lost",
        ),
    ),
    sections=(
        Section(
            _l("Stage"),
            (
                *("process", "name", "position", "probability", "days_allowed", "quiet_days"),
                *("required_fields", "key_tasks", "is_won", "is_lost"),
            ),
        ),
    ),
    parent_field="process",
    default_sort="process,position,id",
    navigable=False,
)


def _ending(*more: FieldSpec) -> tuple[FieldSpec, ...]:
    """What the verbs that close an opportunity ask beside the reason."""
    return (
        *more,
        FieldSpec("competitors", Tags(), _l("Competitors")),
        FieldSpec("note", Text(300), _l("How it was decided")),
    )


_IS_OPEN = {"field": "status", "op": "eq", "value": "open"}

opportunity = EntityDef(
    name="opportunity",
    model=Opportunity,
    label=_l("Opportunity"),
    label_plural=_l("Opportunities"),
    label_field="name",
    icon="briefcase",
    list_columns=(
        *("name", "customer", "stage", "amount", "expected_close_on"),
        *("owner", "status", "stage_due_at"),
    ),
    sections=(
        Section(
            _l("What it is about"),
            (
                *("name", "customer", "contact", "amount", "currency", "expected_close_on"),
                "priority",
            ),
        ),
        Section(
            _l("Where it stands"),
            (
                *("process", "stage", "probability", "weighted_amount", "stage_entered_at"),
                *("stage_due_at", "furthest_stage", "closed_on", "closing_rate", "done_tasks"),
                *("lost_reason", "won_reason", "closing_note"),
            ),
        ),
        Section(_l("Products"), ("lines",)),
        Section(_l("How it is to be won"), ("next_step", "competitors", "strategy")),
        Section(_l("Whose it is"), ("owner", "department", *pools.IN_POOL, "lead", "members")),
    ),
    actions=(
        ActionSpec(
            "move",
            _l("Move to stage"),
            services.move,
            params=_ending(
                FieldSpec("stage", Reference("stage"), _l("Stage"), required=True),
                FieldSpec(
                    "reason",
                    LOST_REASON,
                    _l("Reason of the loss"),
                    help=_l("Only for the stage of what is lost."),
                ),
                FieldSpec(
                    "won_reason",
                    WON_REASON,
                    _l("Reason of the win"),
                    help=_l("Only for the stage of what is won."),
                ),
            ),
            sets={"stage": Given("stage")},
            undoable=True,
        ),
        ActionSpec(
            "win",
            _l("Win"),
            services.win,
            params=_ending(FieldSpec("reason", WON_REASON, _l("Reason of the win"))),
            when=_IS_OPEN,
            why_not=services.why_not_close,
            tone="good",
            sets={"status": "won"},
            undoable=True,
        ),
        ActionSpec(
            "lose",
            _l("Lose"),
            services.lose,
            params=_ending(
                FieldSpec("reason", LOST_REASON, _l("Reason of the loss"), required=True)
            ),
            when=_IS_OPEN,
            why_not=services.why_not_close,
            tone="warn",
            sets={"status": "lost"},
            undoable=True,
        ),
        ActionSpec(
            "ask_support",
            _l("Ask for support"),
            quiet.ask_support,
            params=(FieldSpec("note", LongText(2000), _l("What is needed"), required=True),),
            when=_IS_OPEN,
            why_not=services.why_not_close,
        ),
        *pools.OPPORTUNITY_VERBS,
    ),
    scopes=(TEAM, TEAM_CHANGES, pools.OPPORTUNITY_SCOPE),
    veil=pools.OPPORTUNITY_VEIL,
    marks=(
        Mark(
            {"all": [_IS_OPEN, {"field": "stage_due_at", "op": "lt", "value": {"var": "now"}}]},
            _l("Stuck"),
        ),
        Mark(
            {"all": [_IS_OPEN, {"field": "priority", "op": "eq", "value": "high"}]},
            _l("Important"),
            "warn",
        ),
    ),
    duplicate_keys=("name", "customer"),
    history=("created_at", "stage_entered_at", "closed_on", "furthest_stage"),
)

#: Governed by the opportunity: whoever may read it may read how long it stood where.
stage_visit = EntityDef(
    name="stage_visit",
    model=StageVisit,
    label=_l("Stay in a stage"),
    label_plural=_l("Stays in stages"),
    label_field="entered_at",
    icon="history",
    list_columns=("stage", "entered_at", "left_at", "days"),
    parent_field="opportunity",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    audited=False,
    navigable=False,
)

ENTITIES = (
    *(customer, contact, sales_process, stage, opportunity, stage_visit),
    *(*pools.ENTITIES, *assigning.ENTITIES),
)

#: What follows from other fields, and is not typed in.
_LEFT_OUT = {
    "customer": ("name_key",),
    # Told in words, with the amount that it comes to, where there is one; and ticked off above.
    "opportunity": ("closing_rate", "done_tasks"),
}


def form_edits(entity: EntitySpec) -> list[FormEdit]:
    """The fields that forms and pages leave out."""
    return [FormEdit("hide", name) for name in _LEFT_OUT.get(entity.name, ())]
