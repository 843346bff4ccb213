"""Goals: their lights, their figures within the reader's reach, who sees and sets them, and the cockpit."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import event, update

from core.entities import query, service
from core.entities.measures import measures_of, read_measures
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound
from core.ops.lifecycle import disable
from core.plugins.contributions import GoalAsked
from core.settings.service import put_settings
from plugins.crm_sales.goals.standing import standings

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

YEAR = {"starts_on": date(2026, 1, 1), "ends_on": date(2026, 12, 31)}
ALL_YEAR = GoalAsked(date(2026, 1, 1), date(2026, 12, 31))
RATE = {"measure": "crm_sales.win_rate", "baseline": 40, "target": 60}


@pytest.fixture
def told(runtime):
    """``told(day)``: it is that day."""

    def move(day):
        runtime.clock.move(day - runtime.clock.today())

    move(date(2026, 9, 30))
    return move


@pytest.fixture
def place(rows):
    def find(name):
        (row,) = [each for each in rows("department", limit=100) if each["name"] == name]
        return row["id"]

    return find


@pytest.fixture
def deal(told, unit_of_work, make, stage, team):
    """``deal(owner, customer, days, **values)``: won on 1 June, ``days`` after it was made; else lost."""

    def run(owner, customer, days=10, closed=date(2026, 6, 1), where="签约", **values):
        given = {"name": "收割机", "customer": customer, "owner": owner, "stage": stage(where)}
        lost = {"lost_reason": "价格"} if where == "输单" else {}
        amount = {"amount": "1000"}
        with unit_of_work() as uow:
            closing = {} if where == "方案报价" else {"closed_on": closed}
            (key,) = service.create(uow, "opportunity", [given | lost | amount | closing | values])
            table = uow.entity("opportunity").table
            began = datetime(closed.year, closed.month, closed.day, 4, tzinfo=UTC)
            began -= timedelta(days=days)
            uow.execute(update(table).where(table.c.id == key).values(created_at=began))
        return key

    return run


@pytest.fixture
def figures(unit_of_work):
    """``figures(person, asked) -> {measure: figure}``, within that person's reach."""

    def run(person, asked=ALL_YEAR):
        with unit_of_work(person, write=False) as uow:
            found = read_measures(uow, [(name, asked) for name in measures_of(uow)])
        return {name: value for (name, _asked), value in found.items()}

    return run


@pytest.fixture
def aim(unit_of_work):
    """``aim(entity, **values) -> id``, that the system sets."""

    def run(entity, **values):
        with unit_of_work() as uow:
            return service.create(uow, entity, [values])[0]

    return run


@pytest.fixture
def goal(aim):
    """``goal(**values) -> id``."""
    return lambda **values: aim("goal", **({"name": "赢单率"} | RATE | YEAR | values))


def lights(uow, *ids):
    found = {row["id"]: row for row in query.page(uow, "goal", ListQuery()).items}
    return [each.light for each in standings(uow, [found[key] for key in ids])]


@pytest.mark.databases("sqlite", "postgresql")
def test_each_measure_comes_to_what_one_counts_by_hand(deal, make, figures, team, admin_id, told):
    """S-194, S-202, S-203: rates, days, amounts, within the days asked for alone."""
    one, two, three = (
        make("customer", name=f"潍坊第{n}农机厂", owner=team.fu) for n in ("一", "二", "三")
    )
    deal(team.fu, one, 10)
    deal(team.fu, one, 20)
    deal(team.yan, two, 90)
    deal(team.fu, three, 5, where="输单")
    deal(team.fu, three, 400, closed=date(2025, 12, 31))  # of last year
    deal(team.fu, three, -3, amount="0.5")  # recorded only after it was won
    deal(team.fu, three, where="方案报价")
    found = figures(admin_id)
    assert found["crm_sales.win_rate"] == Decimal("80.0")  # 4 of 5
    assert found["crm_sales.cycle"] == Decimal("40.0")  # 10, 20, 90
    assert found["crm_sales.cycle_median"] == Decimal("20.0")
    assert found["crm_sales.repurchase"] == Decimal("33.3")  # one of three bought twice
    assert found["crm_sales.won_amount"] == Decimal("3000.50")
    assert found["crm_sales.new_customers"] == 3
    before = figures(admin_id, GoalAsked(date(2025, 1, 1), date(2025, 12, 31)))
    assert before["crm_sales.cycle"] == Decimal("400.0")
    assert before["crm_sales.new_customers"] == 0
    nothing = figures(admin_id, GoalAsked(date(2024, 1, 1), date(2024, 12, 31)))
    assert {nothing[f"crm_sales.{name}"] for name in ("win_rate", "cycle", "repurchase")} == {None}


