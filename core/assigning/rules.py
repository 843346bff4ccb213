"""The rules as they are asked, and who is meant by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, or_, select

from core.assigning.criteria import condition
from core.assigning.declaring import Assigned
from core.assigning.sharing_out import Group
from core.entities import query
from core.entities.query import ListQuery
from core.errors import Invalid

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Rule", "fitting", "forget_rules", "group_of", "people_of", "rules_of"]

log = logging.getLogger("dougong.assigning")


@dataclass(frozen=True)
class Rule:
    """One active rule as it is asked."""

    id: int
    name: str
    #: The filter for records that the rule is for.
    filter: Mapping[str, Any]
    #: The fields that its conditions look at.
    looks_at: frozenset[str]
    #: ``person``, ``round_robin``, ``least_loaded`` or ``pool``.
    target: str
    person: int | None
    people: tuple[int, ...]
    department: int | None
    to_pool: int | None
    capacity: int | None
    #: It is asked of changed records, too.
    on_change: bool


def rules_of(uow: UnitOfWork, assigned: Assigned) -> tuple[Rule, ...]:
    """The active rules in their order."""
    kept, key = _kept(uow), _key(uow, assigned)
    if key not in kept:
        kept[key] = tuple(_read_rules(uow, assigned))
    found: tuple[Rule, ...] = kept[key]
    return found


def forget_rules(uow: UnitOfWork, assigned: Assigned) -> None:
    """The rules have just been changed in this transaction."""
    uow.memo.pop(_key(uow, assigned), None)


def _kept(uow: UnitOfWork) -> dict[Any, Any]:
    return uow.access.memo if uow.sees_what_holds else uow.memo


def _key(uow: UnitOfWork, assigned: Assigned) -> tuple[Any, ...]:
    # What a condition means hangs on the options of the fields, which the structure's epoch stands for.
    return ("assignment rules", assigned.rules, uow.snapshot.structure)


def _read_rules(uow: UnitOfWork, assigned: Assigned) -> Iterator[Rule]:
    entities = uow.snapshot.installed_entities
    rule, test = entities[assigned.rules].table, entities[assigned.conditions].table
    asked = select(rule).where(rule.c.is_active, rule.c.archived_at.is_(None))
    rows = uow.execute(asked.order_by(rule.c.position, rule.c.id)).mappings().all()
    if not rows:
        return
    ids = [row["id"] for row in rows]
    tests: dict[int, list[Mapping[str, Any]]] = {key: [] for key in ids}
    asked = select(test).where(test.c.rule_id.in_(ids), test.c.archived_at.is_(None))
    for row in uow.execute(asked.order_by(test.c.position, test.c.id)).mappings():
        tests[row["rule_id"]].append(dict(row))
    links = rule.metadata.tables[f"{rule.name}__people"]
    people: dict[int, list[int]] = {key: [] for key in ids}
    for link in uow.execute(select(links).where(links.c.source_id.in_(ids))):
        people[link.source_id].append(link.target_id)
    for row in rows:
        own = tests[row["id"]]
        yield Rule(
            row["id"],
            row["name"],
            _filter(uow, assigned, row.get("pool_id"), own),
            frozenset(each["field_name"] for each in own),
            row["target"],
            row["person_id"],
            tuple(sorted(people[row["id"]])),
            row["department_id"],
            row.get("to_pool_id"),
            row["capacity"],
            bool(row.get("on_change")),
        )


def _filter(
    uow: UnitOfWork, assigned: Assigned, pool: int | None, tests: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    parts = [*assigned.open_filter(), condition(assigned.spec(uow), tests)]
    if pool is not None:
        parts.append({"field": "pool", "op": "eq", "value": pool})
    return {"all": parts}


def fitting(
    uow: UnitOfWork, assigned: Assigned, rule: Rule, ids: Sequence[int], *further: Any
) -> list[int]:
    """The records that the rule fits, and the ``further`` conditions; one question, however many."""
    asked = ListQuery(filter={"all": [*further, rule.filter]}, ids=tuple(ids), sort="id")
    try:
        return query.select_ids(uow, assigned.entity, asked, action="update", limit=len(ids))
    except Invalid:  # a field that it looks at is in use no longer
        log.warning("a rule of %s no longer fits any record, and is left out", assigned.entity)
        return []


def people_of(uow: UnitOfWork, rule: Rule) -> dict[int, bool]:
    """Who is meant and active, in a fixed order; False for who is absent today."""
    entities = uow.snapshot.installed_entities
    user, absence = entities["user"].table, entities["absence"].table
    today = uow.clock.today()
    away = exists().where(
        absence.c.user_id == user.c.id,
        absence.c.archived_at.is_(None),
        absence.c.starts_on <= today,
        absence.c.ends_on >= today,
    )
    if rule.target == "person":
        meant = user.c.id == rule.person
    else:
        meant = user.c.id.in_(rule.people)
        if rule.department is not None:
            tree = entities["department"].table
            top, below = tree.alias(), tree.alias()
            inner = (
                select(below.c.id)
                .join(top, below.c.path.like(top.c.path.concat("%")))
                .where(top.c.id == rule.department)
            )
            meant = or_(meant, user.c.department_id.in_(inner))
    active = select(user.c.id, away.label("is_away")).where(
        meant, user.c.is_active, user.c.archived_at.is_(None)
    )
    return {row.id: not row.is_away for row in uow.execute(active.order_by(user.c.id))}


def group_of(
    uow: UnitOfWork, assigned: Assigned, rule: Rule, people: Sequence[int], loads: dict[int, int]
) -> Group:
    """These people, with what they have open and whose turn it is; ``loads`` is filled in.

    The rule is locked, so that two records that come in at once are not both given to the same person.
    """
    table = uow.snapshot.installed_entities[assigned.rules].table
    uow.execute(select(table.c.id).where(table.c.id == rule.id).with_for_update()).all()
    loads.update(_loads(uow, assigned, [person for person in people if person not in loads]))
    last = None
    if rule.target == "round_robin":
        rotation = assigned.rotation
        asked = select(rotation.c.person_id).where(rotation.c.rule_id == rule.id)
        last = uow.execute(asked).scalar()
    return Group(people, loads, rule.capacity, last)


def _loads(uow: UnitOfWork, assigned: Assigned, people: Sequence[int]) -> dict[int, int]:
    """How many open records these people have."""
    found = dict.fromkeys(people, 0)
    if not people:
        return found
    spec = assigned.spec(uow)
    table = spec.table
    where = [table.c.owner_id.in_(people), table.c.archived_at.is_(None)]
    if assigned.open is not None:
        where.append(spec.column(assigned.open[0]).in_(assigned.open[1]))
    owner = table.c.owner_id.label("owner")
    counted = select(owner, func.count().label("n")).where(*where).group_by(owner)
    return found | {row.owner: row.n for row in uow.execute(counted)}
