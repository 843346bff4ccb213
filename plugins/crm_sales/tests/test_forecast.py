"""The forecast and the league table: right to the cent, within the reader's reach, in few statements."""

from __future__ import annotations

import random
import re
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from html import unescape
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from core.entities import service
from core.errors import Forbidden
from core.settings.service import put_settings
from plugins.crm_sales.targets.forecast import Asked, read_forecast
from plugins.crm_sales.targets.league import read_league
from plugins.crm_sales.targets.periods import Period, period_of

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

RATES = (
    ("USD", date(2026, 1, 1), Decimal("7.25")),
    ("USD", date(2026, 9, 10), Decimal("7.0931")),
    ("JPY", date(2026, 2, 1), Decimal("0.04831")),
    ("USD", date(2030, 1, 1), Decimal(99)),
)
QUARTER = Period("quarter", date(2026, 7, 1))
SPANS = (
    QUARTER,
    Period("month", date(2026, 9, 1)),
    Period("month", date(2026, 1, 1)),
    Period("year", date(2026, 1, 1)),
)


def cents(value):
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.fixture
def told(runtime):
    """It is the last day of September 2026."""
    runtime.clock.move(date(2026, 9, 30) - runtime.clock.today())
    assert runtime.clock.today() == date(2026, 9, 30)


@pytest.fixture
def deals(told, unit_of_work, team, stage, make):
    """200 deals of four people in four currencies, won, lost and ongoing, over all of 2026; of some
    a team has shares."""
    rng = random.Random(7)
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.manager)
    for currency, day, rate in RATES:
        make("exchange_rate", currency=currency, valid_from=day.isoformat(), rate=str(rate))
    stages = {name: stage(name) for name in ("方案报价", "签约", "输单")}
    found = []
    for number in range(200):
        name = rng.choice(("方案报价", "方案报价", "签约", "签约", "输单"))
        # Nothing is closed on a day that is still to come.
        day = date(2026, 1, 1) + timedelta(days=rng.randrange(365 if name == "方案报价" else 273))
        found.append(
            {
                "name": f"商机{number}",
                "customer": customer,
                "stage": stages[name],
                "owner": rng.choice((team.fu, team.fu, team.yan, team.ning, team.manager)),
                "amount": None if rng.random() < 0.05 else Decimal(rng.randrange(10**9)) / 100,
                "currency": rng.choice(("CNY", "CNY", "USD", "JPY", "EUR")),
                "probability": rng.choice((0, 33, 79, 80, 95)) if name == "方案报价" else None,
                "closed_on": None if name == "方案报价" else day,
                "expected_close_on": None if rng.random() < 0.05 else day,
                "lost_reason": "价格" if name == "输单" else None,
            }
        )
        others = [
            p for p in (team.fu, team.yan, team.ning, team.manager) if p != found[-1]["owner"]
        ]
        shares = rng.choice(((), (), (), ("33.33", "33.33"), ("0.01",), ("25", "75"), ("12.5",)))
        found[-1]["members"] = [
            {"person": person, "share": share}
            for person, share in zip(rng.sample(others, len(shares)), shares, strict=True)
        ]
    with unit_of_work() as uow:
        service.create(uow, "opportunity", found)
    status = {stages["方案报价"]: "open", stages["签约"]: "won", stages["输单"]: "lost"}
    return [SimpleNamespace(**each, status=status[each["stage"]]) for each in found]


def rate_on(currency, day):
    rates = [rate for code, since, rate in RATES if code == currency and since <= day]
    return Decimal(1) if currency == "CNY" else rates[-1] if rates else None


def converted(parts):
    """By hand: the sum of each currency and rate, rounded once; what has no rate is not counted."""
    total = Decimal(0)
    for key in {(currency, rate) for currency, rate, _amount in parts if rate is not None}:
        mine = [amount for currency, rate, amount in parts if (currency, rate) == key]
        total += cents(sum(mine, Decimal(0)) * key[1])
    return total


