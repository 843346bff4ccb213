"""Pools of customers and opportunities: claimed once, masked before, and back in time with a reason."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from threading import Barrier

import pytest
from sqlalchemy import event, select

from core.entities import aggregate, query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.exchange.lookups import Lookup, LookupResolver
from core.fields import Reference
from core.pools.returns import due, going, return_rules
from core.pools.rules import Going
from core.tabular.cleaning import CleaningError
from core.work.schedule import start_due
from plugins.crm_sales.pools.declared import CUSTOMERS

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def pool(unit_of_work, team):
    """The sales department's pool of customers."""
    with unit_of_work() as uow:
        (sales,) = [
            row["id"]
            for row in query.page(uow, "department", ListQuery(search="销售部")).items
            if row["name"] == "销售部"
        ]
        return service.create(
            uow, "customer_pool", [{"name": "华东客户公海", "departments": [sales]}]
        )[0]


@pytest.fixture
def deal_pool(unit_of_work, team):
    with unit_of_work() as uow:
        members = [team.fu, team.yan, team.manager]
        return service.create(uow, "opportunity_pool", [{"name": "商机公海", "members": members}])[
            0
        ]


@pytest.fixture
def put(unit_of_work):
    """``put(entity, id, **values)``: by the system."""

    def run(entity, key, **values):
        with unit_of_work() as uow:
            service.update(uow, entity, {key: values})

    return run


@pytest.fixture
def at(runtime):
    """``at(days, hour=10)``: it is that hour, so many days after the first, in the company's zone."""
    first = runtime.clock.today()

    def move(days, hour=10):
        clock = runtime.clock
        wanted = datetime.combine(first + timedelta(days=days), time(hour), clock.timezone)
        clock.move(wanted - clock.now())

    move(0)
    return move


@pytest.fixture
def night(runtime, run_jobs, at):
    """``night(days)``: the night to that day is over, and with it the jobs."""
    start_due(runtime)  # the first time it is only noted when it is due

    def sleep(days):
        at(days, 3)
        start_due(runtime)
        run_jobs()

    return sleep


@pytest.fixture
def count_statements(runtime):
    """``with count_statements() as statements``: what the database is asked meanwhile."""

    @contextmanager
    def count():
        engine, statements = runtime.database.engine, []

        def note(*arguments):
            statements.append(arguments[2])

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return count


# Claiming, releasing, moving


def test_a_customer_is_claimed_released_and_moved(team, pool, make, act, read, rows, unit_of_work):
    first, second = (make("customer", name=f"鼎源{n}机械", pool=pool) for n in range(2))
    assert read("customer", first)["owner"] is None  # who names a pool means the pool
    assert {row["id"] for row in rows("customer", team.fu)} == {first, second}
    assert rows("customer", team.ning) == []
    assert act(team.fu, "customer", "claim", [first, second]) == {"claimed": [first, second]}
    with pytest.raises(Refused, match="傅宇恒"):
        act(team.yan, "customer", "claim", [first])
    act(team.fu, "customer", "release", [first], reason="不在我的区域")
    with unit_of_work() as uow:
        (west,) = service.create(uow, "customer_pool", [{"name": "西南", "members": [team.ning]}])
    with pytest.raises(Forbidden):
        act(team.fu, "customer", "move", [first], pool=west)
    assert act(team.manager, "customer", "move", [first], pool=west) == {"moved": [first]}
    assert [row["id"] for row in rows("customer", team.ning)] == [first]
    about = {"field": "customer", "op": "eq", "value": first}
    moves = rows("customer_transfer", filter=about, sort="id")
    assert [row["kind"] for row in moves] == ["claim", "release", "move"]
    assert moves[1]["reason"] == "不在我的区域"


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.long)])
def test_two_claim_at_the_same_instant_and_one_gets_it(
    team, pool, make, read, put, unit_of_work, rounds
):
    put("customer_pool", pool, daily_claims=rounds)
    names = {team.fu: "傅宇恒", team.yan: "闫晓璐"}
    for number in range(rounds):
        customer = make("customer", name=f"鼎源{number}机械", pool=pool)
        ready = Barrier(2)

        def attempt(person, customer=customer, ready=ready):
            ready.wait()
            try:
                with unit_of_work(person) as uow:
                    service.act(uow, "customer", "claim", [customer])
            except Refused as refused:
                return str(refused)
            return True

        with ThreadPoolExecutor(2) as threads:
            answers = dict(zip(names, threads.map(attempt, names), strict=True))
        owner = read("customer", customer)["owner"]
        assert answers.pop(owner) is True
        (told,) = answers.values()
        assert names[owner] in told


