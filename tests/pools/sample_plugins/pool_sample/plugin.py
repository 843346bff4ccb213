"""Hands over to `core.pools`."""

from __future__ import annotations

from core.plugins import hookimpl
from core.plugins.contributions import Permission, RoleTemplate, SlotFill
from core.pools import cards
from core.pools import changes as pools

from . import definitions, views
from .definitions import EVERY_NIGHT, PLOTS, RETURNING
from .models import VEILABLE


@hookimpl
def register_blueprints():
    return [views.blueprint]


@hookimpl
def register_permissions():
    return [Permission("pool_sample.see_returns", "See which plots go back")]


@hookimpl
def register_roles():
    may = {"read": ["own", "pool"], "create": "own", "update": "own", "claim": "pool"}
    granted = {"plot": {**may, "release": "own"}, "plot_pool": {"read": "all"}}
    return [RoleTemplate("agent", "Agent", granted, permissions=("pool_sample.see_returns",))]


@hookimpl
def register_entities():
    return [definitions.plot, definitions.plot_pool, definitions.plot_transfer]


@hookimpl
def register_jobs():
    return [RETURNING.job]


@hookimpl
def register_schedules():
    return [EVERY_NIGHT]


@hookimpl
def register_notifications():
    return [RETURNING.soon, RETURNING.returned]


@hookimpl
def register_slots():
    return [SlotFill("entity.detail.above", over_record, order=5)]


def over_record(uow, entity, record, **context):
    return cards.over_record(uow, PLOTS, record)


@hookimpl
def validate_changes(changes, uow):
    yield from pools.check_hands(PLOTS, changes, uow)
    yield from pools.check_pools(PLOTS, changes, uow)
    if changes[0].entity.name == "plot":
        yield from pools.check_masks(changes, uow, VEILABLE)


@hookimpl
def before_changes(changes, uow):
    pools.prepare(PLOTS, changes, uow)


@hookimpl
def after_changes(changes, uow):
    pools.record_transfers(PLOTS, changes, uow)
