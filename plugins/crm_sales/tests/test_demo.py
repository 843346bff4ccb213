"""The demonstration: as told, told twice alike, and believable."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from stdnum.cn import uscc

from core.entities import query
from core.entities.query import ListQuery
from core.ops.install import run_demo
from plugins.crm_sales import demo
from plugins.crm_sales.goals.standing import standings


@pytest.fixture
def told(runtime):
    run_demo(runtime)


def every(uow, entity):
    return [row for page in query.stream(uow, entity, ListQuery(sort="id")) for row in page.items]


@pytest.mark.databases("sqlite")
def test_it_is_as_large_as_told_and_keeps_its_own_rules(told, unit_of_work):
    with unit_of_work(write=False) as uow:
        targets = every(uow, "sales_target")
        customers, contacts = every(uow, "customer"), every(uow, "contact")
        deals, visits = every(uow, "opportunity"), every(uow, "stage_visit")
        now = uow.now()
    assert (len(customers), len(contacts), len(deals)) == (120, 200, 150)
    assert len({row["name_key"] for row in customers}) == 120
    aims = {(row["measure"], row["person"] is None) for row in targets if row["value"] > 0}
    assert aims == {("amount", False), ("amount", True), ("count", False)}
    assert all(uscc.is_valid(row["uscc"]) for row in customers if row["uscc"])
    assert all(row["source"] and (row["owner"] or row["pool"]) for row in customers)
    assert sum(row["owner"] is None for row in customers) >= 10  # a pool to claim from
    assert min(row["created_at"] for row in customers) > now - timedelta(days=560)
    counts = {
        status: sum(row["status"] == status for row in deals) for status in ("open", "won", "lost")
    }
    assert all(count >= 20 for count in counts.values()), counts
    assert all(row["created_at"] <= row["stage_entered_at"] <= now for row in deals)
    assert any(row["stage_due_at"] and row["stage_due_at"] < now for row in deals)
    assert any(row["lead"] for row in deals)
    assert {row["opportunity"] for row in visits} == {row["id"] for row in deals}
    assert len([row for row in visits if row["left_at"] is None]) == len(deals)


@pytest.mark.databases("sqlite")
def test_its_goals_stand_differently(told, unit_of_work, admin_id):
    """S-201 to S-203: each has a figure, those that are over have ended, and not all look alike."""
    with unit_of_work(admin_id, write=False) as uow:
        stood = standings(uow, every(uow, "goal"))
        today = uow.clock.today()
    assert {each.goal["measure"] for each in stood} >= {
        *("crm_leads.conversion", "crm_sales.cycle", "crm_sales.repurchase", "crm_sales.win_rate")
    }
    assert all(each.current is not None for each in stood)
    assert any(each.goal["ends_on"] < today for each in stood)
    assert len({each.light for each in stood}) > 1


@pytest.mark.databases("sqlite")
def test_its_part_is_quick(dougong_plugins, unit_of_work):
    with unit_of_work() as uow:
        began = time.process_time()
        (line,) = demo.tell(uow)
        assert time.process_time() - began < 3  # twice what it takes
    assert "120" in line
