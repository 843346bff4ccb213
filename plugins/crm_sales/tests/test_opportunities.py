"""Opportunities: where they begin, how they move, and what each step refuses."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from core.customize.service import add_field
from core.entities import service
from core.errors import Invalid, NotFound, Refused
from plugins.crm_sales import tasks

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def customer(make, team):
    return make("customer", team.fu, name="潍坊鼎源农机有限公司")


@pytest.fixture
def deal(make, team, customer):
    return make("opportunity", team.fu, name="码垛机一台", customer=customer, amount="260000")


PRODUCT = {"name": "码垛机", "code": "MD-1", "unit": "台", "list_price": "260000"}


def fields_of(error):
    return {problem.field for problem in error.value.problems}


def test_a_new_one_begins_in_the_first_stage(read, deal, stage):
    values = read("opportunity", deal)
    assert values["stage"] == stage("初步接洽")
    assert (values["probability"], values["status"], values["currency"]) == (10, "open", "CNY")
    assert values["weighted_amount"] == Decimal("26000.00")
    assert values["stage_entered_at"] == values["created_at"]
    assert values["stage_due_at"] - values["stage_entered_at"] == timedelta(days=14)


def test_several_processes_live_side_by_side(make, read, team, customer, stage):
    """S-060, S-061"""
    stages = [
        {"name": "初步接洽", "probability": 5},
        {"name": "送样测试", "probability": 40},
        {"name": "商务谈判", "probability": 70},
    ]
    process = make("sales_process", name="出口流程", stages=stages)
    deal = make("opportunity", team.fu, name="出口订单", customer=customer, process=process)
    assert read("opportunity", deal)["probability"] == 5
    with pytest.raises(Invalid) as error:
        make(
            *("opportunity", team.fu),
            **{"name": "x", "customer": customer, "process": process, "stage": stage("签约")},
        )
    assert fields_of(error) == {"stage"}
    bare = make("sales_process", name="空流程")
    with pytest.raises(Invalid) as error:
        make("opportunity", team.fu, name="x", customer=customer, process=bare)
    assert fields_of(error) == {"process"}


def test_negative_amounts_are_refused(make, team, customer):
    with pytest.raises(Invalid) as error:
        make("opportunity", team.fu, name="x", customer=customer, amount="-1")
    assert fields_of(error) == {"amount"}


def test_a_stage_is_not_left_before_what_it_asks_is_filled_in(
    read, act, unit_of_work, team, deal, stage
):
    """S-062: the message names what is missing, for the verb and for a change by hand alike."""
    with unit_of_work() as uow:
        asked = {"required_fields": ["amount", "expected_close_on", "competitors"]}
        service.update(uow, "stage", {stage("需求分析"): asked})
    act(team.fu, "opportunity", "move", [deal], stage=stage("需求分析"))
    with pytest.raises(Invalid) as error:
        act(team.fu, "opportunity", "move", [deal], stage=stage("方案报价"))
    assert fields_of(error) == {"expected_close_on", "competitors"}
    for problem in error.value.problems:
        assert "需求分析" in problem.message
    with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal: {"stage": stage("商务谈判")}})
    with pytest.raises(Invalid):
        act(team.fu, "opportunity", "win", [deal])
    act(team.fu, "opportunity", "move", [deal], stage=stage("初步接洽"))  # back is free
    with unit_of_work(team.fu) as uow:
        filled = {"expected_close_on": "2026-12-31", "competitors": ["某厂"]}
        service.update(uow, "opportunity", {deal: filled | {"stage": stage("方案报价")}})
    assert read("opportunity", deal)["probability"] == 50


def test_key_tasks_of_a_stage_and_its_products_come_first(
    act, make, read, unit_of_work, team, deal, stage
):
    """S-062: the message names both, each at its field; what is ticked off elsewhere stays."""
    with unit_of_work() as uow:
        asked = {"required_fields": ["lines"], "key_tasks": ["现场测量", "确认决策人"]}
        service.update(uow, "stage", {stage("初步接洽"): asked})
    with pytest.raises(Invalid) as error:
        act(team.fu, "opportunity", "win", [deal])
    told = {problem.field: problem.message for problem in error.value.problems}
    assert set(told) == {"lines", "done_tasks"}
    assert "现场测量、确认决策人" in told["done_tasks"]
    make("opportunity_line", opportunity=deal, product=make("product", **PRODUCT), quantity="1")
    with unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal: {"done_tasks": ["别处完成"]}})
        tasks.tick(uow, deal, shown=["现场测量", "确认决策人"], done=["现场测量", "确认决策人"])
    assert read("opportunity", deal)["done_tasks"] == ["别处完成", "现场测量", "确认决策人"]
    act(team.fu, "opportunity", "move", [deal], stage=stage("需求分析"))


@pytest.mark.long
def test_a_stage_asks_for_any_field_and_for_key_tasks(
    client, bearer, browser_of, admin_id, read, unit_of_work, team, deal, stage
):
    """S-062: the company's own fields and product lines too; REST and the page keep the same rule."""
    with unit_of_work(admin_id) as uow:
        label = {"zh_CN": "现场条件", "en": "Site"}
        add_field(uow, "opportunity", {"name": "x_site", "kind": "text", "label": label})
    with unit_of_work() as uow:
        asked = {"required_fields": ["lines", "x_site"], "key_tasks": ["现场测量", "确认决策人"]}
        service.update(uow, "stage", {stage("初步接洽"): asked})
    browser, base = browser_of(team.fu), f"/api/v1/records/opportunity/{deal}"
    headers = bearer(team.fu)

    def move():
        sent = {"stage": stage("需求分析")}
        return client.post(f"{base}/actions/move", json=sent, headers=headers)

    answer = move()
    told = {each["field"]: each["message"] for each in answer.json["errors"]}
    assert (answer.status_code, set(told)) == (422, {"lines", "x_site", "done_tasks"})
    assert "现场测量、确认决策人" in told["done_tasks"]
    assert "现场条件" in told["x_site"]
    page = browser.get(f"/r/opportunity/{deal}").get_data(as_text=True)
    assert page.count('name="shown"') == 2
    sent = {"csrf_token": browser.csrf, "shown": ["现场测量", "确认决策人"], "done": ["现场测量"]}
    assert browser.post(f"/crm_sales/opportunities/{deal}/tasks", data=sent).status_code == 303
    assert read("opportunity", deal)["done_tasks"] == ["现场测量"]
    with pytest.raises(NotFound), unit_of_work(team.ning) as uow:
        tasks.tick(uow, deal, shown=["现场测量"], done=[])
    with unit_of_work() as uow:
        (product,) = service.create(uow, "product", [PRODUCT])
    filled = {
        "x_site": "二楼，无行车",
        "done_tasks": ["现场测量", "确认决策人"],
        "lines": [{"product": product, "quantity": "1"}],
    }
    saved = client.patch(base, json=filled, headers=headers)
    assert saved.status_code == 200, saved.json
    assert move().status_code == 200