@pytest.mark.databases("sqlite", "postgresql")
def test_leads_are_measured_by_their_own_module(unit_of_work, make, figures, admin_id, told, team):
    """S-201: of the leads made in the days; gone with the module."""
    with unit_of_work() as uow:
        leads = service.create(
            uow, "lead", [{"company": f"第{n}农机厂", "mobile": f"1380013800{n}"} for n in range(8)]
        )
        table = uow.entity("lead").table
        uow.execute(update(table).where(table.c.id == leads[0]).values(status="converted"))
        old = datetime(2025, 5, 1, tzinfo=UTC)
        uow.execute(update(table).where(table.c.id.in_(leads[6:])).values(created_at=old))
    assert figures(admin_id)["crm_leads.conversion"] == Decimal("16.7")
    key = make("goal", name="转化", measure="crm_leads.conversion", baseline=10, target=15, **YEAR)
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, key) == ["reached"]
    with unit_of_work() as uow:
        disable(uow, "crm_leads")
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, key) == ["no_figure"]
        assert query.get(uow, "goal", key).values["measure"] == "crm_leads.conversion"
    assert refused(unit_of_work, measure="crm_leads.conversion", target=15, baseline=10) == {
        "measure": "choice"
    }


def test_the_light_goes_by_the_way_and_the_time(
    deal, make, goal, unit_of_work, admin_id, team, told
):
    """Whichever way it goes: a rate rises, a cycle falls."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)
    deal(team.fu, customer, 70)
    deal(team.fu, customer, where="输单")  # half is won
    half = goal()  # half the way
    first = goal(target=45)
    cycle = {"measure": "crm_sales.cycle"}
    falls = goal(**cycle, baseline=90, target=60)  # two thirds of the way
    fallen = goal(**cycle, baseline=90, target=70)
    rises = goal(**cycle, baseline=60, target=90)
    later = goal(starts_on=date(2026, 10, 1))
    none = goal(person=team.ning)
    told(date(2026, 6, 30))  # 180 of 365 days are over
    keys = half, first, falls, fallen, rises, later, none
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, *keys) == [
            *("on_way", "reached", "on_way", "reached", "behind", "not_begun", "no_figure")
        ]
    told(date(2026, 7, 2))  # 182 are
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, half) == ["on_way"]
    told(date(2026, 7, 3))
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, half, falls) == ["behind", "on_way"]
    told(date(2026, 12, 31))
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, half, falls) == ["behind", "behind"]
    told(date(2027, 1, 1))
    with unit_of_work(admin_id, write=False) as uow:
        assert lights(uow, half, first) == ["missed", "reached"]


def refused(unit_of_work, **given):
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.create(uow, "goal", [{"name": "目标"} | RATE | YEAR | given])
    return {problem.field: problem.code for problem in error.value.problems}


def test_what_a_goal_must_keep_is_said_at_its_field(unit_of_work, team, place, goal, read):
    assert refused(unit_of_work, target=40) == {"target": "same"}
    assert refused(unit_of_work, target=120) == {"target": "range"}
    assert refused(unit_of_work, baseline="-1") == {"baseline": "range"}
    assert refused(unit_of_work, measure="crm_sales.cycle", baseline="-1") == {"baseline": "range"}
    assert refused(unit_of_work, ends_on="2025-12-31") == {"ends_on": "order"}
    assert refused(unit_of_work, measure="crm_sales.satisfaction") == {"measure": "choice"}
    count = {"measure": "crm_sales.new_customers", "baseline": 0}
    assert refused(unit_of_work, **count, target="2.5") == {"target": "whole"}
    both = {"person": team.fu, "department": place("销售部")}
    assert refused(unit_of_work, **both) == {"department": "both"}
    key = goal()
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.update(uow, "goal", {key: {"baseline": 60}})
    assert refused(unit_of_work, baseline=None, target=0) == {"target": "same"}
    amount = goal(measure="crm_sales.won_amount", baseline=None, target="120000.50")
    assert read("goal", amount)["baseline"] == 0


def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(browser_of, team):
    browser = browser_of(team.manager)
    page = browser.get("/r/goal/new").get_data(as_text=True)
    assert 'value="crm_leads.conversion"' in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page).group(1)
    sent = {"name": "赢单率升到六成", "measure": "crm_sales.win_rate", "baseline": "40"}
    sent |= {"target": "160", "starts_on": "2026-01-01", "ends_on": "2026-12-31"}
    sent |= {"person": str(team.fu), "csrf_token": token}
    answer = browser.post("/r/goal/new", data=sent)
    text = unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert "百分比应在 0 到 100 之间" in text
    assert "赢单率升到六成" in text
    assert browser.post("/r/goal/new", data=sent | {"target": "60"}).status_code in (302, 303)


def test_who_sees_and_sets_goals(unit_of_work, team, goal, place):
    """A seller their own, a head those of the department and below; nobody else any."""
    own, below = goal(person=team.fu), goal(department=place("华东组"))
    others, company = goal(person=team.ning), goal()

    def seen(person):
        with unit_of_work(person, write=False) as uow:
            return {row["id"] for row in query.page(uow, "goal", ListQuery()).items}

    assert seen(team.fu) == {own}
    assert seen(team.manager) == {own, below}
    assert seen(team.viewer) == {own, below, others, company}  # reads all, and writes nothing
    with pytest.raises(Forbidden):
        seen(team.service)
    with unit_of_work(team.manager) as uow:
        service.update(uow, "goal", {own: {"target": 70}})
    for person, key, error in (
        (team.fu, own, Forbidden),
        (team.viewer, own, Forbidden),
        (team.manager, others, NotFound),
        (team.manager, company, NotFound),
    ):
        with pytest.raises(error), unit_of_work(person) as uow:
            service.update(uow, "goal", {key: {"target": 80}})
    for whose in ({}, {"person": team.ning}):
        with pytest.raises((Forbidden, Invalid)), unit_of_work(team.manager) as uow:
            service.create(uow, "goal", [{"name": "越界"} | RATE | YEAR | whose])
    with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:
        service.create(uow, "goal", [{"name": "自定"} | RATE | YEAR | {"person": team.fu}])


@pytest.mark.databases("sqlite", "postgresql")
def test_figures_are_those_within_the_readers_reach(deal, make, figures, team, admin_id, place):
    """Whatever is asked for: naming somebody else's person or department shows nothing of them."""
    for owner, days in ((team.fu, 10), (team.yan, 30), (team.ning, 50)):
        deal(owner, make("customer", name=f"客户{owner}", owner=owner), days)
    cycle = "crm_sales.cycle"
    assert figures(admin_id)[cycle] == 30
    assert figures(team.manager)[cycle] == 20
    assert figures(team.fu)[cycle] == 10
    of = GoalAsked(ALL_YEAR.first, ALL_YEAR.last, person=team.ning)
    east = GoalAsked(ALL_YEAR.first, ALL_YEAR.last, department=place("华东组"))
    assert figures(admin_id, of)[cycle] == 50
    assert figures(team.manager, of)[cycle] is None
    assert figures(team.manager, of)["crm_sales.won_amount"] == 0
    assert figures(team.manager, of)["crm_sales.new_customers"] == 0
    assert figures(team.ning, east)[cycle] is None
    assert figures(admin_id, east)[cycle] == 20
    assert not {
        name for name in figures(team.service) if name.endswith(("cycle", "rate", "amount"))
    }


