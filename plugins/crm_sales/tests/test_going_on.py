"""How many go on from each stage, against the period before: by the rule, within the reader's reach (S-193)."""

from __future__ import annotations

import csv
import io
import random
import re
from datetime import date, timedelta
from decimal import Decimal
from html import unescape
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from core.db.planning import count_values
from core.entities import service
from core.entities.reading import read_together
from core.errors import Forbidden
from plugins.crm_sales.going_on import Passed, Window, reading_lines, windows
from plugins.crm_sales.targets.narrowing import Narrowing
from plugins.crm_sales.targets.periods import Period, period_of

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

INDEX = "ix_crm_sales_stage_visit_stage_id_entered_at"
OPEN = ("初步接洽", "需求分析", "方案报价", "商务谈判")


@pytest.fixture
def told(runtime):
    """``told(day)``: it is that day. At first the 20th of June 2026."""

    def move(day):
        runtime.clock.move(day - runtime.clock.today())

    move(date(2026, 6, 20))
    return move


@pytest.fixture
def process(told, rows):
    """The one that a company begins with."""
    (found,) = rows("sales_process")
    return found["id"]


@pytest.fixture
def deal(make, told, team):
    """``deal(owner, **values)``: a new one of that person, in the first stage."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.manager)

    def run(owner=team.fu, **values):
        given = {"name": "收割机", "customer": customer, "owner": owner, "amount": "100"}
        return make("opportunity", **given | values)

    return run


@pytest.fixture
def lines(unit_of_work, process):
    """``lines(reader, period, **narrowing) -> {stage: (this period, the one before)}``"""

    def run(reader, period, of=None, **narrowing):
        with unit_of_work(reader, write=False) as uow:
            reading = reading_lines(uow, of or process, period, Narrowing(**narrowing))
            (found,) = read_together(uow, [reading])
            return {line.name: line.pair() for line in found}

    return run


# Which days


def test_a_period_that_is_over_is_compared_with_the_whole_of_the_one_before():
    now, then = windows(Period("month", date(2026, 3, 1)), date(2026, 5, 15))
    assert now == Window(date(2026, 3, 1), date(2026, 3, 31), date(2026, 5, 15))
    assert then == Window(date(2026, 2, 1), date(2026, 2, 28), date(2026, 4, 15))


@pytest.mark.parametrize(
    ("kind", "today", "same"),
    [
        ("month", date(2026, 11, 18), date(2026, 10, 18)),
        ("month", date(2026, 3, 30), date(2026, 2, 28)),  # which has no 30th
        ("month", date(2026, 4, 30), date(2026, 3, 31)),  # the last day: all of March
        ("quarter", date(2026, 11, 18), date(2026, 8, 18)),
        ("quarter", date(2026, 5, 31), date(2026, 2, 28)),
        ("year", date(2026, 11, 18), date(2025, 11, 18)),
        ("year", date(2028, 2, 29), date(2027, 2, 28)),
        ("year", date(2026, 12, 31), date(2025, 12, 31)),
    ],
)
def test_one_in_progress_is_compared_with_the_same_part(kind, today, same):
    period = period_of(kind, today)
    now, then = windows(period, today)
    assert now == Window(period.first, today, today)
    assert then == Window(period.before.first, same, same)


def test_both_have_had_as_long_to_go_on():
    """On the first day after a month its deals are a day old; those of the month before were so a month ago."""
    _now, then = windows(Period("month", date(2026, 2, 1)), date(2026, 3, 1))
    assert then.seen == date(2026, 2, 1)
    _now, then = windows(Period("month", date(2026, 2, 1)), date(2026, 3, 31))
    assert then.seen == date(2026, 2, 28)


# The rule


class Histories:
    """Deals that go back and forth, told by hand as it happens."""

    def __init__(self, unit_of_work, runtime, processes, people, make_deal, rng):
        self.unit_of_work, self.runtime, self.rng = unit_of_work, runtime, rng
        self.processes, self.people, self.make_deal = processes, people, make_deal
        self.deals = []

    def happen(self):
        self.runtime.clock.move(timedelta(minutes=self.rng.randrange(1, 4 * 24 * 60)))
        often, seldom = ("make", "move", "move", "move"), ("win", "lose", "delete", "switch")
        how = self.rng.choice((*often, *seldom, "restore")) if len(self.deals) > 4 else "make"
        if how == "make":
            self.make()
            return
        deal = self.rng.choice(self.deals)
        if (how == "restore") is deal.is_gone:
            getattr(self, how)(deal)

    def make(self):
        process = self.rng.choice((*self.processes, self.processes[0]))
        owner = self.rng.choice(self.people)
        stage = self.rng.choice([each for each in process.stages if each.end is None])
        key = self.make_deal(owner, process=process.id, stage=stage.id)
        deal = SimpleNamespace(id=key, owner=owner, process=process, entries=[], is_gone=False)
        self.deals.append(deal)
        self._enter(deal, stage)

    def move(self, deal):
        stage = self.rng.choice(deal.process.stages)
        if stage is deal.stage:
            return
        params = {"stage": stage.id, "reason": "价格" if stage.end == "lost" else None}
        self._act("move", deal, params)
        self._enter(deal, stage)

    def win(self, deal):
        self._close(deal, "won", {})

    def lose(self, deal):
        self._close(deal, "lost", {"reason": "价格"})

    def _close(self, deal, end, params):
        if deal.is_over:
            return
        self._act("win" if end == "won" else "lose", deal, params)
        stage = next((each for each in deal.process.stages if each.end == end), None)
        if stage is not None:
            self._enter(deal, stage)
        else:
            deal.is_over = True
            deal.won_on = self.runtime.clock.today() if end == "won" else None

    def switch(self, deal):
        """It goes on in another process."""
        if deal.is_over:
            return
        process = next(each for each in self.processes if each is not deal.process)
        stage = self.rng.choice([each for each in process.stages if each.end is None])
        with self.unit_of_work() as uow:
            values = {"process": process.id, "stage": stage.id}
            service.update(uow, "opportunity", {deal.id: values})
        deal.process = process
        self._enter(deal, stage)

    def delete(self, deal):
        with self.unit_of_work() as uow:
            service.delete(uow, "opportunity", [deal.id])
        deal.is_gone = True

    def restore(self, deal):
        with self.unit_of_work() as uow:
            service.restore(uow, "opportunity", [deal.id])
        deal.is_gone = False

    def _act(self, verb, deal, params):
        with self.unit_of_work() as uow:
            given = {name: value for name, value in params.items() if value is not None}
            service.act(uow, "opportunity", verb, [deal.id], given)

    def _enter(self, deal, stage):
        today = self.runtime.clock.today()
        deal.stage, deal.is_over = stage, stage.end is not None
        deal.won_on = today if stage.end == "won" else None
        deal.entries.append((today, stage))

    def naively(self, process, person, window):
        """By stage: how many entered it, and how many of those went on, as the rule says it."""
        found = {}
        for stage in (each for each in process.stages if each.end is None):
            entered, went = 0, 0
            for deal in self.deals:
                if deal.is_gone or person not in (None, deal.owner):
                    continue
                places = [
                    place
                    for place, (day, where) in enumerate(deal.entries)
                    if where is stage and window.first <= day <= window.last
                ]
                if not places:
                    continue
                entered += 1
                later = deal.entries[places[0] + 1 :]
                went += any(
                    where.end == "won"
                    or (where.end is None and where.of == stage.of and where.place > stage.place)
                    for day, where in later
                    if day <= window.seen
                ) or bool(deal.won_on and deal.won_on <= window.seen)
            found[stage.name] = Passed(entered, went)
        return found


@pytest.fixture
def histories(unit_of_work, runtime, team, deal, make, rows, process):
    """``histories(seed, number)``: so many events, in a process with a won stage and in one without."""

    def run(seed, number):
        names = ("送样", "试产", "量产")
        other = make("sales_process", name="出口", stages=[{"name": name} for name in names])
        stages = rows("stage", sort="position,id", limit=100)
        processes = [
            SimpleNamespace(
                id=key,
                stages=[
                    SimpleNamespace(
                        id=each["id"],
                        of=key,
                        name=each["name"],
                        place=place,
                        end="won" if each["is_won"] else "lost" if each["is_lost"] else None,
                    )
                    for place, each in enumerate(s for s in stages if s["process"] == key)
                ],
            )
            for key in (process, other)
        ]
        people = (team.fu, team.yan, team.ning)
        rng = random.Random(seed)
        told = Histories(unit_of_work, runtime, processes, people, deal, rng)
        for _number in range(number):
            told.happen()
        return told

    return run


def agree(told, lines, runtime, admin_id, team):
    """For all three lengths, of all and of one person; what a reader's reach hides counts nowhere."""
    today, counted = runtime.clock.today(), 0
    periods = [period_of(kind, today) for kind in ("month", "quarter", "year")]
    periods += [periods[0].before, periods[0].before.before, periods[1].before]
    for period in periods:
        spans = windows(period, today)
        for process in told.processes:
            for reader, asked, person in (
                (admin_id, {}, None),
                (admin_id, {"person": team.yan}, team.yan),
                (team.fu, {}, team.fu),
                (team.fu, {"person": team.yan}, 0),
            ):
                found = lines(reader, period, of=process.id, **asked)
                found.pop("线索", None)
                now, then = (told.naively(process, person, span) for span in spans)
                assert found == {name: (now[name], then[name]) for name in now}, (period, asked)
                counted += sum(each.went for each in now.values())
    assert counted


