"""A plan against the installation and the files, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from core.errors import Refusal
from core.exchange.chosen_keys import key_candidates
from core.exchange.cleaning import ColumnCleaner
from core.exchange.duplicates import key_fields
from core.exchange.importing import check_rights
from core.exchange.mapping import importable_fields
from core.exchange.plans.model import Plan, PlanFault, Step, Target
from core.exchange.plans.reading import as_invalid
from core.exchange.plans.templates import wrong_in
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.actor import FieldAccess
from core.tabular.cleaning import CleaningError

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["check_plan", "check_step", "header_of", "lookup_fields"]

_NAMING = (t.Text, t.AutoNumber)
_LINKS = (t.Reference, t.References)
_DATES = (t.Date, t.DateTime)


def header_of(step: Step) -> list[str]:
    """The columns of rows that stand in the plan."""
    return list(dict.fromkeys(name for row in step.rows for name in row))


def check_plan(uow: UnitOfWork, plan: Plan, headers: Mapping[int, Sequence[str]]) -> None:
    """Raise `Invalid` with all that is wrong; ``headers`` are the columns of the steps that have
    a file which can be read, by their number."""
    faults = [
        fault
        for step in plan.steps
        for fault in check_step(uow, step, headers.get(step.number, ()))
    ]
    if faults:
        raise as_invalid(faults)


def check_step(uow: UnitOfWork, step: Step, header: Sequence[str]) -> Iterator[PlanFault]:
    """What is wrong with one step, for a file with these columns."""
    spec = uow.entities.get(step.entity)
    if spec is None:
        yield PlanFault(step.place, _("there is no entity '%(name)s'", name=step.entity))
        return
    try:
        check_rights(uow, spec, step.duplicates)
    except Refusal as refusal:
        yield PlanFault(step.place, refusal.message)
        return
    usable = importable_fields(uow, spec)
    for heading, target in step.columns.items():
        place = _("%(place)s, column '%(name)s'", place=step.place, name=heading)
        if heading not in header:
            yield PlanFault(place, _("the file has no such column"))
        if list(header).count(heading) > 1:
            yield PlanFault(place, _("the file has this column twice"))
        if target.field:
            yield from _check_target(uow, spec, usable, target, place)
    for name, made in step.made.items():
        place = f"{step.place}, made '{name}'"
        yield from (PlanFault(place, wrong) for wrong in wrong_in(made.text, header))
        yield from _check_target(uow, spec, usable, made.target, place)
    for name, text in step.constants.items():
        place = f"{step.place}, constants '{name}'"
        yield from _check_value(uow, spec, usable, name, text, place)
    names = [
        *(each.field for each in step.columns.values() if each.field),
        *step.made,
        *step.constants,
    ]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield PlanFault(step.place, _("the field '%(name)s' is filled twice", name=name))
    yield from _check_key(uow, spec, step)


def _check_target(
    uow: UnitOfWork, spec: EntitySpec, usable: Mapping[str, FieldSpec], target: Target, place: str
) -> Iterator[PlanFault]:
    item = usable.get(target.field)
    if item is None:
        yield _no_field(uow, spec, target.field, place)
        return
    if target.dates and not isinstance(item.type, _DATES):
        yield PlanFault(place, _("the field '%(name)s' holds no dates", name=item.name))
    if not isinstance(item.type, _LINKS):
        if target.lookup is not None:
            yield PlanFault(place, _("the field '%(name)s' refers to no records", name=item.name))
        for text in target.values.values():
            yield from _check_value(uow, spec, usable, item.name, text, f"{place}, values")
    elif target.lookup is not None:
        yield from _check_lookup(uow, item.type.entity, target, place)


def _check_lookup(uow: UnitOfWork, entity: str, target: Target, place: str) -> Iterator[PlanFault]:
    spec, lookup = uow.entities.get(entity), target.lookup
    if spec is None or lookup is None:
        yield PlanFault(place, _("there is no entity '%(name)s'", name=entity))
        return
    if lookup.by:
        item = spec.by_name.get(lookup.by)
        if item is None or not _may_read(uow, spec, item):
            yield _unknown_field(entity, lookup.by, place)
        elif item.name not in lookup_fields(uow, spec):
            message = _(
                "records of %(entity)s are not found by '%(name)s': it is no text",
                entity=entity,
                name=lookup.by,
            )
            yield PlanFault(place, message)
    if lookup.missing != "create":
        return
    try:
        check_rights(uow, spec, "skip")
    except Refusal as refusal:
        yield PlanFault(place, refusal.message)
        return
    usable, named = importable_fields(uow, spec), lookup.by or spec.label_field
    if named not in usable:
        yield PlanFault(place, _("the field '%(name)s' is not imported", name=named))
    for name, text in target.new.items():
        yield from _check_value(uow, spec, usable, name, text, f"{place}, new '{name}'")
    given = {named, *target.new}
    for item in usable.values():
        if item.is_needed and item.name not in given:
            message = _(
                "'new' is to say the '%(name)s' of a new %(entity)s", name=item.name, entity=entity
            )
            yield PlanFault(place, message)


def lookup_fields(uow: UnitOfWork, spec: EntitySpec) -> dict[str, FieldSpec]:
    """The fields by which the actor may let records of an entity be found, by name."""
    return {
        item.name: item
        for item in spec.stored
        if isinstance(item.value_type, _NAMING) and _may_read(uow, spec, item)
    }


def _may_read(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec) -> bool:
    return uow.actor.is_system or uow.actor.access(spec).field(item.name) >= FieldAccess.READ


def _check_value(
    uow: UnitOfWork,
    spec: EntitySpec,
    usable: Mapping[str, FieldSpec],
    name: str,
    text: str,
    place: str,
) -> Iterator[PlanFault]:
    """A value for a field. Which records there are is known only when the steps before are done."""
    item = usable.get(name)
    if item is None:
        yield _no_field(uow, spec, name, place)
    elif not isinstance(item.type, _LINKS):
        try:
            ColumnCleaner(uow, item).value(text)
        except CleaningError as error:
            yield PlanFault(place, str(error))


def _no_field(uow: UnitOfWork, spec: EntitySpec, name: str, place: str) -> PlanFault:
    item = spec.by_name.get(name)
    if item is None or not uow.actor.access(spec).can_see(item):
        return _unknown_field(spec.name, name, place)
    if name in spec.history:
        message = _("the field '%(name)s' is brought by the system only, on the command line without --as",
                    name=name)  # fmt: skip
        return PlanFault(place, message)
    return PlanFault(place, _("the field '%(name)s' is not imported", name=name))


def _check_key(uow: UnitOfWork, spec: EntitySpec, step: Step) -> Iterator[PlanFault]:
    place = f"{step.place}, key"
    if not step.key:
        declared = [item.name for item in key_fields(spec)]
        if not set(declared) & set(step.mapped):
            yield PlanFault(place, _("say by which fields records are told apart"))
        return
    candidates = key_candidates(uow, spec)
    for name in step.key:
        if name not in candidates:
            yield PlanFault(place, _("Records cannot be told apart by %(name)s.", name=name))
        elif name not in step.mapped:
            yield PlanFault(place, _("nothing fills the field '%(name)s'", name=name))


def _unknown_field(entity: str, name: str, place: str) -> PlanFault:
    return PlanFault(
        place, _("entity %(entity)s has no field '%(name)s'", entity=entity, name=name)
    )
