"""How leads come in and what becomes of them: a public form, rules made by clicking, and the conversion."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from axe import violations
from journeys import both_ways, is_sound, pick, save, use

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
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
    )


@both_ways
def test_a_rule_made_by_clicking_gives_a_visitors_lead_to_its_seller(
    open_as, admin_id, team, way, rows, unit_of_work
):
    """S-003, S-011: a rule for a province; then a visitor, without an account, fills in the form."""
    from core.entities import query, service

    with unit_of_work() as uow:
        fields = ["company", "contact_name", "mobile", "province"]
        (pool,) = service.create(uow, "lead_pool", [{"name": "华东公海"}])
        form = {"name": "官网留言", "title": "联系我们", "fields": fields, "pool": pool}
        (key,) = service.create(uow, "lead_form", [form])
        address = f"/crm_leads/form/{query.get(uow, 'lead_form', key).values['key']}"
    tab = open_as(admin_id, way)
    tab.goto("/r/assignment_rule/new")
    is_sound(tab, way)
    tab.locator("[name=name]").fill("山东归傅宇恒")
    tab.locator("[name=target]").select_option("person")
    pick(tab, tab.locator("#field-person"), "傅")
    tab.locator("[name='conditions.0.field_name']").select_option("province")
    tab.locator("[name='conditions.0.op']").select_option("is")
    tab.locator("[name='conditions.0.value']").fill("山东省")
    is_sound(tab, way)
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("山东归傅宇恒")
    is_sound(tab, way)
    # Visitors read the company's language, whatever their browser asks for.
    visitor = tab.context.browser.new_context(
        base_url=tab.url.partition("/r/")[0],
        viewport=way.size,
        locale="zh-CN",
    )
    page = visitor.new_page()
    page.goto(address)
    assert violations(page) == []
    page.get_by_label("手机").fill("12")
    page.get_by_role("button", name="提交").click()
    expect(page.locator(".error").first).to_be_visible()
    expect(page.get_by_label("手机")).to_have_value("12")
    assert violations(page) == []
    page.get_by_label("公司").fill("潍坊访客食品有限公司")
    page.get_by_label("联系人").fill("王建国")
    page.get_by_label("手机").fill("138 0536 1234")
    page.get_by_label("省份").fill("山东")
    page.get_by_role("button", name="提交").click()
    expect(page.locator(".notice")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= way.size["width"]
    visitor.close()
    (lead,) = rows("lead")
    assert (lead["company"], lead["mobile"], lead["owner"]) == (
        "潍坊访客食品有限公司",
        "13805361234",
        team.fu,
    )


@both_ways
def test_a_lead_becomes_a_customer_a_contact_and_a_deal(
    open_as, team, way, rows, read, unit_of_work
):
    """S-032: asked once, on one page; the customer that is there already is offered."""
    from core.entities import service

    with unit_of_work() as uow:
        same = {"name": "潍坊鼎源农机有限公司", "source": "展会", "owner": team.fu}
        (customer,) = service.create(uow, "customer", [same])
        lead = {"company": "潍坊鼎源农机", "contact_name": "王建国", "mobile": "13805361234"}
        (key,) = service.create(uow, "lead", [lead | {"owner": team.fu, "status": "following"}])
    tab = open_as(team.fu, way)
    tab.goto(f"/r/lead/{key}")
    use(tab, way("转化", "Convert"))
    who = tab.get_by_role("group", name=way("客户", "Customer"), exact=True)
    expect(who).to_contain_text("潍坊鼎源农机有限公司")
    is_sound(tab, way)
    who.get_by_role("radio").first.check()
    tab.get_by_role("textbox", name=way("商机", "Opportunity"), exact=True).fill("收割机两台")
    tab.locator("main").get_by_role("button", name=way("转化", "Convert"), exact=True).click()
    expect(tab.locator("main")).to_contain_text("收割机两台")
    is_sound(tab, way)
    (deal,) = rows("opportunity")
    (contact,) = rows("contact")
    assert (deal["name"], deal["customer"], deal["owner"]) == ("收割机两台", customer, team.fu)
    assert (contact["name"], contact["customer"]) == ("王建国", customer)
    assert read("lead", key)["status"] == "converted"
