"""S-026: tags in groups that an administrator sets, given, filtered by and shown."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import urlencode

import pytest

from core.errors import Invalid

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

GRADE = {"label": "制造业分级", "words": ["甲级", "乙级"], "tone": "info", "single": True}
PROJECT = {"label": {"zh_CN": "工程类型", "en": "Project"}, "words": ["厂房", "市政", "住宅"]}
RULES = "/admin/fields/order/tags/rules"


@pytest.fixture
def browser(sign_in):
    """The administrator's."""
    return sign_in()


@pytest.fixture
def refused(make):
    """``refused(tags) -> (field, code)`` of an order that is not made."""

    def ask(words):
        with pytest.raises(Invalid) as caught:
            make(tags=words)
        (problem,) = caught.value.problems
        return problem.field, problem.code

    return ask


def test_an_administrator_makes_two_groups_in_the_browser(browser, make):
    """They are weighed first, put into force, and then stand in the form to be ticked."""
    rows = [
        ("Grade", "甲级，乙级", "info", "1"),
        ("Project", "厂房, 市政", "good", ""),
        ("", "", "", ""),
    ]
    sent = [("check", "1")]
    for label, words, tone, single in rows:
        sent += [("group_zh_CN", label), ("group_en", label), ("group_words", words)]
        sent += [("group_tone", tone), ("group_single", single)]
    page = browser.get(f"{RULES}?{urlencode(sent)}").get_data(as_text=True)
    body = json.loads(unescape(re.search(r'name="rules" value="([^"]*)"', page)[1]))
    assert [group["words"] for group in body["groups"]] == [["甲级", "乙级"], ["厂房", "市政"]]
    assert [group.get("single", False) for group in body["groups"]] == [True, False]
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    answer = browser.post(RULES, data={"csrf_token": token, "rules": json.dumps(body)})
    assert answer.status_code == 303
    order = make(tags=["甲级", "老朋友"])
    form = browser.get(f"/r/order/{order}/edit").get_data(as_text=True)
    assert re.search(r'name="tags" value="甲级" checked', form)
    assert re.search(r'name="tags" value="乙级"(?! checked)', form)
    assert re.search(r'id="field-tags" name="tags"[^>]* value="老朋友"', form)
    assert 'value="甲级、乙级"' in browser.get(RULES).get_data(as_text=True)


def test_ticked_and_typed_words_are_saved_together(rule, browser, make, read):
    """Also when nothing is ticked any more, and no free words are asked for."""
    rule("tags", groups=[GRADE, PROJECT])
    order = make(tags=["甲级"])
    edit = f"/r/order/{order}/edit"

    def save(words):
        form = browser.get(edit).get_data(as_text=True)
        fields = {
            name: unescape(value)
            for name, value in re.findall(
                r'<input type="hidden" name="(\w+)" value="([^"]*)"', form
            )
            if name != "tags"
        }
        return browser.post(edit, data={**fields, "title": "A", "tags": ["", *words]})

    assert save(["乙级", "厂房", "老客户, 急"]).status_code == 303
    assert read(order, "tags") == ["乙级", "厂房", "老客户", "急"]
    rule("tags", groups=[GRADE, PROJECT], only_groups=True)
    assert save([]).status_code == 303
    assert read(order, "tags") is None
    assert not re.search(r'type="text"[^>]*name="tags"', browser.get(edit).get_data(as_text=True))


def test_of_a_single_group_a_record_has_one(rule, make, change, read, refused):
    order = make(tags=["甲级", "乙级"])  # before there was a rule
    rule("tags", groups=[GRADE, PROJECT])
    assert refused(["甲级", "乙级"]) == ("tags", "single_tag")
    make(tags=["甲级", "厂房", "市政", "anything"])
    change(order, tags=["甲级", "乙级", "厂房"])  # what it had already stays
    change(order, tags=["厂房"])
    assert read(order, "tags") == ["厂房"]


