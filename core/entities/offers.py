"""What a person may do with one record right now: one statement for all verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, and_, case, select

from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.entities.reading import Reading, read
from core.entities.scope import may, scope_clause
from core.entities.service import actions_of
from core.entities.writing import is_key
from core.fields import ActionSpec, EntitySpec

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["bulk_actions", "offered", "reading_offers"]


def offered(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> frozenset[str]:
    """The verbs, ``update`` and ``delete`` included, that the actor may use on this record and
    whose own condition holds."""
    return read(uow, reading_offers(uow, spec, record_id))


def reading_offers(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> Reading[frozenset[str]]:
    """What `offered` reads, to be read together with more."""
    wanted: dict[str, ActionSpec | None] = dict(actions_of(uow, spec))
    wanted |= {"update": None} if spec.updatable else {}
    wanted |= {"delete": None} if spec.deletable else {}
    tests = []
    for name, verb in wanted.items():
        if not may(uow, spec, name):
            continue
        clauses = []
        if (reach := scope_clause(uow, spec, name)) is not None:
            clauses.append(reach)
        if verb is not None and verb.when:
            with uow.elevated():  # the condition may look at fields that its user may not see
                node = parse_condition(verb.when, spec, uow)
                clauses.append(condition_sql(node, spec, uow))
        tests.append((name, and_(*clauses) if clauses else None))
    free = {name for name, test in tests if test is None}
    asked = [(name, test) for name, test in tests if test is not None]

    def finish(*answers: Sequence[Row[Any]]) -> frozenset[str]:
        held = {
            name
            for rows in answers
            for row in rows
            for (name, _test), value in zip(asked, row, strict=True)
            if value
        }
        return frozenset(free | held)

    if not asked or not is_key(record_id):
        return Reading((), finish)
    columns = [case((test, 1), else_=0).label(f"t{n}") for n, (_name, test) in enumerate(asked)]
    return Reading((select(*columns).where(spec.table.c.id == record_id),), finish)


def bulk_actions(uow: UnitOfWork, spec: EntitySpec) -> list[ActionSpec]:
    """The verbs that the actor may use on several records at once."""
    return [
        verb for verb in actions_of(uow, spec).values() if verb.bulk and may(uow, spec, verb.name)
    ]