def shared(deal, amount):
    """By hand: whose what of it is, in whole cents (or yen); what is left goes where most was cut."""
    cent = Decimal(1) if deal.currency == "JPY" else Decimal("0.01")
    shares = {m["person"]: Decimal(m["share"]) for m in deal.members}
    whose = {deal.owner: 100 - sum(shares.values())} | shares
    cut = {key: amount * share / 100 % cent for key, share in whose.items()}
    parts = {key: amount * share / 100 - cut[key] for key, share in whose.items()}
    left = amount - sum(parts.values())
    for key in sorted(cut, key=lambda key: -cut[key])[: int(left // cent)]:
        parts[key] += cent
    parts[deal.owner] += amount - sum(parts.values())  # yen that are no whole ones
    assert sum(parts.values()) == amount
    return parts


def by_hand(deals, period, people=None):
    """The figures of these deals: of all of them, or of what is ``people``'s."""
    won = [e for e in deals if e.status == "won" and period.first <= e.closed_on <= period.last]
    due = [
        e
        for e in deals
        if e.status == "open"
        and e.expected_close_on is not None
        and period.first <= e.expected_close_on <= period.last
    ]
    day = min(period.last, date(2026, 9, 30))

    def counted(rows):
        return len([e for e in rows if people is None or e.owner in people])

    def amount_of(each, factor=Decimal(1)):
        whole = cents((each.amount or Decimal(0)) * factor)
        if people is None:
            return whole
        return sum((a for key, a in shared(each, whole).items() if key in people), Decimal(0))

    def sums(rows, factor=lambda each: Decimal(1)):
        parts = []
        for each in rows:
            on_closing = rate_on(each.currency, each.closed_on) if each.closed_on else None
            rate = on_closing or rate_on(each.currency, day)
            parts.append((each.currency, rate, amount_of(each, factor(each))))
        return converted(parts)

    likely = [e for e in due if e.probability >= 80]
    others = [e for e in due if e.probability < 80]
    return {
        "deals": counted(won) + counted(due),
        "won": (counted(won), sums(won)),
        "committed": (counted(likely), sums(likely)),
        "weighted": (counted(others), sums(others, lambda e: Decimal(e.probability) / 100)),
        "lacking": {e.currency for e in (*won, *due) if amount_of(e) and e.currency == "EUR"},
    }


def reached(deals, person, owners):
    """Those of these owners, and those in whose team the reader is."""
    return [e for e in deals if e.owner in owners or person in [m["person"] for m in e.members]]


def test_the_figures_are_those_by_hand(deals, unit_of_work, team, admin_id, rows):
    """S-071: the forecast is what is won, what is committed in full, and of the others Σ amount ×
    probability: no deal counts twice; other currencies by their rates."""
    everybody = {team.fu, team.yan, team.ning, team.manager}
    (sales,) = [d["id"] for d in rows("department", limit=100) if d["name"] == "销售部"]
    below = {team.fu, team.yan, team.manager}
    for person, reach, asked, people in (
        (admin_id, everybody, {}, None),
        (admin_id, everybody, {"department": sales}, below),
        (admin_id, everybody, {"person": team.fu}, {team.fu}),
        (admin_id, everybody, {"department": sales, "person": team.fu}, {team.fu}),
        (team.manager, below, {}, None),
        (team.manager, below, {"person": team.ning}, {team.ning}),
        (team.fu, {team.fu}, {}, None),
        (team.fu, {team.fu}, {"department": sales}, below),
        (team.fu, {team.fu}, {"person": team.yan}, {team.yan}),
    ):
        seen = reached(deals, person, reach)
        with unit_of_work(person, write=False) as uow:
            for period in SPANS:
                found = read_forecast(uow, Asked(period, **asked))
                wanted = by_hand(seen, period, people)
                assert (found.won.count, found.won.amount.total) == wanted["won"]
                assert (found.committed.count, found.committed.amount.total) == wanted["committed"]
                assert (found.others.count, found.weighted.total) == wanted["weighted"]
                # The three, and each deal in one of them.
                parts = ("won", "committed", "weighted")
                assert found.forecast == sum(wanted[name][1] for name in parts)
                counts = (found.won.count, found.committed.count, found.others.count)
                assert sum(counts) == wanted["deals"]
                assert set(found.left_out) - {"JPY"} == wanted["lacking"]
                assert len(found.months) == {"month": 1, "quarter": 3, "year": 12}[period.kind]
                parts = sum((won.total for _m, won, _c, _w in found.months), Decimal(0))
                assert abs(parts - found.won.amount.total) <= Decimal("0.3")  # rounded each


def test_the_ranks_are_those_by_hand(deals, unit_of_work, team, admin_id):
    """S-172"""
    groups = {team.fu: "华东组", team.yan: "华东组", team.manager: "销售部", team.ning: "华北"}
    for person, owners in (
        (admin_id, set(groups)),
        (team.manager, {team.fu, team.yan, team.manager}),
        (team.yan, {team.yan}),
    ):
        seen = reached(deals, person, owners)
        with unit_of_work(person, write=False) as uow:
            for period in SPANS:
                league = read_league(uow, period, by="person", measure="amount")
                wanted = {key: by_hand(seen, period, {key})["won"] for key in groups}
                past = {key: by_hand(seen, period.before, {key})["won"] for key in groups}
                past = {key: amount for key, (count, amount) in past.items() if count or amount}
                for entry in league.entries:
                    count, amount = wanted[entry.key]
                    assert (entry.count, entry.reached) == (count, amount)
                    assert entry.rank == 1 + sum(a > amount for _n, a in wanted.values())
                    assert entry.is_own == (entry.key == person)
                    stood = None
                    if entry.key in past:
                        stood = 1 + sum(amount > past[entry.key] for amount in past.values())
                    assert entry.rise == (None if stood is None else stood - entry.rank)
                counted = read_league(uow, period, by="person", measure="count")
                assert {e.key: e.reached for e in counted.entries if e.count} == {
                    key: Decimal(count) for key, (count, _amount) in wanted.items() if count
                }
    with unit_of_work(admin_id, write=False) as uow:
        league = read_league(uow, QUARTER, by="department", measure="amount")
    sums = {entry.name: entry.reached for entry in league.entries}
    assert sums == {
        "销售部": by_hand(deals, QUARTER, {team.fu, team.yan, team.manager})["won"][1],
        # Each currency of a department is rounded once.
        "华北": by_hand(deals, QUARTER, {team.ning})["won"][1],
    }


@pytest.fixture
def win(told, make, act, team):
    """``win(owner, amount)``: a deal that was won on the last day of September."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.manager)

    def run(owner, amount, **values):
        key = make(
            "opportunity", name="码垛机", customer=customer, owner=owner, amount=amount, **values
        )
        act(None, "opportunity", "win", [key])
        return key

    run.customer = customer
    return run


@pytest.fixture
def aim(unit_of_work):
    def run(value, kind="month", measure="amount", **whose):
        values = {
            "period_kind": kind,
            "starts_on": "2026-09-01",
            "measure": measure,
            "value": value,
        }
        with unit_of_work() as uow:
            return service.create(uow, "sales_target", [values | whose])[0]

    return run


def test_below_one_department_its_parts_are_ranked(win, unit_of_work, team):
    """And what lies in it itself."""
    for owner in (team.fu, team.yan, team.manager):
        win(owner, "100")
    with unit_of_work(team.manager, write=False) as uow:
        league = read_league(uow, QUARTER, by="department", measure="count")
    assert {entry.name: entry.reached for entry in league.entries} == {
        "华东组": 2,
        "销售部 本部": 1,
    }


def test_what_is_won_counts_at_the_rate_of_its_closing_day(
    told, act, change_rates, make, read, team, unit_of_work
):
    """Rates that are entered later, and those of later days, change it no more."""
    customer = make("customer", name="潍坊鼎源农机有限公司", owner=team.fu)

    def deal(currency, amount="100.55"):
        values = {"name": "码垛机", "customer": customer, "amount": amount, "currency": currency}
        return make("opportunity", owner=team.fu, **values)  # by the system, which may know no rate

    dollars, yuan, pounds = deal("USD"), deal("CNY"), deal("GBP")
    act(team.fu, "opportunity", "win", [dollars, yuan, pounds])
    rates = [read("opportunity", key)["closing_rate"] for key in (dollars, yuan, pounds)]
    assert rates == [Decimal("7.25"), None, None]
    change_rates("USD", "8", since="2026-09-30")
    with unit_of_work(team.fu, write=False) as uow:
        found = read_forecast(uow, Asked(QUARTER))
    assert (found.won.amount.total, found.left_out) == (
        cents(Decimal("100.55") * Decimal("7.25")) + Decimal("100.55"),
        {"GBP": Decimal("100.55")},
    )
    change_rates("GBP", "9", since="2026-09-30")  # what had none gets it once it is there
    assert read("opportunity", pounds)["closing_rate"] == Decimal(9)
    act(team.fu, "opportunity", "move", [dollars], stage=read("opportunity", deal("USD"))["stage"])
    assert read("opportunity", dollars)["closing_rate"] is None
    act(team.fu, "opportunity", "win", [dollars])
    assert read("opportunity", dollars)["closing_rate"] == Decimal(8)


@pytest.fixture
def change_rates(make):
    make("exchange_rate", currency="USD", valid_from="2026-01-01", rate="7.25")

    def run(currency, rate, since):
        make("exchange_rate", currency=currency, valid_from=since, rate=rate)

    return run


@pytest.mark.long
def test_a_screen_on_the_wall_shows_the_first_in_large_type_and_nothing_else(win, browser_of, team):
    """S-172: it asks for itself every minute, and leads back."""
    win(team.fu, "1234")
    win(team.yan, "98765")
    browser = browser_of(team.manager)
    usual = text_of(browser.get("/crm_sales/league?kind=month&measure=count"))
    address = re.search(r'href="([^"]*/league/screen[^"]*)"', usual)[1]
    assert "period=" not in address, "it goes along with the calendar"
    page = text_of(browser.get("/crm_sales/league/screen"))
    ranked = re.findall(r'<th scope="row">([^<]+)</th><td[^>]*>([^<]+)', page)
    assert [(name, amount) for name, amount in ranked] == [
        ("闫晓璐", "¥98,765"),
        ("傅宇恒", "¥1,234"),
    ]
    assert 'hx-trigger="every 60s"' in page
    assert 'class="sidebar' not in page
    assert re.search(r'data-leave="/crm_sales/league\?kind=month[^"]*"', page)
    assert "2" in text_of(browser.get(address))
    assert browser_of(team.service).get("/crm_sales/league/screen").status_code == 403


@pytest.mark.long
def test_the_forecast_of_one_process_has_its_deals_and_no_target(
    win, aim, make, team, unit_of_work
):
    """S-061: a report is split by process."""
    process = make("sales_process", name="整线", stages=[{"name": "谈", "probability": 50}])
    aim(1000, person=team.fu)
    win(team.fu, "400")
    for where, amount in ((process, "100"), (None, "60")):
        make(
            *("opportunity", team.manager),
            name="商机",
            customer=win.customer,
            owner=team.fu,
            amount=amount,
            process=where,
            expected_close_on="2026-09-30",
        )
    month = period_of("month", date(2026, 9, 30))
    with unit_of_work(team.fu, write=False) as uow:
        whole, part = (
            read_forecast(uow, Asked(month)),
            read_forecast(uow, Asked(month, process=process)),
        )
    assert (whole.target, whole.forecast) == (1000, Decimal("456.00"))
    assert (part.target, part.forecast) == (None, Decimal("50.00"))


def test_equal_figures_share_a_rank_and_who_won_nothing_stands_last(
    win, aim, unit_of_work, team, admin_id
):
    """S-172: the tie rule."""
    for person, amount in ((team.fu, "5"), (team.yan, "2"), (team.yan, "3"), (team.ning, "1")):
        win(person, amount)
    aim(10, person=team.manager)
    aim(4, person=team.fu)
    with unit_of_work(admin_id, write=False) as uow:
        month = period_of("month", date(2026, 9, 30))
        entries = read_league(uow, month, by="person", measure="amount").entries
    assert {entry.key: entry.rank for entry in entries} == {
        team.fu: 1,
        team.yan: 1,
        team.ning: 3,
        team.manager: 4,
    }
    assert {entry.key: entry.target for entry in entries} == {
        team.fu: 4,
        team.yan: None,
        team.ning: None,
        team.manager: 10,
    }


def text_of(answer):
    assert answer.status_code == 200
    return unescape(answer.get_data(as_text=True))


def test_others_are_not_seen_unless_the_company_opens_the_table(
    win, aim, browser_of, team, unit_of_work, bearer, client
):
    win(team.fu, "1234")
    win(team.yan, "98765")
    win(team.ning, "55555")
    aim(4242, person=team.yan)
    aim(2468, person=team.fu)
    page, seller = "/crm_sales/league", browser_of(team.fu)

    def others_in(text):
        return {
            word
            for word in ("闫晓璐", "98,765", "宁书瑶", "55,555", "4,242", "157,")
            if word in text
        }

    reads = "/api/v1/records/opportunity/aggregate?group=owner&measure=sum:amount"
    for address in (
        page,
        f"{page}?kind=year&by=department",
        f"{page}?measure=count",
        "/crm_sales/forecast",
        f"/crm_sales/forecast?person={team.yan}",
        "/crm_sales/forecast?kind=year&department=1",
    ):
        assert not others_in(text_of(seller.get(address))) - {"闫晓璐"}, address
    assert not others_in(text_of(seller.get(page)))
    assert "1,234.00" in text_of(seller.get(page))
    (row,) = client.get(reads, headers=bearer(team.fu)).get_json()["items"]
    assert Decimal(row["sum:amount"]) == 1234
    assert others_in(text_of(browser_of(team.manager).get(page))) == {"闫晓璐", "98,765", "4,242"}
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"open_league": True})
    text = text_of(seller.get(page))
    # Names, ranks and sums: neither targets of others, nor a way to their deals.
    assert others_in(text) == {"闫晓璐", "98,765", "宁书瑶", "55,555"}
    assert "2,468" in text
    assert "/r/opportunity?" not in text.split("<table")[1]
    assert "1,234.00" in text
    assert not others_in(text_of(seller.get("/crm_sales/forecast?kind=year")))
    (row,) = client.get(reads, headers=bearer(team.fu)).get_json()["items"]
    assert Decimal(row["sum:amount"]) == 1234
    for person in (team.service,):
        assert browser_of(person).get(page).status_code == 403
        assert browser_of(person).get("/crm_sales/forecast").status_code == 403


def test_who_may_not_use_amounts_sees_no_sums(win, unit_of_work, team, rows):
    """A table that is open to all opens no field."""
    win(team.fu, "5")
    (role,) = [row["id"] for row in rows("role") if row["name"] == "sales"]
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"open_league": True})
        service.update(uow, "role", {role: {"field_rules": {"opportunity": {"amount": "hidden"}}}})
    month = period_of("month", date(2026, 9, 30))
    with pytest.raises(Forbidden), unit_of_work(team.fu, write=False) as uow:
        read_league(uow, month, by="person", measure="count")
    with pytest.raises(Forbidden), unit_of_work(team.fu, write=False) as uow:
        read_forecast(uow, Asked(month))


def test_the_gap_and_what_closes_it(win, aim, make, browser_of, team, unit_of_work, act):
    """S-070, S-071"""
    make("exchange_rate", currency="USD", valid_from="2026-01-01", rate="7")
    win(team.fu, "400000.55")
    aim(1_000_000, person=team.fu)
    aim(3, person=team.fu, measure="count")
    for name, amount, probability, currency in (
        ("第一", "300000", 90, "CNY"),
        ("第二", "30000", 80, "USD"),
        ("第三", "160000", 70, "CNY"),
        ("第四", "900000", 1, "CNY"),
        ("无汇率", "900000", 99, "EUR"),
    ):
        make(
            "opportunity",
            name=name,
            customer=win.customer,
            owner=team.fu,
            amount=amount,
            probability=probability,
            currency=currency,
            expected_close_on="2026-09-30",
        )
    make(
        "opportunity",
        name="逾期",
        customer=win.customer,
        owner=team.fu,
        expected_close_on="2026-08-01",
    )
    make("opportunity", name="未定", customer=win.customer, owner=team.fu)
    month = period_of("month", date(2026, 9, 30))
    with unit_of_work(team.fu, write=False) as uow:
        found = read_forecast(uow, Asked(month))
    assert found.gap == Decimal("599999.45")
    assert [(deal.values["name"], deal.left) for deal in found.deals] == [
        ("第一", Decimal("299999.45")),
        ("第二", Decimal("89999.45")),
        ("第三", 0),
    ]
    assert (found.late, found.undated) == (1, 1)
    assert found.left_out == {"EUR": 900_000}
    text = text_of(browser_of(team.fu).get("/crm_sales/forecast"))
    for written in (
        "¥400,001",
        "40.0%",
        "¥599,999.45",
        "US$30,000.00",
        "¥168,000.00",
        "1 / 3",
        "€900,000.00",
        "USD 7",
        "80%",
    ):
        assert written in text, written
    shown = re.findall(r'<a class="record-link"[^>]*>([^<]+)', text)
    assert shown == ["第一", "第二", "第三"]
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"committed_from": 85})
    with unit_of_work(team.fu, write=False) as uow:
        assert read_forecast(uow, Asked(month)).committed.amount.total == 300_000
    win(team.fu, "700000")
    with unit_of_work(team.fu, write=False) as uow:
        found = read_forecast(uow, Asked(month))
    assert (found.gap, found.deals) == (0, ())


@pytest.mark.parametrize(
    "address", ["/crm_sales/forecast?kind=year", "/crm_sales/league?kind=quarter"]
)
def test_as_many_statements_for_one_as_for_many(
    address, win, aim, browser_of, team, runtime, make_person
):
    browser = browser_of(team.manager)
    win(team.fu, "5")
    aim(9, person=team.fu)
    counted = []
    for more in (0, 6):
        for number in range(more):
            person = make_person(f"人{number}", roles=("sales",), department="销售部/华东组")
            win(person, "7")
            aim(9, person=person)
        browser.get(address)
        statements = []

        def note(*arguments, statements=statements):
            statements.append(arguments[2])

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            text_of(browser.get(address))
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        # PostgreSQL is told beside how to plan each sum.
        asked = [each for each in statements if each.startswith("SELECT")]
        counted.append([each for each in asked if not each.startswith("SELECT set_config")])
    assert len(counted[0]) == len(counted[1]) <= 24, "\n\n".join(counted[1])


def test_any_address_is_answered(told, browser_of, team):
    browser = browser_of(team.fu)
    for query in (
        "kind=week&period=2026-99&department=x&person=-1",
        "kind=year&period=0001",
        "period=2200-12",
        "kind=quarter&period=%00&by=%27&measure=*",
        f"department={'9' * 17}&person={'9' * 17}",
        "department=%EF%BC%91&person=1e3",
    ):
        text_of(browser.get(f"/crm_sales/forecast?{query}"))
        text_of(browser.get(f"/crm_sales/league?{query}"))
