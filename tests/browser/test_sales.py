"""From a new customer to a deal: one journey over the short form, the record's page and the board."""

from __future__ import annotations

import pytest

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_sales",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_customer_a_contact_and_an_opportunity_that_is_won(open_page, size, unit_of_work):
    from core.entities import query, service
    from core.entities.query import ListQuery

    with unit_of_work() as uow:
        service.create(uow, "customer", [{"name": "潍坊鼎源农机有限公司", "source": "展会"}])
    tab = open_page(size)
    tab.goto("/r/customer")
    tab.goto("/crm_sales/customers/new")
    tab.get_by_label("客户名称").fill("潍坊鼎源农机")
    tab.get_by_label("客户名称").press("Tab")
    expect(tab.locator("#same")).to_contain_text("潍坊鼎源农机有限公司")
    tab.get_by_label("客户名称").fill("临沂泰信物流")
    tab.get_by_label("客户名称").press("Tab")
    expect(tab.locator("#same")).to_be_empty()
    tab.get_by_label("来源").select_option("展会")
    tab.get_by_label("联系人").fill("王建国")
    tab.get_by_label("手机").fill("138 0000 1111")
    tab.get_by_role("button", name="保存").click()
    expect(tab.locator("h1")).to_have_text("临沂泰信物流")
    expect(tab.get_by_role("link", name="王建国")).to_be_visible()
    tab.locator("section", has=tab.get_by_role("heading", name="商机", exact=True)).get_by_role(
        "link", name="新建"
    ).click()
    tab.locator("[name=name]").fill("升降平台两台")
    tab.locator("[name=amount]").fill("130000")
    tab.get_by_role("button", name="保存").first.click()
    expect(tab.locator("h1")).to_contain_text("升降平台两台")
    tab.goto("/r/opportunity?layout=board")
    card = tab.locator(".board-card", has_text="升降平台两台")
    for stage in ("需求分析", "商务谈判"):
        card.get_by_role("button", name="移动").click()
        tab.locator("#move").get_by_role("button", name=stage).click()
        expect(tab.locator(f'.board-column[aria-label="{stage}"] .board-card')).to_have_count(1)
    card.get_by_role("link").first.click()
    tab.get_by_role("button", name="赢单", exact=True).click()
    tab.get_by_label("赢单原因").select_option("服务")
    tab.get_by_label("竞争对手").fill("联成")
    tab.locator("main").get_by_role("button", name="赢单", exact=True).click()
    expect(tab.locator("h1")).to_contain_text("升降平台两台")
    expect(tab.locator("h1")).to_contain_text("赢单")
    with unit_of_work(write=False) as uow:
        (deal,) = query.page(uow, "opportunity", ListQuery()).items
        assert (deal["status"], deal["probability"]) == ("won", 100)
        assert (deal["won_reason"], deal["competitors"]) == ("服务", ["联成"])
        assert query.count(uow, "stage_visit", ListQuery()) == 4