def test_it_is_what_one_counts_by_hand(histories, lines, runtime, admin_id, team):
    """Over moves back, skips, reopened, deleted, closed and won deals, and such as go to another process."""
    agree(histories(7, 50), lines, runtime, admin_id, team)


@pytest.mark.long
@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize("seed", range(6))
def test_so_it_is_for_many_histories(histories, lines, runtime, admin_id, team, seed):
    agree(histories(seed, 160), lines, runtime, admin_id, team)


# Pages


def text_of(answer):
    assert answer.status_code == 200, answer.status_code
    return unescape(answer.get_data(as_text=True))


def cells_of(page, caption):
    body = re.search(rf"<caption[^>]*>{caption}</caption>.*?</table>", page, re.S)[0]
    rows = [
        [
            re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)
        ]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)
    ]
    return {cells[0]: cells[1:] for cells in rows}


@pytest.fixture
def world(deal, act, told, team, stage, unit_of_work, runtime):
    """In August three of four of Fu's went on, in September one of two; Ning's are others' business."""
    told(date(2026, 8, 3))
    august = [deal(team.fu) for _n in range(4)]
    foreign = [deal(team.ning) for _n in range(5)]
    runtime.clock.move(timedelta(days=1))
    act(None, "opportunity", "move", august[:2], stage=stage("需求分析"))
    act(None, "opportunity", "win", august[2:3])
    act(None, "opportunity", "move", foreign[:4], stage=stage("方案报价"))
    told(date(2026, 9, 2))
    september = [deal(team.fu), deal(team.fu)]
    with unit_of_work() as uow:
        lead = {"contact_name": "王", "source": "展会", "owner": team.fu}
        made = [{**lead, "company": f"甲{n}", "mobile": f"1380000111{n}"} for n in range(3)]
        leads = service.create(uow, "lead", made)
        service.act(uow, "lead", "convert", leads[:1], {"without_opportunity": True})
    runtime.clock.move(timedelta(days=3))
    act(None, "opportunity", "move", september[:1], stage=stage("需求分析"))
    return SimpleNamespace(august=august, september=september)


