"""Claims at the same instant: one gets the lead, and no limit is ever passed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.entities import service
from core.errors import Refused

#: Rounds of `make test`, and of the long tier.
ROUNDS, FULL = 40, 1000


def claim_together(unit_of_work, attempts):
    """What each of ``[(person, lead)]`` got when all began at once: ``True``, or the refusal."""
    ready = Barrier(len(attempts))

    def attempt(person, lead):
        ready.wait()
        try:
            with unit_of_work(person) as uow:
                service.act(uow, "lead", "claim", [lead])
        except Refused as refused:
            return str(refused)
        return True

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(lambda pair: attempt(*pair), attempts))


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(FULL, marks=pytest.mark.long)])
def test_two_people_claim_the_same_lead(unit_of_work, team, make_leads, read, rounds):
    """S-016, N2: exactly one is told yes, the other is told who."""
    names = {team.fu: "傅宇恒", team.yan: "闫晓璐"}
    with unit_of_work() as uow:
        limits = {"daily_claims": rounds, "holding_limit": rounds}
        service.update(uow, "lead_pool", {team.pool: limits})
    for number, lead in enumerate(make_leads(rounds)):
        people = [team.fu, team.yan] if number % 2 else [team.yan, team.fu]
        answers = dict(
            zip(people, claim_together(unit_of_work, [(p, lead) for p in people]), strict=True)
        )
        owner = read(lead)["owner"]
        assert answers.pop(owner) is True
        ((_loser, answer),) = answers.items()
        assert answer is not True
        assert names[owner] in answer


@pytest.mark.parametrize("rounds", [2, pytest.param(40, marks=pytest.mark.long)])
def test_fifty_claims_of_ten_leads(unit_of_work, team, make_leads, rounds):
    """N2: each lead goes to one of the two, and nobody gets more than the quota of four."""
    for _round in range(rounds):
        with unit_of_work() as uow:
            values = {"name": f"r{_round}", "members": [team.fu, team.yan], "holding_limit": 4}
            (pool,) = service.create(uow, "lead_pool", [values])
        leads = make_leads(10, pool=pool)
        people = [team.fu, team.yan]
        attempts = [(people[n % 2], leads[(n // 2) % 10]) for n in range(50)]
        answers = claim_together(unit_of_work, attempts)
        with unit_of_work(write=False) as uow:
            table = uow.entity("lead").table
            owners = select(table.c.id, table.c.owner_id).where(table.c.pool_id == pool)
            owned = {row.id: row.owner_id for row in uow.execute(owners) if row.owner_id}
        told = {
            (lead, person)
            for (person, lead), yes in zip(attempts, answers, strict=True)
            if yes is True
        }
        assert told == set(owned.items()), "who was told yes has it, and nobody else"
        held = [list(owned.values()).count(person) for person in people]
        assert max(held) <= 4
        assert sum(held) == 8, "and the quota is used up"


def test_limits_hold_when_one_person_claims_in_many_windows_at_once(unit_of_work, team, make_leads):
    for limit in ("daily_claims", "holding_limit"):
        with unit_of_work() as uow:
            (pool,) = service.create(
                uow, "lead_pool", [{"name": limit, "members": [team.fu], limit: 3}]
            )
        for _round in range(5):
            leads = make_leads(6, pool=pool)
            claim_together(unit_of_work, [(team.fu, lead) for lead in leads])
        with unit_of_work(write=False) as uow:
            table = uow.entity("lead").table
            held = select(func.count()).where(table.c.owner_id == team.fu, table.c.pool_id == pool)
            assert uow.execute(held).scalar_one() == 3
