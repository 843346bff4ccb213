"""A quote from an opportunity, by keyboard: lines are worked out while somebody types."""

from __future__ import annotations

import pytest
from axe import violations

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


@pytest.fixture
def deal(unit_of_work):
    from core.entities import service

    with unit_of_work() as uow:
        (customer,) = service.create(uow, "customer", [{"name": "临沂泰信物流", "source": "展会"}])
        (deal,) = service.create(uow, "opportunity", [{"name": "皮带线", "customer": customer}])
        service.create(
            uow,
            "product",
            [
                {
                    "name": "皮带输送线",
                    "code": "PDX",
                    "parameters": [{"name": "长度", "unit": "m", "minimum": "1", "maximum": "50"}],
                    "price_formula": "长度 * 620 + 10000 / 长度",
                },
                {"name": "安装调试", "code": "FW-01", "list_price": "1200"},
            ],
        )
    return deal


def pick(tab, line, words):
    box = tab.locator(f"[id='field-lines.{line}.product']")
    box.press_sequentially(words)
    expect(tab.locator("[role=option]").first).to_be_visible()
    box.press("ArrowDown")
    box.press("Enter")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_lines_are_worked_out_while_one_types(open_page, size, deal, unit_of_work):
    """S-077, S-078, S-083: three keys pick a product; the parameter beyond its bound is told at once."""
    from core.entities import query

    tab = open_page(size)
    tab.goto(f"/r/opportunity/{deal}")
    tab.get_by_role("link", name="新建报价单").click()
    pick(tab, 0, "PDX")
    length = tab.locator("[name='lines.0.p.长度']")
    length.fill("20")
    totals = tab.locator("#quote-totals")
    expect(totals).to_contain_text("¥12,900.00")
    tab.locator("[name='lines.0.discount']").fill("10")
    expect(totals).to_contain_text("¥11,610.00")
    length.fill("60")
    expect(tab.locator("[id='problems-lines.0']")).to_contain_text("50")
    length.fill("20")
    expect(tab.locator("[id='problems-lines.0']")).to_be_empty()
    tab.get_by_role("button", name="添加一行").click()
    pick(tab, 1, "FW")
    expect(totals).to_contain_text("¥12,810.00")
    why = tab.locator("details.why").first
    why.locator("summary").click()
    expect(why).to_contain_text("10000 / 长度")
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= size["width"]
    tab.get_by_role("button", name="保存").last.click()
    expect(tab.locator("h1")).to_contain_text("草稿")
    with unit_of_work(write=False) as uow:
        assert str(query.get(uow, "opportunity", deal).values["amount"]) == "12810.00"
    tab.get_by_role("button", name="提交", exact=True).click()
    expect(tab.locator("h1")).to_contain_text("已提交")
    for name in ("价格依据", "版本"):
        page = tab.url
        tab.get_by_role("link", name=name, exact=True).click()
        expect(tab.locator("h1")).to_contain_text(name)
        assert violations(tab) == []
        tab.goto(page)
