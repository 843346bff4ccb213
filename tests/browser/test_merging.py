"""Two entries of one customer become one, by somebody who looks before, and two again."""

from __future__ import annotations

import pytest
from journeys import both_ways, is_sound

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

ONE, TWO = "潍坊鼎源农机有限公司", "潍坊市鼎源农业机械厂"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def manager(make_person):
    return make_person("穆青山", roles=("sales_manager",), department="销售部")


@pytest.fixture
def twins(unit_of_work, make_person):
    """Two entries of one customer; a contact and a deal belong to the second."""
    from core.entities import service

    owner = make_person("傅宇恒", roles=("sales",), department="销售部/华东组")
    with unit_of_work() as uow:
        values = {"source": "展会", "owner": owner}
        one, two = service.create(
            uow,
            "customer",
            [
                values | {"name": ONE, "level": "B", "tags": ["农机"]},
                values | {"name": TWO, "level": "A", "phone": "0536-8888888", "tags": ["重点"]},
            ],
        )
        service.create(uow, "contact", [{"name": "王建国", "customer": two}])
        deal = {"name": "收割机两台", "customer": two, "amount": "130000", "owner": owner}
        service.create(uow, "opportunity", [deal])
    return one, two


@both_ways
def test_two_customers_become_one_and_two_again(open_as, manager, twins, way, rows, read):
    """S-030: chosen in the list, values chosen field by field, and taken back from the record's page."""
    one, two = twins
    tab = open_as(manager, way)
    tab.goto("/r/customer?search=鼎源")
    for name in (ONE, TWO):
        tab.locator("tr", has_text=name).get_by_role("checkbox").check()
    merge = tab.get_by_role("button", name=way("合并", "Merge"), exact=True)
    if not merge.is_visible():
        tab.locator(".bulk-bar summary").last.click()
    merge.click()
    tab.wait_for_url("**/r/customer/merge?**")
    is_sound(tab, way)
    stays = tab.get_by_role("group", name=way("保留哪一条", "Which record stays"))
    expect(stays).to_contain_text(ONE)
    stays.get_by_role("radio", name=ONE).check()
    level = tab.get_by_role("group", name=way("客户级别", "Level"))
    expect(level.get_by_role("radio")).to_have_count(2)
    level.get_by_role("radio", name=TWO).check()
    # What only one of them has is no question.
    expect(tab.get_by_role("group", name=way("电话", "Phone"))).to_have_count(0)
    tab.locator("main").get_by_role("button", name=way("合并", "Merge"), exact=True).click()
    expect(tab.locator("h1")).to_contain_text(ONE)
    expect(tab.get_by_role("link", name="王建国").first).to_be_visible()
    expect(tab.get_by_role("link", name="收割机两台").first).to_be_visible()
    kept = read("customer", one)
    assert (kept["level"], kept["phone"], kept["tags"]) == ("A", "0536-8888888", ["农机", "重点"])
    assert [row["id"] for row in rows("customer", ids=twins)] == [one]
    is_sound(tab, way)
    tab.locator("#toasts").get_by_role("button", name=way("撤销", "Undo")).click()
    expect(tab.locator("main")).not_to_contain_text("收割机两台")
    again = read("customer", two)
    assert (again["name"], again["level"], again["tags"]) == (TWO, "A", ["重点"])
    assert (read("customer", one)["level"], read("customer", one)["phone"]) == ("B", None)
    assert {row["id"] for row in rows("customer", ids=twins)} == {one, two}


@both_ways
def test_from_one_record_the_other_is_looked_for(open_as, manager, twins, way, rows):
    """S-030: who is on the page of one finds the other by name; the way back stays there for 30 days."""
    one, two = twins
    tab = open_as(manager, way)
    tab.goto(f"/r/customer/{one}")
    merge = tab.locator(".page-header").get_by_role("button", name=way("合并", "Merge"), exact=True)
    if not merge.is_visible():
        tab.locator(".page-header summary").last.click()
    merge.click()
    tab.get_by_role("combobox", name=way("另一条记录", "Another record")).fill("农业机械厂")
    tab.get_by_role("option", name=TWO).click()
    is_sound(tab, way)
    tab.get_by_role("button", name=way("添加", "Add"), exact=True).click()
    stays = tab.get_by_role("group", name=way("保留哪一条", "Which record stays"))
    stays.get_by_role("radio", name=TWO).check()
    tab.get_by_role("group", name=way("客户名称", "Customer name")).get_by_role(
        "radio", name=ONE
    ).check()
    tab.locator("main").get_by_role("button", name=way("合并", "Merge"), exact=True).first.click()
    expect(tab.locator("h1")).to_contain_text(ONE)
    assert [(row["id"], row["name"]) for row in rows("customer", ids=twins)] == [(two, ONE)]
    tab.goto(f"/r/customer/merge?ids={two}")
    earlier = tab.locator("form", has=tab.get_by_role("button", name=way("撤销", "Take back")))
    expect(earlier).to_contain_text(ONE)
    is_sound(tab, way)
    earlier.get_by_role("button").click()
    expect(tab.locator("h1")).to_contain_text(TWO)
    assert {row["name"] for row in rows("customer", ids=twins)} == {ONE, TWO}
