"""Two at the same customer (S-023): both are told, and both see what was given away there."""

from __future__ import annotations

from html import unescape

import pytest

from core.settings.service import put_settings

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

TOLD = "还有人在跟进此客户"


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


@pytest.fixture
def shared(make, team):
    """A customer of 傅宇恒 that 宁书瑶 of another department may read and sell to as well."""
    return make("customer", team.fu, name="潍坊鼎源农机有限公司")


@pytest.fixture
def ning(make, make_person):
    make("role", name="reader", title="客户查阅", grants={"customer": {"read": "all"}})
    return make_person("宁远", roles=("sales", "reader"), department="华北")


@pytest.fixture
def robot(make):
    return make("product", name="码垛机", code="MD", list_price="1000", unit="台")


def test_both_are_told_and_no_more_than_they_may_see(browser_of, make, ning, shared, team):
    first = make("opportunity", team.fu, name="秘密项目", customer=shared)
    fu, other = browser_of(team.fu), browser_of(ning)
    assert TOLD not in text_of(fu.get(f"/r/opportunity/{first}"))
    form = text_of(other.get(f"/crm_sales/quotes/new?customer={shared}"))
    assert "傅宇恒 在此客户有进行中的商机" in form
    second = make("opportunity", ning, name="另一项目", customer=shared)
    page = text_of(other.get(f"/r/opportunity/{second}"))
    assert TOLD in page
    assert "傅宇恒 在此客户有进行中的商机" in page
    assert "秘密项目" not in page
    assert "宁远 在此客户有进行中的商机" in text_of(fu.get(f"/r/opportunity/{first}"))
    manager = text_of(browser_of(team.manager).get(f"/r/opportunity/{first}"))
    assert "宁远 在此客户" in manager
    sent = {"csrf_token": other.csrf, "customer": shared}
    assert "傅宇恒 在此客户" in text_of(other.post("/crm_sales/quotes/calculate", data=sent))
    none = make("customer", ning, name="青岛永达粮油")
    assert "傅宇恒" not in text_of(other.get(f"/crm_sales/quotes/new?customer={none}"))


def test_it_is_told_while_the_customer_is_chosen(browser_of, make, ning, shared, team):
    """Before anything is saved, in the form of an opportunity; of customers out of reach nothing."""
    make("opportunity", team.fu, name="秘密项目", customer=shared)
    other, fu = browser_of(ning), browser_of(team.fu)
    assert TOLD in text_of(other.get(f"/r/opportunity/new?customer={shared}"))
    assert TOLD not in text_of(other.get("/r/opportunity/new"))

    def beside(who, customer):
        sent = {"csrf_token": who.csrf, "customer": customer, "owner": ""}
        return text_of(who.post("/crm_sales/opportunities/beside", data=sent))

    told = beside(other, shared)
    assert "傅宇恒 在此客户有进行中的商机" in told
    assert "秘密项目" not in told
    assert beside(fu, shared) == ""
    elsewhere = make("customer", ning, name="青岛永达粮油")
    make("opportunity", ning, name="远方项目", customer=elsewhere)
    for sent in (elsewhere, "", "9" * 30, "x"):
        assert beside(fu, sent) == ""
    quote = {"csrf_token": fu.csrf, "customer": elsewhere}
    assert "宁远" not in text_of(fu.post("/crm_sales/quotes/calculate", data=quote))


def test_discounts_are_told_as_far_as_rights_reach(
    act, browser_of, make, ning, robot, shared, team, unit_of_work
):
    line = {"product": robot, "quantity": "2", "unit_price": "900", "discount": "5"}
    key = make("quote", team.fu, customer=shared, lines=[line, {**line, "discount": "5"}])
    make("quote", team.fu, customer=shared, lines=[{"product": robot, "discount": "77"}])
    act(team.fu, "quote", "submit", [key])
    path = f"/crm_sales/customers/{shared}/discounts"
    own = text_of(browser_of(team.fu).get(path))
    for text in ("码垛机", "¥1,000.00", "¥855.00", "14.50", "傅宇恒"):
        assert text in own
    assert "77" not in own  # a draft went to nobody
    other = browser_of(ning)
    assert "14.50" not in text_of(other.get(path))
    deal = make("opportunity", ning, name="另一项目", customer=shared)
    beside = text_of(other.get(path))
    assert beside.count("14.50") == 1
    assert "傅宇恒" in beside
    for text in ("码垛机", "¥1,000.00", "¥855.00", f"/r/quote/{key}"):
        assert text not in beside
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"discounts_beside": False})
    assert "14.50" not in text_of(other.get(path))
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"discounts_beside": True})
    act(ning, "opportunity", "lose", [deal], reason="价格")
    assert "14.50" not in text_of(other.get(path))
    assert browser_of(team.ning).get(path).status_code == 404
