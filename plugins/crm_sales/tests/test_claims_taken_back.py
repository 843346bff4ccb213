"""A claim by mistake is taken back: the record lies in its pool as it did, and the claim does not count."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from threading import Barrier

import pytest
from sqlalchemy import select

from core.entities import query, service
from core.entities.bulk import act_undoably, bulk_table
from core.entities.bulk_job import start_bulk, start_undo
from core.entities.bulk_undo import undo_bulk
from core.errors import Forbidden, NotFound, Refused

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))
#: One of them in every run, all of them in the long tier.
LONG = pytest.mark.long
OTHERS = [pytest.param(name, marks=LONG) for name in ("lead", "opportunity")]
STAMPS = ("version", "updated_at", "updated_by")


@pytest.fixture
def pool_of(make, team):
    """``pool_of(entity, **rules)``: of the sellers; one claim a day, and three days until the next."""

    def make_pool(entity, **rules):
        members = [team.fu, team.yan, team.manager]
        values = {"daily_claims": 1, "cool_down_days": 3, "members": members} | rules
        return make(f"{entity}_pool", name=f"{entity} 公海", **values)

    return make_pool


@pytest.fixture
def free(make, team):
    """``free(entity, pool, **values)``: a record that lies there."""

    def make_free(entity, pool, name="潍坊风筝厂", **values):
        if entity == "opportunity":
            values = {"customer": make("customer", team.fu, name=name)} | values
        field = "company" if entity == "lead" else "name"
        return make(entity, owner=None, pool=pool, **{field: name}, **values)

    return make_free


@pytest.fixture
def clicked(browser_of):
    """``clicked(person, entity, verb, ids) -> undo``, which answers the page that one is then on."""

    def click(person, entity, verb, *ids, **params):
        browser = browser_of(person)
        sent = {f"param.{name}": value for name, value in params.items()}
        sent |= {"confirmed": "1", "csrf_token": browser.csrf, "back": f"/r/{entity}"}
        answer = browser.post(f"/r/{entity}/actions/{verb}", data=sent | {"ids": list(ids)})
        assert answer.status_code == 303, answer.get_data(as_text=True)
        html = unescape(browser.get(answer.location).get_data(as_text=True))
        address = re.search(r'data-toast>.*?action="([^"]+)"', html, re.S)[1]

        def undo():
            answer = browser.post(address, data={"csrf_token": browser.csrf})
            answer = browser.get(answer.location) if answer.location else answer
            return unescape(answer.get_data(as_text=True))

        undo.address = address
        return undo

    return click


@pytest.fixture
def lying(read):
    """``lying(entity, id)``: all that is said of it but who changed it when."""

    def values(entity, key):
        return {n: v for n, v in read(entity, key).items() if n not in STAMPS}

    return values


@pytest.fixture
def hands(unit_of_work):
    """``hands(entity, id)``: its changes of hands, the oldest first."""

    def find(entity, key):
        condition = {"field": entity, "op": "eq", "value": key}
        with unit_of_work(write=False) as uow:
            asked = query.ListQuery(filter=condition, sort="id")
            items = query.page(uow, f"{entity}_transfer", asked).items
        return [(row["kind"], row["from_owner"], row["to_owner"]) for row in items]

    return find


@pytest.mark.parametrize("entity", ["customer", *OTHERS])
def test_it_is_as_it_was_and_does_not_count(
    act, clicked, entity, free, hands, lying, pool_of, read, runtime, team
):
    pool = pool_of(entity)
    key = free(entity, pool)
    before = lying(entity, key)
    runtime.clock.move(timedelta(hours=1))
    undo = clicked(team.fu, entity, "claim", key)
    assert read(entity, key)["owner"] == team.fu
    assert hands(entity, key) == [("claim", None, team.fu)]
    with pytest.raises(Refused):  # one a day
        act(team.fu, entity, "claim", [free(entity, pool, "青岛啤酒")])
    runtime.clock.move(timedelta(minutes=5))
    assert "已还原 1 条记录" in undo()
    assert lying(entity, key) == before
    assert hands(entity, key) == []
    act(team.fu, entity, "claim", [key])  # the quota is given back, and no days are waited for
    assert read(entity, key)["owner"] == team.fu
    assert "此操作已撤销过" in undo()
    assert read(entity, key)["owner"] == team.fu


@pytest.mark.parametrize("entity", ["customer", *OTHERS])
def test_what_somebody_changed_since_stays_and_is_told(
    clicked, entity, free, hands, pool_of, read, team, unit_of_work
):
    kept, changed = (
        free(entity, pool, name)
        for pool in (pool_of(entity, daily_claims=9),)
        for name in ("潍坊风筝厂", "青岛啤酒")
    )
    undo = clicked(team.fu, entity, "claim", kept, changed)
    with unit_of_work() as uow:
        service.update(uow, entity, {changed: {"last_followed_at": uow.now()}})
    html = undo()
    assert "之后有过更改" in html
    assert read(entity, kept)["owner"] is None
    assert read(entity, changed)["owner"] == team.fu
    assert hands(entity, kept) == []
    assert hands(entity, changed) == [("claim", None, team.fu)]


@pytest.mark.parametrize("entity", ["customer", *OTHERS])
def test_what_a_pool_masks_was_seen_and_the_claim_counts(
    act, clicked, entity, free, hands, pool_of, read, runtime, team
):
    """For the day: whose it was by mistake does not wait as one who gave it up."""
    veiled = {"lead": "mobile", "customer": "phone", "opportunity": "strategy"}[entity]
    pool = pool_of(entity, veiled=[veiled])
    key = free(entity, pool)
    told = clicked(team.fu, entity, "claim", key)()
    assert f"{entity} 公海”领取的这一次仍计入今天" in told
    assert read(entity, key)["owner"] is None
    assert hands(entity, key) == [("claim", None, team.fu), ("release", None, None)]
    for again in (key, free(entity, pool, "青岛啤酒")):
        with pytest.raises(Refused):
            act(team.fu, entity, "claim", [again])
    runtime.clock.move(timedelta(days=1))
    act(team.fu, entity, "claim", [key])
    assert read(entity, key)["owner"] == team.fu


@pytest.mark.parametrize("veiled", [[], ["phone"]], ids=["nothing is masked", "a day is over"])
def test_only_where_it_counts_it_is_said(clicked, free, pool_of, read, runtime, team, veiled):
    key = free("customer", pool_of("customer", veiled=veiled))
    now = runtime.clock.now().astimezone(runtime.clock.timezone)
    runtime.clock.move(now.replace(hour=23, minute=50) - now)
    undo = clicked(team.fu, "customer", "claim", key)
    if veiled:
        runtime.clock.move(timedelta(minutes=20))
    told = undo()
    assert "已还原 1 条记录" in told
    assert "计入今天" not in told
    assert read("customer", key)["owner"] is None


@LONG
def test_it_is_said_of_the_customer_that_came_along(clicked, free, pool_of, team):
    customer = free("customer", pool_of("customer", veiled=["phone"]))
    deal = free("opportunity", pool_of("opportunity"), "码垛机", customer=customer)
    told = clicked(team.fu, "opportunity", "claim", deal)()
    assert told.count("仍计入今天") == 1
    assert "customer 公海”领取的这一次" in told


def test_a_job_says_it_too(browser_of, free, monkeypatch, pool_of, run_jobs, team, unit_of_work):
    """Of many claims: once for all of them."""
    for module in ("bulk_job", "bulk_undo"):
        monkeypatch.setattr(f"core.entities.{module}.AT_ONCE", 1)
    pool = pool_of("customer", veiled=["phone"], daily_claims=9)
    keys = [free("customer", pool, name) for name in ("潍坊风筝厂", "青岛啤酒")]
    with unit_of_work(team.fu) as uow:
        spec = uow.entity("customer")
        act = {"kind": "act", "name": "claim", "params": {}}
        start_bulk(uow, spec, act, query.ListQuery(ids=tuple(keys)))
    run_jobs()
    with unit_of_work(team.fu) as uow:
        job = start_undo(uow, uow.execute(select(bulk_table.c.id)).scalar_one())
    run_jobs()
    page = browser_of(team.fu).get(f"/r/customer/bulk/{job}").get_data(as_text=True)
    assert unescape(page).count("仍计入今天") == 1


@LONG
def test_nobody_else_takes_it_back(browser_of, clicked, free, pool_of, read, team):
    key = free("customer", pool_of("customer"))
    undo = clicked(team.fu, "customer", "claim", key)
    for person in (team.yan, team.manager):
        other = browser_of(person)
        answer = other.post(undo.address, data={"csrf_token": other.csrf})
        assert answer.status_code == 404
    assert read("customer", key)["owner"] == team.fu


@LONG
def test_who_may_claim_no_more_takes_nothing_back(
    free, pool_of, read, team, unit_of_work, admin_id
):
    key = free("customer", pool_of("customer"))
    with unit_of_work(team.fu) as uow:
        spec = uow.entity("customer")
        bulk = act_undoably(uow, spec, spec.actions_by_name["claim"], [key], {})
    with unit_of_work() as uow:
        table = uow.entity("role").table
        (viewer,) = uow.execute(table.select().where(table.c.name == "viewer")).scalars()
        service.update(uow, "user", {team.fu: {"roles": [viewer]}})
    with pytest.raises((Forbidden, NotFound)), unit_of_work(team.fu) as uow:
        undo_bulk(uow, bulk)
    assert read("customer", key)["owner"] == team.fu


def test_the_customer_that_came_along_goes_back_too(
    clicked, free, hands, lying, make, pool_of, read, team
):
    customer = free("customer", pool_of("customer"))
    deal = free("opportunity", pool_of("opportunity"), "码垛机", customer=customer)
    before = lying("customer", customer)
    undo = clicked(team.fu, "opportunity", "claim", deal)
    assert read("customer", customer)["owner"] == team.fu
    undo()
    assert read("opportunity", deal)["owner"] is None
    assert lying("customer", customer) == before
    assert hands("customer", customer) == []


@LONG
def test_the_customer_stays_with_a_deal_that_stays_and_when_it_was_changed(
    clicked, free, make, pool_of, read, team, unit_of_work
):
    customers, deals = pool_of("customer", daily_claims=9), pool_of("opportunity", daily_claims=9)

    def pair(name):
        customer = free("customer", customers, name)
        return customer, free("opportunity", deals, name, customer=customer)

    customer, deal = pair("潍坊风筝厂")
    undo = clicked(team.fu, "opportunity", "claim", deal)
    with unit_of_work(team.fu) as uow:
        service.update(uow, "opportunity", {deal: {"next_step": "打电话"}})
    undo()
    assert read("opportunity", deal)["owner"] == read("customer", customer)["owner"] == team.fu
    customer, deal = pair("青岛啤酒")
    undo = clicked(team.fu, "opportunity", "claim", deal)
    with unit_of_work(team.fu) as uow:
        service.update(uow, "customer", {customer: {"note": "已电话联系"}})
    assert "一并领取的仍保留" in undo()
    assert read("opportunity", deal)["owner"] is None
    assert read("customer", customer)["owner"] == team.fu


@LONG
def test_a_release_taken_back_is_no_claim(act, clicked, free, hands, pool_of, read, team):
    """Whoever releases by mistake has the quota of the day still."""
    pool = pool_of("customer")
    mine = free("customer", pool)
    act(team.manager, "customer", "assign", [mine], owner=team.fu)
    clicked(team.fu, "customer", "release", mine, reason="点错了")()
    assert read("customer", mine)["owner"] == team.fu
    assert hands("customer", mine) == [("assign", None, team.fu)]
    act(team.fu, "customer", "claim", [free("customer", pool, "青岛啤酒")])


@LONG
def test_at_the_instant_of_an_assignment_the_assignment_holds(
    free, hands, pool_of, read, team, unit_of_work
):
    rounds = 25
    pool = pool_of("customer", daily_claims=rounds, cool_down_days=None)
    ready, stories = Barrier(2), set()

    def take_back(bulk):
        ready.wait()
        with unit_of_work(team.fu) as uow:
            start_undo(uow, bulk)
            return undo_bulk(uow, bulk)[0].done

    def give(key):
        ready.wait()
        with unit_of_work(team.manager) as uow:
            service.act(uow, "customer", "assign", [key], {"owner": team.yan})

    for number in range(rounds):
        key = free("customer", pool, f"客户{number}")
        with unit_of_work(team.fu) as uow:
            spec = uow.entity("customer")
            bulk = act_undoably(uow, spec, spec.actions_by_name["claim"], [key], {})
        with ThreadPoolExecutor(2) as threads:
            undone, given = threads.submit(take_back, bulk), threads.submit(give, key)
            done = undone.result()
            given.result()
        assert read("customer", key)["owner"] == team.yan
        before = [] if done else [("claim", None, team.fu)]
        giver = None if done else team.fu
        assert hands("customer", key) == [*before, ("assign", giver, team.yan)]
        stories.add(done)
    assert stories <= {0, 1}
