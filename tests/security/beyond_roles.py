"""What people reach beside their roles, at random: shares, and deputies of the absent."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from core.entities import service
from core.security.models import Absence, share_table
from core.work.uow import UnitOfWork

__all__ = ["go_away", "share_some", "tell_deputies", "tell_shares"]


def share_some(uow: UnitOfWork, rng: random.Random, people: list[int]) -> None:
    """Records shared with people and departments, some of it over by now."""
    uow.execute(delete(share_table))
    departments = uow.execute(select(uow.entity("department").table.c.id)).scalars().all()
    for entity in ("oracle_account", "oracle_deal", "oracle_note"):
        table = uow.entity(entity).table
        records = uow.execute(select(table.c.id)).scalars().all()
        for record in rng.sample(records, 5):
            to_person = rng.random() < 0.6
            uow.execute(
                insert(share_table).values(
                    entity=entity,
                    record_id=record,
                    user_id=rng.choice(people) if to_person else None,
                    department_id=None if to_person else rng.choice(departments),
                    level=rng.choice(("read", "write")),
                    at=uow.now(),
                    until=uow.now() + rng.choice((-1, 1)) * timedelta(days=3)
                    if rng.random() < 0.3
                    else None,
                )
            )


def go_away(uow: UnitOfWork, rng: random.Random, people: list[int]) -> None:
    """People who are absent, were or will be, each with a deputy."""
    uow.execute(delete(Absence.__table__))
    today = uow.clock.today()
    for person in rng.sample(people, 4):
        deputy = rng.choice([key for key in people if key != person])
        start = today + timedelta(days=rng.choice((-9, -1, -1, 0, 2)))
        period = {"starts_on": start, "ends_on": start + timedelta(days=3)}
        service.create(uow, "absence", [{"user": person, "deputy": deputy, **period}])


def tell_shares(uow: UnitOfWork) -> list[dict[str, Any]]:
    return [
        {
            "entity": row.entity,
            "record": row.record_id,
            "user": row.user_id,
            "department": row.department_id,
            "level": row.level,
        }
        for row in uow.execute(select(share_table))
        if row.until is None or row.until > uow.now()
    ]


def tell_deputies(uow: UnitOfWork) -> set[tuple[int, int]]:
    rows, today = uow.execute(select(Absence.__table__)), uow.clock.today()
    return {(row.user_id, row.deputy_id) for row in rows if row.starts_on <= today <= row.ends_on}