def test_a_process_is_copied_and_is_for_a_product_line(
    client, bearer, admin_id, make, read, rows, team, customer, unit_of_work
):
    """S-061, S-073: the stages come along; what is about a product of the line begins in it."""
    (first,) = rows("sales_process")
    machines = make("product_category", name="整线")
    below = make("product_category", name="码垛整线", parent=machines)
    path = f"/api/v1/records/sales_process/{first['id']}/actions/clone"
    answer = client.post(path, json={"name": "整线流程"}, headers=bearer(admin_id))
    (copy,) = answer.json["result"]["made"]
    assert client.post(path, json={"name": "整线流程"}, headers=bearer(admin_id)).status_code == 422
    assert client.post(path, json={"name": "x"}, headers=bearer(team.fu)).status_code in (403, 404)
    names = ("name", "probability", "days_allowed", "quiet_days", "is_won", "is_lost")
    stages = {
        key: [
            [row[name] for name in names]
            for row in rows("stage", sort="position,id")
            if row["process"] == key
        ]
        for key in (first["id"], copy)
    }
    assert stages[copy] == stages[first["id"]]
    with unit_of_work() as uow:
        service.update(uow, "sales_process", {copy: {"category": machines}})
        made = [{**PRODUCT, "code": f"P{n}", "category": c} for n, c in enumerate((below, None))]
        of_line, other = service.create(uow, "product", made)

    def begun(product, **more):
        lines = [{"product": product, "quantity": "1"}]
        deal = {"name": "整线一条", "customer": customer, "lines": lines, **more}
        answer = client.post("/api/v1/records/opportunity", json=deal, headers=bearer(team.manager))
        assert answer.status_code == 201, answer.json
        return read("opportunity", answer.json["id"])["process"]

    assert begun(of_line) == copy
    assert begun(other) == first["id"]
    assert begun(of_line, process=first["id"]) == first["id"]


