"""What rules make of changes, whoever makes them: for the hooks of a plugin, one function each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, insert, select

from core.assigning.criteria import problem
from core.assigning.declaring import Assigned
from core.assigning.giving import assign_by_rules, is_by_rule, is_reassigning, reassign
from core.assigning.rules import forget_rules
from core.db.bulk import one_of
from core.entities.bulk_undo import is_taking_back
from core.entities.changes import Change
from core.entities.schema import to_json
from core.entities.values import check_value
from core.errors import Problem
from core.fields import AutoNumber, Computed, Reference
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["check_rules", "prepare", "settle"]

_STAMPS = frozenset({"version", "updated_at", "updated_by"})


def check_rules(
    assigned: Assigned, changes: Sequence[Change], uow: UnitOfWork
) -> Iterable[Problem]:
    """For ``validate_changes``: a rule says who, and each of its conditions can be asked."""
    name = changes[0].entity.name
    for change in changes if name in (assigned.rules, assigned.conditions) else ():
        if change.kind not in ("create", "update"):
            continue
        if name == assigned.rules:
            yield from _check_rule(assigned, change, uow)
        elif wrong := problem(uow, assigned.entity, change.after):
            yield change.problem(*wrong)


def _check_rule(assigned: Assigned, change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    after = change.after
    target, table = after["target"], change.entity.table
    if target == "person" and after["person"] is None:
        yield change.problem("person", "required", _("Say who gets it."))
    if target in ("round_robin", "least_loaded") and after["department"] is None:
        links = table.metadata.tables[f"{table.name}__people"]
        if not _has_any(uow, change, "people", links, "source_id"):
            message = _("Name people, or a department.")
            yield change.problem("people", "required", message)
    if not after.get("on_change"):
        return
    if target == "pool" and after["to_pool"] is None:
        yield change.problem("to_pool", "required", _("Say into which pool."))
    conditions = uow.snapshot.installed_entities[assigned.conditions].table
    if not _has_any(uow, change, "conditions", conditions, "rule_id"):
        message = _("Say by a condition which changes it is about.")
        yield change.problem("conditions", "required", message)


def _has_any(uow: UnitOfWork, change: Change, name: str, table: Table, column: str) -> bool:
    """Whether the rule has lines or links, now or since before."""
    if name in change.detached:
        return bool(change.detached[name])
    if change.id is None:
        return False
    asked = select(table.c[column]).where(table.c[column] == change.id)
    if "archived_at" in table.c:
        asked = asked.where(table.c.archived_at.is_(None))
    return uow.execute(asked.limit(1)).first() is not None


def prepare(assigned: Assigned, changes: Sequence[Change], uow: UnitOfWork) -> None:
    """For ``before_changes``, before those of pools: with a change that is taken back, what a rule made of
    it is too. Nothing was changed since: the version tells."""
    moves = assigned.moves
    if moves is None or not is_taking_back(uow) or changes[0].entity.name != assigned.entity:
        return
    by_id = {change.id: change for change in changes if change.id is not None}
    mine = one_of(uow.connection, moves.c.record_id, list(by_id))
    for row in uow.execute(select(moves).where(mine)):
        change = by_id[row.record_id]
        if row.version != change.before.get("version"):
            continue
        for name, value in row.old.items():
            if name in change.entity and not change.changed(name):
                change.set(name, check_value(change.entity[name].type, value))


def settle(assigned: Assigned, changes: Sequence[Change], uow: UnitOfWork) -> None:
    """For ``after_changes``: rules are asked of what came and nobody owns, and of what was changed.

    They are not asked of what they do themselves, nor of what is taken back; and who names another owner
    in the same change has the last word.
    """
    name, kind = changes[0].entity.name, changes[0].kind
    if name in (assigned.rules, assigned.conditions):
        forget_rules(uow, assigned)
    if name != assigned.entity or is_taking_back(uow):
        return
    if is_by_rule(uow):
        if is_reassigning(uow):
            _note_moves(assigned, changes, uow)
    elif kind == "create":
        free = [c.id for c in changes if c.after["owner"] is None and assigned.is_open(c.after)]
        assign_by_rules(uow, assigned, [key for key in free if key is not None])
    elif kind == "update" and assigned.moves is not None:
        changed = {c.id: _changed(c) for c in changes if not c.changed("owner")}
        reassign(uow, assigned, {key: names for key, names in changed.items() if key is not None})


def _changed(change: Change) -> list[str]:
    return [*change.changed_fields(), *(name for name in change.detached if change.changed(name))]


def _note_moves(assigned: Assigned, changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Keep what the records were before the rules moved them, and the version that they have now."""
    moves = assigned.moves
    if moves is None:
        return
    ids = [change.id for change in changes if change.id is not None]
    uow.execute(delete(moves).where(one_of(uow.connection, moves.c.record_id, ids)))
    rows = [
        {"record_id": c.id, "version": c.after["version"], "old": _as_it_was(c)} for c in changes
    ]
    uow.execute(insert(moves), rows)


def _as_it_was(change: Change) -> dict[str, Any]:
    """What of it the rule changed, as JSON that can be written again."""
    types = {name: change.entity[name].type for name in change.changed_fields()}
    return {
        name: change.before[name]
        if isinstance(type_, Reference)
        else to_json(type_, change.before[name])
        for name, type_ in types.items()
        if name not in _STAMPS and not isinstance(type_, (Computed, AutoNumber))
    }
