"""Choices that the module leaves to the company: how large customers are (S-025), shaped in the browser."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import urlencode

import pytest

from core.customize.ruling import set_rules
from core.entities import service
from core.errors import Invalid

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

RULES = "/admin/fields/customer/size/rules"
NAMES = ("choice_value", "choice_zh_CN", "choice_en")


@pytest.fixture
def shape(unit_of_work, admin_id):
    """``shape(choices, field="size")``: the company's options of a field of customers."""

    def ask(choices, field="size"):
        with unit_of_work(admin_id) as uow:
            return set_rules(uow, "customer", field, {"choices": choices})

    return ask


def asked(rows):
    pairs = [pair for row in rows for pair in zip(NAMES, row, strict=True)]
    return urlencode([("check", "1"), *pairs])


def rules_in(page):
    return json.loads(unescape(re.search(r'name="rules" value="([^"]*)"', page)[1]))


@pytest.mark.long
def test_an_administrator_renames_adds_and_takes_out_in_the_browser(
    sign_in, make, read, unit_of_work
):
    browser = sign_in()
    page = browser.get(RULES).get_data(as_text=True)
    columns = (re.findall(rf'name="{name}"[^>]* value="([^"]*)"', page) for name in NAMES)
    rows = [tuple(map(unescape, row)) for row in zip(*columns, strict=True)]
    assert rows[1] == ("20-99人", "20～99 人", "20 to 99 people")
    assert rows[-2:] == [("", "", ""), ("", "", "")]
    unchanged = browser.get(f"{RULES}?{asked(rows)}").get_data(as_text=True)
    assert rules_in(unchanged) == {}
    old = make("customer", name="旧客户", size="100-499人")
    new = [rows[0], ("20-99人", "小型", "Small"), ("", "集团", "Group"), ("100-499人", "", "")]
    body = rules_in(browser.get(f"{RULES}?{asked(new)}").get_data(as_text=True))
    assert [each["value"] for each in body["choices"]] == ["20人以下", "20-99人", "集团"]
    sent = {"csrf_token": browser.csrf, "rules": json.dumps(body)}
    assert browser.post(RULES, data=sent).status_code == 303
    form = browser.get(f"/r/customer/{old}/edit").get_data(as_text=True)
    offered = re.search(r'<select[^>]*name="size".*?</select>', form, re.S)[0]
    assert re.findall(r">([^<]+)</option>", offered)[1:] == [*offered_of(body), "100～499 人"]
    with pytest.raises(Invalid) as refused:
        make("customer", name="新客户", size="500-999人")
    assert [(each.field, each.code) for each in refused.value.problems] == [("size", "retired")]
    with unit_of_work() as uow:
        service.update(uow, "customer", {old: {"note": "x"}})
    assert read("customer", old)["size"] == "100-499人", "what it has stays"
    make("customer", name="新客户", size="集团")


def offered_of(body):
    return [each["label"]["zh_CN"] for each in body["choices"]]


@pytest.mark.long
@pytest.mark.parametrize(
    "choices", ["20", [], [{"value": ""}], ["a", "a"], [{"value": "a", "tone": "bad"}]]
)
def test_what_is_no_list_of_options_is_refused(shape, choices):
    with pytest.raises(Invalid) as refused:
        shape(choices)
    assert refused.value.problems[0].field.startswith("choices")


@pytest.mark.long
def test_only_what_the_module_leaves_open_is_shaped(shape):
    """Levels decide on pools and prices; a name has no options."""
    for name in ("level", "name"):
        with pytest.raises(Invalid) as refused:
            shape(["A", "B"], name)
        assert [each.code for each in refused.value.problems] == ["kind"]


def test_one_taken_out_comes_back_with_the_module_s_own_word(shape):
    shape(["20-99人", {"value": "x", "label": "X"}])
    kept = {each.value: each.retired for each in shape(["20人以下"]).type.choices}
    assert (kept["20人以下"], kept["20-99人"], kept["x"]) == (False, True, True)
    back = {each.value: each for each in shape(["x", "20-99人"]).type.choices}
    assert (str(back["20-99人"].label), back["20-99人"].retired) == ("20～99 人", False)
    assert back["20人以下"].retired


@pytest.mark.long
def test_sizes_are_filtered_by(make, team, client, bearer):
    """S-025"""
    make("customer", team.fu, name="甲公司", size="20-99人")
    make("customer", team.fu, name="乙公司")
    found = client.get(
        "/api/v1/records/customer",
        query_string={"filter": json.dumps({"field": "size", "op": "eq", "value": "20-99人"})},
        headers=bearer(team.fu),
    )
    assert [row["name"] for row in found.json["items"]] == ["甲公司"]
