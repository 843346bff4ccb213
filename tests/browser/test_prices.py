"""Price lists as who sets prices makes them, and why a price is what it is, as who sells reads it."""

from __future__ import annotations

import pytest
from journeys import both_ways, is_sound, pick, save

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CUSTOMER = "潍坊鼎源农机有限公司"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def goods(unit_of_work):
    """A product with a price of its own, one that is configured, and a customer of level A."""
    from core.entities import service

    with unit_of_work() as uow:
        service.create(uow, "customer", [{"name": CUSTOMER, "level": "A", "source": "展会"}])
        belt = {
            "name": "皮带输送线",
            "code": "PDX",
            "parameters": [
                {"name": "长度", "unit": "m", "minimum": "1", "maximum": "50"},
                {"name": "材质", "kind": "choice", "choices": ["Q235", "304"]},
            ],
            "price_formula": 'ROUND(长度 * 620, 0) + IF(材质 = "304", 5000, 0)',
        }
        return service.create(
            uow, "product", [{"name": "码垛机", "code": "MDJ", "list_price": "1000"}, belt]
        )


@both_ways
def test_a_list_with_steps_and_the_price_that_comes_of_it(
    open_as, admin_id, goods, way, rows, unit_of_work
):
    """S-076: two steps of quantity; the same step twice and a list for the same days are told at
    their fields, with nothing lost; the page of the price names the list that counts and the others."""
    tab = open_as(admin_id, way)
    tab.goto("/r/price_list/new")
    tab.locator("[name=name]").fill("2026 年批量价")
    tab.locator("[name=valid_from]").fill("2026-01-01")
    for number, price in enumerate(("900", "850")):
        if number:
            tab.get_by_role("button", name=way("添加一行", "Add a line")).click()
        pick(tab, tab.locator(f"[id='field-items.{number}.product']"), "MDJ")
        tab.locator(f"[name='items.{number}.minimum_quantity']").fill("0")
        tab.locator(f"[name='items.{number}.price']").fill(price)
    is_sound(tab, way)
    save(tab, way)
    twice = tab.locator("[id='error-items.1.minimum_quantity']")
    expect(twice).to_be_visible()
    expect(tab.locator("[name='items.1.price']")).to_have_value("850")
    is_sound(tab, way)
    tab.locator("[name='items.1.minimum_quantity']").fill("10")
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("2026 年批量价")
    is_sound(tab, way)
    tab.goto("/r/price_list/new")
    tab.locator("[name=name]").fill("重复的价格表")
    tab.locator("[name=valid_from]").fill("2026-06-01")
    save(tab, way)
    overlap = tab.locator("#error-valid_from")
    expect(overlap).to_contain_text("2026 年批量价")
    is_sound(tab, way)
    tab.locator("[name=customer_level]").select_option("A")
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("重复的价格表")
    assert [row["name"] for row in rows("price_list", sort="id")] == [
        "2026 年批量价",
        "重复的价格表",
    ]
    tab.goto("/crm_sales/price")
    pick(tab, tab.get_by_role("combobox", name=way("产品", "Product")), "MDJ")
    pick(tab, tab.get_by_role("combobox", name=way("客户", "Customer")), "鼎源")
    for quantity, price in (("9", "900.00"), ("10", "850.00")):
        tab.get_by_label(way("数量", "Quantity")).fill(quantity)
        tab.get_by_role("button", name=way("计算", "Work it out")).click()
        expect(tab.locator("main")).to_contain_text(price)
    order = tab.locator(".why-list")
    expect(order).to_contain_text("2026 年批量价")
    # The list of level A was asked first, and has nothing to say about this product.
    expect(order.locator("li").first).to_contain_text("重复的价格表")
    is_sound(tab, way)


@both_ways
def test_a_configured_price_is_explained_step_by_step(open_as, admin_id, goods, way):
    """S-078: what is asked, the formula, and what each part of it came to."""
    tab = open_as(admin_id, way)
    tab.goto("/crm_sales/price")
    pick(tab, tab.get_by_role("combobox", name=way("产品", "Product")), "PDX")
    tab.get_by_role("button", name=way("计算", "Work it out")).click()
    is_sound(tab, way)
    tab.get_by_label("长度").fill("60")
    tab.get_by_label("材质").select_option("304")
    tab.get_by_role("button", name=way("计算", "Work it out")).click()
    expect(tab.locator(".field-error")).to_contain_text("50")
    is_sound(tab, way)
    tab.get_by_label("长度").fill("20")
    tab.get_by_role("button", name=way("计算", "Work it out")).click()
    expect(tab.locator("main")).to_contain_text("17,400.00")
    steps = tab.locator("table.steps")
    expect(steps).to_contain_text("12400")
    expect(steps).to_contain_text("5000")
    is_sound(tab, way)
