"""Hands over to `core.assigning`."""

from __future__ import annotations

from core.assigning import changes as assigning
from core.plugins import hookimpl
from core.plugins.contributions import RoleTemplate

from . import definitions
from .definitions import ERRANDS


@hookimpl
def register_entities():
    return [definitions.errand, definitions.errand_rule, definitions.errand_condition]


@hookimpl
def register_roles():
    own = dict.fromkeys(("read", "create", "update"), "own")
    return [RoleTemplate("runner", "Runner", {"errand": own})]


@hookimpl
def register_notifications():
    return [ERRANDS.given, ERRANDS.lost]


@hookimpl
def validate_changes(changes, uow):
    return assigning.check_rules(ERRANDS, changes, uow)


@hookimpl
def before_changes(changes, uow):
    assigning.prepare(ERRANDS, changes, uow)


@hookimpl
def after_changes(changes, uow):
    assigning.settle(ERRANDS, changes, uow)
