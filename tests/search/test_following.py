"""The index follows the records: written one by one, by the thousand, undone, or cut off by a crash."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.customize.service import add_field, retire_field
from core.entities import service
from core.faults import InjectedFault, planned_fault
from core.search import indexing
from core.search.indexing import follow_records, rebuild, status
from core.search.tables import todo_table
from core.work.deliver import relay


@pytest.fixture
def names(find):
    """``names(words)``: what the found leads are called."""
    return lambda words: sorted(hit.label for hit in find(words, entities=["lead"]))


def test_changed_names_are_found_and_old_ones_are_not(make_leads, names, unit_of_work, run_jobs):
    (key,) = make_leads({"company": "鼎源农机"})
    with unit_of_work() as uow:
        service.update(uow, "lead", {key: {"company": "鸢衡机械"}})
    assert names("鼎源") == [], "what it is no longer called finds nothing, before the index knows"
    run_jobs()
    assert (names("鼎源"), names("鸢衡")) == ([], ["鸢衡机械"])


def test_many_records_written_at_once_are_all_found(make_leads, names, monkeypatch):
    """An import writes a thousand in one transaction; the index takes them in parts."""
    monkeypatch.setattr(indexing, "CHUNK", 70)
    make_leads(*({"company": f"鼎源{n:03}号"} for n in range(200)))
    assert names("鼎源199") == ["鼎源199号"]
    assert names("鼎源000") == ["鼎源000号"]


def test_what_is_rolled_back_is_never_found(make_leads, names, unit_of_work, run_jobs):
    make_leads({"company": "鸢衡机械"})
    fails = planned_fault("uow.before_commit:raise")
    with fails, pytest.raises(InjectedFault), unit_of_work() as uow:
        service.create(uow, "lead", [{"company": "鼎源农机"}])
    run_jobs()
    assert (names("鼎源"), names("鸢衡")) == ([], ["鸢衡机械"])


def test_a_crash_between_commit_and_index_loses_nothing(runtime, names, unit_of_work):
    """E3: after the relay's commit, in the middle of indexing, and before its commit."""
    relay(runtime)
    follow_records(runtime)
    with unit_of_work() as uow:
        service.create(uow, "lead", [{"company": "鼎源农机"}])
    with planned_fault("outbox.after_mark:raise"), pytest.raises(InjectedFault):
        relay(runtime)
    assert relay(runtime) == 1, "the event is still there"
    with planned_fault("search.before_commit:raise"), pytest.raises(InjectedFault):
        follow_records(runtime)
    assert names("鼎源") == []
    assert follow_records(runtime) == 1
    assert names("鼎源") == ["鼎源农机"]
    assert follow_records(runtime) == 0


def test_what_cannot_be_indexed_holds_nothing_else_up(
    runtime, names, unit_of_work, monkeypatch, caplog
):
    """It is tried again later, and told in the log."""
    follow_records(runtime)
    make, broken = indexing.Content.tokens, {"鼎源农机"}

    def tokens(self, record):
        if record.get("company") in broken:
            raise ValueError("cannot")
        return make(self, record)

    monkeypatch.setattr(indexing.Content, "tokens", tokens)
    for company in ("鼎源农机", "鸢衡机械"):
        with unit_of_work() as uow:
            service.create(uow, "lead", [{"company": company}])
        relay(runtime)
    follow_records(runtime)
    assert (names("鼎源"), names("鸢衡")) == ([], ["鸢衡机械"])
    assert "could not be indexed" in caplog.text
    with unit_of_work(write=False) as uow:
        assert status(uow) == {"waiting": 1, "filling": []}
    broken.clear()
    runtime.clock.offset += indexing.timedelta(minutes=2)
    follow_records(runtime)
    assert names("鼎源") == ["鼎源农机"]


def test_other_fields_leave_the_index_alone(runtime, make_leads, unit_of_work):
    (key,) = make_leads({"company": "鼎源农机"})
    with unit_of_work() as uow:
        service.update(uow, "lead", {key: {"expected_amount": "5"}})
    relay(runtime)
    with unit_of_work(write=False) as uow:
        assert uow.execute(select(todo_table)).all() == []


@pytest.mark.parametrize("chunk", [1_000, 2])
def test_a_searchable_field_of_the_companys_own_is_found_once_it_is_there(
    make_leads, names, unit_of_work, run_jobs, admin_id, monkeypatch, chunk
):
    """Few records at once, many by a job; and no longer once the field is retired."""
    monkeypatch.setattr(indexing, "CHUNK", chunk)
    monkeypatch.setattr(indexing, "SLICE", chunk)
    make_leads(*({"company": f"别家{n}"} for n in range(5)))
    with unit_of_work(admin_id) as uow:
        labels = {"en": "Serial", "zh_CN": "编号"}
        field = {"name": "x_serial", "kind": "text", "label": labels, "searchable": True}
        add_field(uow, "lead", field)
    with unit_of_work() as uow:
        service.create(uow, "lead", [{"company": "鼎源农机", "x_serial": "雪松柏"}])
    run_jobs()
    assert names("松柏") == ["鼎源农机"]
    assert len(names("别家")) == 5
    with unit_of_work(admin_id) as uow:
        retire_field(uow, "lead", "x_serial")
    run_jobs()
    assert names("松柏") == []
    assert names("鼎源") == ["鼎源农机"]


def test_the_index_can_be_made_anew(runtime, make_leads, names):
    """`dougong search rebuild`: what somebody took away is back, nothing is there twice."""
    make_leads({"company": "鼎源农机"})
    with runtime.database.connect(write=True) as connection, connection.begin():
        connection.exec_driver_sql("DELETE FROM core_search_index")
    assert names("鼎源") == []
    assert dict(rebuild(runtime, ["lead"])) == {"lead": 1}
    assert names("鼎源") == ["鼎源农机"]
    assert set(dict(rebuild(runtime))) > {"lead", "user"}


def test_records_of_before_the_search_are_indexed_by_the_first_look(
    runtime, make_leads, names, unit_of_work
):
    """An installation that is brought up to date has records and no index."""
    make_leads({"company": "鼎源农机"})
    with runtime.database.connect(write=True) as connection, connection.begin():
        for table in ("core_search_index", "core_search_entity", "core_search_todo"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    runtime.forget()
    follow_records(runtime)
    assert names("鼎源") == ["鼎源农机"]