def test_limits_cool_down_and_wait_bind_customers_too(team, pool, make, act, put, runtime):
    put("customer_pool", pool, department_limit=2, cool_down_days=10, wait_hours=4)
    ids = [make("customer", name=f"鼎源{n}机械", pool=pool) for n in range(3)]
    with pytest.raises(Refused):
        act(team.fu, "customer", "claim", ids[:1])
    runtime.clock.move(timedelta(hours=4))
    act(team.fu, "customer", "claim", ids[:2])
    with pytest.raises(Refused, match="2"):
        act(team.yan, "customer", "claim", ids[2:])
    act(team.fu, "customer", "release", ids[:1], reason="换人跟进")
    with pytest.raises(Refused, match="鼎源0"):
        act(team.fu, "customer", "claim", ids[:1])
    act(team.yan, "customer", "claim", ids[:1])


def test_what_belongs_to_a_pool_does_not_change_hands_behind_its_back(
    team, pool, make, act, unit_of_work
):
    mine, other = make("customer", name="甲", pool=pool), make("customer", name="乙", owner=team.fu)
    act(team.fu, "customer", "claim", [mine])
    for key, values in (
        (mine, {"pool": None}),
        (mine, {"owner": team.yan}),
        (other, {"pool": pool}),
    ):
        with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow:
            service.update(uow, "customer", {key: values})
        assert [p.code for p in refused.value.problems] == ["readonly"]


def test_nobody_sells_to_a_customer_without_claiming_it(team, pool, make, act):
    customer = make("customer", name="鼎源机械", pool=pool)
    for entity, values in (("opportunity", {"name": "输送线"}), ("quote", {})):
        with pytest.raises(Invalid) as refused:
            make(entity, team.fu, customer=customer, **values)
        assert [(p.field, p.code) for p in refused.value.problems] == [("customer", "unclaimed")]
    act(team.fu, "customer", "claim", [customer])
    make("opportunity", team.fu, customer=customer, name="输送线")


def refusals(refused):
    return [(problem.field, problem.code) for problem in refused.value.problems]


def test_no_verb_takes_a_customer_out_of_its_pool_on_the_quiet(
    team, pool, make, act, put, rows, unit_of_work
):
    """What a verb writes for somebody is held to what they may do: to copy a quote is not to claim."""
    free, own = (
        make("customer", name="鼎源机械", pool=pool),
        make("customer", team.fu, name="自己的"),
    )
    quote = make("quote", team.fu, customer=own)
    unclaimed = [("customer", "unclaimed")]
    with pytest.raises(Invalid) as refused:
        act(team.fu, "quote", "copy", [quote], customer=free)
    assert refusals(refused) == unclaimed
    for entity, values in (("opportunity", {"name": "输送线"}), ("quote", {})):
        with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow, uow.elevated():
            service.create(uow, entity, [values | {"customer": free}])
        assert refusals(refused) == unclaimed
    put("customer", own, owner=None, pool=pool)  # its own customer lies there by now
    with pytest.raises(Invalid) as refused:
        act(team.fu, "quote", "copy", [quote])
    assert refusals(refused) == unclaimed
    assert [row["id"] for row in rows("quote")] == [quote]
    assert rows("opportunity") == []
    act(team.manager, "quote", "copy", [quote], customer=free)  # who may assign it
    make("quote", customer=free)  # and the system itself


