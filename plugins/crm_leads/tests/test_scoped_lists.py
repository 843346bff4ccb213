"""Lists within several scopes at once: complete, in order, page after page."""

from __future__ import annotations

import random

import pytest

from core.entities import query, service

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def leads(unit_of_work, team):
    """120 leads: of both sellers, of another group, and in the team's pool."""
    rng = random.Random(7)
    with unit_of_work() as uow:
        return service.create(
            uow,
            "lead",
            [
                {
                    "company": f"公司{rng.randrange(40):02d}",
                    "owner": rng.choice([team.fu, team.yan, team.ning, None]),
                    "pool": team.pool,
                    "expected_amount": rng.choice([None, 100, 200, 300]),
                    "status": rng.choice(["new", "following"]),
                }
                for _number in range(120)
            ],
        )


def _pages(uow, sort, **more):
    found, after = [], None
    while True:
        page = query.page(uow, "lead", query.ListQuery(sort=sort, limit=7, after=after, **more))
        found += [item["id"] for item in page.items]
        after = page.next
        if after is None:
            return found


@pytest.mark.parametrize("who", ["fu", "ning", "manager"])
@pytest.mark.parametrize("sort", ["", "company", "-expected_amount,company", "owner", "-id"])
def test_pages_follow_one_another_without_gap_or_double(unit_of_work, team, leads, who, sort):
    """S-219: what two scopes reach together is listed once, in the order asked for."""
    with unit_of_work(getattr(team, who), write=False) as uow:
        listed = _pages(uow, sort)
        # One page of all reads the same order; the count is made in another way.
        whole = query.page(uow, "lead", query.ListQuery(sort=sort, limit=500, count="exact"))
    assert listed == [item["id"] for item in whole.items]
    assert len(set(listed)) == len(listed) == whole.total
    with unit_of_work(write=False) as uow:
        rows = query.page(uow, "lead", query.ListQuery(limit=500, sort=sort)).items
    mine = {
        "fu": lambda row: row["owner"] in (team.fu, None),
        "ning": lambda row: row["owner"] == team.ning,
        "manager": lambda row: row["owner"] in (team.fu, team.yan, None),
    }[who]
    if sort != "owner":  # the system sees names that the reader does not
        assert listed == [row["id"] for row in rows if mine(row)]
    assert set(listed) == {row["id"] for row in rows if mine(row)}


def test_filter_and_search_hold_in_each_scope(unit_of_work, team, leads):
    condition = {"field": "status", "op": "eq", "value": "new"}
    with unit_of_work(team.fu, write=False) as uow:
        listed = _pages(uow, "company", filter=condition, search="1")
    with unit_of_work(write=False) as uow:
        rows = query.page(uow, "lead", query.ListQuery(limit=500, sort="company")).items
    wanted = [
        row["id"]
        for row in rows
        if row["owner"] in (team.fu, None) and row["status"] == "new" and "1" in row["company"]
    ]
    assert listed == wanted != []


def test_joining_a_pool_shows_its_leads_at_once(unit_of_work, team, leads):
    """Who belongs to a pool is kept between requests, until somebody changes a pool."""

    def reached(person):
        with unit_of_work(person, write=False) as uow:
            return query.count(uow, "lead", query.ListQuery())

    before = reached(team.ning)
    assert reached(team.ning) == before
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"members": [team.ning]}})
    joined = reached(team.ning)
    assert joined > before
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"is_active": False}})
    assert reached(team.ning) == before


def test_a_pool_joined_and_rolled_back_shows_nothing(unit_of_work, team, leads):
    def reached(uow):
        return query.count(uow, "lead", query.ListQuery())

    def join_and_fail():
        with unit_of_work(team.ning) as uow:
            with uow.elevated():
                service.update(uow, "lead_pool", {team.pool: {"members": [team.ning]}})
            counts.append(reached(uow))
            raise RuntimeError

    counts: list[int] = []
    with unit_of_work(team.ning, write=False) as uow:
        before = reached(uow)
    with pytest.raises(RuntimeError):
        join_and_fail()
    with unit_of_work(team.ning, write=False) as uow:
        assert reached(uow) == before < counts[0]
