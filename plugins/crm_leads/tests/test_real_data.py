"""Files from outside: the reseller's accounts and teams, and lists as sales teams keep them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from core.entities import aggregate, query
from core.entities.query import ListQuery
from core.exchange.commands import import_file
from core.security.actor import SYSTEM

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
RESELLER = SHARED / "data" / "crm-sales-opportunities"
DIRTY = SHARED / "tools" / "dirty_leads.py"


def everything(unit_of_work, entity, **arguments):
    with unit_of_work(write=False) as uow:
        pages = query.stream(uow, entity, ListQuery(sort="id", **arguments), action="read")
        return [row for page in pages for row in page.items]


@pytest.mark.skipif(not RESELLER.is_dir(), reason=f"no sample data in {RESELLER}")
def test_the_reseller_is_loaded(runtime, unit_of_work):
    source = ROOT / "docs" / "samples" / "crm-sales-opportunities" / "load.py"
    module = importlib.util.module_from_spec(
        spec := importlib.util.spec_from_file_location("load_reseller", source)
    )
    spec.loader.exec_module(module)
    result = module.load(runtime, RESELLER)
    counts = {key: result["leads"][key] for key in ("created", "duplicates", "refused")}
    assert (result["people"], counts) == (41, {"created": 85, "duplicates": 0, "refused": 0})

    leads = {lead["company"]: lead for lead in everything(unit_of_work, "lead")}
    assert len(leads) == 85
    assert leads["Bioholding"]["industry"] == "medical"
    assert leads["Bioholding"]["address"] == "Philipines"
    assert Counter(lead["industry"] for lead in leads.values())["technolgy"] == 12
    assert {lead["owner"] for lead in leads.values()} == {None}
    assert None not in {lead["pool"] for lead in leads.values()}

    people = {row["name"]: row for row in everything(unit_of_work, "user")}
    places = {row["id"]: row for row in everything(unit_of_work, "department")}
    home = places[people["Darcel Schlecht"]["department"]]
    assert home["name"] == "Melvin Marxen"
    assert home["head"] == people["Melvin Marxen"]["id"]
    assert places[home["parent"]]["name"] == "Central"
    offices = [row for row in places.values() if row["name"] in ("Central", "East", "West")]
    assert len(offices) == 3

    again = import_file(runtime, "lead", RESELLER / "accounts.csv", actor=SYSTEM)
    assert (again["created"], again["duplicates"]) == (0, 85)


@pytest.mark.skipif(not DIRTY.is_file(), reason=f"no generator of lists at {DIRTY}")
@pytest.mark.parametrize("name", ["leads.xlsx", "leads.csv"])
def test_a_list_as_sales_teams_keep_it_is_imported_to_the_letter(
    runtime, unit_of_work, tmp_path, name
):
    path, report = tmp_path / name, tmp_path / "refused.xlsx"
    command = [sys.executable, str(DIRTY), str(path), "--rows", "1500", "--seed", "7"]
    if path.suffix == ".csv":
        command += ["--encoding", "gb18030"]
    subprocess.run(command, check=True, capture_output=True)
    truth = json.loads(path.with_suffix(".truth.json").read_text(encoding="utf-8"))
    result = import_file(runtime, "lead", path, actor=SYSTEM, report_path=report)
    for count in ("created", "duplicates", "refused"):
        assert result[count] == truth[count], count
    assert report.stat().st_size > 0
    with unit_of_work(write=False) as uow:
        (row,) = aggregate.aggregate(uow, "lead", [], ["sum:expected_amount"], ListQuery())
        assert Decimal(row["sum:expected_amount"]) == truth["amount_of_created"]
        unmapped = {"any": [{"field": f, "op": "is_empty"} for f in ("source", "province")]}
        assert query.count(uow, "lead", ListQuery(filter=unmapped)) == 0
