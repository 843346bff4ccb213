"""Hook implementations; each hands over to the module that does the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.assigning import changes as assigning
from core.i18n import lazy_gettext as _l
from core.plugins import hookimpl
from core.plugins.contributions import (
    DemoStep,
    DocumentTemplate,
    GoalMeasure,
    Job,
    NavItem,
    NotificationKind,
    Permission,
    Schedule,
    SlotFill,
)
from plugins.crm_sales import (
    cards,
    cockpit,
    conversion,
    conversion_page,
    definitions,
    demo,
    events,
    policies,
    services,
    settings,
    stages,
)
from plugins.crm_sales.assigning import cards as assigning_cards
from plugins.crm_sales.assigning import demo as assigning_demo
from plugins.crm_sales.assigning import policies as assigning_policies
from plugins.crm_sales.assigning.declared import CUSTOMERS as BY_RULES
from plugins.crm_sales.care import alerts, quiet
from plugins.crm_sales.care import views as care_views
from plugins.crm_sales.deals import cards as deal_cards
from plugins.crm_sales.deals import definitions as deal_definitions
from plugins.crm_sales.deals import demo as deal_demo
from plugins.crm_sales.deals import policies as deal_policies
from plugins.crm_sales.deals import services as deal_services
from plugins.crm_sales.deals import views as deal_views
from plugins.crm_sales.goals import cards as goal_cards
from plugins.crm_sales.goals import definitions as goal_definitions
from plugins.crm_sales.goals import demo as goal_demo
from plugins.crm_sales.goals import measures
from plugins.crm_sales.goals import policies as goal_policies
from plugins.crm_sales.goals import services as goal_services
from plugins.crm_sales.goals import views as goal_views
from plugins.crm_sales.pools import cards as pool_cards
from plugins.crm_sales.pools import changes as pool_changes
from plugins.crm_sales.pools import declared as pools
from plugins.crm_sales.pools import demo as pool_demo
from plugins.crm_sales.pools import events as pool_events
from plugins.crm_sales.pools import policies as pool_policies
from plugins.crm_sales.pools import views as pool_views
from plugins.crm_sales.products import cards as product_cards
from plugins.crm_sales.products import definitions as product_definitions
from plugins.crm_sales.products import demo as product_demo
from plugins.crm_sales.products import documents as product_documents
from plugins.crm_sales.products import links, offer_views, quotes, sending
from plugins.crm_sales.products import policies as product_policies
from plugins.crm_sales.targets import cards as target_cards
from plugins.crm_sales.targets import definitions as target_definitions
from plugins.crm_sales.targets import demo as target_demo
from plugins.crm_sales.targets import policies as target_policies
from plugins.crm_sales.targets import services as target_services
from plugins.crm_sales.targets import views as target_views

if TYPE_CHECKING:
    from flask import Blueprint

    from core.entities.changes import Change
    from core.entities.edits import FormEdit
    from core.errors import Problem
    from core.fields import ActionSpec, EntityDef, EntitySpec
    from core.plugins.contributions import RoleTemplate, SettingsGroup
    from core.plugins.manifest import Manifest
    from core.security.actor import Actor
    from core.work.events import Event
    from core.work.uow import UnitOfWork

_NEGLECTS = (pools.CUSTOMERS_NEGLECT, pools.OPPORTUNITIES_NEGLECT)
_RETURNING = (pools.CUSTOMERS_RETURNING, pools.OPPORTUNITIES_RETURNING)


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return (
        *definitions.ENTITIES,
        *product_definitions.ENTITIES,
        *deal_definitions.ENTITIES,
        *target_definitions.ENTITIES,
        *goal_definitions.ENTITIES,
    )


@hookimpl
def register_permissions() -> Iterable[Permission]:
    return [
        Permission("crm_sales.see_funnel", _l("See the funnel")),
        *target_policies.PERMISSIONS,
        *pool_policies.PERMISSIONS,
    ]


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    roles = target_policies.roles_with(product_policies.roles_with(policies.ROLES))
    return assigning_policies.roles_with(goal_policies.roles_with(pool_policies.roles_with(roles)))


@hookimpl
def register_blueprints() -> Iterable[Blueprint]:
    # One, with pages from several modules.
    pages = (offer_views, deal_views, care_views, conversion_page, goal_views, cockpit)
    return list({each.blueprint for each in pages})


@hookimpl
def register_navigation() -> Iterable[NavItem]:
    may = "crm_sales.see_funnel"
    return [
        NavItem(_l("Funnel"), "crm_sales.funnel", "filter", order=60, permission=may),
        NavItem(_l("Wins and losses"), "crm_sales.outcomes", "flag", order=63, permission=may),
        *cockpit.NAVIGATION,
        *target_views.NAVIGATION,
        *pool_views.NAVIGATION,
    ]


@hookimpl
def register_slots() -> Iterable[SlotFill]:
    return [
        SlotFill("home.main", pool_cards.needs_action, order=30),
        SlotFill("entity.detail.above", pool_cards.over_record, order=5),
        SlotFill("entity.detail.above", assigning_cards.over_record, order=5),
        SlotFill("entity.list.above", pool_cards.over_list, order=5),
        SlotFill("entity.detail.above", cards.over_record, order=10),
        SlotFill("entity.detail.above", deal_cards.over_record, order=10),
        SlotFill("entity.detail.above", goal_cards.over_record, order=10),
        SlotFill("entity.detail.above", product_cards.over_record, order=10),
        SlotFill("entity.detail.aside", cards.beside_record, order=30),
        SlotFill("entity.form.above", cards.over_form, order=8),
        SlotFill("entity.form.above", deal_cards.over_form, order=10),
        SlotFill("entity.list.above", cards.over_list, order=10),
        SlotFill("entity.list.above", target_cards.over_list, order=10),
        SlotFill("entity.list.above", goal_cards.over_list, order=10),
    ]


@hookimpl
def register_settings() -> Iterable[SettingsGroup]:
    return [settings.SALES]


@hookimpl
def register_events() -> Iterable[type[Event]]:
    return [getattr(module, name) for module in (events, pool_events) for name in module.__all__]


@hookimpl
def register_jobs() -> Iterable[Job]:
    return [
        *(sending.SEND, alerts.ALERT, quiet.TELL),
        *(each.job for each in (*_NEGLECTS, *_RETURNING)),
    ]


@hookimpl
def register_schedules() -> Iterable[Schedule]:
    return [alerts.ALERTING, quiet.TELLING, *pools.SCHEDULES]


@hookimpl
def register_notifications() -> Iterable[NotificationKind]:
    return [
        *(BY_RULES.given, BY_RULES.lost),
        *(*links.KINDS, alerts.IDLE, alerts.TEAM_IDLE, quiet.QUIET, quiet.SUPPORT),
        *(kind for each in _NEGLECTS for kind in (each.unclaimed, each.neglected)),
        *(kind for each in _RETURNING for kind in (each.soon, each.returned)),
    ]


@hookimpl
def register_documents() -> Iterable[DocumentTemplate]:
    return [product_documents.QUOTE]


@hookimpl
def register_goal_measures() -> Iterable[GoalMeasure]:
    return measures.MEASURES


@hookimpl
def register_demo() -> Iterable[DemoStep]:
    return [
        DemoStep("customers", demo.tell, order=20),
        DemoStep("pools", pool_demo.tell, order=25),
        DemoStep("assigning", assigning_demo.tell, order=26),
        DemoStep("products", product_demo.tell, order=30),
        DemoStep("deals", deal_demo.tell, order=32),
        DemoStep("targets", target_demo.tell, order=35),
        DemoStep("goals", goal_demo.tell, order=36),
    ]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    return [
        *policies.validate(changes, uow),
        *pool_policies.validate(changes, uow),
        *assigning.check_rules(BY_RULES, changes, uow),
        *deal_policies.validate(changes, uow),
        *product_policies.validate(changes, uow),
        *target_policies.validate(changes, uow),
        *goal_policies.validate(changes, uow),
    ]


@hookimpl
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    services.prepare(changes, uow)
    assigning.prepare(BY_RULES, changes, uow)
    pool_changes.prepare(changes, uow)
    deal_services.prepare(changes, uow)
    quotes.prepare(changes, uow)
    target_services.prepare(changes, uow)
    goal_services.prepare(changes, uow)


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    services.settle(changes, uow)
    pool_changes.settle(changes, uow)
    deal_services.settle(changes, uow)
    quotes.settle(changes, uow)
    assigning.settle(BY_RULES, changes, uow)


@hookimpl
def plugin_enabled(plugin: Manifest, uow: UnitOfWork) -> None:
    return stages.ensure_process(uow)


@hookimpl
def adjust_form(entity: EntitySpec, actor: Actor) -> Iterable[FormEdit]:
    return [
        *definitions.form_edits(entity),
        *product_definitions.form_edits(entity),
        *deal_definitions.form_edits(entity),
    ]


@hookimpl
def record_actions(entity: EntitySpec, actor: Actor) -> Iterable[ActionSpec]:
    return conversion.verbs_of(entity, actor)
