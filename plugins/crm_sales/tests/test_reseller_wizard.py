"""The reseller's files through the wizard in the browser, with the rights of who is signed in."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest

from core.entities import aggregate, query
from core.entities.query import ListQuery

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "crm-sales-opportunities"
PLAN = ROOT / "docs" / "samples" / "crm-sales-opportunities.toml"
FILES = ("accounts.csv", "products.csv", "sales_pipeline.csv", "sales_teams.csv")
#: As the publisher gives them.
WON, VALUE, LOST = 4238, Decimal(10_005_534), 2473
#: A person's import keeps the rules of the day: it brings no past, and a loss has a reason.
HISTORY = """engage_date = { field = "created_at", dates = "mdy" }
close_date = { field = "closed_on", dates = "mdy" }
"""
ORDER = """close_date = { dates = "mdy" }
"""
REASON = """[step.made.lost_reason]
text = "{deal_stage}"
values = { Lost = "其他", Won = "", Engaging = "", Prospecting = "" }
[step.made.owner]"""

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no sample data in {DATA}"),
    pytest.mark.databases("sqlite", later=("postgresql",)),
    # The test client leaves the body of a request above 500 kB to the collector of garbage.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def form(browser, path, **data):
    return browser.post(path, data={**data, "csrf_token": browser.csrf})


def text_of(browser, where):
    return unescape(browser.get(where).get_data(as_text=True))


def load(browser, every):
    """Begin with the sample plan and every so-manieth opportunity; the address of the plan."""
    sent = []
    for name in FILES:
        head, *lines = (DATA / name).read_bytes().splitlines(keepends=True)
        kept = lines[every > 1 :: every] if name == "sales_pipeline.csv" else lines
        sent.append((io.BytesIO(b"".join([head, *kept])), name))
    plan = (io.BytesIO(PLAN.read_bytes()), "plan.toml")
    where = form(browser, "/import-plans", plan=plan, files=sent).headers["Location"]
    if every == 1:
        refused = form(browser, f"{where}/start")
        assert refused.status_code == 422
        page = unescape(refused.get_data(as_text=True))
        for name in ("created_at", "closed_on", "stage_entered_at", "furthest_stage"):
            assert f"“{name}”" in page or f"'{name}'" in page, (
                "only the system brings what happened"
            )
    mended = PLAN.read_text(encoding="utf-8").replace(HISTORY, ORDER)
    mended = mended.replace('stage_entered_at = "{close_date|engage_date}"\n', "")
    begin, end = mended.index("# Until its close date"), mended.index("[step.made.owner]")
    mended = mended[:begin] + mended[end:]
    mended = mended[: mended.index("# What each is about")]  # what is won keeps its products
    mended = mended.replace("[step.made.owner]", REASON)
    assert form(browser, f"{where}/toml", toml=mended, version="1").status_code == 303
    return where


def go(browser, where, run_jobs, verb):
    answer = form(browser, f"{where}/{verb}")
    assert answer.status_code == 303, unescape(answer.get_data(as_text=True))[:3000]
    run_jobs()
    return answer.headers["Location"], text_of(browser, answer.headers["Location"])


def counted(unit_of_work, entity):
    with unit_of_work(write=False) as uow:
        return query.count(uow, entity, ListQuery())


def summed(unit_of_work, status):
    narrowed = ListQuery(filter={"field": "status", "op": "eq", "value": status})
    with unit_of_work(write=False) as uow:
        (row,) = aggregate.aggregate(uow, "opportunity", [], ["count", "sum:amount"], narrowed)
    return row["count"], Decimal(row["sum:amount"] or 0)


@pytest.mark.parametrize("every", [800, pytest.param(1, marks=pytest.mark.long)])
def test_the_sample_is_rehearsed_and_as_a_whole_loaded_repeated_and_undone(
    sign_in, run_jobs, unit_of_work, make, every
):
    browser = sign_in()
    make("exchange_rate", currency="USD", valid_from="2016-01-01", rate="7")  # to win in it
    before = {name: counted(unit_of_work, name) for name in ("customer", "user", "opportunity")}
    where = load(browser, every)
    _job, page = go(browser, where, run_jobs, "rehearse")
    assert {name: counted(unit_of_work, name) for name in before} == before
    for written, like in (("technolgy", "technology"), ("GTXPro", "GTX Pro")):
        assert re.search(rf">{written}</td>\s*<td[^>]*>{like}</td>", page), written
    accept = re.search(r'name="accept" value="(\[7, "sector", "technolgy", "technology"\])"', page)
    assert accept is not None, "a suggestion to clean, one click away"

    if every > 1:
        return  # what is written of a cut, and undone, is asked on the command line

    job, page = go(browser, where, run_jobs, "start")
    assert counted(unit_of_work, "opportunity") == 8_800
    assert counted(unit_of_work, "customer") == before["customer"] + 86
    assert (summed(unit_of_work, "won"), summed(unit_of_work, "lost")[0]) == ((WON, VALUE), LOST)
    go(browser, where, run_jobs, "start")
    assert counted(unit_of_work, "opportunity") == 8_800, "no doubles"
    form(browser, f"{job}/undo")
    run_jobs()
    assert {name: counted(unit_of_work, name) for name in before} == before
