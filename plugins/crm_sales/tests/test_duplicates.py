"""Customers that are there already: refused, warned of, or let be, as the company says."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import event

from core.entities import service
from core.errors import Invalid
from core.settings.service import put_settings

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

CODE = "91110000600037341L"


@pytest.fixture
def there(make, team):
    """A customer of another seller, with a contact."""
    key = make("customer", name="潍坊鼎源农机有限公司", owner=team.yan, uscc=CODE)
    make("contact", name="王建国", customer=key, mobile="13800001111")
    return key


@pytest.fixture
def rule(unit_of_work):
    def put(**values):
        with unit_of_work() as uow:
            put_settings(uow, "crm_sales", values)

    return put


def test_one_credit_code_is_one_customer(make, team, there, rule):
    with pytest.raises(Invalid) as error:
        make("customer", team.fu, name="另一个名字", uscc=CODE)
    (problem,) = error.value.problems
    assert problem.field == "uscc"
    assert "闫晓璐" in problem.message  # and not the name of the customer
    assert "鼎源" not in problem.message
    with pytest.raises(Invalid) as error:
        make("customer", team.yan, name="另一个名字", uscc=CODE.lower())
    assert "潍坊鼎源农机有限公司" in error.value.problems[0].message
    rule(same_code="off")
    make("customer", team.fu, name="另一个名字", uscc=CODE)


def test_a_name_is_warned_of_unless_the_company_refuses(make, team, there, rule):
    """S-029"""
    make("customer", team.fu, name="潍坊鼎源农机（有限公司）")
    rule(same_name="refuse")
    with pytest.raises(Invalid) as error:
        make("customer", team.fu, name="潍坊鼎源农机股份有限公司")
    assert [problem.field for problem in error.value.problems] == ["name"]


def test_name_and_mobile_together_are_refused(make, team, there, rule):
    """S-029: of one name with another mobile there may be two."""
    key = make("customer", team.fu, name="潍坊鼎源农机")
    make("contact", team.fu, name="李敏", customer=key, mobile="13900002222")
    with pytest.raises(Invalid) as error:
        make("contact", team.fu, name="王建国", customer=key, mobile="13800001111")
    assert [problem.field for problem in error.value.problems] == ["mobile"]
    rule(same_contact="warn")
    make("contact", team.fu, name="王建国", customer=key, mobile="13800001111")


def test_many_refusals_take_no_more_statements_than_few(runtime, unit_of_work, make, team, rule):
    """Each of a file's rows is told who has the customer already; what is read for it is read at once."""
    rule(same_name="refuse")
    names = [f"第{n}机械" for n in range(20)]
    for name in names:
        make("customer", team.yan, name=name)

    def asked(number):
        said = []

        def note(*arguments):
            said.append(arguments[2])

        items = [{"name": name, "source": "展会"} for name in names[:number]]
        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
                service.create(uow, "customer", items)
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        assert [problem.item for problem in error.value.problems] == list(range(number))
        assert all("闫晓璐" in problem.message for problem in error.value.problems)
        return len(said)

    asked(2)
    assert asked(20) == asked(2)


def test_two_in_one_file_are_one(unit_of_work, team, rule):
    rule(same_name="refuse")
    items = [{"name": name, "source": "展会"} for name in ("甲机械有限公司", "甲机械")]
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.create(uow, "customer", items)
    assert [problem.item for problem in error.value.problems] == [1]


def test_the_short_form_asks_before_it_saves(browser_of, team, there, rows):
    """S-031: five fields make a customer and the person there."""
    browser = browser_of(team.fu)
    sent = {"name": "潍坊鼎源农机", "source": "展会", "csrf_token": browser.csrf}
    sent |= {"contact_name": "李敏", "contact_mobile": "13900002222"}
    asked = browser.post("/crm_sales/customers/new", data=sent)
    text = unescape(asked.get_data(as_text=True))
    assert asked.status_code == 409
    assert "闫晓璐" in text
    assert rows("customer", team.fu) == []
    saved = browser.post("/crm_sales/customers/new", data=sent | {"confirmed": "1"})
    assert saved.status_code == 303
    (customer,) = rows("customer", team.fu)
    (contact,) = rows("contact", team.fu)
    assert (contact["customer"], contact["is_primary"]) == (customer["id"], True)
    assert "闫晓璐" in browser.get(saved.location).get_data(as_text=True)  # a lasting remark


