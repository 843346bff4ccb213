"""Who works at a customer and who reports to whom, and which companies stand above and below it."""

from __future__ import annotations

import pytest
from journeys import both_ways, is_sound, part, pick, save

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PARENT, CHILD = "潍坊鼎源集团有限公司", "潍坊鼎源农机有限公司"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def seller(make_person):
    return make_person("傅宇恒", roles=("sales",), department="销售部/华东组")


@pytest.fixture
def companies(seller, unit_of_work):
    from core.entities import service

    with unit_of_work() as uow:
        values = {"source": "展会", "owner": seller}
        return service.create(uow, "customer", [values | {"name": n} for n in (PARENT, CHILD)])


@both_ways
def test_the_chart_shows_who_reports_to_whom_and_who_decides(open_as, companies, seller, way, rows):
    """S-025: people are added from the customer's page; who would stand above themselves is told at
    the field."""
    tab = open_as(seller, way)
    people = (("王建国", "总经理", ""), ("李海燕", "采购部长", "王"), ("赵敏", "采购员", "李"))
    for name, title, above in people:
        tab.goto(f"/r/customer/{companies[1]}")
        new = part(tab, way("联系人", "Contacts"))
        new.get_by_role("link", name=way("新建", "New"), exact=True).click()
        expect(tab.locator("#field-customer")).to_have_value(CHILD)
        tab.locator("[name=name]").fill(name)
        tab.locator("[name=title]").fill(title)
        if above:
            pick(tab, tab.locator("#field-reports_to"), above)
        else:
            tab.locator("[name=is_decision_maker]").check()
        is_sound(tab, way)
        save(tab, way)
        expect(tab.locator("h1")).to_contain_text(name)
    is_sound(tab, way)
    tab.goto(f"/r/customer/{companies[1]}")
    chart = part(tab, way("组织架构", "Organisation chart"))
    top = chart.locator(".chart-frame > ul > li")
    expect(top).to_have_count(1)
    expect(top.locator("> div")).to_contain_text("王建国")
    expect(top.locator("> div .badge")).to_have_text(way("关键决策人", "Decides"))
    below = top.locator("> ul > li")
    expect(below.locator("> div")).to_contain_text(["李海燕"])
    expect(below.locator("> ul > li > div")).to_contain_text(["赵敏"])
    is_sound(tab, way)
    chart.get_by_role("link", name="王建国").click()
    tab.locator(".page-header a.button-primary").click()
    pick(tab, tab.locator("#field-reports_to"), "赵")
    save(tab, way)
    expect(tab.locator("#error-reports_to")).to_be_visible()
    is_sound(tab, way)
    assert [row["reports_to"] for row in rows("contact", search="王建国")] == [None]


@both_ways
def test_a_company_has_its_parent_and_its_subsidiaries(open_as, companies, seller, way, read):
    """S-025: chosen in the form, shown on both pages; a circle is told at the field."""
    parent, child = companies
    tab = open_as(seller, way)
    tab.goto(f"/r/customer/{child}/edit")
    pick(tab, tab.locator("#field-parent"), "鼎源集团")
    is_sound(tab, way)
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text(CHILD)
    is_sound(tab, way)
    tab.locator(".facts").get_by_role("link", name=PARENT).click()
    expect(tab.locator("h1")).to_contain_text(PARENT)
    expect(part(tab, way("下属公司", "Subsidiaries"))).to_contain_text(CHILD)
    is_sound(tab, way)
    tab.locator(".page-header a.button-primary").click()
    pick(tab, tab.locator("#field-parent"), "鼎源农机")
    save(tab, way)
    expect(tab.locator("#error-parent")).to_be_visible()
    is_sound(tab, way)
    assert (read("customer", parent)["parent"], read("customer", child)["parent"]) == (None, parent)
