"""Imports at the same instant, and keys that are complete from the first record on."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, insert, select, text

from core.entities import service
from core.exchange import importing
from core.exchange.duplicates import ensure_keys
from core.exchange.importing import Importer, ImportPlan
from core.exchange.tables import duplicate_key_table

ROWS = [(line, [f"公司{line}", f"138{line:08d}"]) for line in range(2, 12)]


@pytest.mark.parametrize("policy", ["skip", "update"])
def test_what_two_imports_bring_at_once_is_made_once(
    policy, unit_of_work, admin_id, all_rows, monkeypatch
):
    """No field is unique here: only taking turns keeps the second from making doubles."""
    plan = ImportPlan("prospect", ("公司", "手机"), ("company", "mobile"), policy)
    looked, about_to_write = threading.Event(), threading.Event()
    create, find = importing.service.create, Importer._known

    def create_late(uow, entity, items):
        about_to_write.set()
        looked.wait(1.5)  # the other one has looked for duplicates, unless it had to wait
        return create(uow, entity, items)

    def find_and_say(importer, uow, rows):
        found = find(importer, uow, rows)
        if threading.current_thread().name == "second":
            looked.set()
        return found

    monkeypatch.setattr(importing.service, "create", create_late)
    monkeypatch.setattr(Importer, "_known", find_and_say)
    done, limits, failed = [], [], []

    def run():
        try:
            if threading.current_thread().name == "second":
                assert about_to_write.wait(20)
            with unit_of_work(admin_id) as uow:
                importer = Importer(plan)
                done.append(importer.batch(uow, importer.recipe(uow).cleaner()(ROWS)))
                if not uow.runtime.database.is_sqlite:
                    limits.append(uow.execute(text("SHOW lock_timeout")).scalar_one())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, name=name) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed, failed
    assert sorted(batch.created for batch in done) == [0, len(ROWS)]
    assert sorted(batch.duplicates for batch in done) == [0, len(ROWS)]
    assert len(all_rows()) == len(ROWS)
    assert len(set(limits)) <= 1, "waiting for the turn leaves the usual patience for other locks"


def keys_of(uow):
    table = duplicate_key_table
    found = uow.execute(select(table.c.record_id).where(table.c.entity == "prospect"))
    return sorted(found.scalars())


def test_keys_are_complete_from_the_first_record_on(unit_of_work, admin_id):
    """The first import into a full table has nothing to make anew."""
    with unit_of_work(admin_id) as uow:
        ids = service.create(uow, "prospect", [{"company": f"公司{n}"} for n in range(3)])
        more = service.create(uow, "prospect", [{"company": "后来"}])
    with unit_of_work() as uow:
        assert keys_of(uow) == [0, *ids, *more]
        one = duplicate_key_table.c.record_id == ids[0]
        uow.execute(duplicate_key_table.delete().where(one))
        ensure_keys(uow, uow.entity("prospect"))
        assert keys_of(uow) == [0, *ids[1:], *more]


def test_records_from_before_get_their_keys_all_the_same(unit_of_work, admin_id, all_rows):
    with unit_of_work() as uow:
        table = uow.entity("prospect").table
        old = [{"company": f"旧{n}", "version": 1} for n in range(3)]
        stamps = {"created_at": uow.now(), "updated_at": uow.now()}
        uow.execute(insert(table), [row | stamps for row in old])
    with unit_of_work(admin_id) as uow:
        service.create(uow, "prospect", [{"company": "新"}])
    with unit_of_work() as uow:
        assert 0 not in keys_of(uow)
        ensure_keys(uow, uow.entity("prospect"))
        assert keys_of(uow) == [0, *sorted(row["id"] for row in all_rows())]
        count = select(func.count()).select_from(uow.entity("prospect").table)
        assert uow.execute(count).scalar_one() == 4
