"""Targets set in the grid, and what the forecast and the league table make of them."""

from __future__ import annotations

from types import SimpleNamespace

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


@pytest.fixture
def team(make_person):
    """A manager and two sellers of a group."""
    return SimpleNamespace(
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
    )


@pytest.fixture
def won(act, team, unit_of_work):
    """Each of the two has won something today, the second more."""
    from core.entities import service

    for person, name, amount in ((team.fu, "收割机", "30000"), (team.yan, "码垛机", "50000")):
        with unit_of_work(person) as uow:
            customer = {"name": f"{name}买家", "source": "展会"}
            (buyer,) = service.create(uow, "customer", [customer])
            deal = {"name": name, "customer": buyer, "amount": amount}
            (key,) = service.create(uow, "opportunity", [deal])
        act(person, "opportunity", "win", [key])


@both_ways
def test_targets_are_set_in_one_save_and_compared_with_what_was_won(
    open_as, team, won, way, rows, runtime
):
    """S-070, S-072, S-073: a wrong cell is told there and nothing is lost; then who is how near, and
    who stands first."""
    today = runtime.clock.today()
    tab = open_as(team.manager, way)
    tab.goto("/crm_sales/targets")
    (east,) = [row["id"] for row in rows("department", limit=50) if row["name"] == "华东组"]
    tab.get_by_label(way("部门", "Department"), exact=True).select_option(str(east))
    tab.get_by_role("button", name=way("查看", "Show"), exact=True).click()
    tab.wait_for_load_state()

    def cell(name):
        return tab.locator(".target-grid tr", has_text=name).locator("input.input").nth(month)

    month = today.month - 1
    cell("傅宇恒").fill("60000")
    cell("闫晓璐").fill("五万")
    is_sound(tab, way)
    save = tab.get_by_role("button", name=way("保存", "Save"), exact=True)
    save.click()
    expect(tab.locator(".target-grid td .error")).to_have_count(1)
    expect(cell("傅宇恒")).to_have_value("60000")
    expect(cell("闫晓璐")).to_have_value("五万")
    is_sound(tab, way)
    cell("闫晓璐").fill("40000")
    save.click()
    expect(tab.locator(".target-grid td .error")).to_have_count(0)
    found = {
        row["person"]: (str(row["value"]), row["starts_on"].month) for row in rows("sales_target")
    }
    assert found == {team.fu: ("60000.00", today.month), team.yan: ("40000.00", today.month)}
    tab.goto(f"/crm_sales/forecast?kind=month&period={today:%Y-%m}&person={team.fu}")
    expect(tab.locator("main")).to_contain_text("60,000")
    expect(tab.locator("main")).to_contain_text("30,000")
    is_sound(tab, way)
    tab.goto(f"/crm_sales/league?kind=month&period={today:%Y-%m}")
    ranked = tab.locator("main tbody tr")
    expect(ranked).to_have_count(2)
    expect(ranked.nth(0)).to_contain_text("闫晓璐")
    expect(ranked.nth(1)).to_contain_text("傅宇恒")
    is_sound(tab, way)