def test_who_still_sells_to_a_customer_does_not_give_it_back(team, pool, make, act, read):
    customer = make("customer", name="鼎源机械", owner=team.fu, pool=pool)
    deal = make("opportunity", name="输送线", customer=customer, owner=team.fu)
    with pytest.raises(Refused, match="输送线"):
        act(team.fu, "customer", "release", [customer], reason="x")
    act(team.fu, "opportunity", "lose", [deal], reason="价格")
    act(team.fu, "customer", "release", [customer], reason="x")
    assert read("customer", customer)["owner"] is None


@pytest.mark.long
def test_a_list_is_imported_into_a_pool(team, pool, client, bearer, run_jobs, rows):
    """S-006, for customers: the pool is said once, for the whole file."""
    lines = "\n".join(f"潍坊导入{n}机械,C{n:04d}" for n in range(20))
    answer = client.post(
        "/api/v1/imports",
        data={
            "entity": "customer",
            "file": (io.BytesIO(f"客户名称,客户编号\n{lines}\n".encode()), "名单.csv"),
            "defaults": json.dumps({"source": "展会", "pool": "华东客户公海"}),
        },
        headers=bearer(team.manager),
        content_type="multipart/form-data",
    )
    assert answer.status_code == 202
    run_jobs()
    found = rows("customer", team.fu, limit=100)
    assert [(row["pool"], row["owner"]) for row in found] == [(pool, None)] * 20


def test_what_a_member_makes_belongs_to_the_pool_that_takes_it(team, pool, make, put, read):
    before = make("customer", team.fu, name="之前")
    put("customer_pool", pool, takes_new=True)
    after, elsewhere = (
        make("customer", team.fu, name="之后"),
        make("customer", team.ning, name="外"),
    )
    assert (read("customer", after)["owner"], read("customer", after)["pool"]) == (team.fu, pool)
    assert read("customer", before)["pool"] is read("customer", elsewhere)["pool"] is None


# What is seen, and by which doors one tries to see more


@pytest.fixture
def veiled(team, pool, make, put):
    """A customer in the pool, with a person there; telephone and mobile are masked."""
    put("customer_pool", pool, veiled=["phone", "contact_mobile"])
    customer = make("customer", name="鼎源机械", phone="0536-8123456", pool=pool)
    contact = make("contact", name="王建国", mobile="13805361234", customer=customer)
    return customer, contact


def test_members_see_masks_until_they_claim(team, veiled, read, act, rows, client, bearer):
    customer, contact = veiled
    assert "123456" not in read("customer", customer, team.fu)["phone"]
    assert read("contact", contact, team.fu)["mobile"] == "138****1234"
    assert read("contact", contact, team.manager)["mobile"] == "13805361234"
    over_rest = client.get(f"/api/v1/records/contact/{contact}", headers=bearer(team.fu)).json
    assert over_rest["mobile"] == "138****1234"
    for path in (f"contact/{contact}/timeline", f"customer/{customer}/timeline"):
        told = client.get(f"/api/v1/records/{path}", headers=bearer(team.fu))
        assert "13805361234" not in told.get_data(as_text=True)
        assert "8123456" not in told.get_data(as_text=True)
    for entity, key, asked in (
        ("contact", contact, {"search": "13805361234"}),
        ("contact", contact, {"filter": {"field": "mobile", "op": "eq", "value": "13805361234"}}),
        ("customer", customer, {"filter": {"field": "phone", "op": "contains", "value": "8123"}}),
        ("customer", customer, {"search": "8123456"}),
    ):
        assert [row["id"] for row in rows(entity, team.manager, **asked)] == [key]
        assert rows(entity, team.fu, **asked) == []
    act(team.fu, "customer", "claim", [customer])
    assert read("contact", contact, team.fu)["mobile"] == "13805361234"


