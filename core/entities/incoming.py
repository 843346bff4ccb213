"""Checking what callers give, for many records at once, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.entities.defaults import default_of
from core.entities.related import check_related
from core.entities.scope import living, may, scope_clause
from core.entities.values import BadValue, checker, column_checker
from core.errors import Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.actor import FieldAccess

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "blank_record",
    "check_given",
    "check_options_in_use",
    "check_references",
    "check_required",
    "check_unique",
    "forget_readable",
    "missing",
    "readable",
]

#: Set by the service itself, whoever asks.
_KEPT = frozenset({"id", "version", "updated_at", "updated_by", "archived_at"})
_IN_CHUNK = 900


def check_given(
    uow: UnitOfWork, spec: EntitySpec, items: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Checked values by item, and what is wrong with them: names, rights, types, limits."""
    access, is_system = uow.actor.access(spec), uow.actor.is_system
    values: list[dict[str, Any]] = [{} for _item in items]
    problems: list[Problem] = []
    for name in dict.fromkeys(chain.from_iterable(items)):
        field = spec.by_name.get(name)
        givers = [index for index, item in enumerate(items) if name in item]
        refusal = _refusal(field, name, access.field(name), is_system=is_system)
        if refusal is not None:
            problems += [replace(refusal, item=index) for index in givers]
            continue
        assert field is not None
        given = [items[index][name] for index in givers]
        try:
            checked = column_checker(field.type)(given)
        except BadValue:
            problems += _check_each(field, givers, given, values)
            continue
        for index, value in zip(givers, checked, strict=True):
            values[index][name] = value
    return values, problems


def _check_each(
    field: FieldSpec, givers: Sequence[int], given: Sequence[Any], values: list[dict[str, Any]]
) -> Iterator[Problem]:
    """Put the values of a field that are good into ``values``, and tell what is wrong with others."""
    check = checker(field.type)
    for index, value in zip(givers, given, strict=True):
        try:
            values[index][field.name] = check(value)
        except BadValue as error:
            yield Problem(field.name, error.code, str(error), index)


