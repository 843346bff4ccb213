"""What the rules say of records: all of a call are looked at together, one question for each rule."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, select

from core.assigning.declaring import Assigned
from core.assigning.rules import Rule, fitting, group_of, people_of, rules_of
from core.db.bulk import one_of
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Decision", "decide", "decide_again"]

_UNOWNED = {"field": "owner", "op": "is_empty"}


@dataclass(frozen=True)
class Decision:
    """What becomes of a record, and by which rule. Without owner and pool it stays where it is."""

    record: int
    owner: int | None
    pool: int | None
    reason: str
    #: False where the rule fits, but nobody can take the record: the next rule is asked.
    is_final: bool = True
    #: Who has it until now.
    former: int | None = None


def decide(uow: UnitOfWork, assigned: Assigned, ids: Sequence[int]) -> list[Decision]:
    """What the rules say of those of these records that nobody owns; those that no rule fits are left out.

    To be asked within ``uow.elevated()``: rules look at what the one who enters a record may not see.
    """
    left = dict.fromkeys(ids)
    found: list[Decision] = []
    unable: dict[int, Decision] = {}
    loads: dict[int, int] = {}
    for rule in rules_of(uow, assigned):
        if not left:
            break
        fits = fitting(uow, assigned, rule, list(left), _UNOWNED)
        for decision in _decided(uow, assigned, rule, fits, loads):
            if not decision.is_final:
                unable.setdefault(decision.record, decision)
                continue
            found.append(decision)
            unable.pop(decision.record, None)
            del left[decision.record]
    return [*found, *unable.values()]


def decide_again(
    uow: UnitOfWork, assigned: Assigned, changed: Mapping[int, Collection[str]]
) -> list[Decision]:
    """What those rules say of changed records that are asked on changes; ``changed`` names the fields.

    The first that fits decides, also that a record stays: when it looks at nothing that changed, or when
    whoever has the record is one of those meant. To be asked within ``uow.elevated()``.
    """
    rules = [rule for rule in rules_of(uow, assigned) if rule.on_change]
    looked_at = frozenset().union(*(rule.looks_at for rule in rules))
    left = {key: names for key, names in changed.items() if not looked_at.isdisjoint(names)}
    if not left:
        return []
    found: list[Decision] = []
    loads: dict[int, int] = {}
    held = _held(uow, assigned, list(left))
    for rule in rules:
        if not left:
            break
        fits = fitting(uow, assigned, rule, list(left))
        moving = [key for key in fits if not rule.looks_at.isdisjoint(left[key])]
        staying = _staying(uow, assigned, rule, [held[key] for key in moving])
        moving = [key for key in moving if key not in staying]
        for key in set(fits) - set(moving):
            del left[key]
        for decision in _decided(uow, assigned, rule, moving, loads):
            if decision.is_final:
                found.append(replace(decision, former=held[decision.record].owner_id))
                del left[decision.record]
    return found


def _held(uow: UnitOfWork, assigned: Assigned, ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Who has these records, and in which pools they are."""
    table = assigned.spec(uow).table
    names = [name for name in ("owner_id", "pool_id") if name in table.c]
    asked = select(table.c.id, *(table.c[name] for name in names))
    return {
        row.id: row for row in uow.execute(asked.where(one_of(uow.connection, table.c.id, ids)))
    }


def _staying(
    uow: UnitOfWork, assigned: Assigned, rule: Rule, rows: Sequence[Row[Any]]
) -> Collection[int]:
    """Those of the records that are where the rule wants them already, or that it may not take away."""
    if not rows:
        return ()
    if rule.target != "pool":
        meant = people_of(uow, rule)
        return {row.id for row in rows if row.owner_id in meant}
    if rule.to_pool is None:
        return {row.id for row in rows}
    there = {row.id for row in rows if row.owner_id is None and row.pool_id == rule.to_pool}
    owned = [row.id for row in rows if row.owner_id is not None]
    if assigned.kept is not None and owned:
        table = assigned.spec(uow).table
        mine = one_of(uow.connection, table.c.id, owned)
        asked = select(table.c.id).where(mine, assigned.kept(uow, table))
        there.update(uow.execute(asked).scalars())
    return there


def _decided(
    uow: UnitOfWork,
    assigned: Assigned,
    rule: Rule,
    records: Sequence[int],
    loads: dict[int, int],
) -> Iterator[Decision]:
    if not records:
        return
    if rule.target == "pool":
        reason = _("By rule “%(rule)s”, to be claimed.", rule=rule.name)
        for record in records:
            yield Decision(record, None, rule.to_pool, reason)
        return
    present = [person for person, is_there in people_of(uow, rule).items() if is_there]
    group = group_of(uow, assigned, rule, present, loads)
    for record in records:
        owner = group.in_turn() if rule.target == "round_robin" else group.fewest()
        reason = _reason(assigned, rule, owner, loads)
        yield Decision(record, owner, None, reason, owner is not None)
    if rule.target == "round_robin" and group.last is not None:
        rotation = assigned.rotation
        uow.execute(delete(rotation).where(rotation.c.rule_id == rule.id))
        uow.execute(insert(rotation).values(rule_id=rule.id, person_id=group.last))


def _reason(assigned: Assigned, rule: Rule, owner: int | None, loads: Mapping[int, int]) -> str:
    if owner is None:
        return _("Rule “%(rule)s” fits, but nobody can take more.", rule=rule.name)
    if rule.target == "round_robin":
        return _("By rule “%(rule)s”, in turn.", rule=rule.name)
    if rule.target == "least_loaded":
        return str(assigned.fewest) % {"rule": rule.name, "n": loads[owner] - 1}
    return _("By rule “%(rule)s”.", rule=rule.name)
