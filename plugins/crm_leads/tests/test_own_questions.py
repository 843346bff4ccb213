"""Public forms that ask for the company's own fields of leads: each with its own rules, no others (S-044)."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from html import unescape

import pytest

from core.customize.service import add_field, retire_field
from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Invalid

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

VISITOR = {"company": "潍坊访客食品有限公司", "contact_name": "王建国", "mobile": "138 0536 1234"}
DELIVERED = ["company", "contact_name", "mobile"]
SIZES = [
    {"value": "s", "label": {"zh_CN": "小型", "en": "Small"}},
    {"value": "l", "label": {"zh_CN": "大型", "en": "Large"}},
    {"value": "old", "label": {"zh_CN": "停产", "en": "Gone"}, "retired": True},
]
OWN = (
    {
        "name": "x_model",
        "kind": "text",
        "label": {"zh_CN": "偏好型号", "en": "Preferred model"},
        "help": {"zh_CN": "如 5A-20", "en": "Such as 5A-20"},
        "max_length": 12,
    },
    {"name": "x_count", "kind": "integer", "label": {"zh_CN": "台数", "en": "How many"}},
    {"name": "x_budget", "kind": "decimal", "label": {"zh_CN": "预算", "en": "Budget"}},
    {
        "name": "x_size",
        "kind": "choice",
        "label": {"zh_CN": "规模", "en": "Size"},
        "choices": SIZES,
    },
    {
        "name": "x_uses",
        "kind": "multi_choice",
        "label": {"zh_CN": "用途", "en": "Uses"},
        "choices": SIZES,
    },
    {"name": "x_by", "kind": "date", "label": {"zh_CN": "需要日期", "en": "Needed by"}},
    {"name": "x_used", "kind": "boolean", "label": {"zh_CN": "接受二手", "en": "Used ones too"}},
    {"name": "x_desk", "kind": "phone", "label": {"zh_CN": "总机", "en": "Switchboard"}},
    {"name": "x_copy", "kind": "email", "label": {"zh_CN": "抄送", "en": "Copy to"}},
)
NAMES = [each["name"] for each in OWN]
ANSWERS = {
    "x_model": "5A-20",
    "x_count": "3",
    "x_budget": "1200.50",
    "x_size": "l",
    "x_uses": ["s", "l"],
    "x_by": "2026-12-24",
    "x_used": "1",
    "x_desk": "0536-8881234",
    "x_copy": "copy@example.com",
}


@pytest.fixture
def fields(unit_of_work):
    """The company's own fields of leads, and two that no visitor can fill in."""
    others = (
        {"name": "x_secret", "kind": "text", "label": "内部评语"},
        {"name": "x_helper", "kind": "reference", "label": "协办人", "entity": "user"},
    )
    for each in (*OWN, *others):
        with unit_of_work() as uow:
            add_field(uow, "lead", each)


@pytest.fixture
def make_form(unit_of_work, team, fields):
    def make(*names, person=None, **values):
        form = {"name": "官网登记", "pool": team.pool, "fields": [*DELIVERED, *names], **values}
        with unit_of_work(person or team.marketing) as uow:
            (key,) = service.create(uow, "lead_form", [form])
            return f"/crm_leads/form/{query.get(uow, 'lead_form', key).values['key']}"

    return make


@pytest.fixture
def leads(unit_of_work):
    def find():
        with unit_of_work(write=False) as uow:
            return query.page(uow, "lead", ListQuery(sort="id")).items

    return find


def shown(client, address):
    return unescape(client.get(address).get_data(as_text=True))


def test_each_kind_is_asked_and_kept(client, make_form, leads):
    """Label, help and options are the field's own, in the visitor's language."""
    address = make_form(*NAMES)
    html = shown(client, address)
    for text in ("偏好型号", "如 5A-20", "大型", "接受二手"):
        assert text in html
    assert "停产" not in html
    client.set_cookie("locale", "en")
    english = shown(client, address)
    for text in ("Preferred model", "Such as 5A-20", "Large", "Needed by"):
        assert text in english
    assert client.post(address, data={**VISITOR, **ANSWERS}).status_code == 303
    (lead,) = leads()
    assert (lead["x_model"], lead["x_count"], lead["x_budget"]) == ("5A-20", 3, Decimal("1200.50"))
    assert (lead["x_size"], lead["x_uses"]) == ("l", ["s", "l"])
    assert (lead["x_by"], lead["x_used"]) == (date(2026, 12, 24), True)
    assert (lead["x_desk"], lead["x_copy"]) == ("0536-8881234", "copy@example.com")