@pytest.mark.parametrize("match", ["exact", "loose"])
def test_a_look_up_of_an_import_finds_nothing_by_a_mask(team, veiled, unit_of_work, match):
    """Nor does it ask “is it …?” with a number that the importer does not see."""
    customer, contact = veiled
    for entity, by, typed, key in (
        ("customer", "phone", "0536-8123457", customer),
        ("contact", "mobile", "13805361235", contact),
    ):
        told = {}
        for person in (team.fu, team.manager):
            with unit_of_work(person, write=False) as uow:
                spec = uow.entity(entity)
                resolver = LookupResolver(spec, Lookup(by, match))
                right = typed[:-1] + ("6" if entity == "customer" else "4")
                resolver.prepare(uow, Reference(entity), [typed, right])
                with pytest.raises(CleaningError) as refused:
                    resolver.find(typed)
                told[person] = str(refused.value), resolver.by_text[right]
        assert right not in told[team.fu][0]
        assert right in told[team.manager][0]
        assert [told[person][1] for person in (team.fu, team.manager)] == [(), (key,)]


def test_no_door_leads_past_the_pool(team, pool, veiled, make, act, unit_of_work, client, bearer):
    """Another department's seller reaches nothing; a member reads, and does no more."""
    customer, contact = veiled
    deal = make("opportunity", name="输送线", customer=customer, owner=team.yan)
    headers = bearer(team.ning)
    with unit_of_work(team.ning, write=False) as uow:
        for entity in ("customer", "contact", "opportunity", "customer_transfer"):
            assert query.count(uow, entity, ListQuery()) == 0
            assert query.count(uow, entity, ListQuery(search="鼎源")) == 0
        groups = aggregate.aggregate(uow, "customer", ["pool"], ["count"], ListQuery())
        assert groups == []
    for path in (f"customer/{customer}", f"contact/{contact}", f"customer/{customer}/timeline"):
        assert client.get(f"/api/v1/records/{path}", headers=headers).status_code == 404
    claim = client.post(f"/api/v1/records/customer/{customer}/actions/claim", headers=headers)
    assert claim.status_code == 404
    for key, entity, values in (
        (customer, "customer", {"owner": team.fu}),
        (customer, "customer", {"note": "x"}),
        (contact, "contact", {"title": "x"}),
    ):
        with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:  # read, and nothing else
            service.update(uow, entity, {key: values})
    with pytest.raises(NotFound), unit_of_work(team.fu, write=False) as uow:
        query.get(uow, "opportunity", deal)
    with pytest.raises(Forbidden):
        act(team.viewer, "customer", "claim", [customer])
    with unit_of_work(team.fu, write=False) as uow:
        by_phone = aggregate.aggregate(uow, "customer", ["phone"], ["count"], ListQuery())
    assert "8123456" not in json.dumps(by_phone)


def test_a_mask_does_not_come_back_as_a_value(team, make, unit_of_work):
    customer = make("customer", name="鼎源机械", owner=team.fu)
    contact = make("contact", name="王建国", customer=customer)
    with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow:
        service.update(uow, "contact", {contact: {"wechat": "w****"}})
    assert [(p.field, p.code) for p in refused.value.problems] == [("wechat", "masked")]


def test_a_list_of_the_pool_asks_as_much_for_forty_as_for_four(
    team, pool, put, unit_of_work, runtime, count_statements
):
    put("customer_pool", pool, veiled=["phone", "contact_mobile"])
    counted = []
    for n in (4, 40):
        with unit_of_work() as uow:
            values = [
                {"name": f"鼎源{n}-{i}", "source": "展会", "phone": "0536-8123456", "pool": pool}
                for i in range(n)
            ]
            ids = service.create(uow, "customer", values)
            service.create(uow, "contact", [{"name": "王", "customer": key} for key in ids])
        with unit_of_work(team.fu, write=False) as uow:
            query.page(uow, "customer", ListQuery(limit=1))  # who belongs to what is kept
        with unit_of_work(team.fu, write=False) as uow, count_statements() as statements:
            lies = {"field": "owner", "op": "is_empty"}
            query.page(uow, "customer", ListQuery(filter=lies, limit=100, count="exact"))
            query.page(uow, "contact", ListQuery(limit=100))
        counted.append(len(statements))
    assert counted[0] == counted[1]


