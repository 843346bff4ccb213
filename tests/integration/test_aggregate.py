"""Counts, sums and averages by groups."""

from __future__ import annotations

import pytest

from core.entities import service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.errors import Invalid


@pytest.fixture
def tree(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        (north,) = service.create(uow, "department", [{"name": "华北"}])
        service.create(uow, "department", [{"name": f"组{n}", "parent": north} for n in range(3)])
        service.create(uow, "department", [{"name": "华东", "head": admin_id}])
    return north


def test_groups_count_and_name_their_references(unit_of_work, admin_id, tree):
    with unit_of_work(admin_id, write=False) as uow:
        rows = aggregate(uow, "department", ["parent"], ["count", "avg:version"], ListQuery())
    assert rows == [
        {"parent": {"id": tree, "label": "华北"}, "count": 3, "avg:version": "1.000000"},
        {"parent": {"id": None, "label": None}, "count": 2, "avg:version": "1.000000"},
    ]


def test_groups_reach_through_references(unit_of_work, admin_id, tree):
    with unit_of_work(admin_id, write=False) as uow:
        rows = aggregate(uow, "department", ["parent.name", "head.name"], ["count"], ListQuery())
    found = {(r["parent.name"]["id"], r["head.name"]["id"]): r["count"] for r in rows}
    assert found == {("华北", None): 3, (None, None): 1, (None, "管理员"): 1}


def test_without_groups_there_is_one_row_even_of_nothing(unit_of_work, admin_id):
    with unit_of_work(admin_id, write=False) as uow:
        rows = aggregate(
            uow, "department", [], ["count", "sum:version", "avg:version"], ListQuery()
        )
    assert rows == [{"count": 0, "sum:version": None, "avg:version": None}]


@pytest.mark.parametrize(
    ("groups", "measures"),
    [
        (["nonsense"], ["count"]),
        (["name.x"], ["count"]),
        ([], ["sum:name"]),
        ([], ["median:version"]),
        ([], []),
        (["name", "parent", "head", "path"], ["count"]),
    ],
)
def test_what_cannot_be_grouped_is_refused(unit_of_work, admin_id, groups, measures):
    with unit_of_work(admin_id, write=False) as uow, pytest.raises(Invalid):
        aggregate(uow, "department", groups, measures, ListQuery())
