"""The sample plan: a reseller's whole business from its files, to the figures that are published."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from core.entities import aggregate, query
from core.entities.query import ListQuery
from core.errors import Invalid
from core.exchange.plans.commands import run_plan, undo_plan
from core.i18n import use_locale
from core.security.actor import SYSTEM
from core.security.directory import load_actor

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "crm-sales-opportunities"
PLAN = ROOT / "docs" / "samples" / "crm-sales-opportunities.toml"
#: As the publisher gives them.
WON, VALUE, LOST = 4238, 10_005_534, 2473
BEST = ("Darcel Schlecht", 1_153_214)
#: What the plan makes, and what undoing is to leave nothing of.
MADE = {
    "department": 10,
    "customer": 86,
    "product": 7,
    "product_category": 3,
    "price_list": 1,
    "price_list_item": 7,
}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no sample data in {DATA}")


@pytest.fixture
def counted(unit_of_work):
    """``counted(entity)``: how many there are."""

    def count(entity):
        with unit_of_work(write=False) as uow:
            return query.count(uow, entity, ListQuery())

    return count


@pytest.fixture
def summed(unit_of_work):
    """``summed(status, group)``: ``{label or None: (number, amount)}`` of opportunities."""

    def total(status, group=None):
        narrowed = ListQuery(filter={"field": "status", "op": "eq", "value": status})
        groups = [] if group is None else [group]
        with unit_of_work(write=False) as uow:
            rows = aggregate.aggregate(
                uow, "opportunity", groups, ["count", "sum:amount"], narrowed
            )
        return {
            group and row[group]["label"]: (row["count"], Decimal(row["sum:amount"] or 0))
            for row in rows
        }

    return total


@pytest.fixture(scope="session")
def cut(tmp_path_factory):
    """The files with every eightieth opportunity, and the rows of these."""
    folder = tmp_path_factory.mktemp("reseller")
    for path in DATA.glob("*.csv"):
        shutil.copy(path, folder)
    with (DATA / "sales_pipeline.csv").open(encoding="utf-8", newline="") as file:
        head, *lines = file.readlines()
    (folder / "sales_pipeline.csv").write_text("".join([head, *lines[::80]]), encoding="utf-8")
    return folder, list(csv.DictReader([head, *lines[::80]]))


@pytest.fixture
def priced(unit_of_work):
    """``priced(status)``: what the product lines of such opportunities come to."""

    def total(status):
        narrowed = ListQuery(filter={"field": "status", "op": "eq", "value": status})
        with unit_of_work(write=False) as uow:
            (row,) = aggregate.aggregate(uow, "opportunity_line", [], ["sum:amount"], narrowed)
        return Decimal(row["sum:amount"] or 0)

    return total


def follow(runtime, folder, **options):
    with use_locale("en"):
        return run_plan(runtime, PLAN, folder, actor=SYSTEM, **options)


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_cut_is_loaded_twice_without_doubles_and_undone(runtime, counted, summed, rows, cut):
    folder, deals = cut
    before = {entity: counted(entity) for entity in (*MADE, "user", "opportunity", "stage")}
    rehearsed = follow(runtime, folder, dry_run=True)
    assert {entity: counted(entity) for entity in before} == before

    told = follow(runtime, folder)
    assert told["refused"] == 0
    assert {entity: counted(entity) for entity in MADE} == MADE
    assert (counted("user"), counted("opportunity")) == (before["user"] + 41, len(deals))
    # A dry run has tried it all in earnest.
    for step, first in zip(told["steps"], rehearsed["steps"], strict=True):
        assert {name: first[name] for name in ("created", "updated", "duplicates", "refused")} == {
            name: step[name] for name in ("created", "updated", "duplicates", "refused")
        }
    found = {each["text"]: (each["like"], each["is_matched"]) for each in told["suggestions"]}
    assert found == {
        "technolgy": ("technology", False),
        "Philipines": ("Philippines", False),
        "GTXPro": ("GTX Pro", True),
    }
    won = [deal for deal in deals if deal["deal_stage"] == "Won"]
    value = sum(int(deal["close_value"]) for deal in won)
    assert summed("won") == {None: (len(won), value)}
    sellers = Counter(deal["sales_agent"] for deal in won)
    assert {name: n for name, (n, _sum) in summed("won", "owner").items()} == sellers

    deal = next(deal for deal in won if deal["product"] == "GTXPro")
    (row,) = rows("opportunity", search=deal["opportunity_id"])
    month, day, year = map(int, deal["close_date"].split("/"))
    assert row["name"] == f"GTX Pro · {deal['opportunity_id']}"
    assert row["closed_on"] == row["expected_close_on"] == date(year, month, day)
    assert row["created_at"].year in (2016, 2017)
    check_history(rows, deal, row)
    check_people(rows)
    lines = rows("opportunity_line", limit=500)
    assert len(lines) == len(deals)
    assert sum(line["amount"] for line in lines if line["status"] == "won") == value

    assert follow(runtime, folder)["created"] == 0
    undone = undo_plan(runtime, told["job"], actor=SYSTEM)
    assert (undone["removed"], undone["kept"]) == (told["created"], 0)
    assert {entity: counted(entity) for entity in before} == before


def check_history(rows, deal, row):
    """What was won stood in the stage before from its first day to its last, and has its product."""
    stages = {each["id"]: each["name"] for each in rows("stage", limit=100)}
    mine = {"field": "opportunity", "op": "eq", "value": row["id"]}
    before, here = rows("stage_visit", filter=mine, sort="entered_at")
    assert (stages[before["stage"]], stages[here["stage"]]) == ("Engaging", "Won")
    assert (before["entered_at"], before["left_at"]) == (row["created_at"], here["entered_at"])
    spent = row["stage_entered_at"] - row["created_at"]
    assert before["days"] == Decimal(spent.days)
    (line,) = rows("opportunity_line", filter=mine)
    assert line["amount"] == row["amount"] == int(deal["close_value"])
    lost = rows("opportunity", filter={"field": "status", "op": "eq", "value": "lost"}, limit=100)
    assert {stages[each["furthest_stage"]] for each in lost} == {"Engaging"}


def check_people(rows):
    """Teams in regional offices with their managers as heads; parents of accounts."""
    people = {row["name"]: row for row in rows("user", limit=100)}
    places = {row["id"]: row for row in rows("department", limit=100)}
    home = places[people["Darcel Schlecht"]["department"]]
    assert (home["name"], home["head"]) == ("Melvin Marxen", people["Melvin Marxen"]["id"])
    assert places[home["parent"]]["name"] == "Central"
    assert places[places[home["parent"]]["parent"]]["name"] == "Sales"
    companies = {row["name"]: row for row in rows("customer", limit=100)}
    assert companies["Codehow"]["parent"] == companies["Acme Corporation"]["id"]
    assert companies["Hottechi"]["industry"] == "technolgy"  # suggested, not changed
    assert companies["Hottechi"]["note"] == ("Founded in 1997; revenue 8170.38 million USD")
    assert companies["Hottechi"]["size"] == "10000人以上"  # 16499 employees
    assert companies["Acme Corporation"]["size"] == "1000-9999人"  # 2822


@pytest.mark.long
def test_the_whole_comes_to_the_published_figures(runtime, counted, summed, priced):
    first = follow(runtime, DATA)
    assert first["refused"] == 0
    assert counted("opportunity") == 8_800
    assert summed("won") == {None: (WON, VALUE)}
    assert summed("lost") == {None: (LOST, 0)}
    assert summed("lost", "furthest_stage") == {"Engaging": (LOST, 0)}
    assert counted("opportunity_line") == 8_800
    assert (priced("won"), priced("lost")) == (VALUE, 0)
    # Whatever ended has a stay in Engaging beside the one in which it is.
    assert counted("stage_visit") == 8_800 + WON + LOST
    best = max(summed("won", "owner").items(), key=lambda pair: pair[1][1])
    assert (best[0], best[1][1]) == BEST

    again = follow(runtime, DATA)
    assert (again["created"], again["updated"], again["refused"]) == (0, 0, 0)
    assert counted("opportunity") == 8_800

    undone = undo_plan(runtime, first["job"], actor=SYSTEM)
    assert (undone["removed"], undone["kept"]) == (first["created"], 0)
    assert counted("opportunity") == 0


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_only_the_system_brings_what_happened_before(runtime, unit_of_work, admin_id, rows, make):
    with unit_of_work(write=False) as uow:
        admin = load_actor(uow, admin_id)
    with pytest.raises(Invalid) as refused, use_locale("en"):
        run_plan(runtime, PLAN, DATA, actor=admin)
    assert {problem.message for problem in refused.value.problems} == {
        f"the field '{name}' is brought by the system only, on the command line without --as"
        for name in ("created_at", "closed_on", "stage_entered_at", "furthest_stage")
    }


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_later_file_closes_what_was_open_on_its_day_and_never_ahead(
    runtime, tmp_path, rows, make
):
    make("customer", name="Acme")
    plan = tmp_path / "deals.toml"
    plan.write_text(
        """
        [[step]]
        file = "deals.csv"
        entity = "opportunity"
        key = ["name"]
        duplicates = "update"
        columns = { deal = "name", account = "customer", stage = "stage", closed = "closed_on" }
        made = { stage_entered_at = "{closed|begun}" }
        """,
        encoding="utf-8",
    )

    def load(*lines):
        head = "deal,account,stage,begun,closed"
        (tmp_path / "deals.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
        return run_plan(runtime, plan, tmp_path, actor=SYSTEM)

    assert load("One,Acme,需求分析,2025-03-01,")["created"] == 1
    (deal,) = rows("opportunity")
    assert (deal["status"], deal["closed_on"]) == ("open", None)
    assert load("One,Acme,签约,2025-03-01,2025-04-02", "Two,Acme,签约,,2999-01-01")["refused"] == 1
    (deal,) = rows("opportunity")
    assert (deal["status"], deal["closed_on"]) == ("won", date(2025, 4, 2))
    assert deal["stage_entered_at"].isoformat()[:10] == "2025-04-01"
    visits = rows("stage_visit", sort="entered_at")
    assert [visit["days"] for visit in visits] == [Decimal("32.0"), None]
