"""S-067: a deal in which nothing moves for seven days, and who asks for support."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from core.entities import service
from core.errors import Forbidden, NotFound, Refused
from core.work.schedule import start_due

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_sales", "activities")


@pytest.fixture
def talks(make, team, stage, unit_of_work):
    """A deal of a seller in negotiation; the manager leads the department above."""
    with unit_of_work() as uow:
        table = uow.entity("department").table
        (key,) = uow.execute(table.select().where(table.c.name == "销售部")).scalars()
        service.update(uow, "department", {key: {"head": team.manager}})
    customer = make("customer", team.fu, name="潍坊风筝厂")
    deal = {"name": "两台码垛机", "customer": customer, "stage": stage("商务谈判"), "amount": "9"}
    return make("opportunity", team.fu, **deal)


@pytest.fixture
def days_pass(runtime, run_jobs):
    """``days_pass(n)``: the clock starts what is due, day by day."""
    start_due(runtime)

    def run(number):
        for _day in range(number):
            runtime.clock.move(timedelta(days=1))
            start_due(runtime)
            run_jobs()

    return run


def test_the_owner_is_told_once_after_seven_days(talks, team, days_pass, told):
    days_pass(7)
    assert told(team.fu, "quiet") == 0
    days_pass(1)
    assert told(team.fu, "quiet") == 1
    days_pass(6)
    assert told(team.fu, "quiet") == 1


@pytest.mark.long
def test_days_without_a_run_are_made_up_for(talks, team, days_pass, told, runtime):
    """A server that stood still over the day on which it was to tell tells when it runs again."""
    days_pass(2)
    runtime.clock.move(timedelta(days=9))
    days_pass(1)
    assert told(team.fu, "quiet") == 1
    days_pass(2)
    assert told(team.fu, "quiet") == 1


@pytest.mark.long
def test_more_than_one_portion_is_told_of(talks, team, make, rows, days_pass, told, monkeypatch):
    (deal,) = rows("opportunity")
    for _number in range(2):
        same = {name: deal[name] for name in ("customer", "stage", "amount")}
        make("opportunity", team.fu, name="另一单", **same)
    monkeypatch.setattr("plugins.crm_sales.care.mornings.AT_ONCE", 1)
    monkeypatch.setattr("plugins.crm_sales.care.quiet.AT_ONCE", 1)
    days_pass(9)
    assert told(team.fu, "quiet") == 3


@pytest.mark.long
def test_a_change_or_a_follow_up_begins_the_days_anew(talks, team, days_pass, told, unit_of_work):
    days_pass(5)
    with unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {talks: {"amount": "10"}})
    days_pass(5)
    with unit_of_work(team.fu) as uow:
        values = {"related_entity": "opportunity", "related_id": talks, "content": "谈了价格"}
        service.create(uow, "follow_up", [{"kind": "call", **values}])
    days_pass(7)
    assert told(team.fu, "quiet") == 0
    days_pass(1)
    assert told(team.fu, "quiet") == 1


@pytest.mark.long
def test_the_page_offers_both_ways_on(talks, team, days_pass, browser_of, told, rows):
    """Asking for support makes one task for the head, who is told; the notice is then gone."""
    browser = browser_of(team.fu)
    assert "没有进展" not in browser.get(f"/r/opportunity/{talks}").get_data(as_text=True)
    days_pass(9)
    browser = browser_of(team.fu)
    page = browser.get(f"/r/opportunity/{talks}").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    (notice,) = re.findall(r'<form class="actions" method="post".*?</form>', page, re.S)
    assert f"about=opportunity:{talks}" in notice.replace("%3A", ":")
    place = re.search(r'action="([^"]+)"', notice)[1]
    sent = {"csrf_token": token, "ids": talks}
    asked = browser.post(place, data=sent).get_data(as_text=True)
    assert re.search(r'<textarea[^>]*name="param.note"', asked)
    done = browser.post(place, data={**sent, "confirmed": "1", "param.note": "对方要求账期 90 天"})
    assert done.status_code == 303
    (task,) = rows("task")
    assert (task["assignee"], task["related_id"]) == (team.manager, talks)
    assert task["description"] == "对方要求账期 90 天"
    assert told(team.manager, "support") == 1


def test_nobody_asks_for_what_is_not_theirs(talks, team, act, unit_of_work):
    with pytest.raises((Forbidden, NotFound)):
        act(team.yan, "opportunity", "ask_support", [talks], note="?")
    with pytest.raises((Forbidden, NotFound)):
        act(team.viewer, "opportunity", "ask_support", [talks], note="?")
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {talks: {"status": "won"}})
    with pytest.raises(Refused):
        act(team.fu, "opportunity", "ask_support", [talks], note="?")


def test_without_anybody_above_it_is_said(make, team, act):
    customer = make("customer", team.ning, name="无人领导")
    deal = make("opportunity", team.ning, name="单", customer=customer)
    with pytest.raises(Refused):
        act(team.ning, "opportunity", "ask_support", [deal], note="?")
