"""S-033: from the first touch over what was done in between to the deal, as far as a reader may see it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from core.entities import query, service
from plugins.crm_sales.care.path import path_of

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales", "activities")


@pytest.fixture
def customer(act, make, read, runtime, team, unit_of_work):
    """A lead of a fair, called and visited, then converted; a deal won after a third talk, then one more."""

    def talk(entity, key, kind):
        values = {"related_entity": entity, "related_id": key, "kind": kind, "content": "已沟通"}
        make("follow_up", team.fu, **values, happened_at=runtime.clock.now())

    campaign = make("campaign", name="青岛秋季展")
    values = {"company": "潍坊风筝厂", "mobile": "13805360001", "source": "展会"}
    lead = make("lead", **values, campaign=campaign, owner=team.fu)
    runtime.clock.move(timedelta(days=2))
    talk("lead", lead, "call")
    runtime.clock.move(timedelta(days=3))
    act(team.fu, "lead", "convert", [lead], opportunity="码垛机")
    with unit_of_work(write=False) as uow:
        table = uow.entity("opportunity").table
        found = uow.execute(table.select().where(table.c.lead_id == lead)).mappings().one()
    deal, customer = found["id"], found["customer_id"]
    runtime.clock.move(timedelta(days=4))
    talk("customer", customer, "visit")
    talk("opportunity", deal, "call")
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deal: {"amount": "1000"}})
    runtime.clock.move(timedelta(days=5))
    act(team.fu, "opportunity", "win", [deal])
    runtime.clock.move(timedelta(days=1))
    talk("customer", customer, "visit")
    return customer


@pytest.fixture
def path(unit_of_work):
    def ask(customer, person=None):
        with unit_of_work(person, write=False) as uow:
            return path_of(uow, query.get(uow, "customer", customer))

    return ask


def test_each_step_has_its_day(customer, path, team):
    found = path(customer, team.fu)
    first = found.steps[0].day
    steps = [((step.day - first).days, step.what, step.said) for step in found.steps]
    assert steps == [
        (0, "线索", "展会 · 青岛秋季展"),
        (2, "跟进记录", "电话 1"),
        (5, "建立客户", "展会"),
        (5, "商机", "码垛机"),
        (9, "跟进记录", "拜访 1 · 电话 1"),
        (14, "赢单", "码垛机 · ¥1,000.00"),
        (15, "跟进记录", "拜访 1"),
    ]
    assert (found.days, found.touches) == (14, 3)


def test_a_page_shows_it_to_who_may_see_the_customer(browser_of, customer, team):
    page = unescape(browser_of(team.fu).get(f"/crm_sales/customers/{customer}/path").text)
    for text in ("从首次接触到成交", "青岛秋季展", "14 天后", "潍坊风筝厂"):
        assert text in page
    assert browser_of(team.ning).get(f"/crm_sales/customers/{customer}/path").status_code == 404
    linked = browser_of(team.fu).get(f"/r/customer/{customer}").text
    assert re.search(rf'href="/crm_sales/customers/{customer}/path"', linked)


def test_what_is_out_of_reach_is_left_out(browser_of, customer, make, make_person):
    """Who may read customers alone learns of no deal, no lead and no talk."""
    make("role", name="reader", title="客户查阅", grants={"customer": {"read": "all"}})
    reader = make_person("宁远", roles=("reader",))
    page = unescape(browser_of(reader).get(f"/crm_sales/customers/{customer}/path").text)
    assert "建立客户" in page
    for hidden in ("码垛机", "青岛秋季展", "电话", "1,000"):
        assert hidden not in page


def test_a_customer_without_anything_has_one_step(make, path, team):
    found = path(make("customer", team.fu, name="青岛永达粮油"))
    assert [step.what for step in found.steps] == ["建立客户"]
    assert (found.days, found.touches, found.is_cut) == (None, 0, False)