def test_the_short_form_names_what_is_wrong_and_saves_nothing(browser_of, team, there, rows):
    browser = browser_of(team.fu)
    sent = {"name": "甲", "csrf_token": browser.csrf, "uscc": "123", "contact_mobile": "12"}
    answer = browser.post("/crm_sales/customers/new", data=sent)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'href="#field-source"' in text or "source" in text
    answer = browser.post(
        "/crm_sales/customers/new", data=sent | {"source": "展会", "uscc": "", "contact_name": ""}
    )
    assert answer.status_code == 422
    assert rows("customer", team.fu) == []
    same = {"name": "潍坊鼎源农机", "source": "展会", "csrf_token": browser.csrf, "confirmed": "1"}
    same |= {"contact_name": "王建国", "contact_mobile": "13800001111"}
    assert browser.post("/crm_sales/customers/new", data=same).status_code == 422
    assert rows("customer", team.fu) == []


@pytest.fixture
def told(browser_of):
    """``told(person, name)``: what stands beside the short form while that name is typed."""

    def ask(person, name):
        browser = browser_of(person)
        sent = {"name": name, "csrf_token": browser.csrf}
        answer = browser.post("/crm_sales/duplicates", data=sent)
        assert answer.status_code == 200
        return unescape(answer.get_data(as_text=True))

    return ask


def test_a_name_that_is_alike_is_told_with_how_much(team, there, told):
    for typed, percent in (
        ("潍坊鼎原农机有限公司", "90%"),  # a slip in the first half
        ("潍坊鼎源农具", "90%"),  # and in the second
        ("潍坊源鼎农机", "90%"),  # swapped, where the halves meet
        ("维坊鼎源农机", "90%"),
        ("潍坊鼎源机", "90%"),  # one missing
        ("潍坊鼎源新农机", "90%"),  # one too many
        ("鼎源农机有限公司", "90%"),  # without its place
        ("山东潍坊鼎源农机", "91%"),  # with one more
    ):
        text = told(team.yan, typed)
        assert f"名称相似 {percent}：潍坊鼎源农机有限公司" in text, typed
        assert f'href="/r/customer/{there}"' in text, typed
    for typed in ("潍坊华盛农机有限公司", "农机", "鼎源", "潍坊%农机", "潍坊__农机", "鼎" * 200):
        assert told(team.yan, typed) == "", typed


def test_long_names_may_have_two_wrong_letters_and_numbers_none(make, team, told):
    make("customer", team.yan, name="Northwind Machinery 12 Ltd.")
    assert "名称相似" in told(team.yan, "Northwnid Machinery 12")
    assert "名称相似" in told(team.yan, "Nortwhind Machinery 12")
    assert "名称相似" in told(team.yan, "Northwind Machimory 12 Co.")
    assert told(team.yan, "Northwind Machinery 13") == ""


def test_the_likest_come_first_and_archived_ones_not(make, team, told, unit_of_work):
    gone = make("customer", team.yan, name="山东鸢衡工程机械")
    for name in ("山东鸢恒工程机", "山东鸢恒工程机械厂"):
        make("customer", team.yan, name=name)
    with unit_of_work() as uow:
        service.delete(uow, "customer", [gone])
    text = told(team.yan, "山东鸢恒工程机械")
    assert text.index("92%：山东鸢恒工程机械厂") < text.index("91%：山东鸢恒工程机<")
    assert "鸢衡" not in text


def test_the_company_says_from_where_names_are_alike(team, there, rule, told):
    rule(alike_names=91)
    assert told(team.yan, "潍坊鼎原农机") == ""
    assert "91%" in told(team.yan, "山东潍坊鼎源农机")
    rule(alike_names=0)
    assert told(team.yan, "山东潍坊鼎源农机") == ""
    assert "潍坊鼎源农机有限公司" in told(
        team.yan, "潍坊鼎源农机"
    )  # an equal one is told as before


def test_a_name_that_is_alike_asks_and_never_refuses(browser_of, make, team, there, rule, rows):
    """Even where equal names are refused; elsewhere, as over REST and in imports, it saves."""
    rule(same_name="refuse")
    browser = browser_of(team.yan)
    sent = {"name": "潍坊鼎原农机", "source": "展会", "csrf_token": browser.csrf}
    asked = browser.post("/crm_sales/customers/new", data=sent)
    assert asked.status_code == 409
    assert "名称相似 90%：潍坊鼎源农机有限公司" in unescape(asked.get_data(as_text=True))
    assert [row["id"] for row in rows("customer", team.yan)] == [there]
    saved = browser.post("/crm_sales/customers/new", data=sent | {"confirmed": "1"})
    assert saved.status_code == 303
    make("customer", team.yan, name="潍坊鼎员农机")
    assert len(rows("customer", team.yan)) == 3


