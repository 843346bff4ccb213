"""Hook implementations; each hands over to the module that does the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.plugins import hookimpl
from core.plugins.contributions import DemoStep, SlotFill
from plugins.crm_leads import definitions, demo, events, policies, services, settings, views

if TYPE_CHECKING:
    from core.entities.changes import Change
    from core.errors import Problem
    from core.fields import EntityDef
    from core.plugins.contributions import RoleTemplate, SettingsGroup
    from core.plugins.manifest import Manifest
    from core.work.events import Event
    from core.work.uow import UnitOfWork


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return definitions.ENTITIES


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    return policies.ROLES


@hookimpl
def register_settings() -> Iterable[SettingsGroup]:
    return [settings.LEADS]


@hookimpl
def register_events() -> Iterable[type[Event]]:
    return [getattr(events, name) for name in events.__all__]


@hookimpl
def register_slots() -> Iterable[SlotFill]:
    return [SlotFill("home.main", views.needs_action, order=10)]


@hookimpl
def register_demo() -> Iterable[DemoStep]:
    return [DemoStep("story", demo.tell, order=10)]


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
def plugin_enabled(plugin: Manifest, uow: UnitOfWork) -> None:
    return services.ensure_pool(uow)
