"""A quote on its way out: the mail, the link, and the page that a customer answers on."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from axe import violations

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_sales",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def quote(unit_of_work):
    from core.entities import service

    with unit_of_work() as uow:
        (customer,) = service.create(uow, "customer", [{"name": "临沂泰信物流", "source": "展会"}])
        (goods,) = service.create(
            uow, "product", [{"name": "输送线", "code": "SSX", "list_price": "1200"}]
        )
        lines = [{"product": goods, "quantity": "3", "discount": "5"}]
        offer = {"customer": customer, "lines": lines, "terms": "预付 30 %"}
        (key,) = service.create(uow, "quote", [offer])
        service.act(uow, "quote", "submit", [key])
    return key


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_quote_is_sent_and_answered(open_page, quote, size, unit_of_work):
    from core.entities import query

    def is_sound(tab):
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert (violations(tab), wide <= size["width"]) == ([], True), tab.url

    tab = open_page(size)
    tab.goto(f"/crm_sales/quotes/send?ids={quote}")
    is_sound(tab)
    tab.goto(f"/r/quote/{quote}")
    tab.get_by_role("link", name="客户链接").click()
    is_sound(tab)
    tab.get_by_role("button", name="生成链接").click()
    is_sound(tab)
    path = urlsplit(tab.locator("[name=address]").input_value()).path
    visitor = tab.context.browser.new_context(
        base_url=tab.url.partition("/crm_sales")[0], viewport=size, locale="zh-CN"
    )
    page = visitor.new_page()
    page.goto(path)
    is_sound(page)
    page.get_by_label("您的姓名").fill("李喆")
    page.get_by_role("button", name="谢绝").click()
    page.get_by_text("请告诉我们原因。", exact=True).wait_for()
    is_sound(page)
    page.get_by_role("button", name="接受报价").click()
    page.get_by_text("此报价单已被接受。").wait_for()
    is_sound(page)
    visitor.close()
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "quote", quote).values["answered_by"] == "李喆"