# Going back


@pytest.fixture
def foresee(unit_of_work, runtime):
    """``foresee(id)``: in how many days the customer goes back, ``None`` when it does not, and why. What
    SQL finds for the night is held to it, on the day and on the day before."""

    def look(key):
        with unit_of_work(write=False) as uow:
            table = uow.entity("customer").table
            found = going(uow, CUSTOMERS, table.c.id == key).get(key)
            ends = found.on if isinstance(found, Going) else uow.clock.today() + timedelta(999)
            (rules,) = return_rules(uow, CUSTOMERS).values()
            for day in (ends - timedelta(days=1), ends):
                over = due(uow, CUSTOMERS, rules, day, table)
                ids = uow.execute(select(table.c.id).where(over, table.c.id == key)).scalars()
                assert list(ids) == ([key] if isinstance(found, Going) and day == ends else [])
            if not isinstance(found, Going):
                return None, found.said() if found else ""
            return (found.on - uow.clock.today()).days, found.said()

    return look


def test_customers_go_back_by_the_days_of_their_level(team, pool, make, act, put, foresee):
    levels = [{"level": "A", "stays": True}, {"level": "B", "idle_days": 5}]
    put("customer_pool", pool, idle_days=3, levels=levels)
    ids = {
        level: make("customer", name=f"级别{level}", level=level, pool=pool)
        for level in ("A", "B", "C", None)
    }
    act(team.fu, "customer", "claim", list(ids.values()))
    days = {level: foresee(key)[0] for level, key in ids.items()}
    assert days == {"A": None, "B": 5, "C": 3, None: 3}
    assert "3 天" in foresee(ids["C"])[1] or "3 days" in foresee(ids["C"])[1]


def test_the_days_of_a_level_are_said_once(pool, put):
    twice = [{"level": "A", "stays": True}, {"level": "A", "idle_days": 5}]
    with pytest.raises(Invalid) as refused:
        put("customer_pool", pool, levels=twice)
    assert [(p.field, p.code) for p in refused.value.problems] == [("levels", "second")]


def test_an_ongoing_opportunity_keeps_a_customer_and_a_deal_does_for_its_days(
    team, pool, make, act, put, foresee, at
):
    put("customer_pool", pool, not_won_days=5, spare_ongoing=True, spare_won_days=20)
    customer = make("customer", name="鼎源机械", pool=pool)
    act(team.fu, "customer", "claim", [customer])
    assert foresee(customer)[0] == 5
    deal = make("opportunity", name="输送线", customer=customer, owner=team.yan)
    days, why = foresee(customer)
    assert days is None
    assert "进行中" in why or "ongoing" in why
    at(10)
    act(team.yan, "opportunity", "win", [deal])
    days, why = foresee(customer)
    assert days == 20
    assert "20" in why
    put("customer_pool", pool, spare_won_days=None)
    assert foresee(customer)[0] == 5  # from the deal


def test_without_an_opportunity_a_customer_goes_back(team, pool, make, act, put, foresee, at):
    put("customer_pool", pool, no_opportunity_days=4, spare_ongoing=False)
    customer = make("customer", name="鼎源机械", pool=pool)
    act(team.fu, "customer", "claim", [customer])
    assert foresee(customer)[0] == 4
    deal = make("opportunity", name="输送线", customer=customer, owner=team.fu)
    assert foresee(customer)[0] is None
    at(9)
    act(team.fu, "opportunity", "lose", [deal], reason="价格")
    assert foresee(customer)[0] == 4  # from when the opportunity was closed


def test_the_rehearsal_tells_what_the_night_then_does(
    team, pool, make, act, put, read, at, night, browser_of
):
    put("customer_pool", pool, idle_days=3, warn_days=1, levels=[{"level": "A", "stays": True}])
    ids = [make("customer", name=f"鼎源{n}机械", pool=pool) for n in range(3)]
    key = make("customer", name="重点客户", level="A", pool=pool)
    act(team.fu, "customer", "claim", [*ids, key])
    at(3)
    page = browser_of(team.manager).get("/crm_sales/returns").get_data(as_text=True)
    assert "今晚将退回 3 条" in page
    assert "重点客户" not in page
    assert "商机" in page
    other = browser_of(team.ning).get("/crm_sales/returns").get_data(as_text=True)
    assert "鼎源" not in other
    night(4)
    assert [read("customer", each)["owner"] for each in ids] == [None] * 3
    assert read("customer", key)["owner"] == team.fu


