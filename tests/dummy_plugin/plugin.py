"""Every hook there is. The hooks of requests and transactions ask `behaviour` what to say."""

from core.i18n import lazy_gettext as _l
from core.plugins import hookimpl
from core.plugins.contributions import DocumentTemplate, NavItem, NotificationKind, SlotFill
from dummy_plugin import (
    commands,
    definitions,
    demo,
    documents,
    events,
    measures,
    settings,
    subscribers,
    timeline,
    views,
)
from dummy_plugin.behaviour import answer


@hookimpl
def register_entities():
    return [definitions.specimen, definitions.part]


@hookimpl
def register_entity_extensions():
    return []  # an extension needs a plugin to depend on: see dummy_extension


@hookimpl
def register_permissions():
    return definitions.PERMISSIONS


@hookimpl
def register_roles():
    return definitions.ROLES


@hookimpl
def register_blueprints():
    return [views.blueprint]


@hookimpl
def register_navigation():
    return [
        NavItem(
            _l("Board"),
            "dummy_plugin.board",
            icon="layout-kanban",
            permission="dummy_plugin.see_board",
        )
    ]


@hookimpl
def register_slots():
    return [SlotFill("home.main", views.card), SlotFill("entity.detail.aside", views.card)]


@hookimpl
def register_settings():
    return [settings.GROUP]


@hookimpl
def register_events():
    return [events.SpecimenWeighed]


@hookimpl
def register_subscribers():
    return subscribers.SUBSCRIBERS


@hookimpl
def register_jobs():
    return subscribers.JOBS


@hookimpl
def register_schedules():
    return subscribers.SCHEDULES


@hookimpl
def register_notifications():
    text = _l("%(who)s weighed %(record)s.")
    return [NotificationKind("dummy_plugin.weighed", _l("Something was weighed"), text)]


@hookimpl
def register_timeline():
    return timeline.SOURCES


@hookimpl
def register_documents():
    return [DocumentTemplate("specimen", "label", _l("Label"), documents.label)]


@hookimpl
def register_goal_measures():
    return measures.MEASURES


@hookimpl
def register_commands():
    return [commands.greet]


@hookimpl
def register_demo():
    return demo.STEPS


@hookimpl
def validate_changes(changes, uow):
    return answer("validate_changes", changes=changes, uow=uow)


@hookimpl
def before_changes(changes, uow):
    return answer("before_changes", changes=changes, uow=uow)


@hookimpl
def after_changes(changes, uow):
    return answer("after_changes", changes=changes, uow=uow)


@hookimpl
def records_merged(entity, kept, merged, memo, uow):
    return answer("records_merged", entity=entity, kept=kept, merged=merged, memo=memo, uow=uow)


@hookimpl
def records_split(entity, kept, merged, memo, uow):
    return answer("records_split", entity=entity, kept=kept, merged=merged, memo=memo, uow=uow)


@hookimpl
def plugin_enabled(plugin, uow):
    return answer("plugin_enabled", plugin=plugin, uow=uow)


@hookimpl
def plugin_disabled(plugin, uow):
    return answer("plugin_disabled", plugin=plugin, uow=uow)


@hookimpl
def authenticate(request):
    return answer("authenticate", request=request)


@hookimpl
def check_permission(actor, permission):
    return answer("check_permission", actor=actor, permission=permission)


@hookimpl
def scope_query(entity, action, actor):
    return answer("scope_query", entity=entity, action=action, actor=actor)


@hookimpl
def request_consent(entity, action, records, reasons, uow):
    return answer(
        "request_consent",
        entity=entity,
        action=action,
        records=records,
        reasons=reasons,
        uow=uow,
    )


@hookimpl
def adjust_form(entity, actor):
    return answer("adjust_form", entity=entity, actor=actor)


@hookimpl
def adjust_list(entity, actor):
    return answer("adjust_list", entity=entity, actor=actor)


@hookimpl
def record_actions(entity, actor):
    return answer("record_actions", entity=entity, actor=actor)


@hookimpl
def resolve_theme(request):
    return answer("resolve_theme", request=request)


@hookimpl
def app_ready(app):
    app.extensions["dummy_plugin.ready"] = sorted(app.blueprints)
    return answer("app_ready", app=app)
