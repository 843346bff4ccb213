"""Deals over the board: dragged, moved by keyboard, won and lost with reasons; their products and team."""

from __future__ import annotations

import pytest
from journeys import DESK, both_ways, is_sound, pick

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DEAL, OTHER = "收割机两台", "升降平台"


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
def deals(make_person, rows, seller, unit_of_work):
    """Two deals at the first stage; the next stage asks for the competitors."""
    from core.entities import service

    make_person("闫晓璐", roles=("sales",), department="销售部/华东组")
    (stage,) = [row["id"] for row in rows("stage") if row["name"] == "需求分析"]
    with unit_of_work() as uow:
        service.update(uow, "stage", {stage: {"required_fields": ["competitors"]}})
        values = {"name": "潍坊鼎源农机有限公司", "source": "展会", "owner": seller}
        (customer,) = service.create(uow, "customer", [values])
        goods = {"name": "收割机", "code": "SGJ", "list_price": "65000"}
        service.create(uow, "product", [goods])
        both = {"customer": customer, "owner": seller}
        return service.create(
            uow,
            "opportunity",
            [both | {"name": DEAL}, both | {"name": OTHER, "competitors": ["联成"]}],
        )


def column(tab, stage):
    return tab.locator(f'.board-column[aria-label="{stage}"]')


def test_a_deal_that_is_dragged_is_asked_for_what_its_stage_needs(
    open_as, deals, seller, read, rows
):
    """S-061, S-062: what is missing is asked for at its field, on the way to the stage it was dropped on."""
    tab = open_as(seller, DESK)
    tab.goto("/r/opportunity?layout=board")
    is_sound(tab, DESK)
    card = tab.locator(".board-card", has_text=DEAL)
    card.drag_to(column(tab, "需求分析"))
    expect(column(tab, "需求分析").locator(".board-card")).to_contain_text(DEAL)
    card.drag_to(column(tab, "方案报价"))
    expect(tab.locator("[id='error-param.competitors']")).to_contain_text("竞争对手")
    expect(tab.get_by_role("combobox", name="阶段")).to_have_value("方案报价")
    is_sound(tab, DESK)
    tab.get_by_label("竞争对手").fill("联成")
    tab.locator("main .form-actions .button").first.click()
    expect(column(tab, "方案报价").locator(".board-card")).to_contain_text(DEAL)
    expect(card.get_by_role("link")).to_be_focused()
    names = {row["id"]: row["name"] for row in rows("stage")}
    deal = read("opportunity", deals[0])
    assert (names[deal["stage"]], deal["competitors"]) == ("方案报价", ["联成"])


@both_ways
def test_a_deal_is_moved_won_and_lost(open_as, deals, seller, way, read):
    """S-063, S-064: by the menu of the card; the loss asks for its reason at the field."""
    tab = open_as(seller, way)
    tab.goto("/r/opportunity?layout=board")
    is_sound(tab, way)
    card = tab.locator(".board-card", has_text=DEAL)
    card.get_by_role("button").click()
    dialog = tab.get_by_role("dialog", name=way("移动到", "Move to"))
    expect(dialog).to_be_visible()
    is_sound(tab, way)
    dialog.get_by_role("button", name="输单").click()
    tab.wait_for_load_state()
    is_sound(tab, way)
    main = tab.locator("main")
    main.locator(".form-actions .button").first.click()
    expect(tab.locator("[id='error-param.reason']")).to_be_visible()
    is_sound(tab, way)
    tab.locator("[name='param.reason']").select_option(index=1)
    tab.get_by_label(way("竞争对手", "Competitors")).fill("联成")
    main.locator(".form-actions .button").first.click()
    expect(column(tab, "输单").locator(".board-card")).to_have_count(1)
    lost = read("opportunity", deals[0])
    assert (lost["status"], lost["competitors"]) == ("lost", ["联成"])
    assert lost["lost_reason"]
    tab.locator(".board-card", has_text=OTHER).get_by_role("link").first.click()
    tab.get_by_role("button", name=way("赢单", "Win"), exact=True).click()
    is_sound(tab, way)
    tab.get_by_label(way("赢单原因", "Reason of the win")).select_option("服务")
    main.get_by_role("button", name=way("赢单", "Win"), exact=True).click()
    expect(tab.locator("h1")).to_contain_text(way("赢单", "Won"))
    is_sound(tab, way)
    assert read("opportunity", deals[1])["won_reason"] == "服务"


def test_by_keyboard_a_card_goes_to_the_next_stage_and_keeps_the_focus(
    open_as, deals, rows, seller, read, unit_of_work
):
    """S-061, D10: Alt and an arrow; the focus stays with the card."""
    from core.entities import service

    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deals[0]: {"competitors": ["联成"]}})
    tab = open_as(seller, DESK)
    tab.goto("/r/opportunity?layout=board")
    tab.locator(".board-card", has_text=DEAL).get_by_role("link").first.focus()
    for stage in ("需求分析", "方案报价"):
        tab.keyboard.press("Alt+ArrowRight")
        expect(column(tab, stage).locator(".board-card", has_text=DEAL)).to_be_visible()
        expect(tab.locator(".board-card:focus-within")).to_contain_text(DEAL)
    tab.keyboard.press("Alt+ArrowLeft")
    expect(column(tab, "需求分析").locator(".board-card", has_text=DEAL)).to_be_visible()
    names = {row["id"]: row["name"] for row in rows("stage")}
    assert names[read("opportunity", deals[0])["stage"]] == "需求分析"


@both_ways
def test_products_and_the_team_of_a_deal(open_as, deals, seller, way, read):
    """S-065, S-066: the amount is the sum of the products; shares beyond a hundred are told at their line."""
    tab = open_as(seller, way)
    tab.goto(f"/r/opportunity/{deals[0]}/edit")
    for what, name, words in (("lines", "product", "SGJ"), ("members", "person", "闫")):
        box = tab.locator(f"[id='field-{what}.0.{name}']")
        pick(tab, box, words)
    tab.locator("[name='lines.0.quantity']").fill("2")
    tab.locator("[name='members.0.share']").fill("120")
    is_sound(tab, way)
    save = tab.get_by_role("button", name=way("保存", "Save"), exact=True).first
    save.click()
    expect(tab.locator("[id='error-members.0.share']")).to_be_visible()
    expect(tab.locator("[name='lines.0.quantity']")).to_have_value("2")
    is_sound(tab, way)
    tab.locator("[name='members.0.share']").fill("40")
    tab.get_by_role("button", name=way("保存", "Save"), exact=True).first.click()
    expect(tab.locator("h1")).to_contain_text(DEAL)
    expect(tab.locator("main")).to_contain_text("闫晓璐")
    expect(tab.locator("main")).to_contain_text("130,000")
    is_sound(tab, way)
    deal = read("opportunity", deals[0])
    assert (str(deal["amount"]), str(deal["members"][0]["share"])) == ("130000.00", "40.00")
