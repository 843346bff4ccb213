"""Customers that nobody follows up, and those that several people do (S-024)."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import event

from core.entities import service
from core.notifications.service import latest
from core.work.schedule import start_due
from plugins.crm_sales.care import touches

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def known(runtime, unit_of_work, team):
    """``known(name, owner, days)``: a customer that was made so many days ago."""

    def run(name, owner, days):
        with unit_of_work() as uow:
            made = uow.now() - timedelta(days=days)
            values = {"name": name, "source": "展会", "owner": owner, "created_at": made}
            return service.create(uow, "customer", [values])[0]

    return run


@pytest.fixture
def deal(unit_of_work):
    """``deal(customer, owner, days)``: an opportunity that entered its stage so many days ago."""

    def run(customer, owner, days):
        with unit_of_work() as uow:
            moment = uow.now() - timedelta(days=days)
            values = {"name": "商机", "customer": customer, "owner": owner}
            values |= {"created_at": moment, "stage_entered_at": moment}
            return service.create(uow, "opportunity", [values])[0]

    return run


def names(unit_of_work, person, find, days):
    with unit_of_work(person, write=False) as uow:
        return [each.name for each in find(uow, days)]


def test_customers_that_nobody_followed_up(deal, known, make, team, unit_of_work):
    known("新客户", team.fu, 3)
    never = known("从未", team.fu, 90)
    moved = known("刚推进", team.fu, 90)
    deal(moved, team.fu, 2)
    long = known("久未推进", team.fu, 90)
    deal(long, team.fu, 40)
    quoted = known("刚报价", team.fu, 90)
    make("quote", team.fu, customer=quoted)
    known("别人的", team.ning, 90)
    assert names(unit_of_work, team.fu, touches.idle, 30) == ["从未", "久未推进"]
    assert names(unit_of_work, team.fu, touches.idle, 60) == ["从未"]
    assert names(unit_of_work, team.ning, touches.idle, 30) == ["别人的"]
    with unit_of_work(team.manager, write=False) as uow:
        first, second = touches.idle(uow, 30)
        assert (first.id, first.last, first.owner) == (never, None, "傅宇恒")
        assert (uow.now() - second.last).days == 40


def test_customers_that_several_follow_up(deal, known, team, unit_of_work):
    both = known("两人", team.fu, 90)
    deal(both, team.fu, 5)
    deal(both, team.yan, 6)
    deal(both, team.yan, 7)
    one = known("一人", team.fu, 90)
    deal(one, team.fu, 5)
    deal(one, team.yan, 50)
    assert names(unit_of_work, team.fu, touches.shared, 30) == ["两人"]
    assert sorted(names(unit_of_work, team.fu, touches.shared, 60)) == ["一人", "两人"]
    assert names(unit_of_work, team.ning, touches.shared, 60) == []
    with unit_of_work(team.fu, write=False) as uow:
        (found,) = touches.shared(uow, 30)
        assert found.people == ("傅宇恒", "闫晓璐")


@pytest.mark.long
def test_pages_take_as_many_statements_for_many(browser_of, deal, known, runtime, team):
    browser, counts = browser_of(team.fu), []
    for round_ in range(3):
        for number in range(3):
            key = known(f"客户{round_}{number}", team.fu, 90)
            deal(key, team.fu, 40)
            deal(key, team.yan, 41)
        said = []
        engine = runtime.database.engine
        listen = lambda *arguments, said=said: said.append(arguments[2])  # noqa: E731
        event.listen(engine, "before_cursor_execute", listen)
        pages = [
            unescape(browser.get(f"/crm_sales/customers/{path}?days={days}").text)
            for path, days in (("idle", 30), ("shared", 60))
        ]
        event.remove(engine, "before_cursor_execute", listen)
        counts.append(len(said))
        assert all("客户00" in page for page in pages)
    assert counts[1] == counts[2]  # the first time some of what is kept is read


@pytest.mark.long
def test_owner_and_head_are_told_once(
    deal, known, make, run_jobs, rows, team, unit_of_work, runtime
):
    (group,) = [d["id"] for d in rows("department", limit=100) if d["name"] == "销售部"]
    with unit_of_work() as uow:
        service.update(uow, "department", {group: {"head": team.manager}})
    known("久未跟进", team.fu, 29)
    known("早就没人管", team.fu, 300)

    def told():
        start_due(runtime)
        run_jobs()
        found = []
        for person in (team.fu, team.yan, team.manager):
            with unit_of_work(person, write=False) as uow:
                found += [(person, each.kind) for each in latest(uow, 20)]
        return sorted(pair for pair in found if pair[1].endswith("idle"))

    assert told() == []
    found = []
    for _day in range(4):
        runtime.clock.move(timedelta(days=1))
        found.append(told())
    wanted = sorted([(team.fu, "crm_sales.idle"), (team.manager, "crm_sales.team_idle")])
    # Whole days count; and then nobody is told again.
    assert found == [[], wanted, wanted, wanted]
