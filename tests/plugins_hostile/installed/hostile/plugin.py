"""The hooks that are called while the suite runs, but for those that narrow rights."""

from core.plugins import hookimpl
from core.plugins.contributions import Job
from hostile.behaviour import act


@hookimpl
def register_jobs():
    return [Job("hostile.work", lambda context: act("work", context=context))]


@hookimpl
def validate_changes(changes, uow):
    return act("validate_changes", changes=changes, uow=uow)


@hookimpl
def before_changes(changes, uow):
    return act("before_changes", changes=changes, uow=uow)


@hookimpl
def after_changes(changes, uow):
    return act("after_changes", changes=changes, uow=uow)


@hookimpl
def request_consent(entity, action, records, reasons, uow):
    return act(
        "request_consent",
        entity=entity,
        action=action,
        records=records,
        reasons=reasons,
        uow=uow,
    )


@hookimpl
def records_merged(entity, kept, merged, memo, uow):
    return act("records_merged", entity=entity, kept=kept, merged=merged, memo=memo, uow=uow)


@hookimpl
def records_split(entity, kept, merged, memo, uow):
    return act("records_split", entity=entity, kept=kept, merged=merged, memo=memo, uow=uow)


@hookimpl
def plugin_enabled(plugin, uow):
    return act("plugin_enabled", plugin=plugin, uow=uow)


@hookimpl
def plugin_disabled(plugin, uow):
    return act("plugin_disabled", plugin=plugin, uow=uow)


@hookimpl
def authenticate(request):
    return act("authenticate", request=request)


@hookimpl
def adjust_form(entity, actor):
    return act("adjust_form", entity=entity, actor=actor)


@hookimpl
def adjust_list(entity, actor):
    return act("adjust_list", entity=entity, actor=actor)


@hookimpl
def record_actions(entity, actor):
    return act("record_actions", entity=entity, actor=actor)


@hookimpl
def resolve_theme(request):
    return act("resolve_theme", request=request)