def test_the_page_says_by_how_many_points_and_whether_that_is_better(world, browser_of, team):
    """And the cockpit where it fell most."""
    browser = browser_of(team.fu)
    page = text_of(browser.get("/crm_sales/funnel/change"))
    table = cells_of(page, "转化率变化")
    assert list(table) == ["阶段", "线索", *OPEN]
    assert table["线索"] == ["1/3 · 33.3%", "—", "—"]
    assert table["初步接洽"] == ["1/2 · 50%", "3/4 · 75%", "▼ 下降 25 个百分点"]
    assert table["需求分析"] == ["0/1 · 0%", "0/2 · 0%", "持平"]
    assert table["方案报价"] == ["—", "—", "—"]
    assert "本期尚未结束" in page
    assert "2026年8月1日至2026年8月5日" in page or "2026-08-01" in page
    assert "/crm_sales/funnel/change" in text_of(browser.get("/crm_sales/funnel"))
    page = text_of(browser.get("/crm_sales/cockpit"))
    (line,) = re.findall(r"“([^”]+)”阶段的转化率下降最多：由 3/4 · 75% 降至 1/2 · 50%", page)
    assert line == "初步接洽"
    assert "下降最多" not in text_of(browser.get("/crm_sales/cockpit?kind=month&period=2026-08"))


