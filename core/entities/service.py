"""The one door: every record is created, changed, deleted and restored here.

Order of a write: the right to the entity, to each row and to each field; types, required fields, the
company's rules, references, unique values; ``validate_changes``; ``before_changes`` and computed fields; the rows;
the reach of the result; audit; ``after_changes``; the event. All of it in one transaction, and
nothing is written before everything is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.audit.recorder import record_act
from core.entities.changes import Change
from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.entities.field_rules import apply_rules
from core.entities.incoming import (
    blank_record,
    check_given,
    check_options_in_use,
    check_references,
    check_required,
    check_unique,
)
from core.entities.lines import load_lines, write_lines
from core.entities.ownership import default_owner, follow_owner
from core.entities.scope import depends_on_values, require
from core.entities.uploads import unfit_upload
from core.entities.writing import (
    check_reach,
    load,
    load_links,
    refuse,
    run_after,
    run_before,
    write_rows,
)
from core.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Refused
from core.fields import ActionSpec, EntitySpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.delegation import note_deputy
from core.work import events

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["act", "actions_of", "create", "create_lines", "delete", "restore", "update"]


def create(uow: UnitOfWork, entity: str, items: Sequence[Mapping[str, Any]]) -> list[int]:
    """Create records and return their ids, in order.

    Raises `Forbidden`, or `Invalid` with all problems of all items; then nothing is written.
    """
    spec = uow.entity(entity)
    if not spec.creatable and not uow.actor.is_system:
        raise Forbidden(_("%(entity)s are not created by hand.", entity=str(spec.label_plural)))
    require(uow, spec, "create")
    return _create(uow, spec, items, reach="create")


def create_lines(uow: UnitOfWork, entity: str, items: Sequence[Mapping[str, Any]]) -> list[int]:
    """Create the lines of records that this same call creates.

    The right to create those is the right to create them with their lines; which fields may be
    given is asked all the same.
    """
    return _create(uow, uow.entity(entity), items, reach=None)


def _create(
    uow: UnitOfWork, spec: EntitySpec, items: Sequence[Mapping[str, Any]], *, reach: str | None
) -> list[int]:
    if not items:
        return []
    changes, problems = _new_changes(uow, spec, items, reach)
    _check_and_write(uow, spec, changes, problems, action="create", reach=reach)
    return [change.id for change in changes if change.id is not None]


def foresee(uow: UnitOfWork, entity: str, items: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """What the rules of fields would refuse of records that are only thought of."""
    spec = uow.entity(entity)
    if not spec.ruled or not items:
        return []
    changes, problems = _new_changes(uow, spec, items, "create")
    return apply_rules(uow, changes, {(problem.item, problem.field) for problem in problems})


def _new_changes(
    uow: UnitOfWork, spec: EntitySpec, items: Sequence[Mapping[str, Any]], reach: str | None
) -> tuple[list[Change], list[Problem]]:
    given, problems = check_given(uow, spec, items)
    now, actor = uow.now(), uow.actor.user_id
    blank, made = blank_record(uow, spec)
    blank |= {"version": 1, "updated_at": now, "updated_by": actor, "archived_at": None}
    changes = []
    for index, values in enumerate(given):
        detached = {f.name: values.pop(f.name) for f in spec.detached if f.name in values}
        after = blank | values
        for name, make in made.items():
            if name not in values:
                after[name] = make()
        after["created_at"] = after.get("created_at") or now
        after["created_by"] = after.get("created_by") or actor
        names = frozenset(items[index])
        if reach is None:
            names -= {spec.parent_field or ""}  # just made: its maker need not be able to read it
        changes.append(Change("create", spec, {}, after, None, index, detached, names))
    if spec.owned:
        default_owner(uow, changes, items)
    return changes, problems


def update(
    uow: UnitOfWork,
    entity: str,
    values: Mapping[int, Mapping[str, Any]],
    *,
    versions: Mapping[int, int] | None = None,
) -> list[int]:
    """Change records: ``{id: {field: value}}``. Returns the ids that really changed.

    With ``versions`` a record that was changed meanwhile raises `Conflict` with both values.
    Raises `NotFound` for what the actor does not reach, `Forbidden`, `Invalid`.
    """
    spec = uow.entity(entity)
    if not spec.updatable and not uow.actor.is_system:
        raise Forbidden(_("%(entity)s are not changed by hand.", entity=str(spec.label_plural)))
    require(uow, spec, "update")
    ids = list(values)
    if not ids:
        return []
    before = load(uow, spec, ids, "update")
    given, problems = check_given(uow, spec, [values[key] for key in ids])
    _check_versions(uow, spec, before, versions or {}, values)
    changes = []
    for index, (key, new) in enumerate(zip(ids, given, strict=True)):
        detached = {f.name: new.pop(f.name) for f in spec.detached if f.name in new}
        changes.append(Change("update", spec, before[key], before[key] | new, key, index, detached))
    _load_detached(uow, spec, changes)
    if spec.owned:
        follow_owner(uow, changes, values)
    _check_and_write(uow, spec, changes, problems, action="update", reach="update")
    return [change.id for change in changes if change.id is not None and _really(change)]


def delete(
    uow: UnitOfWork,
    entity: str,
    ids: Sequence[int],
    *,
    versions: Mapping[int, int] | None = None,
) -> None:
    """Put records into the recycle bin."""
    _archive(uow, entity, ids, "delete", versions or {})


def restore(uow: UnitOfWork, entity: str, ids: Sequence[int]) -> None:
    """Take records out of the recycle bin; who may delete may restore."""
    _archive(uow, entity, ids, "restore", {})


def act(
    uow: UnitOfWork,
    entity: str,
    action: str,
    ids: Sequence[int],
    params: Mapping[str, Any] | None = None,
) -> Any:
    """Use a verb of the business on records and return what its handler answers.

    The actor needs the right to the verb, and reaches the records by the verb's own scope.
    Parameters are checked like fields. Raises `NotFound`, `Forbidden`, `Invalid`, and `Refused`
    where the verb's own condition (``when``) does not hold.
    """
    spec = uow.entity(entity)
    verb = actions_of(uow, spec).get(action)
    if verb is None:
        raise NotFound(
            _(
                "%(entity)s have no action %(name)s.",
                entity=str(spec.label_plural),
                name=action[:60],
            )
        )
    require(uow, spec, action)
    if len(ids) > 1 and (verb.joins or not verb.bulk):
        raise Invalid(_("This action takes one record at a time."))
    records = load(uow, spec, list(dict.fromkeys(ids)), action)
    _check_condition(uow, spec, verb, records)
    checked = _check_params(uow, verb, params or {})
    joined = _joined(uow, spec, verb, records, checked) if verb.joins else []
    with uow.elevated():
        result = verb.handler(uow, [*records.values(), *joined], checked)
    record_act(uow, action, entity=spec.name, record_ids=list(records), details=dict(params or {}))
    note_deputy(uow, spec, action, records)
    uow.publish(events.RecordActed(spec.name, action, tuple(records)))
    return result


def actions_of(uow: UnitOfWork, spec: EntitySpec) -> dict[str, ActionSpec]:
    """The verbs of an entity: its own, then those that plugins add; one may stand in for its own."""
    verbs = dict(spec.actions_by_name)
    for added in uow.runtime.plugins.ask(
        "record_actions", uow.open_plugins, entity=spec, actor=uow.actor
    ):
        for verb in added:
            own = verbs.get(verb.name)
            if own is None or (verb.replaces and own is spec.actions_by_name.get(verb.name)):
                verbs[verb.name] = verb
    return verbs


def _check_and_write(
    uow: UnitOfWork,
    spec: EntitySpec,
    changes: list[Change],
    problems: list[Problem],
    *,
    action: str,
    reach: str | None,
) -> None:
    """``reach`` is the action whose scope the result must lie in; None when that is known."""
    wrong = {(problem.item, problem.field) for problem in problems}
    problems += [p for p in check_required(uow, changes) if (p.item, p.field) not in wrong]
    problems += apply_rules(uow, changes, wrong)
    problems += check_options_in_use(changes)
    problems += check_references(uow, changes)
    problems += check_unique(uow, spec, changes)
    refuse(sorted(problems, key=lambda problem: problem.item))
    lines = [field for field in spec.detached if isinstance(field.type, t.Lines)]
    run_before(uow, changes)
    if spec.ruled and uow.runtime.plugins.has("before_changes", uow.snapshot.enabled):
        refuse(apply_rules(uow, changes))  # what hooks have derived is held to them too
    writing = [change for change in changes if change.kind != "update" or _really(change)]
    if not writing:
        return
    if action == "update":
        _stamp(uow, writing)
    moved = (
        action == "create"
        or depends_on_values(uow, spec, action)
        or any(_moves(change) for change in writing)
    )
    write_rows(uow, writing)
    if moved and reach is not None:
        check_reach(uow, writing, reach)
    for field in lines:
        write_lines(uow, spec, field, writing)
    run_after(uow, writing)


def _really(change: Change) -> bool:
    return bool(change.changed_fields()) or any(change.changed(name) for name in change.detached)


def _moves(change: Change) -> bool:
    """True when the change could take the record out of somebody's reach."""
    names = set(change.changed_fields()) - {"version", "updated_at", "updated_by"}
    return not names.isdisjoint({"owner", "department", "created_by"}) or bool(
        change.entity.parent_field in names
    )


