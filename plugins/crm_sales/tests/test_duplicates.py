"""Customers that are there already: refused, warned of, or let be, as the company says."""

from __future__ import annotations

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
