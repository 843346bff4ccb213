"""The core's own hook implementations: it stands on the same hooks as any plugin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.audit.definitions import audit_entry, event
from core.audit.retention import AUDIT
from core.audit.sealing import AUDIT_SEALED, SEAL_AUDIT
from core.audit.telling import HEAD_SENT, SEND_HEAD
from core.backup.scheduled import BACKUP, BACKUPS, BACKUPS_MADE, CHECK_BACKUP
from core.backup.workspaces import TEND, WORKSPACE, WORKSPACE_ENDS, WORKSPACES_TENDED
from core.comments.definitions import COMMENTED, MENTIONED, comment
from core.comments.timeline import COMMENTS, FILES
from core.customize.indexes import BUILD_INDEX
from core.entities.bulk_job import BULK, BULK_CLEANED, CLEAN_BULK
from core.entities.changes import Change
from core.entities.drafts import CLEAN_DRAFTS, DRAFTS_CLEANED
from core.entities.list_views import SHARE
from core.entities.merging import CLEAN_MERGES, MERGES_CLEANED
from core.entities.purging import BIN, BINS_EMPTIED, EMPTY_BINS
from core.entities.recompute_job import RECOMPUTE
from core.errors import Problem
from core.exchange.duplicates import follow_changes
from core.exchange.jobs import EXPORT, IMPORT
from core.exchange.plans.rehearsing import REHEARSE_PLAN
from core.exchange.plans.running import IMPORT_PLAN
from core.exchange.plans.undoing import UNDO_PLAN
from core.exchange.undo import UNDO
from core.fields import EntityDef
from core.files.cleaning import CLEAN_UPLOADS, UPLOADS_CLEANED
from core.files.definitions import file
from core.files.service import attach_written, check_written
from core.handover.giving import HAND_OVER, HANDED_OVER
from core.handover.taking_back import HAND_BACK
from core.help.questions import ANSWERED, ASKED, HELP, follow_answers, help_question
from core.i18n import lazy_gettext as _l
from core.notifications.following import ASSIGNED, SHARED, follow
from core.notifications.service import CLEAN, CLEANED
from core.plugins import hookimpl
from core.plugins.contributions import (
    Job,
    NotificationKind,
    Permission,
    RoleTemplate,
    Schedule,
    SettingsGroup,
    TimelineSource,
)
from core.reference import definitions as reference
from core.reference import rules as reference_rules
from core.runtime import bump_access
from core.search.indexing import FILL
from core.security import definitions, rules
from core.security.cleaning import CLEAN_SIGN_INS, SIGN_INS_CLEANED
from core.security.impersonation import TELL_SIGNED_IN_AS
from core.security.letters import SEND_PASSWORD_LINK, TELL_NEW_DEVICE
from core.settings.definitions import COMPANY, LIMITS, LOOK, MODULES, SECURITY, SIGN_IN
from core.work import events
from core.work.cleaning import CLEAN_JOBS, JOBS, JOBS_CLEANED
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
        comment,
        help_question,
        audit_entry,
        event,
        reference.lookup_table,
        reference.lookup_row,
        reference.calendar_day,
    ]


@hookimpl
def register_permissions() -> Iterable[Permission]:
    return [
        Permission("core.see_metrics", _l("Read the measurements of the server")),
        Permission(SHARE, _l("Make views of lists for everybody")),
    ]


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    return definitions.CORE_ROLES


@hookimpl
def register_settings() -> Iterable[SettingsGroup]:
    return [COMPANY, LOOK, SECURITY, SIGN_IN, LIMITS, MODULES, AUDIT, BIN, JOBS, BACKUPS, HELP]


@hookimpl
def register_events() -> Iterable[type[Event]]:
    return [
        value
        for value in vars(events).values()
        if isinstance(value, type) and issubclass(value, Event) and value is not Event
    ]


@hookimpl
def register_notifications() -> Iterable[NotificationKind]:
    return [ASSIGNED, SHARED, HANDED_OVER, MENTIONED, COMMENTED, ASKED, ANSWERED, WORKSPACE_ENDS]


@hookimpl
def register_timeline() -> Iterable[TimelineSource]:
    return [COMMENTS, FILES]


@hookimpl
def register_jobs() -> Iterable[Job]:
    return [
        *(DELIVER, IMPORT, EXPORT, CLEAN_UPLOADS, CLEAN_DRAFTS, CLEAN_SIGN_INS, UNDO, RECOMPUTE),
        *(SEND_PASSWORD_LINK, TELL_NEW_DEVICE, TELL_SIGNED_IN_AS),
        *(SEAL_AUDIT, SEND_HEAD, BUILD_INDEX),
        EMPTY_BINS,
        *(IMPORT_PLAN, REHEARSE_PLAN, UNDO_PLAN),
        BULK,
        CLEAN_BULK,
        HAND_OVER,
        HAND_BACK,
        CLEAN_MERGES,
        CLEAN_JOBS,
        CLEAN,
        BACKUP,
        CHECK_BACKUP,
        *(WORKSPACE, TEND),
        FILL,
    ]


@hookimpl
def register_schedules() -> Iterable[Schedule]:
    return [
        BINS_EMPTIED,
        UPLOADS_CLEANED,
        BULK_CLEANED,
        MERGES_CLEANED,
        DRAFTS_CLEANED,
        SIGN_INS_CLEANED,
        AUDIT_SEALED,
        HEAD_SENT,
        JOBS_CLEANED,
        CLEANED,
        BACKUPS_MADE,
        WORKSPACES_TENDED,
    ]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    return [
        *rules.validate(changes, uow),
        *check_written(changes, uow),
        *reference_rules.validate(changes, uow),
    ]


@hookimpl
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    rules.prepare(changes, uow)
    reference_rules.prepare(changes, uow)


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    rules.follow(changes, uow)
    if changes[0].entity.shapes_access:
        bump_access(uow.connection)
    attach_written(changes, uow)
    follow_changes(changes, uow)
    reference_rules.follow(changes, uow)
    follow(changes, uow)
    follow_answers(changes, uow)
