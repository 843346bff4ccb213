"""Targets: for whom, one each, who sets and sees them, and many at once on one page."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from html import unescape

import pytest

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Conflict, Forbidden, Invalid, NotFound
from plugins.crm_sales.targets.figures import read_targets, read_tree
from plugins.crm_sales.targets.periods import Period, parse, period_of

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

YEAR = Period("year", date(2026, 1, 1))


def values(**given):
    return {"period_kind": "month", "starts_on": "2026-11-15", "measure": "amount"} | given


@pytest.fixture
def place(rows):
    """``place(name)``: the id of a department."""

    def find(name):
        (row,) = [each for each in rows("department", limit=100) if each["name"] == name]
        return row["id"]

    return find


@pytest.fixture
def aim(unit_of_work):
    """``aim(**values) -> id``: a target that the system sets."""

    def run(**given):
        with unit_of_work() as uow:
            return service.create(uow, "sales_target", [given])[0]

    return run


def refused(unit_of_work, **given):
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.create(uow, "sales_target", [values(**given)])
    return {problem.field: problem.code for problem in error.value.problems}


@pytest.mark.databases("sqlite", "postgresql")
def test_one_for_each_of_whom_period_and_measure(unit_of_work, team, aim, read, place):
    """S-070"""
    first = aim(**values(person=team.fu, value="900000"))
    kept = read("sales_target", first)
    assert (kept["name"], kept["starts_on"]) == ("2026-11", date(2026, 11, 1))
    taken = values(person=team.fu, value="1", starts_on="2026-11-02")
    assert refused(unit_of_work, **taken) == {"starts_on": "taken"}
    for other in (
        {"measure": "count"},
        {"person": team.yan},
        {"period_kind": "quarter"},
        {"starts_on": "2026-12-01"},
        {"person": None, "department": place("销售部")},
        {"person": None},
    ):
        aim(**(taken | other))
    assert refused(unit_of_work, **(taken | {"person": None})) == {"starts_on": "taken"}
    with unit_of_work() as uow:
        service.delete(uow, "sales_target", [first])
    again = aim(**taken)
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.restore(uow, "sales_target", [first])
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.create(uow, "sales_target", [values(person=team.ning, value=1)] * 2)
    assert [problem.item for problem in error.value.problems] == [1]
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.update(uow, "sales_target", {again: {"person": team.yan}})


def test_what_is_no_target_is_refused_at_its_field(unit_of_work, team, place):
    sales = place("销售部")
    for given, field in (
        ({"person": team.fu, "department": sales, "value": 1}, "department"),
        ({"person": team.fu, "value": "-1"}, "value"),
        ({"person": team.fu, "value": "1.5", "measure": "count"}, "value"),
        ({"person": team.fu, "value": None}, "value"),
        ({"person": team.fu, "value": 1, "period_kind": "week"}, "period_kind"),
        ({"person": team.fu, "value": 1, "starts_on": None}, "starts_on"),
    ):
        assert set(refused(unit_of_work, **given)) == {field}, given


def test_a_seller_sees_their_own_and_a_manager_those_below(
    unit_of_work, team, aim, place, bearer, client
):
    made = {
        name: aim(**values(person=person, value=7))
        for name, person in (("fu", team.fu), ("yan", team.yan), ("ning", team.ning))
    }
    made["group"] = aim(**values(department=place("华东组"), value=7))
    made["north"] = aim(**values(department=place("华北"), value=7))
    for person, names in (
        (team.fu, {"fu"}),
        (team.manager, {"fu", "yan", "group"}),
        (team.viewer, set(made)),
    ):
        with unit_of_work(person, write=False) as uow:
            found = {row["id"] for row in query.page(uow, "sales_target", ListQuery()).items}
            assert found == {made[name] for name in names}
            (row,) = aggregate(uow, "sales_target", [], ["sum:value"], ListQuery())
            assert Decimal(row["sum:value"]) == 7 * len(names)
        headers = bearer(person)
        answer = client.get("/api/v1/records/sales_target?count=exact", headers=headers)
        assert answer.get_json()["total"] == len(names)
        answer = client.get(
            "/api/v1/records/sales_target/aggregate?measure=sum:value", headers=headers
        )
        assert Decimal(answer.get_json()["items"][0]["sum:value"]) == 7 * len(names)
    with pytest.raises(Forbidden), unit_of_work(team.service, write=False) as uow:
        query.page(uow, "sales_target", ListQuery())
    with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:
        service.update(uow, "sales_target", {made["fu"]: {"value": 1}})
    with unit_of_work(team.manager) as uow:
        service.update(uow, "sales_target", {made["yan"]: {"value": 8}})
    with pytest.raises(NotFound), unit_of_work(team.manager) as uow:
        service.update(uow, "sales_target", {made["ning"]: {"value": 8}})
    for given in ({"person": team.ning}, {"department": place("华北")}, {}):
        december = values(value=1, starts_on="2026-12-01", **given)
        with pytest.raises((Forbidden, Invalid)), unit_of_work(team.manager) as uow:
            service.create(uow, "sales_target", [december])
        # Nor is one put there that is within reach.
        whose = {"person": None, "department": None} | given
        with pytest.raises((Forbidden, Invalid)), unit_of_work(team.manager) as uow:
            service.update(uow, "sales_target", {made["yan"]: whose})


def test_longer_periods_and_departments_add_up(unit_of_work, team, aim, place):
    """S-070: 2,300,000 for the team; persons 1,000,000, 900,000 and 400,000."""
    for person, value in ((team.manager, 1_000_000), (team.fu, 900_000), (team.yan, 400_000)):
        aim(**values(person=person, value=value))
    aim(**values(person=team.fu, value=100_000, starts_on="2026-10-01"))
    quarter = period_of("quarter", date(2026, 11, 1))

    def of(period, department="销售部", person=None):
        with unit_of_work(person, write=False) as uow:
            targets, tree = read_targets(uow, period, "amount"), read_tree(uow)
            key = None if department is None else place(department)
            return targets.of_department(key, tree)

    assert of(period_of("month", date(2026, 11, 1))) == 2_300_000
    assert of(quarter) == of(YEAR) == of(quarter, None) == 2_400_000
    assert of(quarter, "华东组") == 1_400_000
    assert of(quarter, "华北") is None
    assert of(quarter, None, team.fu) == 1_000_000
    aim(**values(department=place("华东组"), value=5, period_kind="quarter"))
    assert of(quarter) == of(YEAR) == 1_000_005
    assert of(period_of("month", date(2026, 11, 1))) == 2_300_000
    aim(**values(person=team.fu, value=3, period_kind="quarter"))
    with unit_of_work(write=False) as uow:
        assert read_targets(uow, quarter, "amount").of_person(team.fu) == 3
    aim(**values(value=9))  # the company's
    assert of(quarter, None) == 9
    assert of(quarter, None, team.fu) == 3


def test_periods_of_addresses():
    today = date(2026, 11, 30)
    for kind, key, expected in (
        ("month", "2026-02", "2026-02"),
        ("quarter", "2026-02", "2026-Q1"),
        ("year", "2025-Q3", "2025"),
        ("month", "2025", "2025-01"),
        ("quarter", "", "2026-Q4"),
        ("nonsense", "2026-13", "2026-11"),
        ("month", "1000-01", "2026-11"),
        ("month", "２０２６-01", "2026-11"),
    ):
        assert parse(kind, key, today).key == expected
    january = parse("month", "2026-01", today)
    assert (january.before.key, january.last) == ("2025-12", date(2026, 1, 31))
    assert [part.key for part in YEAR.parts("quarter")][-1] == "2026-Q4"


# Many at once


@pytest.fixture
def page(browser_of, team, place):
    """``page(**cells)`` saves them as the manager would, for the sales department in 2026."""
    browser = browser_of(team.manager)
    where = {"department": place("销售部"), "year": "2026", "kind": "month", "measure": "amount"}

    def send(sent=(), **changed):
        data = where | changed | dict(sent) | {"csrf_token": browser.csrf}
        return browser.post("/crm_sales/targets", data=data)

    send.browser, send.where = browser, where
    return send


def stored(rows):
    return {
        (row["person"] or -row["department"], row["name"]): row["value"]
        for row in rows("sales_target", limit=200)
    }


@pytest.mark.databases("sqlite", "postgresql")
def test_many_are_entered_in_one_save(page, rows, team, place):
    """S-070"""
    sales = place("销售部")
    sent = {
        f"d{sales}.10": "2,300,000",
        f"p{team.fu}.10": " ９００，０００ ",
        f"p{team.yan}.0": "1.005",
    }
    assert page(sent).status_code == 303
    assert stored(rows) == {
        (-sales, "2026-11"): 2_300_000,
        (team.fu, "2026-11"): 900_000,
        (team.yan, "2026-01"): Decimal("1.01"),
    }
    text = unescape(page.browser.get("/crm_sales/targets", query_string=page.where).text)
    cells = dict(re.findall(r'name="((?:seen\.)?[pd]\d+\.\d+)" value="([^"]*)"', text))
    assert cells[f"p{team.fu}.10"] == "900,000"
    assert "900,001.01" in text  # of the people together
    # As the browser sends it again: one is changed, one deleted, all others stay.
    again = cells | {f"p{team.fu}.10": "1000000", f"p{team.yan}.0": ""}
    answer = page(again)
    assert "已保存 2 个目标。" in unescape(page.browser.get(answer.location).text)
    assert stored(rows) == {(-sales, "2026-11"): 2_300_000, (team.fu, "2026-11"): 1_000_000}


def test_the_people_together_are_compared_with_the_department(page, aim, team, place):
    """S-070: 2,300,000 for the team and 1,000,000, 900,000 and 400,000 agree; less is marked."""
    aim(**values(department=place("销售部"), value=2_300_000, starts_on="2026-10-01"))
    aim(**values(department=place("销售部"), value=2_300_000))
    for person, value in ((team.manager, 1_000_000), (team.fu, 900_000), (team.yan, 400_000)):
        aim(**values(person=person, value=value))
        if person != team.yan:
            aim(**values(person=person, value=value, starts_on="2026-10-01"))
    shown = page.browser.get("/crm_sales/targets", query_string=page.where).get_data(as_text=True)
    row = re.search(r'<tr><th scope="row">与部门目标之差</th>.*?</tr>', shown, re.S)[0]
    told = re.findall(r"badge-(\w+)[^>]*>([^<]+)<", row)
    assert told == [("warn", "−400,000"), ("good", "0"), ("warn", "−400,000")]
    # By quarter the months of the people stand for them.
    aim(**values(department=place("销售部"), value=4_100_000, period_kind="quarter"))
    where = page.where | {"kind": "quarter"}
    shown = page.browser.get("/crm_sales/targets", query_string=where).get_data(as_text=True)
    row = re.search(r'<tr><th scope="row">与部门目标之差</th>.*?</tr>', shown, re.S)[0]
    told = re.findall(r"badge-(\w+)[^>]*>([^<]+)<", row)
    assert told == [("warn", "+100,000"), ("warn", "+100,000")]


def test_what_is_wrong_is_said_at_its_cell_and_nothing_is_saved(page, rows, team, place, aim):
    sent = {
        f"p{team.fu}.1": "1000",
        f"p{team.fu}.2": "<script>",
        f"p{team.yan}.2": "-5",
        f"p{team.yan}.3": "1e30",
    }
    answer = page(sent)
    text = unescape(answer.text)
    assert answer.status_code == 422
    assert not stored(rows)
    assert "<script>" not in answer.text.split("<form")[-1]
    for name in (f"p{team.fu}.2", f"p{team.yan}.3", f"p{team.yan}.2"):
        assert f'id="error-{name}"' in text
    answer = page({f"p{team.fu}.1": "1000", f"p{team.yan}.2": "-5"})
    assert f'id="error-p{team.yan}.2"' in answer.text
    assert f'id="error-p{team.fu}.1"' not in answer.text
    answer = page({f"p{team.fu}.1": "1.5"}, measure="count")
    assert f'id="error-p{team.fu}.1"' in answer.text
    assert not stored(rows)
    # Somebody else was faster.
    aim(**values(person=team.fu, value=5))
    for seen in ({}, {f"seen.p{team.fu}.10": "9"}, {f"seen.p{team.fu}.10": "x"}):
        answer = page({f"p{team.fu}.10": "6", **seen})
        assert answer.status_code == 422
        assert f'id="error-p{team.fu}.10"' in answer.text
    assert list(stored(rows).values()) == [5]


def test_cells_beyond_reach_are_nothing(page, browser_of, rows, team, place):
    answer = page({f"p{team.ning}.1": "7", "p999999.1": "7", "p.1": "7", f"p{team.fu}.99": "7"})
    assert answer.status_code == 303
    assert page({f"p{team.ning}.1": "7"}, department=place("华北")).status_code == 403
    assert page({}, department="1" * 40, year="9999", kind="'", measure=";").status_code == 303
    assert not stored(rows)
    for person in (team.fu, team.viewer, team.service):
        browser = browser_of(person)
        assert browser.get("/crm_sales/targets").status_code == 403
        data = page.where | {f"p{team.fu}.1": "7", "csrf_token": browser.csrf}
        assert browser.post("/crm_sales/targets", data=data).status_code == 403
    assert not stored(rows)


def test_two_who_save_at_once(unit_of_work, team, aim):
    key = aim(**values(person=team.fu, value=5))
    with unit_of_work() as uow:
        service.update(uow, "sales_target", {key: {"value": 6}})
    with pytest.raises(Conflict), unit_of_work() as uow:
        service.update(uow, "sales_target", {key: {"value": 7}}, versions={key: 1})


def test_amounts_and_numbers_of_deals_are_added_up_apart(browser_of, make, make_person, team, aim):
    """What a column holds depends on what a target counts: their sum would mean nothing."""
    for person, amount in ((team.fu, "900000"), (team.yan, "100000")):
        aim(**values(person=person, value=amount))
        aim(**values(person=person, value="12", measure="count"))
    browser = browser_of(team.manager)
    page = unescape(browser.get("/r/sales_target/totals").get_data(as_text=True))
    assert "1,000,000" in page
    assert "24" in page
    assert "1,000,024" not in page
    assert page.index("赢单金额") < page.index("1,000,000")
    make(
        "role",
        name="guest",
        title="客座",
        grants={"sales_target": {"read": "all"}},
        field_rules={"sales_target": {"measure": "hidden"}},
    )
    guest = browser_of(make_person("客座", roles=("guest",)))
    page = unescape(guest.get("/r/sales_target/totals").get_data(as_text=True))
    assert "1,000" not in page