# Opportunities


def test_opportunities_have_a_pool_of_the_same_rules(
    team, deal_pool, make, act, put, read, rows, night
):
    put("opportunity_pool", deal_pool, idle_days=3, cool_down_days=5, veiled=["strategy"])
    customer = make("customer", name="鼎源机械", owner=team.yan)
    free, won = (
        make("opportunity", name=n, customer=customer, pool=deal_pool, strategy="先单机")
        for n in ("输送线", "码垛机")
    )
    assert {row["id"] for row in rows("opportunity", team.fu)} == {free, won}
    assert read("opportunity", free, team.fu)["strategy"] == "****"
    assert rows("opportunity", team.ning) == []
    act(team.fu, "opportunity", "claim", [free, won])
    with pytest.raises(Refused, match="傅宇恒"):
        act(team.yan, "opportunity", "claim", [free])
    act(team.fu, "opportunity", "win", [won])
    with pytest.raises(Refused):
        act(team.fu, "opportunity", "release", [won], reason="x")
    night(4)
    assert read("opportunity", free)["owner"] is None
    assert read("opportunity", won)["owner"] == team.fu
    with pytest.raises(Refused, match="输送线"):
        act(team.fu, "opportunity", "claim", [free])
    act(team.manager, "opportunity", "assign", [free], owner=team.yan)
    assert read("opportunity", free)["owner"] == team.yan


@pytest.mark.long
def test_an_opportunity_is_moved_from_pool_to_pool(team, deal_pool, make, act, rows, unit_of_work):
    """By who leads, and only while nobody has it."""
    with unit_of_work() as uow:
        (west,) = service.create(
            uow, "opportunity_pool", [{"name": "西南", "members": [team.ning]}]
        )
    customer = make("customer", name="鼎源机械", owner=team.yan)
    deal = make("opportunity", name="输送线", customer=customer, pool=deal_pool)
    with pytest.raises(Forbidden):
        act(team.fu, "opportunity", "change_pool", [deal], pool=west)
    act(team.fu, "opportunity", "claim", [deal])
    with pytest.raises((Forbidden, NotFound, Refused)):
        act(team.manager, "opportunity", "change_pool", [deal], pool=west)
    act(team.fu, "opportunity", "release", [deal], reason="换人跟进")
    act(team.manager, "opportunity", "change_pool", [deal], pool=west)
    assert [row["id"] for row in rows("opportunity", team.ning)] == [deal]
    assert rows("opportunity", team.fu) == []
    moves = rows("opportunity_transfer", sort="id")
    assert [row["kind"] for row in moves] == ["claim", "release", "move"]
    assert (moves[-1]["pool"], moves[-1]["to_owner"]) == (west, None)


@pytest.mark.long
def test_opportunities_are_imported_into_a_pool(
    team, deal_pool, make, client, bearer, run_jobs, rows
):
    make("customer", name="鼎源机械", owner=team.fu)
    lines = "\n".join(f"商机{n},鼎源机械" for n in range(20))
    answer = client.post(
        "/api/v1/imports",
        data={
            "entity": "opportunity",
            "file": (io.BytesIO(f"商机名称,客户名称\n{lines}\n".encode()), "商机.csv"),
            "defaults": json.dumps({"pool": "商机公海"}),
        },
        headers=bearer(team.manager),
        content_type="multipart/form-data",
    )
    assert answer.status_code == 202, answer.json
    run_jobs()
    found = rows("opportunity", team.fu, limit=100)
    assert [(row["pool"], row["owner"]) for row in found] == [(deal_pool, None)] * 20


