"""A campaign from its plan to what it returned: steps and money, a page to sign up on, leads and deals."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from journeys import both_ways, is_sound, part, pick, save, use

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

VISITORS = (("潍坊鼎源农机有限公司", "13805361234"), ("临沂泰信物流", "13905395678"))


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


@pytest.fixture
def pool(unit_of_work):
    from core.entities import service

    with unit_of_work() as uow:
        return service.create(uow, "lead_pool", [{"name": "华东公海"}])[0]


def brought(tab, label):
    """What the page of a campaign says of its leads and of its money under that name."""
    figure = tab.locator(".figures a", has=tab.get_by_text(label, exact=True)).locator("b")
    fact = tab.locator(".brought .facts > div", has=tab.get_by_text(label, exact=True))
    return figure.or_(fact.locator("dd"))


@both_ways
def test_who_signs_up_becomes_a_lead_and_what_is_won_of_it_a_return(
    open_as, open_tab, act, pool, team, way, rows, unit_of_work
):
    """S-004, S-007: an end before the beginning is told at its field; visitors sign up without an account;
    marketing sees how many came and were converted at what cost, who leads the sales what was won too."""
    from core.entities import service

    tab = open_as(team.marketing, way)
    tab.goto("/r/campaign")
    tab.locator(".page-header a.button-primary").click()
    tab.locator("[name=name]").fill("春季农机展")
    tab.locator("[name=status]").select_option("running")
    tab.locator("[name=source]").select_option("展会")
    tab.locator("[name=starts_on]").fill("2026-03-10")
    tab.locator("[name=ends_on]").fill("2026-03-01")
    tab.locator("[name=budget]").fill("60000")
    tab.locator("[name=cost]").fill("50000")
    for number, step in enumerate(("订展位", "发邀请")):
        if tab.locator(f"[name='steps.{number}.name']").count() == 0:
            tab.get_by_role("button", name=way("添加一行", "Add a line")).click()
        tab.locator(f"[name='steps.{number}.name']").fill(step)
    tab.locator("[name='steps.0.due_on']").fill("2026-02-01")
    pick(tab, tab.locator("[id='field-steps.0.person']"), "尚若兰")
    is_sound(tab, way)
    save(tab, way)
    expect(tab.locator("#error-ends_on")).to_be_visible()
    expect(tab.locator("[name='steps.1.name']")).to_have_value("发邀请")
    is_sound(tab, way)
    tab.locator("[name=ends_on]").fill("2026-03-12")
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("春季农机展")
    expect(part(tab, way("步骤", "Steps")).locator("tbody tr")).to_have_count(2)
    is_sound(tab, way)
    page = tab.url
    # Its page to sign up on: that it is the campaign's is filled in.
    forms = part(tab, way("公开表单", "Public forms"))
    forms.get_by_role("link", name=way("新建", "New"), exact=True).click()
    expect(tab.locator("#field-campaign")).to_have_value("春季农机展")
    tab.locator("[name=name]").fill("展会报名")
    pick(tab, tab.locator("#field-pool"), "华东")
    tab.locator("[name=source]").select_option("展会")
    is_sound(tab, way)
    save(tab, way)
    address = tab.locator(".form-address a")
    expect(address).to_be_visible()
    is_sound(tab, way)
    visitor = open_tab(way.size)
    for company, mobile in VISITORS:
        visitor.goto(address.get_attribute("href"))
        expect(visitor.locator("h1")).to_have_text("展会报名")
        visitor.get_by_label("公司名称").fill(company)
        visitor.get_by_label("手机").fill(mobile)
        is_sound(visitor, way)
        visitor.get_by_role("button", name="提交").click()
        expect(visitor.locator(".notice-good")).to_be_visible()
        is_sound(visitor, way)
    assert visitor.context.cookies() == []
    leads = rows("lead", sort="id")
    (campaign,) = rows("campaign")
    assert [(lead["company"], lead["mobile"], lead["campaign"]) for lead in leads] == [
        (company, mobile, campaign["id"]) for company, mobile in VISITORS
    ]
    assert {lead["pool"] for lead in leads} == {pool}
    tab.goto(page)
    expect(brought(tab, way("线索", "Leads"))).to_have_text("2")
    expect(brought(tab, way("已转化", "Converted"))).to_have_text("0")
    expect(brought(tab, way("单条线索成本", "Cost of a lead"))).to_contain_text("25,000")
    is_sound(tab, way)
    # The seller claims one of the two and makes a customer of it.
    seller = open_as(team.fu, way)
    seller.goto(f"/r/lead/{leads[0]['id']}")
    use(seller, way("领取", "Claim"))
    expect(seller.locator("main")).to_contain_text(VISITORS[0][1][-4:])
    use(seller, way("转化", "Convert"))
    seller.get_by_role("textbox", name=way("商机", "Opportunity"), exact=True).fill("收割机两台")
    seller.locator("main").get_by_role("button", name=way("转化", "Convert"), exact=True).click()
    expect(seller.locator("main")).to_contain_text("收割机两台")
    (deal,) = rows("opportunity")
    with unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal["id"]: {"amount": "130000"}})
    act(team.fu, "opportunity", "win", [deal["id"]])
    tab.reload()
    expect(brought(tab, way("已转化", "Converted"))).to_have_text("1")
    # Of sales marketing sees nothing.
    expect(brought(tab, way("赢单金额", "Amount won"))).to_have_count(0)
    manager = open_as(team.manager, way)
    manager.goto(page)
    for label, value in (
        (way("线索", "Leads"), "2"),
        (way("已转化", "Converted"), "1"),
        (way("费用", "Spent"), "50,000"),
        (way("赢单数", "Deals won"), "1"),
        (way("赢单金额", "Amount won"), "130,000"),
        (way("投入回报", "Return on cost"), "160%"),
    ):
        expect(brought(manager, label)).to_contain_text(value)
    is_sound(manager, way)
    manager.locator(".figures a").first.click()
    expect(manager.locator("tbody tr")).to_have_count(2)
    is_sound(manager, way)