def test_how_long_it_stood_where_is_kept(act, rows, team, deal, stage, runtime):
    for name, days in (("需求分析", 3), ("方案报价", 5)):
        runtime.clock.move(timedelta(days=days))
        act(team.fu, "opportunity", "move", [deal], stage=stage(name))
    visits = rows("stage_visit", team.fu, sort="id")
    assert [visit["stage"] for visit in visits] == [
        stage(name) for name in ("初步接洽", "需求分析", "方案报价")
    ]
    assert [visit["days"] for visit in visits] == [Decimal("3.0"), Decimal("5.0"), None]
    assert rows("stage_visit", team.ning) == []


def test_what_stays_too_long_is_found_by_the_list(
    act, rows, team, deal, stage, runtime, unit_of_work
):
    """S-069: in SQL; other days of a stage count for what stands there already."""

    def stuck():
        now = runtime.clock.now().isoformat()
        condition = {"field": "stage_due_at", "op": "lt", "value": now}
        return [row["id"] for row in rows("opportunity", team.fu, filter=condition)]

    runtime.clock.move(timedelta(days=13))
    assert stuck() == []
    with unit_of_work() as uow:
        service.update(uow, "stage", {stage("初步接洽"): {"days_allowed": 7}})
    assert stuck() == [deal]
    act(team.fu, "opportunity", "move", [deal], stage=stage("需求分析"))
    assert stuck() == []


def test_won_is_won(act, read, team, deal, stage, unit_of_work):
    act(team.fu, "opportunity", "win", [deal])
    values = read("opportunity", deal)
    assert (values["stage"], values["status"], values["probability"]) == (
        stage("签约"),
        "won",
        100,
    )
    assert values["closed_on"] is not None
    assert values["stage_due_at"] is None
    with pytest.raises(Refused, match="码垛机"):
        act(team.fu, "opportunity", "lose", [deal], reason="价格")
    act(team.fu, "opportunity", "move", [deal], stage=stage("商务谈判"))  # opened again
    values = read("opportunity", deal)
    assert (values["status"], values["closed_on"], values["probability"]) == ("open", None, 80)


def test_lost_has_a_reason(act, read, team, deal, stage, unit_of_work):
    with pytest.raises(Invalid) as error:
        act(team.fu, "opportunity", "lose", [deal])
    assert fields_of(error) == {"reason"}
    with pytest.raises(Invalid) as error:
        act(team.fu, "opportunity", "move", [deal], stage=stage("输单"))
    assert fields_of(error) == {"reason"}
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal: {"stage": stage("输单")}})
    assert fields_of(error) == {"lost_reason"}
    with pytest.raises(Invalid) as error:
        act(team.fu, "opportunity", "lose", [deal], reason="因为下雨")
    assert fields_of(error) == {"reason"}
    said = {"reason": "价格", "note": "超出预算两成", "competitors": ["某厂"]}
    act(team.fu, "opportunity", "lose", [deal], **said)
    values = read("opportunity", deal)
    assert (values["status"], values["lost_reason"], values["probability"]) == ("lost", "价格", 0)
    assert (values["closing_note"], values["competitors"]) == ("超出预算两成", ["某厂"])
    assert values["furthest_stage"] == stage("初步接洽")
    act(team.fu, "opportunity", "move", [deal], stage=stage("需求分析"))  # opened again
    values = read("opportunity", deal)
    assert (values["lost_reason"], values["closing_note"]) == (None, None)


def test_won_may_have_a_reason_and_whom_it_was_won_against(act, read, team, deal, stage):
    act(None, "opportunity", "win", [deal], reason="服务", competitors=["某厂"], note="本地售后")
    values = read("opportunity", deal)
    names = ("status", "won_reason", "lost_reason", "closing_note", "competitors")
    assert [values[name] for name in names] == ["won", "服务", None, "本地售后", ["某厂"]]
    act(team.fu, "opportunity", "move", [deal], stage=stage("输单"), reason="价格")
    values = read("opportunity", deal)
    assert (values["won_reason"], values["lost_reason"]) == (None, "价格")


