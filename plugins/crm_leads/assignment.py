"""Assignment rules: in their order, the first that fits a new lead says who gets it, or into which pool.

All leads of a call are looked at together: one question for each rule, however many there are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, or_, select

from core.db.base import metadata
from core.entities import query
from core.entities.query import ListQuery
from core.errors import Invalid
from core.i18n import gettext as _
from plugins.crm_leads.criteria import condition
from plugins.crm_leads.models import OPEN, rotation_table
from plugins.crm_leads.sharing_out import Group

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Decision", "Rule", "decide", "rules_of"]

log = logging.getLogger("dougong.crm_leads")


@dataclass(frozen=True)
class Rule:
    """One active rule as it is asked."""

    id: int
    name: str
    #: The filter for leads that nobody owns and that the rule is for.
    filter: Mapping[str, Any]
    #: ``person``, ``round_robin``, ``least_loaded`` or ``pool``.
    target: str
    person: int | None
    people: tuple[int, ...]
    department: int | None
    to_pool: int | None
    capacity: int | None


@dataclass(frozen=True)
class Decision:
    """What becomes of a lead, and by which rule. Without owner and pool it stays where it is."""

    lead: int
    owner: int | None
    pool: int | None
    reason: str
    #: False where the rule fits, but nobody can take the lead: the next rule is asked.
    is_final: bool = True


def rules_of(uow: UnitOfWork) -> tuple[Rule, ...]:
    """The active rules in their order."""
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if "assignment rules" not in kept:
        kept["assignment rules"] = tuple(_read_rules(uow))
    found: tuple[Rule, ...] = kept["assignment rules"]
    return found


def _read_rules(uow: UnitOfWork) -> Iterator[Rule]:
    entities = uow.snapshot.installed_entities
    rule, test = entities["assignment_rule"].table, entities["assignment_condition"].table
    asked = select(rule).where(rule.c.is_active, rule.c.archived_at.is_(None))
    rows = uow.execute(asked.order_by(rule.c.position, rule.c.id)).all()
    if not rows:
        return
    ids = [row.id for row in rows]
    tests: dict[int, list[Mapping[str, Any]]] = {key: [] for key in ids}
    asked = select(test).where(test.c.rule_id.in_(ids), test.c.archived_at.is_(None))
    for row in uow.execute(asked.order_by(test.c.position, test.c.id)).mappings():
        tests[row["rule_id"]].append(row)
    links = metadata.tables[f"{rule.name}__people"]
    people: dict[int, list[int]] = {key: [] for key in ids}
    for row in uow.execute(select(links).where(links.c.source_id.in_(ids))):
        people[row.source_id].append(row.target_id)
    for row in rows:
        yield Rule(
            row.id,
            row.name,
            _filter(uow, row.pool_id, tests[row.id]),
            row.target,
            row.person_id,
            tuple(sorted(people[row.id])),
            row.department_id,
            row.to_pool_id,
            row.capacity,
        )


def _filter(
    uow: UnitOfWork, pool: int | None, tests: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"field": "owner", "op": "is_empty"},
        {"field": "status", "op": "in", "value": list(OPEN)},
        condition(uow.snapshot.installed_entities["lead"], tests),
    ]
    if pool is not None:
        parts.append({"field": "pool", "op": "eq", "value": pool})
    return {"all": parts}


def decide(uow: UnitOfWork, ids: Sequence[int]) -> list[Decision]:
    """What the rules say of these leads; those that no rule fits are left out.

    To be asked within ``uow.elevated()``: rules look at what the one who enters a lead may not see.
    """
    left = dict.fromkeys(ids)
    found: list[Decision] = []
    unable: dict[int, Decision] = {}
    loads: dict[int, int] = {}
    for rule in rules_of(uow):
        if not left:
            break
        fitting = _fitting(uow, rule, list(left))
        for decision in _decided(uow, rule, fitting, loads):
            if not decision.is_final:
                unable.setdefault(decision.lead, decision)
                continue
            found.append(decision)
            unable.pop(decision.lead, None)
            del left[decision.lead]
    return [*found, *unable.values()]


def _fitting(uow: UnitOfWork, rule: Rule, leads: Sequence[int]) -> list[int]:
    asked = ListQuery(filter=rule.filter, ids=tuple(leads), sort="id")
    try:
        return query.select_ids(uow, "lead", asked, action="update", limit=len(leads))
    except Invalid:  # a field that it looks at is in use no longer
        log.warning("an assignment rule no longer fits leads, and is left out")
        return []


def _decided(
    uow: UnitOfWork, rule: Rule, leads: Sequence[int], loads: dict[int, int]
) -> Iterator[Decision]:
    if not leads:
        return
    if rule.target == "pool":
        reason = _("By rule “%(rule)s”, to be claimed.", rule=rule.name)
        for lead in leads:
            yield Decision(lead, None, rule.to_pool, reason)
        return
    group = _group(uow, rule, loads)
    for lead in leads:
        owner = group.in_turn() if rule.target == "round_robin" else group.fewest()
        yield Decision(lead, owner, None, _reason(rule, owner, loads), owner is not None)
    if rule.target == "round_robin" and group.last is not None:
        uow.execute(delete(rotation_table).where(rotation_table.c.rule_id == rule.id))
        uow.execute(insert(rotation_table).values(rule_id=rule.id, person_id=group.last))


def _reason(rule: Rule, owner: int | None, loads: Mapping[int, int]) -> str:
    if owner is None:
        return _("Rule “%(rule)s” fits, but nobody can take more.", rule=rule.name)
    if rule.target == "round_robin":
        return _("By rule “%(rule)s”, in turn.", rule=rule.name)
    if rule.target == "least_loaded":
        n = loads[owner] - 1
        return _("By rule “%(rule)s”: fewest open leads (%(n)s).", rule=rule.name, n=n)
    return _("By rule “%(rule)s”.", rule=rule.name)


def _group(uow: UnitOfWork, rule: Rule, loads: dict[int, int]) -> Group:
    """The people of a rule who are there today, with what they have open.

    The rule is locked, so that two leads that come in at once are not both given to the same person.
    """
    table = uow.snapshot.installed_entities["assignment_rule"].table
    uow.execute(select(table.c.id).where(table.c.id == rule.id).with_for_update()).all()
    people = _present(uow, rule)
    unknown = [person for person in people if person not in loads]
    loads.update(_loads(uow, unknown))
    last = None
    if rule.target == "round_robin":
        asked = select(rotation_table.c.person_id).where(rotation_table.c.rule_id == rule.id)
        last = uow.execute(asked).scalar()
    return Group(people, loads, rule.capacity, last)


def _present(uow: UnitOfWork, rule: Rule) -> list[int]:
    """Who is meant, active and not absent today."""
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
    present = select(user.c.id).where(meant, user.c.is_active, user.c.archived_at.is_(None), ~away)
    return list(uow.execute(present.order_by(user.c.id)).scalars())


def _loads(uow: UnitOfWork, people: Sequence[int]) -> dict[int, int]:
    """How many open leads these people have."""
    lead = uow.snapshot.installed_entities["lead"].table
    counted = (
        select(lead.c.owner_id, func.count())
        .where(lead.c.owner_id.in_(people), lead.c.status.in_(OPEN), lead.c.archived_at.is_(None))
        .group_by(lead.c.owner_id)
    )
    found = dict.fromkeys(people, 0)
    if people:
        found |= {row[0]: row[1] for row in uow.execute(counted)}
    return found
