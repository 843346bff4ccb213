"""The demonstration story: complete, consistent, the same every time, and told quickly."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from core.entities import query
from core.entities.query import ListQuery
from core.fields.regions import is_under
from core.ops.install import run_demo
from plugins.crm_leads.demo import DEMO_PASSWORD, LEADS, PEOPLE
from plugins.crm_leads.models import SOURCES, STATUSES

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def everything(unit_of_work, entity):
    with unit_of_work(write=False) as uow:
        pages = query.stream(uow, entity, ListQuery(sort="id"), action="read")
        return [row for page in pages for row in page.items]


def test_the_story_is_told(runtime, unit_of_work, sign_in):
    lines = run_demo(runtime)
    assert any(DEMO_PASSWORD in line for line in lines)
    leads = everything(unit_of_work, "lead")
    users = {row["email"]: row for row in everything(unit_of_work, "user")}
    top = [row for row in everything(unit_of_work, "department") if row["parent"] is None]
    assert (len(leads), len(users), len(top)) == (LEADS, len(PEOPLE) + 1, 6)
    now, today = runtime.clock.now(), runtime.clock.today()
    oldest = min(lead["created_at"] for lead in leads)
    assert timedelta(days=500) < now - oldest < timedelta(days=550)
    assert max(lead["created_at"] for lead in leads) <= now
    assert len({lead["company"] for lead in leads}) == len({ld["mobile"] for ld in leads}) == LEADS
    assert {lead["source"] for lead in leads} == {choice.value for choice in SOURCES}
    assert {lead["status"] for lead in leads} == {choice.value for choice in STATUSES}
    owners = {user["id"]: user["department"] for user in users.values()}
    for lead in leads:
        city = lead["company"][:2]
        assert is_under(lead["city"], lead["province"]), lead
        assert len(city) == 2
        assert lead["entered_on"] <= today
        if lead["owner"] is None:
            assert lead["status"] == "new"
            assert lead["pool"] is not None
        else:
            assert lead["department"] == owners[lead["owner"]]
        if lead["last_followed_at"]:
            assert lead["created_at"] <= lead["last_followed_at"] <= now
        assert (lead["converted_at"] is not None) == (lead["status"] == "converted")
        assert (lead["lost_reason"] is not None) == (lead["status"] == "lost")
    held = Counter(lead["pool"] for lead in leads if lead["owner"] is None)
    assert len(held) == 3
    browser = sign_in("fu.yuheng@yuanheng.example", DEMO_PASSWORD)
    assert browser.get("/sign-in").status_code in (200, 302)


def test_the_trail_tells_the_story_as_the_records_do(runtime, unit_of_work):
    """Who made each lead and when, not who told the story."""
    run_demo(runtime)
    leads = {lead["id"]: lead for lead in everything(unit_of_work, "lead")}
    with unit_of_work(write=False) as uow:
        made = {
            "all": [
                {"field": "entity", "op": "eq", "value": "lead"},
                {"field": "action", "op": "eq", "value": "create"},
            ]
        }
        pages = query.stream(uow, "audit_entry", ListQuery(filter=made, sort="id"), action="read")
        entries = [row for page in pages for row in page.items]
    assert len(entries) == len(leads)
    for entry in entries:
        lead = leads[entry["record_id"]]
        assert (entry["at"], entry["actor"]) == (lead["created_at"], lead["created_by"])
    assert entries[-1]["at"] - entries[0]["at"] > timedelta(days=500)


def test_the_story_is_the_same_for_the_same_day(runtime, unit_of_work):
    from plugins.crm_leads import demo

    cast = demo.Cast(
        {group: [1, 2] for group in demo.REGIONS}, dict.fromkeys(demo.REGIONS, 1), 3, []
    )
    told = [
        list(
            demo._leads(
                demo.random.Random(demo._SEED), cast, runtime.clock.now(), runtime.clock.today()
            )
        )
        for _ in range(2)
    ]
    assert [lead["company"] for lead in told[0]] == [lead["company"] for lead in told[1]]
    assert [lead["mobile"] for lead in told[0]] == [lead["mobile"] for lead in told[1]]