def test_a_process_without_ends_has_won_and_lost_all_the_same(act, make, read, team, customer):
    process = make("sales_process", name="短流程", stages=[{"name": "谈", "probability": 50}])
    one, two = (
        make("opportunity", team.fu, name=name, customer=customer, process=process)
        for name in ("甲", "乙")
    )
    act(team.fu, "opportunity", "win", [one])
    act(team.fu, "opportunity", "lose", [two], reason="项目暂缓")
    assert [read("opportunity", key)["status"] for key in (one, two)] == ["won", "lost"]


def test_without_a_stage_for_the_won_what_stages_ask_is_asked_all_the_same(
    act, make, read, team, customer, unit_of_work
):
    """S-062: all that is still ahead is left; what is lost is asked nothing."""
    stages = [
        {"name": "过去", "required_fields": ["strategy"]},
        {"name": "谈", "required_fields": ["expected_close_on"]},
        {"name": "签", "required_fields": ["amount"]},
    ]
    process = make("sales_process", name="短流程", stages=stages)
    one, two = (
        make("opportunity", name=name, owner=team.fu, customer=customer, process=process)
        for name in ("甲", "乙")
    )
    with unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {one: {"strategy": "先单机"}})
    talks = read("sales_process", process)["stages"][1]["id"]
    act(team.fu, "opportunity", "move", [one], stage=talks)
    with pytest.raises(Invalid) as error:
        act(team.fu, "opportunity", "win", [one])
    assert fields_of(error) == {"expected_close_on", "amount"}
    assert read("opportunity", one)["status"] == "open"
    with unit_of_work(team.fu) as uow:
        filled = {"expected_close_on": "2026-12-31", "amount": "5"}
        service.update(uow, "opportunity", {one: filled})
    act(team.fu, "opportunity", "win", [one])
    act(team.fu, "opportunity", "lose", [two], reason="项目暂缓")
    assert [read("opportunity", key)["status"] for key in (one, two)] == ["won", "lost"]


def test_another_process_is_no_way_around_what_a_stage_asks(
    make, read, team, customer, deal, stage, unit_of_work
):
    other = make("sales_process", name="出口流程", stages=[{"name": "送样"}])
    with unit_of_work() as uow:
        asked = {"required_fields": ["expected_close_on"]}
        service.update(uow, "stage", {stage("初步接洽"): asked})
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal: {"process": other}})
    assert fields_of(error) == {"expected_close_on"}
    assert "初步接洽" in error.value.problems[0].message
    with unit_of_work(team.fu) as uow:
        filled = {"process": other, "expected_close_on": "2026-12-31"}
        service.update(uow, "opportunity", {deal: filled})
    assert read("opportunity", deal)["process"] == other


def test_a_currency_without_a_rate_is_refused_and_nothing_saved(
    make, read, rows, team, customer, deal, unit_of_work
):
    with pytest.raises(Invalid) as error:
        make("opportunity", team.fu, name="x", customer=customer, amount="5", currency="USD")
    assert [(p.field, p.code) for p in error.value.problems] == [("currency", "no_rate")]
    assert "USD" in error.value.problems[0].message
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal: {"currency": "USD", "amount": "9"}})
    assert fields_of(error) == {"currency"}
    assert [row["id"] for row in rows("opportunity")] == [deal]
    assert read("opportunity", deal)["currency"] == "CNY"
    make("exchange_rate", currency="USD", valid_from="2020-01-01", rate="7")
    make("opportunity", team.fu, name="x", customer=customer, amount="5", currency="USD")


def test_what_comes_out_of_the_recycle_bin_stands_in_a_stage_that_is_in_use(
    act, make, read, rows, team, customer, deal, stage, unit_of_work
):
    """Though its own went into it meanwhile; what was won stays won."""
    won = make("opportunity", team.fu, name="已签", customer=customer)
    act(team.fu, "opportunity", "win", [won])
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "opportunity", [deal, won])
    with unit_of_work() as uow:
        service.delete(uow, "stage", [stage("初步接洽"), stage("签约")])
    with unit_of_work(team.fu) as uow:
        service.restore(uow, "opportunity", [deal, won])
    values = read("opportunity", deal)
    assert (values["stage"], values["status"], values["probability"]) == (
        stage("需求分析"),
        "open",
        30,
    )
    assert (read("opportunity", won)["status"], read("opportunity", won)["probability"]) == (
        "won",
        100,
    )
    mine = {"field": "opportunity", "op": "eq", "value": deal}
    visits = rows("stage_visit", filter=mine, sort="id")
    assert [visit["left_at"] is None for visit in visits] == [False, True]
    (process,) = rows("sales_process")
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "opportunity", [deal, won])
    with unit_of_work() as uow:
        service.delete(uow, "sales_process", [process["id"]])
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.restore(uow, "opportunity", [deal])
    assert fields_of(error) == {"process"}
    other = make("sales_process", name="出口流程", stages=[{"name": "送样"}])
    with unit_of_work(team.fu) as uow:
        service.restore(uow, "opportunity", [deal])
    assert read("opportunity", deal)["process"] == other