@pytest.mark.long
def test_a_deal_that_goes_on_later_counts_for_its_month(world, browser_of, team, act, told, stage):
    """And the month before counts as it stood when it was as old."""
    told(date(2026, 10, 20))
    act(None, "opportunity", "win", [world.september[1]])
    act(None, "opportunity", "win", [world.august[3]])
    address = "/crm_sales/funnel/change?kind=month&period=2026-09"
    page = text_of(browser_of(team.fu).get(address))
    assert cells_of(page, "转化率变化")["初步接洽"] == [
        *("2/2 · 100%", "3/4 · 75%", "▲ 提高 25 个百分点")
    ]
    assert "本期尚未结束" not in page
    page = text_of(browser_of(team.fu).get("/crm_sales/funnel/change?kind=month&period=2026-08"))
    assert cells_of(page, "转化率变化")["初步接洽"][:2] == ["4/4 · 100%", "—"]


def test_deals_out_of_reach_count_for_nobody_else(world, browser_of, team, sign_in, rows):
    """Whatever department or person is asked for; the administrator counts all, and teams side by side."""
    for asked in ("", f"?person={team.ning}", f"?person={team.fu}"):
        page = text_of(browser_of(team.fu).get(f"/crm_sales/funnel/change{asked}"))
        assert "4/5" not in page
        assert "7/9" not in page
        assert "华北" not in page
    page = text_of(sign_in().get("/crm_sales/funnel/change"))
    assert cells_of(page, "转化率变化")["初步接洽"][1] == "7/9 · 77.8%"
    teams = cells_of(page, "各团队对比")
    places = {name: place for place, name in enumerate(teams["阶段"])}
    assert teams["初步接洽"][places["销售部"]].startswith("1/2 · 50% ▼")
    assert teams["初步接洽"][places["华北"]] == "—"
    for home, cells in (("华东组", ["1/2 · 50%", "3/4 · 75%"]), ("华北", ["—", "4/5 · 80%"])):
        (row,) = [each for each in rows("department", limit=100) if each["name"] == home]
        page = text_of(sign_in().get(f"/crm_sales/funnel/change?department={row['id']}"))
        assert cells_of(page, "转化率变化")["初步接洽"][:2] == cells
    assert browser_of(team.service).get("/crm_sales/funnel/change").status_code == 403


def test_who_may_not_use_a_field_of_the_rule_sees_nothing_of_it(
    world, unit_of_work, team, process, browser_of
):
    with unit_of_work() as uow:
        table = uow.entity("role").table
        role = uow.execute(table.select().where(table.c.name == "sales")).one()
        rules = {"opportunity": {"closed_on": "hidden"}}
        service.update(uow, "role", {role.id: {"field_rules": rules}})
    period = Period("month", date(2026, 9, 1))
    with pytest.raises(Forbidden), unit_of_work(team.fu, write=False) as uow:
        reading_lines(uow, process, period, Narrowing())
    assert browser_of(team.fu).get("/crm_sales/funnel/change").status_code == 403


