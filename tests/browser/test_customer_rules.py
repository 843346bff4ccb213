"""S-043 by clicking: a rating of the company's own, a rule for it, and a customer that goes to somebody else."""

from __future__ import annotations

import pytest
from journeys import both_ways, is_sound

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


def save(tab, way):
    tab.get_by_role("button", name=way("保存", "Save"), exact=True).first.click()


@both_ways
def test_a_better_rating_gives_a_customer_to_a_senior_seller(
    open_as, admin_id, make_person, unit_of_work, way, read
):
    from core.entities import service

    senior = make_person("严正", roles=("sales",), department="销售部")
    junior = make_person("于小满", roles=("sales",), department="销售部")
    with unit_of_work() as uow:
        values = {"name": "潍坊风筝厂", "source": "展会", "owner": junior}
        (customer,) = service.create(uow, "customer", [values])
    tab = open_as(admin_id, way)
    tab.goto("/admin/fields/customer?kind=choice")
    form = tab.locator("#new-field")
    form.locator("[name=label_zh_CN]").fill("客户潜力评级")
    form.locator("[name=label_en]").fill("Potential")
    form.locator("[name=name]").fill("x_rating")
    form.locator("[name=choices]").fill("A\nB\nC")
    form.locator("button.button-primary").click()
    expect(tab.locator("main")).to_contain_text("x_rating")

    tab.goto("/r/customer_assignment_rule/new")
    is_sound(tab, way)
    tab.locator("[name=name]").fill("A级归资深销售")
    tab.locator("[name='conditions.0.field_name']").select_option("x_rating")
    tab.locator("[name='conditions.0.op']").select_option("is")
    tab.locator("[name='conditions.0.value']").fill("A")
    tab.locator("[name=target]").select_option("person")
    tab.locator("input[type=checkbox][name=on_change]").check()
    save(tab, way)
    expect(tab.locator("#error-person")).to_be_visible()  # and the rest is still there
    is_sound(tab, way)
    box = tab.locator("#field-person")
    box.fill("严")
    tab.locator("[role=option]:visible").first.click()
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("A级归资深销售")
    is_sound(tab, way)

    seller = open_as(junior, way)
    seller.goto(f"/r/customer/{customer}/edit")
    seller.locator("[name=x_rating]").select_option("A")
    save(seller, way)
    told = way("已不在您可见的记录之中", "no longer among those that you see")
    expect(seller.locator("body")).to_contain_text(told)
    is_sound(seller, way)
    assert read("customer", customer)["owner"] == senior

    tab = open_as(senior, way)
    tab.goto(f"/r/customer/{customer}")
    expect(tab.locator("main")).to_contain_text("A级归资深销售")
    is_sound(tab, way)
    tab.goto("/notifications")
    expect(tab.locator("main")).to_contain_text("潍坊风筝厂")
    is_sound(tab, way)