def test_amounts_of_a_person_count_by_shares(deal, make, figures, team, admin_id, place):
    """As in forecast and league table."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)
    deal(team.fu, customer, amount="1000", members=[{"person": team.ning, "share": "25"}])
    whose = {"person": team.fu}, {"person": team.ning}, {"department": place("销售部")}, {}
    found = [
        figures(admin_id, GoalAsked(ALL_YEAR.first, ALL_YEAR.last, **each))["crm_sales.won_amount"]
        for each in whose
    ]
    assert found == [750, 250, 750, 1000]


@pytest.mark.databases("sqlite", "postgresql")
def test_a_hundred_goals_take_as_many_statements_as_three(
    deal, make, goal, unit_of_work, team, runtime
):
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)
    deal(team.fu, customer, members=[{"person": team.yan, "share": "25"}])

    def count():
        with unit_of_work(team.manager, write=False) as uow:
            found = query.page(uow, "goal", ListQuery(limit=200)).items
            sent = []

            def note(*arguments):
                sent.append(arguments[2])

            event.listen(runtime.database.engine, "before_cursor_execute", note)
            try:
                stood = standings(uow, found)
            finally:
                event.remove(runtime.database.engine, "before_cursor_execute", note)
            assert len(stood) == len(found)
        return len([each for each in sent if each.startswith(("SELECT", "WITH"))])

    kinds = ("crm_sales.win_rate", "crm_sales.cycle", "crm_sales.won_amount")
    for measure in kinds:
        goal(measure=measure, person=team.fu, baseline=1, target=2)
    count()  # rights are looked up once
    few = count()
    for number in range(97):
        ends = date(2026, 12, 31) - timedelta(days=number)  # no two ask the same
        goal(measure=kinds[number % 3], person=team.yan, baseline=1, target=2, ends_on=ends)
    assert 0 < count() == few <= 3  # all figures, and the tree of departments


# Pages


def read_page(browser, address):
    answer = browser.get(address)
    assert answer.status_code == 200, answer.status_code
    return unescape(answer.get_data(as_text=True))


def test_the_page_shows_lights_and_leads_to_what_was_counted(
    deal, make, goal, browser_of, team, place, told
):
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)
    deal(team.fu, customer, 70)
    goal(name="成单周期缩短", measure="crm_sales.cycle", baseline=90, target=60, person=team.fu)
    goal(name="别人的目标", person=team.ning)
    goal(name="去年的", person=team.fu, starts_on=date(2025, 1, 1), ends_on=date(2025, 12, 31))
    browser = browser_of(team.fu)
    page = read_page(browser, "/crm_sales/goals")
    assert "成单周期缩短" in page
    assert "70 天" in page
    assert "落后" in page
    assert "别人的目标" not in page
    assert "去年的" not in page
    assert "去年的" in read_page(browser, "/crm_sales/goals?over=1")
    (behind,) = set(re.findall(r'<a href="(/r/opportunity\?[^"]+)">70 天', page))
    assert "收割机" in read_page(browser, behind)
    assert browser_of(team.service).get("/crm_sales/goals").status_code == 403


def test_the_cockpit_shows_each_their_own(
    deal, aim, make, goal, browser_of, team, place, told, unit_of_work
):
    """S-182: attainment, what is stuck, goals and the funnel, each within the reader's reach."""
    mine = make("customer", name="傅宇恒的客户", owner=team.fu)
    theirs = make("customer", name="宁书瑶的客户", owner=team.ning)
    deal(team.fu, mine, closed=date(2026, 9, 3), amount="7000")
    deal(team.ning, theirs, closed=date(2026, 9, 3), amount="9000")
    month = {"period_kind": "month", "starts_on": "2026-09-01", "measure": "amount"}
    aim("sales_target", **month, person=team.fu, value="14000")
    aim("sales_target", **month, person=team.ning, value="11111")
    goal(name="傅宇恒的目标", person=team.fu)
    goal(name="宁书瑶的目标", person=team.ning)
    stuck = deal(team.fu, mine, where="方案报价", priority="high")
    with unit_of_work() as uow:
        table = uow.entity("opportunity").table
        past = datetime(2026, 9, 1, tzinfo=UTC)
        uow.execute(
            update(table)
            .where(table.c.id == stuck)
            .values(stage_due_at=past, held_since=past, last_followed_at=None)
        )
    for person, theirs_too in ((team.fu, False), (team.manager, False)):
        page = read_page(browser_of(person), "/crm_sales/cockpit")
        assert "50%" in page
        assert "傅宇恒的目标" in page
        assert "重要商机 3 天来从未跟进</span><b>1" in page
        assert "超出阶段时限</span><b>1" in page
        for word in ("宁书瑶", "9,000", "11,111"):
            assert (word in page) is theirs_too, word
    page = read_page(browser_of(team.ning), "/crm_sales/cockpit?kind=month&period=2026-09")
    assert "超出阶段时限</span><b>0" in page
    assert "7,000" not in page
    assert "傅宇恒" not in page