@pytest.mark.parametrize(
    "wrong",
    [
        {"x_model": "5A-20-beliebig-lang"},
        {"x_count": "drei"},
        {"x_budget": "1e999999"},
        {"x_size": "old"},
        {"x_uses": ["s", "riesig"]},
        {"x_by": "31. Dezember"},
        {"x_desk": "12"},
        {"x_copy": "keine Adresse"},
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_lost(client, make_form, leads, wrong):
    answer = client.post(make_form(*NAMES), data={**VISITOR, **ANSWERS, **wrong})
    html = unescape(answer.get_data(as_text=True))
    (name,) = wrong
    assert answer.status_code == 422
    assert f'id="error-{name}"' in html or "data-wrong" in html, html
    assert "王建国" in html
    assert leads() == []


def test_nothing_else_of_the_lead_is_set(client, make_form, leads, team):
    """Neither a field that the form does not ask for, nor one that no form may ask for."""
    address = make_form("x_model")
    forged = {"x_secret": "x", "x_helper": team.fu, "x_count": 9, "owner": team.fu, "score": 99}
    forged |= {"status": "converted", "note": "n", "pool": 10**6, "id": 7}
    assert client.post(address, data={**VISITOR, "x_model": "5A", **forged}).status_code == 303
    (lead,) = leads()
    assert (lead["x_model"], lead["owner"], lead["pool"]) == ("5A", None, team.pool)
    assert [lead[name] for name in ("x_secret", "x_helper", "x_count", "note")] == [None] * 4
    assert lead["status"] != "converted"


def test_only_simple_kinds_that_one_may_fill_in_oneself_are_offered(
    make_form, browser_of, team, unit_of_work
):
    html = browser_of(team.marketing).get("/r/lead_form/new").get_data(as_text=True)
    offered = re.findall(r'name="fields" value="([^"]+)"', html)
    assert offered[-10:] == [*NAMES, "x_secret"], "in their order, behind the delivered ones"
    with pytest.raises(Invalid):
        make_form("x_helper")
    with unit_of_work() as uow:
        named = {"field": "name", "op": "eq", "value": "marketing"}
        (role,) = query.page(uow, "role", ListQuery(filter=named)).items
        rules = {**(role["field_rules"] or {}), "lead": {"x_secret": "hidden"}}
        service.update(uow, "role", {role["id"]: {"field_rules": rules}})
    with pytest.raises(Invalid) as refused:
        make_form("x_secret")
    assert [(p.field, p.code) for p in refused.value.problems] == [("fields", "unknown_field")]


def test_a_retired_field_just_disappears(client, make_form, leads, unit_of_work):
    address = make_form("x_model", "x_count")
    with unit_of_work() as uow:
        retire_field(uow, "lead", "x_model")
    html = shown(client, address)
    assert "偏好型号" not in html
    assert "台数" in html
    sent = {**VISITOR, "x_model": "5A", "x_count": "2"}
    assert client.post(address, data=sent).status_code == 303
    assert leads()[0]["x_count"] == 2


def test_machines_are_thanked_and_make_nothing(client, make_form, leads):
    sent = {**VISITOR, **ANSWERS, "website": "http://spam"}
    assert client.post(make_form(*NAMES), data=sent).status_code == 303
    assert leads() == []


def test_a_required_field_is_required_of_visitors_too(client, make_form, leads, unit_of_work):
    """At its field where the form asks for it; else above the form, for nothing is told silently."""
    with unit_of_work() as uow:
        must = {"name": "x_must", "kind": "text", "label": "必答", "required": True}
        add_field(uow, "lead", must)
    asking, other = make_form("x_must", name="问"), make_form(name="不问")
    assert client.post(other, data=VISITOR).status_code == 422
    html = client.post(other, data=VISITOR).get_data(as_text=True)
    assert 'role="alert"' in html
    html = client.post(asking, data=VISITOR).get_data(as_text=True)
    assert 'id="error-x_must"' in html
    assert leads() == []
    assert client.post(asking, data={**VISITOR, "x_must": "是"}).status_code == 303


@pytest.mark.parametrize("required", [False, True])
def test_what_only_one_lead_may_have_tells_a_visitor_nothing(
    client, make_form, unit_of_work, required
):
    """Who guesses at values is thanked like everybody, whether a lead has one, or one in the bin."""
    unique = {"name": "x_tax", "kind": "text", "label": "税号", "unique": True}
    unique["required"] = required
    with unit_of_work() as uow:
        add_field(uow, "lead", unique)
    path = make_form("x_tax")
    with unit_of_work() as uow:
        ids = service.create(
            uow,
            "lead",
            [{"company": f"潍坊{each}机械有限公司", "x_tax": each} for each in ("T-1", "T-2")],
        )
        service.delete(uow, "lead", [ids[1]])
    for number, tax in enumerate(("T-1", "T-2", "T-3")):
        visitor = {**VISITOR, "mobile": f"1380536100{number}", "x_tax": tax}
        assert client.post(path, data=visitor).status_code == 303, tax
    with unit_of_work(write=False) as uow:
        asked = ListQuery(fields=("x_tax", "note"), search=VISITOR["company"], sort="id")
        found = [(row["x_tax"], row["note"]) for row in query.page(uow, "lead", asked).items]
    # What is taken is not lost: whoever calls back reads it, unless no lead may be without it.
    notes = [(tax, (note or "").splitlines()[-1:]) for tax, note in found]
    noted = [(None, ["税号: T-1"]), (None, ["税号: T-2"])]
    assert [each for each in notes if each[0] is None] == ([] if required else noted)
    assert "T-3" in dict(found)
    wrong = client.post(path, data={**VISITOR, "mobile": "no", "x_tax": "T-1"})
    assert wrong.status_code == 422