def _refusal(
    field: FieldSpec | None, name: str, access: FieldAccess, *, is_system: bool
) -> Problem | None:
    if field is None or access == FieldAccess.HIDDEN:
        # What somebody may not see is answered like what does not exist.
        return Problem(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
    if is_system and name not in _KEPT and not isinstance(field.type, t.Computed):
        return None
    if not field.is_writable:
        return Problem(name, "readonly", _("This field is set by the system."))
    if access == FieldAccess.MASKED:
        return Problem(name, "masked", _("You see this field masked; you cannot change it."))
    if access < FieldAccess.WRITE:
        return Problem(name, "readonly", _("You do not have the right to change this field."))
    return None


def blank_record(
    uow: UnitOfWork, spec: EntitySpec
) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """What a new record holds where nothing is given, and the defaults that are made for each.

    An explicit null stays null.
    """
    blank = dict.fromkeys(field.name for field in spec.stored)
    made = {}
    for field in spec.defaulted:
        if callable(field.default):
            made[field.name] = field.default
        else:
            default = default_of(uow, field)
            blank[field.name] = False if default is None and _is_yes_no(field) else default
    return blank, made


def _is_yes_no(field: FieldSpec) -> bool:
    return isinstance(field.type, t.Boolean)


def check_required(uow: UnitOfWork, changes: Sequence[Change]) -> list[Problem]:
    """Required fields that are empty. An update is held to those it touches.

    Those that other values decide about are judged by the rules of fields.
    """
    problems: list[Problem] = []
    required = [field for field in changes[0].entity if field.is_always_required] if changes else []
    for change in changes:
        for field in required:
            name = field.name
            if field.is_stored:
                value = change.after.get(name)
                touched = change.kind == "create" or change.before.get(name) is not None
            else:
                value = change.detached.get(name) or None
                touched = change.kind == "create" or name in change.detached
            if value is None and touched:
                problems.append(missing(uow, change, field))
    return problems


def missing(uow: UnitOfWork, change: Change, field: FieldSpec) -> Problem:
    """The problem of a required field that is empty.

    One that the actor may not see is not named: only somebody who sees it can help.
    """
    if uow.actor.access(change.entity).can_see(field):
        return change.problem(field.name, "required", _("Please fill this in."))
    message = _("A field that you do not see must be filled in. Ask an administrator.")
    return change.problem("", "required", message)


def check_references(uow: UnitOfWork, changes: Sequence[Change]) -> list[Problem]:
    """References to records that do not exist, are in the recycle bin, or may not be read."""
    problems: list[Problem] = []
    if not changes:
        return problems
    given = frozenset[str]().union(*(change.given for change in changes))
    for field in changes[0].entity:
        type_ = field.type
        if not isinstance(type_, (t.Reference, t.References, t.File)):
            continue
        target = "file" if isinstance(type_, t.File) else type_.entity
        if changes[0].kind == "create" and field.is_stored:
            if field.name not in given:
                continue
            # Of a thousand new records all but few point to what is there.
            values = {c.after[field.name] for c in changes if field.name in c.given}
            if values - {None} <= readable(uow, target, values - {None}):
                continue
        wanted = [(change, ids) for change in changes if (ids := _pointed_at(change, field))]
        if not wanted:
            continue
        known = readable(uow, target, {key for _change, ids in wanted for key in ids})
        for change, ids in wanted:
            if not ids <= known:
                message = _("There is no such record, or you may not see it.")
                problems.append(change.problem(field.name, "reference", message))
    return problems + check_related(uow, changes)


def check_options_in_use(changes: Sequence[Change]) -> list[Problem]:
    """Options that are retired and tags outside their groups, given to records that did not hold
    them; and two tags of a group that gives one."""
    problems = []
    for field in changes[0].entity.narrowed if changes else ():
        for change in changes:
            value = change.after.get(field.name)
            new = _held(value) - _held(change.before.get(field.name))
            if new and (why := _why_not_given(field.type, value, new)):
                problems.append(change.problem(field.name, *why))
    return problems


def _why_not_given(type_: t.FieldType, value: Any, new: frozenset[str]) -> tuple[str, str] | None:
    """(code, message) when a record may not be given the values ``new`` beside its others."""
    if isinstance(type_, t.ChoiceField):
        return (
            ("retired", _("This option is no longer given."))
            if new & type_.retired_values
            else None
        )
    assert isinstance(type_, t.Tags)
    groups = type_.by_word
    if type_.only_groups and (others := [word for word in value if word in new - groups.keys()]):
        return "tag", _("%(word)s is not one of the tags given here.", word=others[0])
    for group in type_.groups:
        words = [word for word in value if groups.get(word) is group]
        if group.single and len(words) > 1 and not new.isdisjoint(words):
            names = {"words": _(", ").join(words), "group": str(group.label)}
            return "single_tag", _("%(words)s: choose one of %(group)s.", **names)
    return None


def _held(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, list) else frozenset((value,))


def _pointed_at(change: Change, field: FieldSpec) -> set[int]:
    if not field.is_stored:
        given = set(change.detached.get(field.name) or ())
        return given - set(change.before.get(field.name) or ())
    if change.kind == "create" and field.name not in change.given:
        return set()  # a default, or a stamp of the service: the maker need not be able to read it
    value = change.after.get(field.name)
    return set() if value is None or value == change.before.get(field.name) else {value}


def readable(uow: UnitOfWork, entity: str, ids: set[int]) -> set[int]:
    """Those of ``ids`` that exist, are not in the recycle bin, and the actor may read.

    Kept for the transaction until it changes or deletes anything: see `forget_readable`.
    """
    spec = uow.snapshot.installed_entities.get(entity)
    if spec is None:
        return set()
    known = known_readable(uow, entity)
    missing = sorted(ids - known)
    table = spec.table
    for start in range(0, len(missing), _IN_CHUNK):
        statement = select(table.c.id).where(table.c.id.in_(missing[start : start + _IN_CHUNK]))
        statement = statement.where(*living(uow, spec))
        if (clause := scope_clause(uow, spec, "read")) is not None:
            statement = statement.where(clause)
        known.update(uow.execute(statement).scalars())
    return ids & known


def known_readable(uow: UnitOfWork, entity: str) -> set[int]:
    """Those that were found so in this transaction."""
    memo = ("readable", entity, uow.actor.user_id, uow.actor.is_system)
    known: set[int] = uow.memo.setdefault(memo, set())
    return known


def forget_readable(uow: UnitOfWork) -> None:
    """What was read of records may hold no longer: some of them were changed or deleted just now.

    One record's values may decide whether another is reached, so all of it is forgotten.
    """
    for key in list(uow.memo):
        if isinstance(key, tuple) and key[:1] in (("readable",), ("labels",)):
            del uow.memo[key]


def check_unique(uow: UnitOfWork, spec: EntitySpec, changes: Sequence[Change]) -> list[Problem]:
    """Values of unique fields that another record has, or another item of the same call.

    The database's own constraint decides in the end; this names the field before it comes to that.
    """
    problems = []
    for field in spec.stored:
        if not field.unique:
            continue
        column = spec.column(field.name)
        wanted: dict[Any, Change] = {}
        for change in changes:
            value = change.after.get(field.name)
            if value is None or not change.changed(field.name):
                continue
            if value in wanted:
                problems.append(_taken(change, field))
            wanted[value] = change
        values = list(wanted)
        for start in range(0, len(values), _IN_CHUNK):
            chunk = values[start : start + _IN_CHUNK]
            same = select(spec.table.c.id, column.label("value")).where(column.in_(chunk))
            rows = [row for row in uow.execute(same) if wanted[row.value].id != row.id]
            deleted = _seen_in_bin(uow, spec, [row.id for row in rows]) if rows else set()
            problems += [
                _taken(wanted[row.value], field, row.id if row.id in deleted else None)
                for row in rows
            ]
    return problems


def _seen_in_bin(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> set[int]:
    """Those of the records that are in the recycle bin, as far as the actor may look into it: for whom
    a rule of the business writes, as far as they themselves may."""
    table = spec.table
    with uow.seen_by(uow.actor.as_person()):
        if "archived_at" not in table.c or not (spec.deletable and may(uow, spec, "delete")):
            return set()
        deleted = select(table.c.id).where(table.c.id.in_(ids), table.c.archived_at.is_not(None))
        if (clause := scope_clause(uow, spec, "read")) is not None:
            deleted = deleted.where(clause)
        return set(uow.execute(deleted).scalars())


def _taken(change: Change, field: FieldSpec, deleted: int | None = None) -> Problem:
    message = (
        _("Another record has this value already.")
        if deleted is None
        else _("#%(id)s in the recycle bin has this value. Restore that one instead.", id=deleted)
    )
    return change.problem(field.name, "taken", message)