def _stamp(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    now = uow.now()
    for change in changes:
        change.after["version"] = change.before["version"] + 1
        change.after["updated_at"] = now
        change.after["updated_by"] = uow.actor.user_id


def _check_versions(
    uow: UnitOfWork,
    spec: EntitySpec,
    before: Mapping[int, Mapping[str, Any]],
    versions: Mapping[int, int],
    values: Mapping[int, Mapping[str, Any]],
) -> None:
    from core.entities.query import get

    for key, version in versions.items():
        if key in before and before[key]["version"] != version:
            raise Conflict(
                _("Somebody changed this record while you worked on it."),
                current=get(uow, spec.name, key).values,
                yours=dict(values.get(key, {})),
            )


def _load_detached(uow: UnitOfWork, spec: EntitySpec, changes: Sequence[Change]) -> None:
    """What lines and links were, for those that are about to change."""
    for field in spec.detached:
        touched = [change for change in changes if field.name in change.detached]
        if not touched:
            continue
        ids = [change.id for change in touched if change.id is not None]
        old: Mapping[int, Any]
        if isinstance(field.type, t.References):
            old = load_links(uow, spec, field, ids)
        else:
            old = load_lines(uow, spec, field, ids)
        for change in touched:
            assert change.id is not None
            change.before = {**change.before, field.name: old.get(change.id, [])}


def _archive(
    uow: UnitOfWork, entity: str, ids: Sequence[int], kind: str, versions: Mapping[int, int]
) -> None:
    spec = uow.entity(entity)
    if not spec.deletable and not uow.actor.is_system:
        raise Forbidden(_("%(entity)s are not deleted by hand.", entity=str(spec.label_plural)))
    require(uow, spec, "delete")
    before = load(uow, spec, list(dict.fromkeys(ids)), "delete", archived=kind == "restore")
    _check_versions(uow, spec, before, versions, {})
    stamp = None if kind == "restore" else uow.now()
    changes = [
        Change(kind, spec, row, {**row, "archived_at": stamp}, key, index)  # type: ignore[arg-type]
        for index, (key, row) in enumerate(before.items())
    ]
    if not changes:
        return
    run_before(uow, changes)
    _stamp(uow, changes)
    write_rows(uow, changes)
    run_after(uow, changes)


def _check_condition(
    uow: UnitOfWork, spec: EntitySpec, verb: ActionSpec, records: Mapping[int, dict[str, Any]]
) -> None:
    """Raise `Refused` when the verb is not for one of the records, which are locked by now."""
    if not verb.when or not records:
        return
    ids = list(records)
    with uow.elevated():  # the condition may look at fields that its user may not see
        test = condition_sql(parse_condition(verb.when, spec, uow), spec, uow)
    held: set[int] = set()
    for start in range(0, len(ids), 900):
        asked = select(spec.table.c.id).where(spec.table.c.id.in_(ids[start : start + 900]), test)
        held.update(uow.execute(asked).scalars())
    left = [record for key, record in records.items() if key not in held]
    if not left:
        return
    if verb.why_not is not None:
        with uow.elevated():
            verb.why_not(uow, left)
    raise Refused(
        _(
            "“%(action)s” is not possible for %(record)s as it is now.",
            action=str(verb.label),
            record=f"{spec.label} #{left[0]['id']}",
        )
    )


def _joined(
    uow: UnitOfWork,
    spec: EntitySpec,
    verb: ActionSpec,
    records: Mapping[int, dict[str, Any]],
    params: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The further records that a verb takes, locked like those that it is used on."""
    ids = list(dict.fromkeys(params[verb.joins] or ()))
    again = [records[key] for key in ids if key in records]
    try:
        found = load(uow, spec, [key for key in ids if key not in records], verb.name)
    except (NotFound, Forbidden) as error:
        raise Invalid(error.message, [Problem(verb.joins, "reference", error.message)]) from error
    _check_condition(uow, spec, verb, found)
    return [*again, *found.values()]


def _check_params(uow: UnitOfWork, verb: ActionSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    from core.entities.values import BadValue, check_value

    by_name = {field.name: field for field in verb.params}
    problems = [
        Problem(name[:80], "unknown_field", _("There is no field %(name)s.", name=name[:60]))
        for name in params
        if name not in by_name
    ]
    checked: dict[str, Any] = {}
    for name, field in by_name.items():
        try:
            checked[name] = check_value(field.type, params.get(name, field.default))
        except BadValue as error:
            problems.append(Problem(name, error.code, str(error)))
            continue
        if field.required and checked[name] is None:
            problems.append(Problem(name, "required", _("Please fill this in.")))
    refuse(problems)
    problems += _check_param_references(uow, verb, checked)
    refuse(problems)
    return checked


def _check_param_references(
    uow: UnitOfWork, verb: ActionSpec, checked: Mapping[str, Any]
) -> list[Problem]:
    from core.entities.incoming import readable

    problems = []
    for field in verb.params:
        value = checked.get(field.name)
        if isinstance(field.type, t.File) and value is not None:
            if problem := unfit_upload(uow, field.type, value):
                problems.append(Problem(field.name, "file", problem))
            continue
        if not isinstance(field.type, t.Reference) or value is None:
            continue
        if value not in readable(uow, field.type.entity, {value}):
            message = _("There is no such record, or you may not see it.")
            problems.append(Problem(field.name, "reference", message))
    return problems
