"""The demonstration: follow-ups on what other modules have made, and nothing without them."""

from __future__ import annotations

from collections import Counter

import pytest

from core.entities import query
from core.entities.query import ListQuery
from core.ops.install import run_demo
from core.ops.lifecycle import disable
from plugins.activities.models import KINDS

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def everything(unit_of_work, entity):
    with unit_of_work(write=False) as uow:
        pages = query.stream(uow, entity, ListQuery(sort="id"), action="read")
        return [row for page in pages for row in page.items]


def test_owners_of_leads_have_followed_them_up(runtime, unit_of_work):
    run_demo(runtime)
    rows, now = everything(unit_of_work, "follow_up"), runtime.clock.now()
    leads = {lead["id"]: lead for lead in everything(unit_of_work, "lead")}
    assert len(rows) > 100
    assert {row["kind"] for row in rows} == {choice.value for choice in KINDS}
    for row in rows:
        lead = leads[row["related_id"]]
        assert row["owner"] == lead["owner"]
        assert lead["created_at"] <= row["happened_at"] <= now
        assert lead["last_followed_at"] >= row["happened_at"]
    tasks = everything(unit_of_work, "task")
    assert Counter(task["status"] for task in tasks)["open"] > 20
    assert any(task["created_by"] != task["assignee"] for task in tasks)


def test_without_other_modules_there_is_nothing_to_tell(runtime, unit_of_work):
    with unit_of_work() as uow:
        disable(uow, "crm_leads")
    run_demo(runtime)
    assert everything(unit_of_work, "follow_up") == everything(unit_of_work, "task") == []
