"""Registers the sample's entities, and who may do what."""

from __future__ import annotations

from collections.abc import Iterable

from core.fields import EntityDef
from core.plugins import hookimpl
from core.plugins.contributions import RoleTemplate

from .models import PLACE, REMARK

ACTIONS = ("read", "create", "update", "delete")


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return [PLACE, REMARK]


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    own, every = dict.fromkeys(ACTIONS, "own"), dict.fromkeys(ACTIONS, "all")
    return [
        RoleTemplate("own", "Own records", {"place": own, "remark": own}),
        RoleTemplate("remarks", "All remarks, own places", {"place": own, "remark": every}),
        RoleTemplate("placeless", "All remarks, no places", {"remark": every}),
    ]
