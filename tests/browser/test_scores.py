"""Rules of the score as an administrator makes them by clicking, and what a lead's page says of them."""

from __future__ import annotations

import pytest
from journeys import both_ways, is_sound, part, save

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
def seller(make_person):
    return make_person("傅宇恒", roles=("sales",), department="销售部/华东组")


@pytest.fixture
def lead(seller, unit_of_work):
    """A lead from a fair, where only what is large has points as yet."""
    from core.entities import service

    large = {"field_name": "expected_amount", "op": "at_least", "value": "500000", "points": 40}
    with unit_of_work() as uow:
        service.create(uow, "score_rule", [large | {"name": "大单"}])
        values = {"company": "潍坊鼎源农机有限公司", "source": "展会", "owner": seller}
        return service.create(uow, "lead", [values])[0]


@both_ways
def test_a_rule_scores_leads_and_what_changes_in_it_changes_them(
    open_as, admin_id, seller, lead, way, read, run_jobs
):
    """S-008: what is left out is told at its field; leads that are there get their points, with the
    reason beside them; more points, or none, are worked out anew for all."""
    admin, tab = open_as(admin_id, way), open_as(seller, way)

    def told(score):
        tab.goto(f"/r/lead/{lead}")
        return part(tab, way(f"评分 {score}", f"Score {score}"))

    expect(told(0)).to_contain_text(way("没有满足任何规则", "No rule is met"))
    is_sound(tab, way)
    admin.goto("/r/score_rule")
    is_sound(admin, way)
    admin.locator(".page-header a.button-primary").click()
    admin.locator("[name=name]").fill("展会来的")
    admin.locator("[name=field_name]").select_option("source")
    admin.locator("[name=points]").fill("30")
    is_sound(admin, way)
    save(admin, way)
    expect(admin.locator("#error-value")).to_be_visible()
    expect(admin.locator("[name=points]")).to_have_value("30")
    is_sound(admin, way)
    admin.locator("[name=value]").fill("展会，老客户推荐")
    save(admin, way)
    expect(admin.locator("h1")).to_contain_text("展会来的")
    is_sound(admin, way)
    run_jobs()
    expect(told(30)).to_contain_text("展会来的")
    expect(told(30)).to_contain_text("+30")
    is_sound(tab, way)
    # What the seller writes counts at once.
    tab.goto(f"/r/lead/{lead}/edit")
    tab.locator("[name=expected_amount]").fill("600000")
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("潍坊鼎源农机有限公司")
    expect(told(70).locator("dl > div")).to_have_count(2)
    for points, total in (("-10", 30), ("50", 90)):
        admin.locator(".page-header a.button-primary").click()
        admin.locator("[name=points]").fill(points)
        save(admin, way)
        expect(admin.locator("h1")).to_contain_text("展会来的")
        run_jobs()
        expect(told(total)).to_contain_text(f"{int(points):+d}")
    admin.locator(".page-header a.button-primary").click()
    admin.locator("[name=is_active]").uncheck()
    save(admin, way)
    expect(admin.locator("h1")).to_contain_text("展会来的")
    run_jobs()
    expect(told(40)).not_to_contain_text("展会来的")
    assert read("lead", lead)["score"] == 40
    tab.goto("/r/lead?sort=-score")
    is_sound(tab, way)
