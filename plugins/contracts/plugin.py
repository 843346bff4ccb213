"""Hook implementations; each hands over to the module that does the work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.plugins import hookimpl
from core.plugins.contributions import DemoStep, SlotFill
from plugins.contracts import cards, definitions, demo, making, policies, services, views

if TYPE_CHECKING:
    from flask import Blueprint

    from core.entities.changes import Change
    from core.entities.edits import FormEdit
    from core.errors import Problem
    from core.fields import ActionSpec, EntityDef, EntitySpec
    from core.plugins.contributions import Job, RoleTemplate, Schedule
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return definitions.ENTITIES


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    return policies.ROLES


@hookimpl
def register_blueprints() -> Iterable[Blueprint]:
    return [views.blueprint]


@hookimpl
def register_slots() -> Iterable[SlotFill]:
    return [
        SlotFill("entity.detail.above", cards.over_record, order=40),
        SlotFill("entity.form.above", cards.over_form, order=10),
        SlotFill("entity.list.above", cards.over_list, order=10),
    ]


@hookimpl
def register_jobs() -> Iterable[Job]:
    return [services.TURN]


@hookimpl
def register_schedules() -> Iterable[Schedule]:
    return [services.TURNING]


@hookimpl
def register_demo() -> Iterable[DemoStep]:
    return [DemoStep("contracts", demo.tell, order=40)]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    return policies.validate(changes, uow)


@hookimpl
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    services.prepare(changes, uow)


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    services.settle(changes, uow)


@hookimpl
def adjust_form(entity: EntitySpec, actor: Actor) -> Iterable[FormEdit]:
    return definitions.form_edits(entity)


@hookimpl
def record_actions(entity: EntitySpec, actor: Actor) -> Iterable[ActionSpec]:
    return making.verbs_of(entity, actor)