def test_a_customer_that_is_sent_twice_is_one_and_no_duplicate_of_itself(browser_of, team, rows):
    """A second click is not asked whether it is the customer that the first has made."""
    browser, path = browser_of(team.fu), "/crm_sales/customers/new"
    page = browser.get(path).get_data(as_text=True)
    sent = {
        name: re.search(rf'name="{name}" value="([^"]*)"', page)[1]
        for name in ("csrf_token", "form_key")
    } | {"name": "潍坊鼎源农机有限公司", "source": "展会"}
    address = re.search(r'data-draft="([^"]+)"', page)[1]
    assert browser.post(address, data=sent).status_code == 200
    offered = browser.get(path).get_data(as_text=True)
    assert "潍坊鼎源农机有限公司" in offered
    drop = re.search(r'action="([^"]*/draft/discard[^"]*)"', offered)[1]
    assert browser.post(drop, data=sent).location == path
    assert "潍坊鼎源农机有限公司" not in browser.get(path).get_data(as_text=True)
    assert browser.post(address, data=sent).status_code == 200
    answers = [browser.post(path, data=sent) for _click in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert len(rows("customer")) == 1
    assert "潍坊鼎源农机有限公司" not in browser.get(path).get_data(as_text=True)


# In other forms


@pytest.fixture
def typed(browser_of):
    """``typed(person, path, **values)``: what a form is told while that is typed into it."""

    def ask(person, path, **values):
        browser = browser_of(person)
        answer = browser.post(f"/crm_sales/{path}", data=values | {"csrf_token": browser.csrf})
        return unescape(answer.get_data(as_text=True)) if answer.status_code == 200 else None

    return ask


def test_all_fields_and_edit_tell_what_the_short_form_tells(browser_of, team, there, make, typed):
    """S-029: equal and alike names, on opening and while somebody types; not the customer itself."""
    mine = make("customer", team.fu, name="潍坊鼎原农机")
    browser = browser_of(team.fu)
    page = unescape(browser.get("/r/customer/new?name=潍坊鼎源农机").get_data(as_text=True))
    assert "同名客户由 闫晓璐 负责" in page
    edited = unescape(browser.get(f"/r/customer/{mine}/edit").get_data(as_text=True))
    assert "名称相似的客户由 闫晓璐 负责" in edited
    place = f"duplicates?but={mine}"
    assert f'hx-post="/crm_sales/{place}"' in edited
    assert "鼎原" not in typed(team.fu, place, name="潍坊鼎原农机")
    assert "信用代码" in typed(team.fu, place, uscc=CODE)
    assert typed(team.service, "duplicates", name="潍坊鼎源农机") is None  # who enters none


def test_a_contact_is_told_of_while_its_mobile_is_typed(team, there, make, typed):
    key = make("customer", team.fu, name="潍坊鼎源农机")
    told = typed(team.fu, "duplicates/contact", customer=key, mobile="138 0000 1111")
    assert "闫晓璐" in told
    assert typed(team.fu, "duplicates/contact", customer=there, mobile="13800001111") == ""


def test_a_lead_of_a_customer_is_told_of_and_refused_if_the_company_wants(
    team, there, typed, rule, client, bearer, unit_of_work, rows
):
    """Two sellers do not work on one customer unknowingly, be it a lead for one of them."""
    by_name = typed(team.fu, "duplicates/lead", company="潍坊鼎源农机")
    by_mobile = typed(team.fu, "duplicates/lead", company="别的名字", mobile="13800001111")
    assert "同名客户由 闫晓璐 负责" in by_name
    assert "联系人手机号相同的客户由 闫晓璐 负责" in by_mobile
    assert "鼎源" not in by_name + by_mobile
    assert "潍坊鼎源农机有限公司" in typed(team.yan, "duplicates/lead", mobile="13800001111")
    # Service reads customers, but no leads are entered there.
    assert typed(team.service, "duplicates/lead", mobile="13800001111") is None
    path, headers = "/api/v1/records/lead", bearer(team.fu)
    lead = {"company": "潍坊鼎源农机", "mobile": "13800001111", "owner": team.fu}
    assert client.post(path, json=lead, headers=headers).status_code == 201
    rule(same_lead="refuse")
    answer = client.post(path, json=lead, headers=headers)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == ["company", "mobile"]
    assert all("闫晓璐" in each["message"] for each in answer.json["errors"])
    with unit_of_work() as uow:  # what nobody typed in, such as a visitor's
        service.create(uow, "lead", [lead])
    rule(same_lead="off")
    assert typed(team.fu, "duplicates/lead", company="潍坊鼎源农机") == ""