@pytest.mark.long
def test_owners_are_warned_before_an_opportunity_goes_back_and_its_page_says_why(
    team, deal_pool, make, act, put, read, night, told, browser_of
):
    put("opportunity_pool", deal_pool, idle_days=3, warn_days=1)
    customer = make("customer", name="鼎源机械", owner=team.fu)
    deal, other = (
        make("opportunity", name=name, customer=customer, pool=deal_pool)
        for name in ("输送线", "码垛机")
    )
    act(team.fu, "opportunity", "claim", [deal])
    page = browser_of(team.fu).get(f"/r/opportunity/{deal}").get_data(as_text=True)
    assert "退回商机公海" in page
    assert "期限 3 天" in page
    night(1)
    assert told(team.fu, "opportunity_returns_soon") == 0
    night(2)
    assert told(team.fu, "opportunity_returns_soon") == 1
    ahead = browser_of(team.manager).get("/crm_sales/returns/opportunities?period=week")
    assert "输送线" in ahead.get_data(as_text=True)
    assert "码垛机" not in ahead.get_data(as_text=True)
    night(4)
    assert read("opportunity", deal)["owner"] is None
    assert told(team.fu, "opportunity_returned") == 1
    assert told(team.yan, "opportunity_returned") == 0
    assert read("opportunity", other)["owner"] is None


@pytest.mark.long
def test_owners_are_warned_once_before_a_customer_goes_back(
    team, pool, make, act, put, night, told, unit_of_work
):
    put("customer_pool", pool, idle_days=4, warn_days=2)
    ids = [make("customer", name=f"鼎源{n}机械", pool=pool) for n in range(2)]
    act(team.fu, "customer", "claim", ids[:1])
    act(team.yan, "customer", "claim", ids[1:])
    night(1)
    assert told(team.fu, "customer_returns_soon") == 0
    night(2)
    night(3)
    assert [told(each, "customer_returns_soon") for each in (team.fu, team.yan)] == [1, 1]
    assert told(team.fu, "customer_returned") == 0
    night(5)
    assert [told(each, "customer_returned") for each in (team.fu, team.yan)] == [1, 1]


def test_who_claims_an_opportunity_gets_its_customer_along(
    team, pool, deal_pool, make, act, put, read
):
    put("customer_pool", pool, holding_limit=1)
    free, taken = (
        make("customer", name="甲", pool=pool),
        make("customer", name="乙", owner=team.yan),
    )
    deals = [
        make("opportunity", name=f"商机{key}", customer=key, pool=deal_pool)
        for key in (free, taken)
    ]
    act(team.fu, "opportunity", "claim", deals)
    assert (read("customer", free)["owner"], read("customer", taken)["owner"]) == (
        team.fu,
        team.yan,
    )
    another = make("customer", name="丙", pool=pool)
    deal = make("opportunity", name="商机丙", customer=another, pool=deal_pool)
    with pytest.raises(Refused, match="1"):  # the limit of its pool binds, and nothing is claimed
        act(team.fu, "opportunity", "claim", [deal])
    assert read("opportunity", deal)["owner"] is read("customer", another)["owner"] is None


# Pages


def test_lists_pools_and_the_first_page_show_the_way(team, pool, make, act, put, browser_of):
    put("customer_pool", pool, idle_days=3)
    free, held = (make("customer", name=f"鼎源{n}机械", pool=pool) for n in range(2))
    act(team.fu, "customer", "claim", [held])
    fu = browser_of(team.fu)
    assert "退回华东客户公海" in fu.get(f"/r/customer/{held}").get_data(as_text=True)
    assert "/actions/claim" in fu.get(f"/r/customer/{free}").get_data(as_text=True)
    listed = fu.get("/r/customer").get_data(as_text=True)
    assert "公海中" in listed
    assert "/crm_sales/returns" in listed
    assert "待领取的客户" in fu.get("/").get_data(as_text=True)
    page = fu.get(f"/r/customer_pool/{pool}").get_data(as_text=True)
    assert "公海内" in page
    assert "今晚退回" in page
