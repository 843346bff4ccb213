"""The demonstration: thirty contracts and more, in every state that one can be in."""

from __future__ import annotations

from collections import Counter

import pytest

from core.entities import query
from core.entities.query import ListQuery
from core.ops.install import run_demo


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_it_is_believable(runtime, unit_of_work):
    run_demo(runtime)
    with unit_of_work(write=False) as uow:
        rows = query.page(uow, "contract", ListQuery(limit=200)).items
        today = uow.clock.today()
    counts = Counter(row["status"] for row in rows)
    assert sum(counts.values()) >= 20
    assert {"draft", "signed", "active", "expired", "terminated"} == counts.keys(), counts
    assert all(row["amount"] > 0 and row["owner"] for row in rows)
    assert all(row["ends_on"] < today for row in rows if row["status"] == "expired")
    assert any(row["quote"] for row in rows)
