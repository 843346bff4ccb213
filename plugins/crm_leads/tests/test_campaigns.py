"""Campaigns below campaigns, what they brought and cost, and the channels beside each other."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from plugins.crm_leads.campaigns import result_of

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def make_campaign(unit_of_work, team):
    """``make_campaign(name, **values) -> id``: by marketing, which has no right of sales."""

    def make(name, **values):
        with unit_of_work(team.marketing) as uow:
            return service.create(uow, "campaign", [{"name": name, **values}])[0]

    return make


@pytest.fixture
def change(unit_of_work, team):
    def put(values, person=None):
        with unit_of_work(person or team.marketing) as uow:
            service.update(uow, "campaign", values)

    return put


def problems(refused):
    return [(p.field, p.code) for p in refused.value.problems]


def test_marketing_plans_a_campaign_with_parts_and_steps(make_campaign, change, team, unit_of_work):
    """S-007"""
    year = make_campaign("全年展会", budget="500000", target="装备制造企业的设备主管")
    steps = [{"name": "订展位", "person": team.marketing}, {"name": "发邀请"}]
    fair = make_campaign("春季展", parent=year, budget="180000", steps=steps)
    with unit_of_work(team.marketing, write=False) as uow:
        values = query.get(uow, "campaign", fair).values
    assert values["parent"] == year
    assert [step["name"] for step in values["steps"]] == ["订展位", "发邀请"]
    with pytest.raises(Forbidden):
        change({fair: {"budget": "1"}}, person=team.fu)


def test_nothing_is_part_of_itself(make_campaign, change, unit_of_work):
    top = make_campaign("一")
    middle = make_campaign("二", parent=top)
    bottom = make_campaign("三", parent=middle)
    for values in ({top: {"parent": top}}, {top: {"parent": bottom}}):
        with pytest.raises(Invalid) as refused:
            change(values)
        assert problems(refused) == [("parent", "circle")]
    with pytest.raises(Invalid) as refused:  # what else changes counts
        change({middle: {"parent": None}, bottom: {"parent": top}, top: {"parent": bottom}})
    assert set(problems(refused)) == {("parent", "circle")}
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "campaign", bottom).values["parent"] == middle
    change({top: {"parent": middle}, middle: {"parent": bottom}, bottom: {"parent": None}})
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "campaign", top).values["parent"] == middle


@pytest.mark.parametrize(
    ("values", "field"),
    [({"cost": "-1"}, "cost"), ({"budget": "-0.01"}, "budget")],
)
def test_amounts_are_not_negative(make_campaign, values, field):
    with pytest.raises(Invalid) as refused:
        make_campaign("坏", **values)
    assert [name for name, _code in problems(refused)] == [field]


def test_three_people_sign_up_and_the_campaign_counts_them(
    make_campaign, client, unit_of_work, team, act, browser_of
):
    """S-004: the sign-up page needs no sign-in; its leads are the campaign's, with count and cost."""
    top = make_campaign("全年活动", cost="1000")
    event = make_campaign("线上发布会", parent=top, cost="2000", source="线上推广")
    with unit_of_work(team.marketing) as uow:
        form = {"name": "报名", "pool": team.pool, "campaign": event, "source": "线上推广"}
        (key,) = service.create(uow, "lead_form", [form])
        path = f"/crm_leads/form/{query.get(uow, 'lead_form', key).values['key']}"
    for n in range(3):
        sent = {"company": f"潍坊报名{n}", "mobile": f"1380536{n:04d}"}
        assert client.post(path, data=sent).status_code == 303
    with unit_of_work(write=False) as uow:
        leads = query.page(uow, "lead", ListQuery(sort="id")).items
    assert [(lead["campaign"], lead["source"]) for lead in leads] == [(event, "线上推广")] * 3
    act(team.fu, "claim", [leads[0]["id"]])
    act(team.fu, "convert", [leads[0]["id"]])
    with unit_of_work(team.marketing, write=False) as uow:
        own, whole = result_of(uow, event), result_of(uow, top)
    assert (own.leads, own.converted, own.cost, own.won) == (3, 1, Decimal(2000), None)
    assert (whole.leads, whole.converted, whole.cost) == (3, 1, Decimal(3000))
    assert whole.cost_of_lead == 1000
    page = browser_of(team.marketing).get(f"/r/campaign/{top}").get_data(as_text=True)
    assert "线索（含 1 个下级活动）" in page
    assert "1,000" in page


def test_the_channels_beside_each_other(
    make_campaign, make_leads, unit_of_work, team, act, browser_of, runtime
):
    """S-001: one lead by each channel, and 1 for each in the report; cost by the campaign's source."""
    with unit_of_work() as uow:
        today = uow.clock.today()
    make_campaign("展会", source="展会", cost="6000", starts_on=today)
    for source in ("线上推广", "展会", "老客户推荐", "电话营销"):
        make_leads(source=source, owner=team.fu)
    (extra,) = make_leads(source="展会", owner=team.fu)
    runtime.clock.move(timedelta(minutes=90))
    with unit_of_work() as uow:
        service.update(uow, "lead", {extra: {"last_followed_at": uow.now()}})
    act(team.fu, "convert", [extra])
    marketing = browser_of(team.marketing)
    html = marketing.get("/crm_leads/channels").get_data(as_text=True)
    rows = {row.split("<", 1)[0]: row for row in html.split('data-label="来源">')[1:]}
    assert set(rows) == {"线上推广", "展会", "老客户推荐", "电话营销"}
    fair = rows["展会"]
    for shown in (">2<", ">1<", "90", "50%", "6,000", "3,000"):
        assert shown in fair, shown
    assert "6,000" not in rows["线上推广"]
    assert ">1<" in rows["电话营销"]
    assert browser_of(team.fu).get("/crm_leads/channels").status_code == 403
    assert browser_of(team.manager).get("/crm_leads/channels?period=all").status_code == 200
