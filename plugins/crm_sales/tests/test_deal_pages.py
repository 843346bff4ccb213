"""Pages of opportunities: the form of their products, and quotes that begin with these."""

from __future__ import annotations

import re
from html import unescape

import pytest

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


@pytest.fixture
def browser(browser_of, team):
    return browser_of(team.fu)


@pytest.fixture
def customer(make, team):
    return make("customer", team.fu, name="潍坊鼎源农机有限公司")


@pytest.fixture
def motor(make):
    return make(
        "product",
        name="电机",
        code="DJ",
        parameters=[{"name": "功率", "unit": "kW", "maximum": "90", "default_value": "4"}],
        price_formula="1000 / 功率",
    )


@pytest.fixture
def deal(make, team, customer, rate):
    return make("opportunity", team.fu, name="电机改造", customer=customer, currency="USD")


@pytest.fixture
def rate(make):
    return make("exchange_rate", currency="USD", valid_from="2020-01-01", rate="8")


def test_products_are_edited_on_a_page_that_works_them_out(browser, deal, motor, rate, read):
    shown = text_of(browser.get(f"/r/opportunity/{deal}"))
    (address,) = re.findall(rf'href="(/crm_sales/opportunities/{deal}/lines)"', shown)
    page = text_of(browser.get(address))
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    sent = {
        "csrf_token": browser.csrf,
        "opportunity": str(deal),
        "version": version,
        "lines.0.product": str(motor),
        "lines.0.shown": str(motor),
        "lines.0.p.功率": "5",
        "lines.0.quantity": "2",
        "lines.0.description": "含变频器",
    }
    worked = text_of(browser.post("/crm_sales/opportunities/calculate", data=sent))
    assert "US$50.00" in worked
    wrong = browser.post(address, data=sent | {"lines.0.p.功率": "99"})
    assert wrong.status_code == 422
    assert "含变频器" in text_of(wrong)
    assert browser.post(address, data=sent).status_code == 303
    (line,) = read("opportunity", deal)["lines"]
    assert (line["description"], line["specification"]) == ("含变频器", "功率 5 kW")
    assert str(read("opportunity", deal)["amount"]) == "50.00"
    assert browser.post(address, data=sent).status_code == 409  # somebody was faster


def test_a_new_quote_begins_with_the_products_of_its_opportunity(
    browser, customer, deal, motor, rate, read, rows, unit_of_work, team
):
    from core.entities import service

    line = {"product": motor, "parameters": {"功率": "5"}, "quantity": "3", "discount": "4"}
    with unit_of_work(team.fu) as uow:
        typed = line | {"unit_price": "20"}
        service.update(uow, "opportunity", {deal: {"lines": [line, typed]}})
    shown = text_of(browser.get(f"/r/opportunity/{deal}"))
    ways = set(re.findall(r'href="(/crm_sales/quotes/new\?[^"]+)"', shown))
    assert ways == {f"/crm_sales/quotes/new?opportunity={deal}"}
    assert "/r/quote/new" not in shown
    page = text_of(browser.get(ways.pop()))
    assert 'value="潍坊鼎源农机有限公司"' in page
    names = re.findall(r'name="((?:lines\.\d|currency|customer|opportunity)[^"]*)"', page)
    found = dict(re.findall(r'name="(lines\.\d[^"]+)"[^>]*? value="([^"]*)"', page))
    assert found["lines.0.unit_price"] == ""
    assert found["lines.1.unit_price"] == "20"
    assert found["lines.1.discount"] == "4"
    sent = found | {"customer": customer, "opportunity": deal, "currency": "USD"}
    assert {"customer", "opportunity", "currency"} <= set(names)
    answer = browser.post("/crm_sales/quotes/new", data=sent | {"csrf_token": browser.csrf})
    assert answer.status_code == 303, text_of(answer)
    (key,) = [row["id"] for row in rows("quote")]
    lines, own = read("quote", key)["lines"], read("opportunity", deal)["lines"]
    same = ("product", "parameters", "quantity", "unit_price", "discount", "amount")
    assert [{n: one[n] for n in same} for one in lines] == [
        {n: one[n] for n in same} for one in own
    ]


def test_who_only_reads_it_is_not_offered_the_form(browser_of, deal, motor, rate, team):
    viewer = browser_of(team.viewer)
    assert f"/crm_sales/opportunities/{deal}/lines" not in text_of(
        viewer.get(f"/r/opportunity/{deal}")
    )
    assert viewer.get(f"/crm_sales/opportunities/{deal}/lines").status_code == 403
    assert browser_of(team.ning).get(f"/crm_sales/opportunities/{deal}/lines").status_code == 404
