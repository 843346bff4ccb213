"""The core's own hook implementations: it stands on the same hooks as any plugin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.audit.definitions import audit_entry, event
from core.entities.changes import Change
from core.errors import Problem
from core.exchange.duplicates import follow_changes
from core.exchange.jobs import EXPORT, IMPORT
from core.fields import EntityDef
from core.files.definitions import file
from core.files.service import attach_written, check_written
from core.i18n import lazy_gettext as _l
from core.plugins import hookimpl
from core.plugins.contributions import Job, Permission, RoleTemplate, SettingsGroup
from core.runtime import bump_access
from core.security import definitions, rules
from core.settings.definitions import COMPANY, SECURITY
from core.work import events
from core.work.deliver import DELIVER
from core.work.events import Event

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return [
        definitions.department,
        definitions.role,
        definitions.user,
        definitions.absence,
        file,
        audit_entry,
        event,
    ]


@hookimpl
def register_permissions() -> Iterable[Permission]:
    return [Permission("core.see_metrics", _l("Read the measurements of the server"))]


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    return definitions.CORE_ROLES


@hookimpl
def register_settings() -> Iterable[SettingsGroup]:
    return [COMPANY, SECURITY]


@hookimpl
def register_events() -> Iterable[type[Event]]:
    return [
        value
        for value in vars(events).values()
        if isinstance(value, type) and issubclass(value, Event) and value is not Event
    ]


@hookimpl
def register_jobs() -> Iterable[Job]:
    return [DELIVER, IMPORT, EXPORT]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    return [*rules.validate(changes, uow), *check_written(changes, uow)]


@hookimpl
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    rules.prepare(changes, uow)


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    rules.follow(changes, uow)
    if changes[0].entity.shapes_access:
        bump_access(uow.connection)
    attach_written(changes, uow)
    follow_changes(changes, uow)