def test_it_is_exported_as_numbers(world, browser_of, team, unit_of_work):
    """The same rows, for who may export deals; the audit trail keeps of what."""
    browser = browser_of(team.manager)
    sent = {"kind": "month", "period": "2026-09", "format": "csv", "csrf_token": browser.csrf}
    answer = browser.post("/crm_sales/funnel/change/export", data=sent)
    assert answer.status_code == 200
    table = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert len(table[0]) == 9
    whole = {row[1]: row[2:] for row in table[1:] if row[0] == "全部"}
    assert [Decimal(cell) for cell in whole["初步接洽"]] == [2, 1, 50, 4, 3, 75, -25]
    assert whole["方案报价"] == ["0", "0", "", "0", "0", "", ""]
    fu = browser_of(team.fu)
    answer = fu.post("/crm_sales/funnel/change/export", data=sent | {"csrf_token": fu.csrf})
    assert answer.status_code == 403


@pytest.mark.long
def test_numbers_in_the_address_that_are_none_do_no_harm(world, browser_of, team):
    browser = browser_of(team.fu)
    for asked in ("kind=x&period=9999", "process=x&person=-1&department=1e9", "period=2199-12"):
        assert browser.get(f"/crm_sales/funnel/change?{asked}").status_code == 200
    assert "尚未开始" in text_of(browser.get("/crm_sales/funnel/change?period=2199-12"))


# Statements


@pytest.fixture
def sent(runtime):
    """``sent(run)``: what it asks the database, with parameters."""

    def collect(run):
        found = []

        def note(_connection, _cursor, statement, parameters, *_rest):
            found.append((statement, parameters))

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            run()
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        asked = [each for each in found if each[0].startswith(("SELECT", "WITH"))]
        return [each for each in asked if "set_config" not in each[0]]

    return collect


def test_it_takes_as_many_statements_for_many_as_for_few(
    world, browser_of, team, deal, act, stage, sent, make_person
):
    browser = browser_of(team.manager)

    def look():
        text_of(browser.get("/crm_sales/funnel/change"))

    look()
    few = len(sent(look))
    for number in range(3):
        person = make_person(f"人{number}", roles=("sales",), department=f"销售部/{number}组")
        for _n in range(4):
            act(None, "opportunity", "move", [deal(person)], stage=stage("商务谈判"))
    look()
    assert len(sent(look)) == few <= 16


@pytest.mark.databases("sqlite", "postgresql")
def test_what_entered_a_stage_is_found_through_its_index(
    world, unit_of_work, lines, sent, admin_id, database_kind, rows
):
    """However much ever entered it: here six thousand over sixteen years."""
    stages = [row["id"] for row in rows("stage")]
    with unit_of_work() as uow:
        table, began = uow.entity("stage_visit").table, uow.now() - timedelta(days=6000)
        stamps = {"version": 1, "created_at": began, "updated_at": began}
        visits = [
            {
                "opportunity_id": world.august[number % 4],
                "stage_id": stages[number % len(stages)],
                "entered_at": began + timedelta(days=number),
                **stamps,
            }
            for number in range(6000)
        ]
        uow.execute(table.insert(), visits)
    asked = sent(lambda: lines(admin_id, Period("month", date(2026, 9, 1))))
    (statement, parameters) = next(each for each in asked if "entered_at" in each[0])
    with unit_of_work() as uow:
        count_values(uow.connection)
        explain = "EXPLAIN QUERY PLAN " if database_kind == "sqlite" else "EXPLAIN "
        plan = uow.connection.exec_driver_sql(explain + statement, parameters).all()
    assert str(plan).count(INDEX) >= 2, "\n".join(map(str, plan))