def test_the_cockpit_leads_to_lists_with_as_many_records(deal, make, browser_of, team, told):
    """Each figure of what is stuck is the length of its list."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)
    for importance in ("high", "high", "normal"):
        deal(team.fu, customer, where="方案报价", priority=importance)
    told(date(2026, 12, 1))
    browser = browser_of(team.manager)
    page = read_page(browser, "/crm_sales/cockpit")
    links = re.findall(
        r'<li><a href="(/r/opportunity\?[^"]+)"><span>([^<]*(?:阶段时限|跟进|负责))</span><b>(\d+)</b>',
        page,
    )
    assert len(links) == 4
    assert [int(count) for _a, _l, count in links] == [3, 0, 2, 0]
    for address, label, count in links:
        listed = read_page(browser, address)
        assert len(set(re.findall(r'href="/r/opportunity/(\d+)"', listed))) == int(count), label


def test_the_cockpit_is_for_those_who_may_see_the_forecast(browser_of, team, told, unit_of_work):
    assert browser_of(team.service).get("/crm_sales/cockpit").status_code == 403
    assert browser_of(team.manager).get("/crm_sales/cockpit?kind=x&period=9999").status_code == 200


def test_an_open_league_opens_nothing_of_the_cockpit(
    deal, make, browser_of, team, told, unit_of_work
):
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"open_league": True})
    customer = make("customer", name="宁书瑶的客户", owner=team.ning)
    deal(team.ning, customer, closed=date(2026, 9, 3), amount="9000")
    browser = browser_of(team.fu)
    assert "宁书瑶" in read_page(browser, "/crm_sales/league")
    page = read_page(browser, "/crm_sales/cockpit")
    assert "宁书瑶" not in page
    assert "9,000" not in page


def test_the_cockpit_takes_as_many_statements_for_many_as_for_few(
    deal, make, goal, browser_of, team, told, runtime, make_person
):
    """Two for who asks, two of the page, one of names, and the bell."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)
    deal(team.fu, customer, closed=date(2026, 9, 3))
    goal(person=team.fu)
    browser = browser_of(team.manager)

    def count():
        sent = []

        def note(*arguments):
            sent.append(arguments[2])

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            read_page(browser, "/crm_sales/cockpit")
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        # PostgreSQL is told beside how to plan each sum.
        asked = [e for e in sent if e.startswith(("SELECT", "WITH"))]
        return len([e for e in asked if "set_config" not in e])

    count()
    few = count()
    for number in range(6):
        person = make_person(f"人{number}", roles=("sales",), department="销售部/华东组")
        deal(person, customer, closed=date(2026, 9, 3 + number))
        goal(person=person)
    count()  # there are more people
    assert count() == few <= 6
