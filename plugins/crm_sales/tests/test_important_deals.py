"""S-017 to S-019 for opportunities: important ones that lie in a pool, or that their owner leaves alone."""

from __future__ import annotations

import pytest

from core.entities import service
from core.settings.service import put_settings

pytestmark = [
    pytest.mark.databases("sqlite", later=("postgresql",)),
    pytest.mark.usefixtures("headed"),
]


@pytest.fixture
def customer(make, team):
    return make("customer", team.fu, name="潍坊风筝厂")


@pytest.fixture
def deal_pool(make, headed):
    """Of the sales department, whose head is the manager; the pool has no administrators."""
    return make("opportunity_pool", name="商机公海", departments=[headed.sales])


def test_an_important_deal_that_lies_unclaimed_is_told_of_once(
    make, act, customer, deal_pool, team, after, told
):
    """S-017, S-019"""
    ordinary = {"customer": customer, "pool": deal_pool, "owner": None}
    make("opportunity", name="输送线", **ordinary)
    deal = make("opportunity", name="码垛机", priority="high", **ordinary)
    after(hours=23, minutes=50)
    assert told(team.manager, "unclaimed") == 0
    after(minutes=20)
    assert told(team.manager, "unclaimed") == 1
    after(hours=3)
    assert told(team.manager, "unclaimed") == 1
    act(team.fu, "opportunity", "claim", [deal])
    act(team.fu, "opportunity", "release", [deal], reason="不在我的区域")
    after(hours=23)
    assert told(team.manager, "unclaimed") == 1
    after(hours=2)
    assert told(team.manager, "unclaimed") == 2  # it lies there anew


def test_an_important_deal_that_its_owner_leaves_alone_is_told_of(
    make, act, customer, team, after, told, unit_of_work
):
    """S-018, S-019; whoever leads is told, also without any pool."""
    deals = [
        make("opportunity", team.fu, name=name, customer=customer, priority=priority)
        for name, priority in (("码垛机", "high"), ("输送线", "high"), ("单机", "normal"))
    ]
    after(days=2)
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deals[1]: {"last_followed_at": uow.now()}})
    after(hours=23)
    assert told(team.manager, "neglected") == 0
    after(hours=2)
    assert told(team.manager, "neglected") == 1
    after(days=1, hours=22)
    assert told(team.manager, "neglected") == 1
    after(hours=2)
    assert told(team.manager, "neglected") == 2  # the clock of the other began anew
    act(team.fu, "opportunity", "win", deals[:2])
    after(days=9)
    assert told(team.manager, "neglected") == 2
    assert told(team.fu, "neglected") == 0


def test_who_wants_no_alerts_gets_none(make, customer, deal_pool, team, after, told, unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"alert_unclaimed_hours": None, "alert_idle_days": None})
    make("opportunity", name="码垛机", customer=customer, pool=deal_pool, priority="high")
    make("opportunity", team.fu, name="输送线", customer=customer, priority="high")
    after(days=9)
    assert told(team.manager, "unclaimed") == told(team.manager, "neglected") == 0


def test_a_lead_hands_its_importance_on(make, act, read, team, unit_of_work):
    lead = make(
        "lead", team.fu, company="潍坊风筝厂", mobile="13805360001", priority="high", source="展会"
    )
    act(team.fu, "lead", "convert", [lead], opportunity="码垛机")
    with unit_of_work(write=False) as uow:
        table = uow.entity("opportunity").table
        (deal,) = uow.execute(table.select().where(table.c.lead_id == lead)).mappings()
    assert deal["priority"] == "high"


def test_important_deals_stand_out_in_lists(make, customer, team, browser_of):
    make("opportunity", team.fu, name="码垛机", customer=customer, priority="high")
    assert "重要" in browser_of(team.fu).get("/r/opportunity").get_data(as_text=True)
