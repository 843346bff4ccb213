"""A leaver's customers go to another in one step, with a protocol, and come back as a whole."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from journeys import DESK, both_ways, is_sound

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CUSTOMERS = ("潍坊鼎源农机有限公司", "临沂泰信物流")


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def team(make_person):
    return SimpleNamespace(
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
    )


@pytest.fixture
def owned(team, unit_of_work):
    """Two customers, of which one has a deal, and a lead of the leaver; a customer of the other's own."""
    from core.entities import service

    with unit_of_work() as uow:
        mine = {"source": "展会", "owner": team.fu}
        keys = service.create(uow, "customer", [mine | {"name": name} for name in CUSTOMERS])
        service.create(
            uow, "customer", [mine | {"name": "青岛海川重工有限公司", "owner": team.yan}]
        )
        deal = {"name": "收割机两台", "customer": keys[0], "owner": team.fu}
        service.create(uow, "opportunity", [deal])
        service.create(uow, "lead", [{"company": "日照港机", "owner": team.fu}])
    return keys


@both_ways
def test_all_of_a_leavers_records_are_handed_over_and_taken_back(
    open_as, admin_id, owned, team, way, rows, run_jobs
):
    """S-036: nobody chosen is told at the field; progress, the protocol and the way back on one page."""
    tab = open_as(admin_id, way)
    tab.goto("/admin/people")
    is_sound(tab, way)
    link = way("交接傅宇恒的记录", "Hand over the records of 傅宇恒")
    tab.get_by_role("link", name=link, exact=True).click()
    records = tab.get_by_role("group", name=way("记录", "Records"), exact=True)
    for label, count in ((way("客户", "Customers"), "2"), (way("商机", "Opportunities"), "1")):
        line = records.locator("li", has=tab.get_by_label(label, exact=True))
        expect(line.get_by_role("checkbox")).to_be_checked()
        expect(line.locator("b")).to_have_text(count)
    is_sound(tab, way)
    main, hand_over = tab.locator("main"), way("交接", "Hand over")
    tab.get_by_label(way("备注", "Note"), exact=True).fill("四月离职")
    main.get_by_role("button", name=hand_over, exact=True).click()
    expect(tab.locator("#error-successors")).to_be_visible()
    expect(tab.get_by_label(way("备注", "Note"), exact=True)).to_have_value("四月离职")
    is_sound(tab, way)
    tab.get_by_role("checkbox", name="闫晓璐", exact=True).check()
    main.get_by_role("button", name=hand_over, exact=True).click()
    state = tab.locator("#hand-over")
    expect(state).to_contain_text(way("等待开始", "Waiting to start"))
    is_sound(tab, way)
    assert {row["owner"] for row in rows("customer", ids=tuple(owned))} == {team.fu}
    run_jobs()
    expect(state).to_contain_text(way("已全部交接", "All of it was handed over"))
    expect(state).to_contain_text("四月离职")
    line = state.locator("tbody tr", has_text=way("客户", "Customers"))
    expect(line.locator("td").nth(1)).to_have_text("2")
    expect(line).to_contain_text("闫晓璐")
    is_sound(tab, way)
    for entity in ("customer", "opportunity", "lead"):
        assert {row["owner"] for row in rows(entity)} == {team.yan}, entity
    with tab.expect_download() as waiting:
        state.get_by_role("link", name="CSV").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    written = {cell for line in csv.reader(text.splitlines()) for cell in line}
    assert {*CUSTOMERS, "收割机两台", "日照港机", "闫晓璐"} <= written, text
    successor = open_as(team.yan, DESK)
    successor.goto("/r/customer")
    for name in (*CUSTOMERS, "青岛海川重工有限公司"):
        expect(successor.locator("tbody")).to_contain_text(name)
    undo = way("撤销", "Undo")
    state.get_by_role("link", name=undo, exact=True).click()
    is_sound(tab, way)
    main.get_by_role("button", name=way("撤销", "Take back"), exact=True).click()
    run_jobs()
    expect(state).to_contain_text(way("这次交接已撤销", "This hand-over was taken back"))
    expect(state.get_by_role("link", name=undo, exact=True)).to_have_count(0)
    is_sound(tab, way)
    owners = {row["name"]: row["owner"] for row in rows("customer")}
    assert owners == dict.fromkeys(CUSTOMERS, team.fu) | {"青岛海川重工有限公司": team.yan}
    assert [row["owner"] for row in rows("opportunity")] == [team.fu]
    successor.reload()
    expect(successor.locator("tbody tr")).to_have_count(1)
