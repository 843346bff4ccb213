"""The one door and the one window, over the core's own entities."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Conflict, Forbidden, Invalid, NotFound


def test_create_read_update_delete_restore(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        (north,) = service.create(uow, "department", [{"name": "华北"}])
        (team,) = service.create(uow, "department", [{"name": "一组", "parent": north}])
    with unit_of_work(admin_id, write=False) as uow:
        record = query.get(uow, "department", team)
        assert record.values["path"] == f"/{north}/{team}/"
        assert record.labels["department"][north] == "华北"
        version = record.values["version"]
    with unit_of_work(admin_id) as uow:
        service.update(uow, "department", {team: {"name": "二组"}}, versions={team: version})
    with pytest.raises(Conflict) as stale, unit_of_work(admin_id) as uow:
        service.update(uow, "department", {team: {"name": "三组"}}, versions={team: version})
    assert stale.value.current["name"] == "二组"
    with unit_of_work(admin_id) as uow:
        service.delete(uow, "department", [team])
    with unit_of_work(admin_id, write=False) as uow:
        with pytest.raises(NotFound):
            query.get(uow, "department", team)
        bin_ = query.page(uow, "department", ListQuery(archived=True))
        assert [row["id"] for row in bin_.items] == [team]
    with unit_of_work(admin_id) as uow:
        service.restore(uow, "department", [team])
    with unit_of_work(admin_id, write=False) as uow:
        trail = query.page(
            uow,
            "audit_entry",
            ListQuery(filter={"field": "record_id", "op": "eq", "value": team}, sort="id"),
        )
        entries = [row for row in trail.items if row["entity"] == "department"]
        assert [row["action"] for row in entries] == [
            "create",
            "update",
            "delete",
            "restore",
        ]
        assert entries[1]["changes"]["name"] == ["一组", "二组"]


def test_all_problems_of_all_items_are_told_and_nothing_is_written(unit_of_work, admin_id):
    items = [{"name": "好"}, {"name": ""}, {"name": "x" * 200, "head": 4711, "nonsense": 1}]
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.create(uow, "department", items)
    found = {(problem.item, problem.field, problem.code) for problem in refused.value.problems}
    assert found == {
        (1, "name", "required"),
        (2, "name", "too_long"),
        (2, "head", "reference"),
        (2, "nonsense", "unknown_field"),
    }
    with unit_of_work(admin_id, write=False) as uow:
        assert query.count(uow, "department", ListQuery()) == 0


def test_a_viewer_reads_and_changes_nothing(unit_of_work, make_person, admin_id):
    viewer = make_person("阅者", roles=("viewer",))
    with unit_of_work(viewer, write=False) as uow:
        assert query.count(uow, "user", ListQuery()) == 2
        with pytest.raises(Forbidden):
            service.create(uow, "department", [{"name": "华北"}])
    with pytest.raises(Forbidden), unit_of_work(viewer) as uow:
        service.update(uow, "user", {admin_id: {"name": "x"}})


def test_lines_are_written_with_their_parent(unit_of_work, admin_id):
    period = {"starts_on": "2026-05-01", "ends_on": "2026-05-03"}
    with unit_of_work(admin_id) as uow:
        service.update(
            uow, "user", {admin_id: {"absences": [period, {**period, "reason": "婚假"}]}}
        )
    with unit_of_work(admin_id, write=False) as uow:
        lines = query.get(uow, "user", admin_id).values["absences"]
        assert [line["reason"] for line in lines] == [None, "婚假"]
    with unit_of_work(admin_id) as uow:
        kept = {"id": lines[1]["id"], "reason": "病假"}
        service.update(uow, "user", {admin_id: {"absences": [kept]}})
    with unit_of_work(admin_id, write=False) as uow:
        lines = query.get(uow, "user", admin_id).values["absences"]
        assert [line["reason"] for line in lines] == ["病假"]
    wrong = {"starts_on": "2026-05-03", "ends_on": "2026-05-01"}
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.update(uow, "user", {admin_id: {"absences": [wrong]}})
    assert refused.value.problems[0].field == "absences.0.ends_on"


def test_pages_continue_in_any_order(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        heads = [{"name": f"部{n % 7}", "head": admin_id if n % 3 else None} for n in range(40)]
        service.create(uow, "department", heads)
    for sort in ("name", "-name", "head,name", "-head,-name", "-created_at", "name,-id"):
        with unit_of_work(admin_id, write=False) as uow:
            whole = query.page(uow, "department", ListQuery(sort=sort, limit=100))
            seen, after = [], None
            while True:
                page = query.page(uow, "department", ListQuery(sort=sort, limit=7, after=after))
                seen += [row["id"] for row in page.items]
                after = page.next
                if after is None:
                    break
        assert seen == [row["id"] for row in whole.items], sort


def test_the_last_administrator_stays(unit_of_work, admin_id):
    for change in ({"is_active": False}, {"roles": []}):
        with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
            service.update(uow, "user", {admin_id: change})
        assert refused.value.problems[0].code == "last_admin"