def test_a_second_end_does_not_come_out_of_the_recycle_bin(make, rows, stage, unit_of_work):
    (process,) = rows("sales_process")
    won = stage("签约")
    with unit_of_work() as uow:
        service.delete(uow, "stage", [won])
    make("stage", name="成交", process=process["id"], is_won=True)
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.restore(uow, "stage", [won])
    assert fields_of(error) == {"is_won"}


def test_a_stage_in_use_stays_and_ends_are_single(unit_of_work, make, deal, stage, rows):
    (process,) = rows("sales_process")
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.delete(uow, "stage", [stage("初步接洽")])
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.delete(uow, "sales_process", [process["id"]])
    with pytest.raises(Invalid) as error:
        make("stage", name="又一个签约", process=process["id"], is_won=True)
    assert fields_of(error) == {"is_won"}


def test_the_contact_is_of_the_customer(make, team, customer):
    other = make("customer", team.fu, name="另一家")
    person = make("contact", team.fu, name="王总", customer=other)
    with pytest.raises(Invalid) as error:
        make("opportunity", team.fu, name="x", customer=customer, contact=person)
    assert fields_of(error) == {"contact"}


def test_a_card_that_is_asked_about_names_its_stage(browser_of, team, deal, stage):
    browser, lost = browser_of(team.fu), stage("输单")
    sent = {"csrf_token": browser.csrf, "ids": deal, "by": "stage", "to": lost}
    answer = browser.post("/r/opportunity/move", data=sent)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="输单"' in page
    assert f'value="{lost}"' in page


def test_the_verbs_over_rest(client, bearer, team, deal, stage):
    headers, base = bearer(team.fu), f"/api/v1/records/opportunity/{deal}"
    path = f"{base}/actions"
    moved = client.post(f"{path}/move", json={"stage": stage("方案报价")}, headers=headers)
    assert moved.status_code == 200, moved.json
    assert client.get(base, headers=headers).json["stage"]["label"] == "方案报价"
    assert client.post(f"{path}/win", json={}, headers=headers).status_code == 200
    assert client.post(f"{path}/win", json={}, headers=headers).status_code == 409
    others = bearer(team.yan)
    assert client.post(f"{path}/move", json={"stage": 1}, headers=others).status_code == 404


def test_pickers_offer_what_fits_the_customer(make, team, customer, browser_of):
    """04: contacts of the customer that stands in the form, within the seller's reach; the form says so."""
    other = make("customer", team.fu, name="另一家")
    foreign = make("customer", team.ning, name="别人的")
    for name, owner in (("赵一", customer), ("赵二", other)):
        make("contact", team.fu, name=name, customer=owner)
    make("contact", team.ning, name="赵三", customer=foreign)
    browser = browser_of(team.fu)

    def offered(**narrow):
        sent = {"q": "赵", **narrow}
        page = browser.get("/suggest/contact", query_string=sent).get_data(as_text=True)
        return [name for name in ("赵一", "赵二", "赵三") if name in page]

    assert offered() == ["赵一", "赵二"]
    assert offered(within="customer", customer=customer) == ["赵一"]
    assert offered(within="customer", customer="") == ["赵一", "赵二"]
    assert offered(within="customer", customer=foreign) == []
    refused = {"q": "赵", "within": "no_field", "no_field": "1"}
    assert browser.get("/suggest/contact", query_string=refused).status_code == 422
    form = browser.get("/r/opportunity/new").get_data(as_text=True)
    assert "hx-include=\"[name='customer']\"" in form.replace("&#39;", "'")


def test_cities_of_the_province_come_first(team, browser_of):
    browser = browser_of(team.fu)
    sent = {"q": "", "level": "city", "within": "province", "province": "370000"}
    page = browser.get("/suggest-region", query_string=sent).get_data(as_text=True)
    assert "山东省 潍坊市" in page
    assert "四川省" not in page
