"""The hooks that narrow rights."""

from hostile.behaviour import act

from core.plugins import hookimpl


@hookimpl
def check_permission(actor, permission):
    return act("check_permission", actor=actor, permission=permission)


@hookimpl
def scope_query(entity, action, actor):
    return act("scope_query", entity=entity, action=action, actor=actor)
