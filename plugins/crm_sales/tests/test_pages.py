"""The board, the funnel, and what stands on pages of records."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from core.entities import query, service
from core.entities.query import ListQuery

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


_SALES = {"field": "name", "op": "eq", "value": "sales"}


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


def columns(page):
    """``{label: number of cards}`` of a board, in its order."""
    found = {}
    for part in re.findall(r'<section class="board-column.*?</section>', page, re.S):
        label = re.search(r'aria-label="([^"]*)"', part)[1]
        found[label] = len(re.findall(r"data-card=", part))
    return found


def depths(chart):
    """How deep each name of nested lists stands."""
    found, depth = {}, 0
    for opened, closed, name in re.findall(r"(<ul>)|(</ul>)|<a [^>]*>([^<]+)</a>", chart):
        depth += bool(opened) - bool(closed)
        if name:
            found[name] = depth
    return found


@pytest.fixture
def browser(browser_of, team):
    return browser_of(team.fu)


@pytest.fixture
def customer(make, team):
    return make("customer", team.fu, name="潍坊鼎源农机有限公司")


@pytest.fixture
def deal(make, team, customer):
    return make("opportunity", team.fu, name="码垛机", customer=customer, amount="260000")


@pytest.fixture
def move(browser):
    def send(key, to, **data):
        sent = {"ids": key, "by": "stage", "to": to, "csrf_token": browser.csrf}
        return browser.post(
            "/r/opportunity/move", data=sent | {"back": "/r/opportunity?layout=board"} | data
        )

    return send


def test_the_board_shows_stages_first_and_a_card_is_moved_by_the_verb(
    browser, deal, move, read, stage, rows
):
    page = text_of(browser.get("/r/opportunity?layout=board"))
    assert list(columns(page)) == ["初步接洽", "需求分析", "方案报价", "商务谈判", "签约", "输单"]
    assert columns(page)["初步接洽"] == 1
    answer = move(deal, stage("方案报价"), version=str(read("opportunity", deal)["version"]))
    assert answer.status_code == 303
    assert read("opportunity", deal)["stage"] == stage("方案报价")
    done = [each for each in rows("audit_entry", sort="-id") if each["action"] == "move"]
    assert len(done) == 1
    undo = re.search(r'action="([^"]+/move[^"]+)"', text_of(browser.get(answer.location)))[1]
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert read("opportunity", deal)["stage"] == stage("初步接洽")


def test_a_card_that_lacks_something_stays_and_is_told_what(
    browser, deal, move, read, stage, unit_of_work
):
    with unit_of_work() as uow:
        asked = {"required_fields": ["expected_close_on"]}
        service.update(uow, "stage", {stage("初步接洽"): asked})
    answer = move(deal, stage("需求分析"))
    told = text_of(browser.get(answer.location))
    assert "初步接洽" in re.search(r'class="toast.*?</div>', told, re.S)[0]
    assert read("opportunity", deal)["stage"] == stage("初步接洽")


@pytest.mark.long
def test_key_tasks_that_are_left_are_named_on_the_board_and_in_the_form(
    browser, deal, move, read, stage, unit_of_work
):
    """S-062: ticked off nowhere but on the page, they are told of wherever a stage is left."""
    with unit_of_work() as uow:
        service.update(uow, "stage", {stage("初步接洽"): {"key_tasks": ["现场测量"]}})
    answer = move(deal, stage("需求分析"))
    told = text_of(browser.get(answer.location))
    assert "现场测量" in re.search(r'class="toast.*?</div>', told, re.S)[0]
    form = text_of(browser.get(f"/r/opportunity/{deal}/edit"))
    hidden = r'<input type="hidden" name="(\w+)" value="([^"]*)"'
    sent = dict(re.findall(hidden, form)) | {"stage": str(stage("需求分析")), "name": "码垛机"}
    refused = browser.post(f"/r/opportunity/{deal}/edit", data=sent)
    assert (refused.status_code, "现场测量" in text_of(refused)) == (422, True)
    assert read("opportunity", deal)["stage"] == stage("初步接洽")


def test_a_card_that_was_changed_meanwhile_stays(browser, deal, move, read, stage):
    move(deal, stage("需求分析"), version="99")
    assert read("opportunity", deal)["stage"] == stage("初步接洽")


def test_a_card_dropped_on_the_lost_asks_why(browser, deal, move, read, stage):
    answer = move(deal, stage("输单"))
    assert answer.status_code == 422
    page = text_of(answer)
    assert 'name="param.reason"' in page
    sent = {"ids": deal, "confirmed": "1", "param.stage": stage("输单"), "param.reason": "价格"}
    browser.post("/r/opportunity/actions/move", data=sent | {"csrf_token": browser.csrf})
    assert read("opportunity", deal)["lost_reason"] == "价格"


def test_a_deal_that_was_closed_by_mistake_is_open_again(browser, deal, read, rows, customer):
    """Its stage, chance and reason as they were, and where its customer stands."""
    before, stands = read("opportunity", deal), read("customer", customer)["lifecycle"]
    for verb, asked in (("lose", {"param.reason": "价格"}), ("win", {})):
        sent = {"ids": deal, "confirmed": "1", "csrf_token": browser.csrf, **asked}
        answer = browser.post(
            f"/r/opportunity/actions/{verb}", data=sent | {"back": "/r/opportunity"}
        )
        assert read("opportunity", deal)["status"] != "open"
        page = text_of(browser.get(answer.location))
        undo = re.search(r'data-toast>.*?action="([^"]+)"', page, re.S)[1]
        browser.post(undo, data={"csrf_token": browser.csrf})
        after = read("opportunity", deal)
        same = set(before) - {"version", "updated_at", "updated_by", "stage_visits"}
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert read("customer", customer)["lifecycle"] == stands


def test_a_board_of_one_process_has_its_stages_alone(browser, make, deal, customer, team):
    stages = [{"name": "送样"}, {"name": "试产"}]
    process = make("sales_process", name="出口", stages=stages)
    make("opportunity", team.fu, name="样机", customer=customer, process=process)
    page = text_of(
        browser.get(
            "/r/opportunity?layout=board&by=stage&filter_field=process&filter_op=eq"
            f"&filter_value={process}"
        )
    )
    assert list(columns(page)) == ["送样", "试产"]


def test_the_funnel_counts_by_stage_and_how_many_go_on(
    browser, make, act, team, customer, deal, stage
):
    """S-060, S-061: by currency, each process by itself."""
    make("exchange_rate", currency="USD", valid_from="2020-01-01", rate="7")
    others = [
        make(
            "opportunity", team.fu, name=f"商机{n}", customer=customer, amount="100", currency="USD"
        )
        for n in range(3)
    ]
    act(team.fu, "opportunity", "move", others[:2], stage=stage("需求分析"))
    act(team.fu, "opportunity", "lose", others[:1], reason="价格")
    page = text_of(browser.get("/crm_sales/funnel"))
    rows = {
        cells[0]: cells[1:]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.S)
        if (
            cells := [
                re.sub(r"<[^>]+>", "", cell).strip()
                for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)
            ]
        )
    }
    assert rows["初步接洽"][0] == "2"
    assert rows["初步接洽"][1] == "¥260,000 + US$100"
    assert (rows["初步接洽"][3], rows["需求分析"][3]) == ("4", "2")
    assert rows["需求分析"][5] == "50%"
    assert rows["输单"][0] == "1"


def cells_of(page, caption):
    """``{first cell: other cells}`` of a table."""
    body = re.search(rf"<caption[^>]*>{caption}</caption>.*?</table>", page, re.S)[0]
    rows = [
        [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)
        ]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)
    ]
    return {cells[0]: cells[1:] for cells in rows}


def test_the_funnel_of_teams_side_by_side_with_leads_before_it(
    browser_of, make, act, team, customer, deal, stage, unit_of_work
):
    """S-171, S-179: from lead to deal, of a team, of a person, and of two teams beside each other."""
    manager = browser_of(team.manager)
    own = [
        make("opportunity", team.manager, name=f"自有{n}", customer=customer, owner=team.manager)
        for n in range(3)
    ]
    act(team.manager, "opportunity", "move", own[:1], stage=stage("需求分析"))
    with unit_of_work() as uow:
        lead = {"company": "甲", "contact_name": "王", "source": "展会", "owner": team.fu}
        mobiles = ("13800001111", "13800002222", "13800003333", "13800004444")
        leads = service.create(uow, "lead", [{**lead, "mobile": each} for each in mobiles])
        service.act(uow, "lead", "convert", leads[:1], {"without_opportunity": True})
    page = text_of(manager.get("/crm_sales/funnel"))
    whole = cells_of(page, "销售漏斗")
    assert (whole["线索"][3], whole["已转化线索"][3], whole["已转化线索"][5]) == ("4", "1", "25%")
    assert (whole["初步接洽"][3], whole["需求分析"][3], whole["需求分析"][5]) == ("4", "1", "25%")
    teams = cells_of(page, "各团队对比")
    assert teams["曾到达"] == ["销售部 本部", "华东组"]
    assert teams["初步接洽"] == ["3", "1"]
    assert teams["需求分析"] == ["1 · 33%", "0 · 0%"]
    assert teams["已转化线索"] == ["0", "1 · 25%"]
    for asked, count in ((f"person={team.fu}", "1"), (f"person={team.manager}", "3")):
        narrowed = cells_of(text_of(manager.get(f"/crm_sales/funnel?{asked}")), "销售漏斗")
        assert narrowed["初步接洽"][3] == count
    home = re.search(r'<option value="(\d+)"[^>]*>华东组', page)[1]
    narrowed = text_of(manager.get(f"/crm_sales/funnel?department={home}"))
    assert cells_of(narrowed, "销售漏斗")["初步接洽"][3] == "1"
    assert "各团队对比" not in narrowed


def test_a_customers_page_has_the_money_at_the_top(browser, make, act, team, customer, deal):
    """S-028: contacts and opportunities below it."""
    won = make("opportunity", team.fu, name="输送线", customer=customer, amount="90000")
    boss = make("contact", team.fu, name="王总", customer=customer, is_decision_maker=True)
    clerk = make("contact", team.fu, name="小李", customer=customer, reports_to=boss)
    make("contact", team.fu, name="学徒", customer=customer, reports_to=clerk)
    act(team.fu, "opportunity", "win", [won])
    page = text_of(browser.get(f"/r/customer/{customer}"))
    figures = re.search(r'<ul class="figures">.*?</ul>', page, re.S)[0]
    assert re.findall(r"<b>([^<]+)</b>", figures) == ["¥90,000", "¥260,000", "¥26,000"]
    for text in ("码垛机", "输送线", "王总", "小李"):
        assert text in page
    chart = re.search(r'<div class="chart-frame">.*?</ul>\s*</div>', page, re.S)[0]
    assert depths(chart) == {"王总": 1, "小李": 2, "学徒": 3}
    assert "决策" in chart.split("小李")[0]
    assert "决策" not in chart.split("小李")[1]


def test_an_opportunitys_page_says_where_it_stands_and_that_it_is_stuck(
    browser, browser_of, deal, runtime, act, team, stage, unit_of_work
):
    """S-069"""
    page = text_of(browser.get(f"/r/opportunity/{deal}"))
    assert "notice-bad" not in page
    assert page.count('name="to"') == 4  # of five stages: not where it stands, nor the lost one
    assert 'name="to"' not in text_of(browser_of(team.viewer).get(f"/r/opportunity/{deal}"))
    runtime.clock.move(timedelta(days=15))
    browser = browser_of(team.fu)
    page = text_of(browser.get(f"/r/opportunity/{deal}"))
    assert "notice-bad" in page
    for address in ("/r/opportunity", "/r/opportunity?layout=board&by=stage"):
        assert "marked-bad" in text_of(browser.get(address))
    with unit_of_work() as uow:  # who may not use the date learns nothing from a mark
        (role,) = query.select_ids(uow, "role", ListQuery(filter=_SALES), action="read", limit=1)
        hidden = {"opportunity": {"stage_due_at": "hidden"}}
        service.update(uow, "role", {role: {"field_rules": hidden}})
    for address in ("/r/opportunity", "/r/opportunity?layout=board&by=stage"):
        page = text_of(browser.get(address))
        assert "码垛机" in page
        assert "marked-bad" not in page
    runtime.clock.move(timedelta(days=1))
    act(team.fu, "opportunity", "move", [deal], stage=stage("需求分析"))
    assert "notice-bad" not in text_of(browser.get(f"/r/opportunity/{deal}"))
    assert "notice-bad" not in text_of(browser.get("/r/opportunity"))
