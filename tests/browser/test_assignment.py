"""A group that takes turns, as it is made by clicking, and a lead that says why it is whose it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from journeys import both_ways, is_sound, save

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
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
    )


@pytest.fixture
def leads(team, unit_of_work):
    """Three in a pool of which two are from a fair."""
    from core.entities import service

    with unit_of_work() as uow:
        (pool,) = service.create(
            uow, "lead_pool", [{"name": "华东公海", "administrators": [team.manager]}]
        )
        return service.create(
            uow,
            "lead",
            [
                {"company": f"鼎源{n}号机械厂", "source": source, "pool": pool}
                for n, source in enumerate(("展会", "展会", "电话营销"), start=1)
            ],
        )


@both_ways
def test_a_group_takes_turns_and_each_lead_says_why(
    open_as, admin_id, leads, team, way, rows, read
):
    """S-010, S-013: nobody named is told at the field; two leads of a fair go to the two of the group,
    with the reason on their page; the third stays where it lies."""
    admin = open_as(admin_id, way)
    admin.goto("/r/assignment_rule/new")
    admin.locator("[name=name]").fill("展会轮流")
    admin.locator("[name=target]").select_option("round_robin")
    admin.locator("[name='conditions.0.field_name']").select_option("source")
    admin.locator("[name='conditions.0.op']").select_option("is")
    admin.locator("[name='conditions.0.value']").fill("展会")
    is_sound(admin, way)
    save(admin, way)
    expect(admin.locator("#error-people")).to_be_visible()
    expect(admin.locator("[name='conditions.0.value']")).to_have_value("展会")
    is_sound(admin, way)
    for name in ("傅宇恒", "闫晓璐"):
        admin.get_by_role("checkbox", name=name, exact=True).check()
    save(admin, way)
    expect(admin.locator("h1")).to_contain_text("展会轮流")
    for name in ("傅宇恒", "闫晓璐"):
        expect(admin.locator("main")).to_contain_text(name)
    is_sound(admin, way)
    tab = open_as(team.manager, way)
    tab.goto("/r/lead?search=鼎源")
    for n in (1, 2, 3):
        tab.locator("tr", has_text=f"鼎源{n}号").get_by_role("checkbox").check()
    verb = tab.locator(".bulk-bar").get_by_role(
        "button", name=way("按规则分配", "Assign by rules"), exact=True
    )
    if not verb.is_visible():
        tab.locator(".bulk-bar summary").last.click()
    verb.click()
    tab.locator(".toast-good").wait_for()
    is_sound(tab, way)
    owners = [read("lead", key)["owner"] for key in leads]
    assert sorted(owners[:2]) == sorted([team.fu, team.yan])
    assert owners[2] is None
    tab.goto(f"/r/lead/{leads[0]}")
    why = tab.locator(".facts > div", has_text=way("分配依据", "Assigned because"))
    expect(why).to_contain_text("展会轮流")
    is_sound(tab, way)
