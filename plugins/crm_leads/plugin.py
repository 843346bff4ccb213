"""Hook implementations; each hands over to the module that does the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.i18n import lazy_gettext as _l
from core.plugins import hookimpl
from core.plugins.contributions import DemoStep, GoalMeasure, NavItem, Permission, SlotFill
from plugins.crm_leads import (
    assignment,
    cards,
    definitions,
    demo,
    events,
    goals,
    home,
    policies,
    pools,
    public_forms,
    scoring,
    services,
    settings,
    targets,
    views,
)
from plugins.crm_leads.nurturing import finishing, plans

if TYPE_CHECKING:
    from flask import Blueprint

    from core.entities.changes import Change
    from core.entities.edits import FormEdit
    from core.errors import Problem
    from core.fields import ActionSpec, EntityDef, EntitySpec
    from core.plugins.contributions import (
        Job,
        NotificationKind,
        RoleTemplate,
        Schedule,
        SettingsGroup,
    )
    from core.plugins.manifest import Manifest
    from core.security.actor import Actor
    from core.work.events import Event
    from core.work.uow import UnitOfWork


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return definitions.ENTITIES


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    return policies.ROLES


@hookimpl
def register_permissions() -> Iterable[Permission]:
    return [
        Permission("crm_leads.see_returns", _l("See which leads go back to their pools")),
        Permission("crm_leads.see_channels", _l("See what channels bring and cost")),
    ]


@hookimpl
def register_blueprints() -> Iterable[Blueprint]:
    return [views.blueprint]


@hookimpl
def register_navigation() -> Iterable[NavItem]:
    returns, channels = "crm_leads.see_returns", "crm_leads.see_channels"
    return [
        NavItem(_l("Going back"), "crm_leads.returns", "history", order=60, permission=returns),
        NavItem(_l("Channels"), "crm_leads.channels", "chart-bar", order=65, permission=channels),
    ]


@hookimpl
def register_settings() -> Iterable[SettingsGroup]:
    return [settings.LEADS]


@hookimpl
def register_events() -> Iterable[type[Event]]:
    return [getattr(events, name) for name in events.__all__]


@hookimpl
def register_slots() -> Iterable[SlotFill]:
    return [
        SlotFill("home.main", home.needs_action, order=10),
        SlotFill("entity.detail.above", cards.over_record, order=5),
        SlotFill("entity.detail.aside", cards.beside_record, order=10),
        SlotFill("entity.form.above", cards.over_form, order=5),
        SlotFill("entity.list.above", cards.over_list, order=5),
    ]


@hookimpl
def register_notifications() -> Iterable[NotificationKind]:
    return [
        *(assignment.GIVEN, pools.RETURNING.soon, pools.RETURNING.returned),
        *(pools.NEGLECT.unclaimed, pools.NEGLECT.neglected),
    ]


@hookimpl
def register_jobs() -> Iterable[Job]:
    return [
        *(pools.RETURNING.job, pools.NEGLECT.job, scoring.RESCORE, public_forms.WELCOME),
        *(plans.NURTURE, plans.MAIL, finishing.FINISH),
    ]


@hookimpl
def register_schedules() -> Iterable[Schedule]:
    return [pools.RETURN, pools.NEGLECT.schedule, plans.NURTURING]


@hookimpl
def register_goal_measures() -> Iterable[GoalMeasure]:
    return goals.MEASURES


@hookimpl
def register_demo() -> Iterable[DemoStep]:
    return [DemoStep("story", demo.tell, order=10)]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    return [
        *policies.validate(changes, uow),
        *plans.validate(changes, uow),
        *targets.validate(changes, uow),
    ]


@hookimpl
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    return services.prepare(changes, uow)


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    services.settle(changes, uow)
    finishing.follow(changes, uow)


@hookimpl
def record_actions(entity: EntitySpec, actor: Actor) -> Iterable[ActionSpec]:
    return targets.verbs_of(entity)


@hookimpl
def adjust_form(entity: EntitySpec, actor: Actor) -> Iterable[FormEdit]:
    return definitions.form_edits(entity)


@hookimpl
def plugin_enabled(plugin: Manifest, uow: UnitOfWork) -> None:
    return services.ensure_pool(uow)
