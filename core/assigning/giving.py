"""What follows from what the rules say: records are given to people or go into pools, and people are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.assigning.deciding import Decision, decide, decide_again
from core.assigning.declaring import Assigned, Row
from core.assigning.rules import rules_of
from core.entities import query, service
from core.entities.query import ListQuery
from core.notifications import notify
from core.security.actor import SYSTEM

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["assign_by_rules", "is_by_rule", "is_reassigning", "reassign"]

#: In the unit of work's memo while rules write: of what nobody owned, or of what was changed.
_BY_RULE = "records are assigned by rules"
_NEW, _CHANGED = "new", "changed"


def assign_by_rules(uow: UnitOfWork, assigned: Assigned, ids: Sequence[int]) -> list[int]:
    """What the rules decide of records that nobody owns; those that found an owner.

    Each keeps the reason. Owners are told, where the core does not tell them already because a person has
    given them the record.
    """
    if not ids or not rules_of(uow, assigned):
        return []
    with uow.elevated():
        decisions = decide(uow, assigned, ids)
        _write(uow, assigned, decisions, _NEW)
    return _tell_owners(uow, assigned, decisions)


def reassign(
    uow: UnitOfWork, assigned: Assigned, changed: Mapping[int, Collection[str]]
) -> list[int]:
    """What the rules decide of changed records, given the names of the fields; those that found another owner.

    Who had one of them until now is told, also when they changed it themselves: it is the rule that takes it.
    """
    if not any(rule.on_change for rule in rules_of(uow, assigned)):
        return []
    with uow.elevated():
        decisions = decide_again(uow, assigned, changed)
        _write(uow, assigned, decisions, _CHANGED)
    _tell_former_owners(uow, assigned, decisions)
    return _tell_owners(uow, assigned, decisions)


def is_by_rule(uow: UnitOfWork) -> bool:
    """True for hooks on changes that rules make: they say whose a record is, and are not asked again."""
    return uow.memo.get(_BY_RULE) is not None


def is_reassigning(uow: UnitOfWork) -> bool:
    """True for hooks on changes that rules make of what was changed."""
    return uow.memo.get(_BY_RULE) == _CHANGED


@contextmanager
def _by_rule(uow: UnitOfWork, records: str) -> Iterator[None]:
    outer = uow.memo.get(_BY_RULE)
    uow.memo[_BY_RULE] = records
    try:
        yield
    finally:
        uow.memo[_BY_RULE] = outer


def _write(
    uow: UnitOfWork, assigned: Assigned, decisions: Sequence[Decision], records: str
) -> None:
    if not decisions:
        return
    rows = _rows(uow, assigned, [one.record for one in decisions])
    values = {one.record: _values(uow, assigned, one, rows[one.record]) for one in decisions}
    with _by_rule(uow, records):
        service.update(uow, assigned.entity, values)
    assigned.along(uow, {key: {**rows[key], **new} for key, new in values.items()})


def _values(uow: UnitOfWork, assigned: Assigned, one: Decision, row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {assigned.reason: one.reason}
    if one.owner is not None:
        return values | {"owner": one.owner, **assigned.taken(uow, row)}
    if one.pool is not None:
        values["pool"] = one.pool
        if one.former is not None:
            values |= {"owner": None, "release_reason": one.reason}
    return values


def _rows(uow: UnitOfWork, assigned: Assigned, ids: Sequence[int]) -> dict[int, Row]:
    """What `Assigned.taken` and `Assigned.along` look at, by record."""
    if not assigned.fields:
        return {key: {} for key in ids}
    wanted = ListQuery(fields=assigned.fields, ids=tuple(ids), sort="id")
    pages = query.stream(uow, assigned.entity, wanted, action="read")
    return {row["id"]: row for page in pages for row in page.items}


def _tell_former_owners(uow: UnitOfWork, assigned: Assigned, decisions: Sequence[Decision]) -> None:
    if (kind := assigned.lost) is None:
        return
    lost = defaultdict(list)
    for one in decisions:
        if one.former is not None:
            lost[one.former].append(one.record)
    with uow.seen_by(SYSTEM):
        for owner, keys in lost.items():
            notify(uow, kind.name, [owner], entity=assigned.entity, record_ids=keys)


def _tell_owners(uow: UnitOfWork, assigned: Assigned, decisions: Sequence[Decision]) -> list[int]:
    given = defaultdict(list)
    for one in decisions:
        if one.owner is not None:
            given[one.owner].append(one.record)
    for owner, keys in given.items():
        if assigned.assigned is not None:
            uow.publish(assigned.assigned(tuple(keys), owner))
        if uow.actor.user_id is None:
            notify(uow, assigned.given.name, [owner], entity=assigned.entity, record_ids=keys)
    return [key for keys in given.values() for key in keys]