def test_where_no_others_are_given_old_words_stay(rule, make, change, read, refused):
    order = make(tags=["旧标签"])
    rule("tags", groups=[PROJECT], only_groups=True)
    assert refused(["厂房", "新标签"]) == ("tags", "tag")
    change(order, tags=["旧标签", "厂房"])
    assert read(order, "tags") == ["旧标签", "厂房"]
    with pytest.raises(Invalid):
        change(order, tags=["旧标签", "别的"])


def test_both_of_two_tags_find_those_that_have_both(rule, make, browser):
    """S-026: five customers, tag A and tag B; the list says so in words and offers the words."""
    rule("tags", groups=[GRADE, PROJECT])
    both = make(title="Both", tags=["甲级", "市政"])
    for number, words in enumerate((["甲级"], ["市政"], ["乙级", "市政"], ["住宅"])):
        make(title=f"Other{number}", tags=words)
    row = [("filter_field", "tags"), ("filter_op", "contains"), ("filter_value", "甲级")]
    row += [("filter_field", "tags"), ("filter_op", "contains"), ("filter_value", "市政")]
    page = browser.get(f"/r/order?{urlencode(row)}").get_data(as_text=True)
    assert f"/r/order/{both}" in page
    assert "Other" not in page
    drawn = browser.get(f"/r/order/filter-row?{urlencode(row[:2])}").get_data(as_text=True)
    assert '<option value="住宅">' in drawn
    some = [("filter_field", "tags"), ("filter_op", "in")]
    some += [("filter_value", "乙级"), ("filter_value", "住宅")]
    page = browser.get(f"/r/order?{urlencode(some)}").get_data(as_text=True)
    assert ["Both" in page, "Other2" in page, "Other3" in page] == [False, True, True]


def test_badges_have_the_colour_of_their_group(rule, make, browser):
    rule("tags", groups=[GRADE])
    order = make(tags=["甲级", "free"])
    page = browser.get(f"/r/order/{order}").get_data(as_text=True)
    assert re.search(r"badge-info[^>]*>(<[^>]+>)*甲级", page)
    assert re.search(r"badge-neutral[^>]*>(<[^>]+>)*free", page)


@pytest.mark.parametrize(
    ("groups", "place"),
    [
        ([{**GRADE, "words": []}], "groups.0.words"),
        ([GRADE, {**PROJECT, "words": ["甲级"]}], "groups.1.words"),
        ([{**GRADE, "label": ""}], "groups.0.label"),
        ([{**GRADE, "tone": "pink"}], "groups.0.tone"),
        ([{**GRADE, "single": "yes"}], "groups.0.single"),
        ([{**GRADE, "words": ["x" * 41]}], "groups.0.words"),
        ([["甲级"]], "groups.0"),
        ([GRADE] * 21, "groups"),
        ("甲级", "groups"),
    ],
)
@pytest.mark.databases("sqlite")
def test_groups_that_are_none_are_told_at_their_place(rule, groups, place):
    with pytest.raises(Invalid) as caught:
        rule("tags", groups=groups)
    assert place in {problem.field for problem in caught.value.problems}


@pytest.mark.databases("sqlite")
def test_groups_are_for_tags_alone_and_closed_ones_need_some(rule):
    for name, asked in (("title", {"groups": [GRADE]}), ("tags", {"only_groups": True})):
        with pytest.raises(Invalid):
            rule(name, **asked)


@pytest.mark.databases("sqlite")
def test_programs_are_told_the_words(rule, client, bearer, admin_id):
    """OpenAPI names them; the schema shows the groups as they are written."""
    rule("tags", groups=[GRADE, PROJECT], only_groups=True)
    headers = bearer(admin_id)
    document = client.get("/api/openapi.json", headers=headers).get_data(as_text=True)
    assert '["甲级","乙级","厂房","市政","住宅"]' in document.replace(", ", ",").replace(": ", ":")
