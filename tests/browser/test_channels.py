"""What is asked of each channel, made by clicking, and what the channels brought beside each other."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from types import SimpleNamespace

import pytest
from journeys import both_ways, is_sound, save

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def team(make_person):
    return SimpleNamespace(
        marketing=make_person("尚若兰", roles=("marketing",), department="市场部"),
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
    )


@both_ways
def test_a_policy_says_how_important_and_how_soon(open_as, team, way, rows, runtime):
    """S-002: of a fair high and within four hours, of the others as usual; two for one source are told
    at the field."""
    tab = open_as(team.marketing, way)
    for source, hours in (("展会", "4"), ("展会", "8")):
        tab.goto("/r/channel_policy/new")
        tab.locator("[name=source]").select_option(source)
        tab.locator("[name=priority]").select_option("high")
        tab.locator("[name=first_contact_hours]").fill(hours)
        is_sound(tab, way)
        save(tab, way)
        if hours == "4":
            expect(tab.locator("h1")).to_contain_text(way("展会", "Exhibition"))
            expect(tab.locator("h1 .badge")).to_have_text(way("高", "High"))
            is_sound(tab, way)
    expect(tab.locator("#error-source")).to_be_visible()
    expect(tab.locator("[name=first_contact_hours]")).to_have_value("8")
    is_sound(tab, way)
    assert [row["first_contact_hours"] for row in rows("channel_policy")] == [4]
    seller = open_as(team.fu, way)
    for source, company in (("展会", "潍坊鼎源农机有限公司"), ("电话营销", "临沂泰信物流")):
        seller.goto("/r/lead/new")
        seller.locator("[name=company]").fill(company)
        seller.locator("[name=source]").select_option(source)
        save(seller, way)
        expect(seller.locator("h1")).to_contain_text(company)
        due = seller.locator(".brought", has_text=way("首次联系", "First contact due"))
        expect(due).to_have_count(int(source == "展会"))
        is_sound(seller, way)
    found = {row["source"]: (row["priority"], row["first_contact_due_at"]) for row in rows("lead")}
    assert found["电话营销"] == ("normal", None)
    priority, due_at = found["展会"]
    assert priority == "high"
    assert timedelta(hours=3, minutes=55) < due_at - runtime.clock.now() < timedelta(hours=4)


@pytest.fixture
def came(act, runtime, team, unit_of_work):
    """Three leads of a fair that cost 6,000, of which one was called and won; one by telephone."""
    from core.entities import service

    clock = runtime.clock
    # In the middle of a month: what comes 90 minutes later is of the same one.
    day = clock.today() + timedelta(days=(15 - clock.today().day) % 31)
    clock.move(datetime.combine(day, time(10), clock.timezone) - clock.now())
    with unit_of_work() as uow:
        fair = {"name": "春季农机展", "source": "展会", "cost": "6000"}
        service.create(uow, "campaign", [fair | {"starts_on": uow.clock.today()}])
        leads = service.create(
            uow,
            "lead",
            [
                {"company": f"{source}{n}号机械厂", "source": source, "owner": team.fu}
                for source, count in (("展会", 3), ("电话营销", 1))
                for n in range(count)
            ],
        )
    clock.move(timedelta(minutes=90))
    with unit_of_work() as uow:
        service.update(uow, "lead", {leads[0]: {"last_followed_at": uow.now()}})
        buyer = {"name": "收割机买家", "source": "展会", "owner": team.fu}
        (customer,) = service.create(uow, "customer", [buyer])
        deal = {"name": "收割机两台", "customer": customer, "amount": "130000", "lead": leads[0]}
        (deal,) = service.create(uow, "opportunity", [deal | {"owner": team.fu}])
    act(team.fu, "opportunity", "win", [deal])
    act(team.fu, "lead", "convert", [leads[0]])


@both_ways
def test_the_channels_stand_beside_each_other(open_as, came, team, way):
    """S-001: leads, who was called and how soon, conversion, cost and what was won; each count leads to
    its leads."""
    tab = open_as(team.manager, way)
    tab.goto("/r/lead")
    tab.goto("/crm_leads/channels")
    is_sound(tab, way)

    def cells(channel):
        row = tab.locator("tbody tr", has_text=channel)
        return {
            cell.get_attribute("data-label"): cell.inner_text().strip()
            for cell in row.locator("td").all()
        }

    fair = cells(way("展会", "Exhibition"))
    wanted = {
        way("线索", "Leads"): "3",
        way("已联系", "Called"): "1",
        way("首次联系用时（分钟）", "Minutes to first contact"): "90",
        way("已转化", "Converted"): "1",
        way("单条线索成本", "Cost of a lead"): way("¥2,000", "CN¥2,000"),
        way("赢单金额", "Amount won"): way("¥130,000", "CN¥130,000"),
    }
    assert {label: fair.get(label) for label in wanted} == wanted, fair
    assert cells(way("电话营销", "Telemarketing"))[way("线索", "Leads")] == "1"
    tab.get_by_role("link", name=way("本月", "This month"), exact=True).click()
    assert cells(way("展会", "Exhibition"))[way("线索", "Leads")] == "3"
    is_sound(tab, way)
    tab.locator("tbody tr", has_text=way("展会", "Exhibition")).get_by_role("link").first.click()
    expect(tab.locator("tbody tr")).to_have_count(3)
    is_sound(tab, way)
