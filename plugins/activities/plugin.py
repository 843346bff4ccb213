"""Hook implementations; each hands over to the module that does the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.i18n import lazy_gettext as _l
from core.plugins import hookimpl
from core.plugins.contributions import DemoStep, NavItem, Permission, SlotFill
from plugins.activities import (
    cards,
    communications,
    definitions,
    demo,
    my_day,
    policies,
    quota,
    reminders,
    services,
    settings,
    subscribers,
    timeline,
    views,
)

if TYPE_CHECKING:
    from flask import Blueprint

    from core.entities.changes import Change
    from core.entities.edits import FormEdit
    from core.errors import Problem
    from core.fields import EntityDef, EntitySpec
    from core.plugins.contributions import (
        Job,
        NotificationKind,
        RoleTemplate,
        Schedule,
        SettingsGroup,
        Subscriber,
        TimelineSource,
    )
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return definitions.ENTITIES


@hookimpl
def register_permissions() -> Iterable[Permission]:
    return [
        Permission("activities.see_pages", _l("See the agenda and the numbers of follow-ups")),
        Permission(communications.LOG, _l("Log calls, mails and messages of other systems")),
    ]


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    return policies.ROLES


@hookimpl
def register_blueprints() -> Iterable[Blueprint]:
    return [views.blueprint]


@hookimpl
def register_navigation() -> Iterable[NavItem]:
    may = "activities.see_pages"
    return [
        NavItem(_l("Agenda"), "activities.calendar", "calendar", order=40, permission=may),
        NavItem(_l("Numbers"), "activities.statistics", "chart-bar", order=60, permission=may),
    ]


@hookimpl
def register_slots() -> Iterable[SlotFill]:
    return [
        SlotFill("home.actions", my_day.quick_actions, order=0),
        SlotFill("home.main", my_day.my_day, order=0),
        SlotFill("entity.detail.aside", cards.beside_record, order=20),
        SlotFill("entity.detail.above", cards.over_record, order=20),
        SlotFill("entity.list.above", cards.over_list, order=20),
    ]


@hookimpl
def register_settings() -> Iterable[SettingsGroup]:
    return [settings.ACTIVITIES]


@hookimpl
def register_subscribers() -> Iterable[Subscriber]:
    return subscribers.SUBSCRIBERS


@hookimpl
def register_notifications() -> Iterable[NotificationKind]:
    return [reminders.DUE, quota.BEHIND, quota.TEAM_BEHIND]


@hookimpl
def register_jobs() -> Iterable[Job]:
    return [reminders.REMIND, quota.TELL]


@hookimpl
def register_schedules() -> Iterable[Schedule]:
    return [reminders.REMINDED, quota.TOLD]


@hookimpl
def register_timeline() -> Iterable[TimelineSource]:
    return timeline.SOURCES


@hookimpl
def register_demo() -> Iterable[DemoStep]:
    return [DemoStep("follow_ups", demo.tell, order=50)]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    return policies.validate(changes, uow)


@hookimpl
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    return services.prepare(changes, uow)


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    return services.settle(changes, uow)


@hookimpl
def adjust_form(entity: EntitySpec, actor: Actor) -> Iterable[FormEdit]:
    return definitions.form_edits(entity)
