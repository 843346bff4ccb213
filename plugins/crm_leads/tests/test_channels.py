"""Channel policies and alerts: how important a lead is, by when it is to be called, and who is told if not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.entities import query, service
from core.errors import Invalid
from core.notifications.service import latest
from core.settings.service import put_settings

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def policies(unit_of_work):
    with unit_of_work() as uow:
        service.create(
            uow,
            "channel_policy",
            [
                {"source": "展会", "priority": "high", "first_contact_hours": 4},
                {"source": "线上推广", "priority": "normal", "first_contact_hours": 24},
            ],
        )


@pytest.fixture
def led(unit_of_work, team, set_pool):
    """The manager is head of sales, and administers the pool."""
    set_pool(administrators=[team.manager])
    with unit_of_work() as uow:
        table = uow.entity("department").table
        (key,) = uow.execute(table.select().where(table.c.name == "销售部")).scalars()
        service.update(uow, "department", {key: {"head": team.manager}})


def followed(unit_of_work, lead):
    with unit_of_work() as uow:
        service.update(uow, "lead", {lead: {"last_followed_at": uow.now()}})


def test_each_source_has_its_importance_and_its_hours(team, policies, make_leads, read, act):
    """S-002"""
    (fair,), (online,), (phone,) = (
        make_leads(source="展会"),
        make_leads(source="线上推广"),
        make_leads(source="电话营销"),
    )
    given = make_leads(source="展会", priority="low", owner=team.fu)[0]
    found = {
        lead: (values["priority"], values["first_contact_due_at"] and due(values))
        for lead in (fair, online, phone, given)
        for values in (read(lead),)
    }
    assert found == {
        fair: ("high", timedelta(hours=4)),
        online: ("normal", timedelta(hours=24)),
        phone: ("normal", None),
        given: ("low", timedelta(hours=4)),
    }
    assert read(given)["next_follow_at"] == read(given)["first_contact_due_at"]
    act(team.fu, "claim", [fair, phone])
    assert read(fair)["next_follow_at"] == read(fair)["first_contact_due_at"]
    assert read(phone)["next_follow_at"] > read(phone)["created_at"] + timedelta(days=2)


def due(values):
    return values["first_contact_due_at"] - values["created_at"]


def test_the_first_contact_is_kept_and_shown_until_it_was_made(
    team, policies, make_leads, read, browser_of, unit_of_work, runtime
):
    """S-015: how long it took from entry to first contact can be read from each lead."""
    (lead,) = make_leads(source="展会", owner=team.fu)
    page = browser_of(team.fu).get(f"/r/lead/{lead}").get_data(as_text=True)
    assert "前首次联系" in page
    runtime.clock.move(timedelta(minutes=90))
    followed(unit_of_work, lead)
    first = read(lead)["first_contacted_at"]
    assert abs(first - read(lead)["created_at"] - timedelta(minutes=90)) < timedelta(minutes=1)
    runtime.clock.move(timedelta(minutes=90))
    followed(unit_of_work, lead)
    assert read(lead)["first_contacted_at"] == first
    page = browser_of(team.fu).get(f"/r/lead/{lead}").get_data(as_text=True)
    assert "前首次联系" not in page


def test_a_second_policy_for_a_source_is_refused(policies, unit_of_work):
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        service.create(uow, "channel_policy", [{"source": "展会", "priority": "low"}])
    assert [p.field for p in refused.value.problems] == ["source"]


def test_an_important_lead_that_lies_unclaimed_is_told_of_once(
    team, led, make_leads, act, after, bell
):
    """S-017, S-019"""
    make_leads()  # of no importance
    (lead,) = make_leads(priority="high")
    after(hours=23, minutes=50)
    assert bell(team.manager) == []
    after(minutes=20)
    assert len(bell(team.manager)) == 1
    after(minutes=20)
    after(hours=3)
    assert len(bell(team.manager)) == 1
    act(team.fu, "claim", [lead])
    act(team.fu, "release", [lead], reason="不在我的区域")
    after(hours=23)
    assert len(bell(team.manager)) == 1
    after(hours=2)
    assert len(bell(team.manager)) == 2  # it lies there anew


def test_an_important_lead_that_its_owner_leaves_alone_is_told_of(
    team, led, make_leads, act, after, bell, unit_of_work
):
    """S-018, S-019"""
    important, followed_up = make_leads(2, priority="high")
    ordinary = make_leads()
    act(team.fu, "claim", [important, followed_up, *ordinary])
    after(days=2)
    followed(unit_of_work, followed_up)
    after(hours=23)
    assert bell(team.manager) == []
    after(hours=2)
    assert len(bell(team.manager)) == 1
    after(days=1, hours=22)
    assert len(bell(team.manager)) == 1
    after(hours=2)
    assert len(bell(team.manager)) == 2  # the clock of the other began anew
    act(team.fu, "mark_lost", [important, followed_up], reason="项目暂缓")
    after(days=9)
    assert len(bell(team.manager)) == 2


def test_who_wants_no_alerts_gets_none(team, led, make_leads, after, bell, unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "crm_leads", {"alert_unclaimed_hours": None})
    make_leads(priority="high")
    after(days=9)
    assert bell(team.manager) == []


def test_without_administrators_the_heads_of_the_departments_are_told(
    team, led, set_pool, make_leads, after, bell
):
    set_pool(administrators=[])
    make_leads(priority="high")
    after(hours=25)
    assert len(bell(team.manager)) == 1


def test_of_the_delivered_pool_the_installations_administrators_are_told(
    team, make_leads, after, unit_of_work, admin_id
):
    """It names nobody, and an important lead in it is told of all the same."""
    with unit_of_work() as uow:
        table = uow.entity("lead_pool").table
        (pool,) = uow.execute(select(table.c.id).where(table.c.id != team.pool)).scalars()
    make_leads(priority="high", pool=pool)
    after(hours=25)
    after(hours=1)
    with unit_of_work(admin_id, write=False) as uow:
        assert [each.kind for each in latest(uow, limit=9)] == ["crm_leads.unclaimed"]


def test_policies_are_marketings(team, unit_of_work):
    with unit_of_work(team.marketing) as uow:
        service.create(uow, "channel_policy", [{"source": "展会", "priority": "high"}])
    with unit_of_work(team.manager, write=False) as uow:
        assert query.page(uow, "channel_policy", query.ListQuery()).items
