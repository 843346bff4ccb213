"""One person with traces everywhere: all of them are found, and all of them go (V2, V3)."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Text, cast, func, insert, inspect, select, text

from core.audit.redacting import REDACTED
from core.audit.sealing import seal_pending
from core.audit.verifying import verify
from core.comments.service import add_comment, delete_comment, edit_comment
from core.db.base import metadata
from core.entities import query, service
from core.entities.bulk import begin_bulk, do_bulk
from core.entities.bulk_undo import undo_bulk
from core.entities.drafts import save_draft
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.fields import types as t
from core.files.service import attach, store_upload
from core.privacy.account import TOLD, UNTOLD
from core.privacy.erasing import erase_person, keep_erasures, replay_erasures
from core.privacy.exporting import write_person
from core.privacy.finding import find_person
from core.privacy.personal import contact_keys, is_personal
from core.privacy.tombstones import pending_tombstones, tombstones_file
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

MOBILE, MAIL = "13911112222", "canary.person@example.com"
OTHER, OTHER_MAIL = "13733334444", "somebody.else@example.com"
CANARIES = (MOBILE, MAIL)


@pytest.fixture(autouse=True)
def _empty_store(runtime):
    """The store is that of all tests; the database is not."""
    for key in list(runtime.storage.iter_keys()):
        runtime.storage.delete(key)


@pytest.fixture
def traces(runtime, unit_of_work, admin_id):
    """The person of specimen ``one``; ``two`` is the same one, ``other`` somebody else."""
    with unit_of_work(admin_id) as uow:
        one, two, other = service.create(
            uow,
            "specimen",
            [
                {"name": "甲", "phone": MOBILE, "email": MAIL, "price": "100.50"},
                {"name": "乙", "email": MAIL.upper(), "price": "7.25", "parts": [{"title": "件"}]},
                {"name": "丙", "phone": OTHER, "email": OTHER_MAIL, "notes": f"问过 {MOBILE}"},
            ],
        )
        service.update(uow, "specimen", {one: {"notes": f"他的邮箱是 {MAIL}"}})
        service.update(uow, "specimen", {one: {"phone": "13911110000"}})
        service.update(uow, "specimen", {one: {"phone": MOBILE}})
        service.delete(uow, "specimen", [two])
        file = store_upload(uow, io.BytesIO(f"合同 {MOBILE}".encode()), f"{MAIL}.txt")
        attach(uow, file, "specimen", one)
        store_upload(uow, io.BytesIO(f"姓名,手机\n甲,{MOBILE}\n".encode("gb18030")), "名单.csv")
        kept = store_upload(uow, io.BytesIO(f"丙,{OTHER}".encode()), "别人.csv")
        save_draft(uow, "specimen", one, "tab", [("notes", "半句话")])
        save_draft(uow, "specimen", 0, "new", [("phone", MOBILE)])
        job = uow.enqueue("core.export", {"entity": "specimen", "search": MAIL})
        now = uow.now()
        uow.execute(
            insert(runtime_table("core_idempotency")).values(
                user_id=admin_id, key="k", request_hash="h", status=200, body=MAIL, at=now
            )
        )
        uow.execute(
            insert(runtime_table("core_event")).values(
                type="x.Y", entity=None, payload={"said": MOBILE}, at=now, state="sent"
            )
        )
    seal_pending(runtime)
    return {"one": one, "two": two, "other": other, "kept": kept, "job": job}


def runtime_table(name):
    return metadata.tables[name]


def _left(runtime, words=CANARIES):
    """Where a word stands, in any column of any table and any file; the slow and sure way."""
    found = []
    with runtime.read_connection() as connection:
        for name in inspect(connection).get_table_names():
            for column in inspect(connection).get_columns(name):
                texts = select(cast(text(f'"{column["name"]}"'), Text)).select_from(text(name))
                if "BLOB" in str(column["type"]) or "BYTEA" in str(column["type"]):
                    continue
                for value in connection.execute(texts).scalars():
                    if any(word in str(value).casefold() for word in words):
                        found.append((name, column["name"], value))
    for key in runtime.storage.iter_keys():
        with runtime.storage.open(key) as stream:
            content = stream.read()
        if any(word.encode() in content for word in words):
            found.append(("store", key, content))
    return found


def _erase(runtime, unit_of_work, admin_id, record_id, entity="specimen"):
    with unit_of_work(admin_id) as uow:
        done = erase_person(uow, find_person(uow, entity, record_id))
    keep_erasures(runtime)
    return done


def test_an_export_finds_everything_and_nobody_else(traces, runtime, unit_of_work, admin_id):
    """V2: 100 % of the canaries, in JSON, as a workbook and with the files; nobody else's."""
    target = io.BytesIO()
    with unit_of_work(admin_id, write=False) as uow:
        person = find_person(uow, "specimen", traces["one"])
        write_person(uow, person, target)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        told = json.loads(archive.read("data.json"))
        content = b"".join(archive.read(name) for name in names if name.startswith("files/"))
        sheet = zipfile.ZipFile(io.BytesIO(archive.read("data.xlsx"))).namelist()
    assert person.ids("specimen") == [traces["one"], traces["two"]]
    assert [len(person.records["specimen_part"]), len(person.files), len(person.tables)] == [
        1,
        1,
        1,
    ]
    assert len(person.drafts) == 1
    where = {(each["table"], each["column"]) for each in told["mentions"]}
    assert where == {
        ("dummy_plugin_specimen", "notes"),
        ("core_draft", "inputs"),
        ("core_job", "arguments"),
        ("core_idempotency", "body"),
        ("core_event", "payload"),
    }
    found_in = {"core_file", "store", "core_audit_entry"} | {table for table, _column in where}
    assert {place[0] for place in _left(runtime)} - found_in == set()
    assert MOBILE.encode() in content
    assert any(entry["changes"].get("phone") == [None, MOBILE] for entry in told["history"])
    assert len([name for name in sheet if name.startswith("xl/worksheets/")]) >= 5
    everything = json.dumps(told, ensure_ascii=False)
    assert OTHER not in everything
    assert OTHER_MAIL not in everything


def test_an_erasure_leaves_nothing(traces, runtime, unit_of_work, admin_id):
    """V3: no canary in any table or file; sums are unchanged; the chain holds; the others stay."""
    prices = select(func.sum(runtime_table("dummy_plugin_specimen").c.price))
    with unit_of_work(admin_id, write=False) as uow:
        before = uow.execute(prices).scalar_one()
        other = query.get(uow, "specimen", traces["other"]).values
    assert {place[0] for place in _left(runtime)} >= {"dummy_plugin_specimen", "store", "core_job"}
    done = _erase(runtime, unit_of_work, admin_id, traces["one"])
    assert done.counts["records"] == 3
    assert _left(runtime) == []
    report = verify(runtime)
    assert report.holds, report.problems
    assert report.redacted > 0
    seal_pending(runtime)
    assert verify(runtime).holds
    with unit_of_work(admin_id, write=False) as uow:
        assert uow.execute(prices).scalar_one() == before
        record = query.get(uow, "specimen", traces["one"]).values
        assert (record["phone"], record["email"], record["name"]) == (None, None, "甲")
        assert record["price"] == Decimal("100.50")
        after = query.get(uow, "specimen", traces["other"]).values
        assert after["notes"] == f"问过 {REDACTED}"
        assert (after["phone"], after["email"]) == (other["phone"], other["email"])
        acts = ListQuery(filter={"field": "action", "op": "eq", "value": "erase_person"})
        (act,) = query.page(uow, "audit_entry", acts).items
        assert (act["record_id"], act["actor"]) == (traces["one"], admin_id)
    kept = [place for place in _left(runtime, (OTHER,)) if place[0] == "store"]
    assert len(kept) == 1


def test_what_a_bulk_act_keeps_to_be_taken_back_is_erased(traces, runtime, unit_of_work, admin_id):
    """V3: neither old values of the person's own records nor what was written stay for some days."""
    with unit_of_work(admin_id) as uow:
        spec = uow.entity("specimen")
        service.update(uow, "specimen", {traces["one"]: {"phone": "021-55556666"}})
        act = begin_bulk(uow, spec, {"kind": "update", "values": {"phone": "021-77778888"}})
        do_bulk(uow, act, [traces["one"], traces["other"]])
    assert {place[0] for place in _left(runtime, ("021-55556666",))} >= {"core_bulk_change"}
    assert {place[0] for place in _left(runtime, ("021-77778888",))} >= {"core_bulk"}
    _erase(runtime, unit_of_work, admin_id, traces["one"])
    assert _left(runtime, ("021-55556666",)) == []
    tables = {place[0] for place in _left(runtime, ("021-77778888",))}
    assert tables == {"dummy_plugin_specimen", "core_audit_entry"}  # of the other, who has it too
    with unit_of_work(admin_id) as uow:
        undo_bulk(uow, act)
        values = query.get(uow, "specimen", traces["one"]).values
        assert (values["phone"], values["email"]) == (None, None)
        assert query.get(uow, "specimen", traces["other"]).values["phone"] == OTHER


def test_what_was_said_under_the_record_names_nobody_afterwards(
    traces, runtime, unit_of_work, admin_id
):
    """V3: a line of his that no other record has, in comments, those taken away and their trail."""
    number = "021-55556666"
    with unit_of_work(admin_id) as uow:
        service.update(uow, "specimen", {traces["one"]: {"phone": number}})
        kept = add_comment(uow, "specimen", traces["one"], f"Call {number} today, or {MAIL}")
        gone = add_comment(uow, "specimen", traces["one"], number)
        delete_comment(uow, gone)
        edit_comment(uow, kept, f"Call {number} tomorrow, or {MAIL}")
    _erase(runtime, unit_of_work, admin_id, traces["one"])
    assert _left(runtime, (number, MAIL)) == []
    with unit_of_work(admin_id) as uow:
        assert query.get(uow, "comment", kept).values["text"] == (
            f"Call {REDACTED} tomorrow, or {REDACTED}"
        )
    seal_pending(runtime)
    assert verify(runtime).holds


def test_a_second_erasure_is_harmless(traces, runtime, unit_of_work, admin_id):
    """V3: nothing more changes."""
    _erase(runtime, unit_of_work, admin_id, traces["one"])
    with unit_of_work(admin_id, write=False) as uow:
        first = query.get(uow, "specimen", traces["one"]).values
    again = _erase(runtime, unit_of_work, admin_id, traces["one"])
    assert (again.counts["records"], again.counts["mentions"], again.counts["tables"]) == (1, 0, 0)
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "specimen", traces["one"]).values == first
    assert verify(runtime).holds


def test_of_an_account_all_is_told_or_there_is_a_reason(runtime):
    """V2: every table that goes with an account when it is erased."""
    gone = {
        table.name
        for table in metadata.tables.values()
        if table.name.startswith("core_") and "__" not in table.name
        for column in table.c
        for key in column.foreign_keys
        if key.target_fullname == "core_user.id" and key.ondelete == "CASCADE"
    } - {"core_absence"}  # lines of the record itself
    assert gone == TOLD.keys() | UNTOLD.keys()
    secrets = {"token_hash", "csrf", "password", "previous", "secret", "code_hash", "version"}
    for name, columns in TOLD.items():
        assert set(columns) <= set(metadata.tables[name].c.keys()) - secrets


def test_an_account_is_erased(runtime, unit_of_work, admin_id, make_person, bearer, client):
    """The name is gone from the trail and the labels; whoever it was is out."""
    key = make_person("金丝雀", roles=("viewer",))
    headers = bearer(key)
    assert client.get("/api/v1/schema", headers=headers).status_code == 200
    with unit_of_work(admin_id) as uow:
        service.update(uow, "user", {key: {"mobile": MOBILE, "title": "找金丝雀"}})
    _erase(runtime, unit_of_work, admin_id, key, "user")
    assert _left(runtime, ("金丝雀", MOBILE, "person1@example.com")) == []
    assert client.get("/api/v1/schema", headers=headers).status_code == 401
    with unit_of_work(admin_id, write=False) as uow:
        record = query.get(uow, "user", key).values
    assert (record["name"], record["is_active"]) == (REDACTED, False)
    assert record["email"] == f"erased-{key}@erased.invalid"


def test_the_last_administrator_is_not_erased(unit_of_work, admin_id, make_person):
    """Nobody could administer any more; a second one makes it possible."""
    with pytest.raises(Refused), unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "user", admin_id))
    make_person("乙", roles=("admin",))
    with unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "user", admin_id))


def test_a_restored_backup_is_erased_again(traces, runtime, unit_of_work, admin_id, database_kind):
    """V3: the list of erasures outlives the database and is replayed; it names nobody."""
    if database_kind == "sqlite":
        with runtime.database.connect(write=False) as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        place = runtime.database.url.database
        shutil.copy(place, f"{place}.backup")
    _erase(runtime, unit_of_work, admin_id, traces["one"])
    lines = tombstones_file(runtime.config).read_text()
    assert not any(word in lines for word in (*CANARIES, "甲"))
    with runtime.read_connection() as connection:
        assert pending_tombstones(runtime.config, connection) == []
    if database_kind != "sqlite":
        return  # the same list; putting a file back in place is SQLite's way of restoring
    runtime.database.dispose()
    for suffix in ("-wal", "-shm"):
        type(runtime.config.home)(f"{place}{suffix}").unlink(missing_ok=True)
    shutil.copy(f"{place}.backup", place)
    runtime.forget()
    assert any(place[0] == "dummy_plugin_specimen" for place in _left(runtime))
    assert replay_erasures(runtime) == 1
    assert _left(runtime) == []
    assert replay_erasures(runtime) == 0


def test_a_forged_tombstone_erases_nothing(traces, runtime):
    """Positive control: only lines that this installation signed count."""
    line = json.dumps(
        {
            "erasure": json.dumps(
                {
                    **{"key": "x", "entity": "specimen", "record_id": traces["other"]},
                    **{
                        "records": [["specimen", traces["other"]]],
                        "at": "2999-01-01T00:00:00+00:00",
                    },
                }
            ),
            "signature": "00000000:0",
        }
    )
    tombstones_file(runtime.config).write_text(f"{line}\n{{broken\n")
    assert replay_erasures(runtime) == 0
    assert any(OTHER in str(place) for place in _left(runtime, (OTHER,)))


def test_only_administrators(traces, unit_of_work, make_person):
    """Nobody else finds, takes or erases a person, whatever the roles say of records."""
    person = make_person("阅者", roles=("viewer",))
    with pytest.raises(Forbidden), unit_of_work(person, write=False) as uow:
        find_person(uow, "specimen", traces["one"])


def test_what_is_no_person_is_refused(unit_of_work, admin_id):
    with unit_of_work(admin_id, write=False) as uow:
        with pytest.raises(Invalid):
            find_person(uow, "department", 1)
        with pytest.raises(NotFound):
            find_person(uow, "specimen", 10**9)


def test_land_lines_join_nobody(runtime):
    """Colleagues share a land line: it is no way to find a person."""
    spec = runtime.declared.specs["specimen"]
    assert contact_keys(spec, {"phone": "010-62345678"}) == set()
    assert contact_keys(spec, {"phone": MOBILE, "email": MAIL}) == set(CANARIES)


def test_without_matching_only_the_record(traces, unit_of_work, admin_id):
    with unit_of_work(admin_id, write=False) as uow:
        person = find_person(uow, "specimen", traces["one"], matching=False)
    assert person.ids("specimen") == [traces["one"]]
    assert (person.mentions, person.tables) == ([], [])


def test_every_personal_looking_field_is_classified(runtime):
    """V1: telephone numbers, e-mail addresses and what is named like a person's datum.

    A field that looks like it and is none is named here, with the reason.
    """
    none_of_a_person = {("customer", "phone"): "the switchboard of a company"}
    unclassified = []
    for spec in runtime.declared.specs.values():
        for field in spec.fields:
            known = is_personal(field) or (spec.name, field.name) in none_of_a_person
            if _looks_personal(spec.name, field) and not known:
                unclassified.append(f"{spec.name}.{field.name}")
    assert unclassified == []
    phone = runtime.declared.specs["specimen"]["phone"]  # positive control
    assert _looks_personal("specimen", replace(phone, personal=False))


def _looks_personal(entity, field):
    words = {
        *("mobile", "phone", "email", "wechat", "qq", "birthday", "birth_date", "id_number"),
        *("contact_name", "full_name", "first_name", "last_name", "passport", "home_address"),
    }
    by_name = field.name.removeprefix("x_") in words or (entity, field.name) == ("user", "name")
    return by_name or isinstance(field.value_type, (t.Phone, t.Email))


def test_old_values_go_with_the_person(traces, runtime, unit_of_work, admin_id):
    """The number that the person had before stands in the trail alone, and goes from there."""
    assert _left(runtime, ("13911110000",)) != []
    _erase(runtime, unit_of_work, admin_id, traces["one"])
    assert _left(runtime, ("13911110000",)) == []


def test_an_erasure_is_counted_beforehand(traces, runtime, unit_of_work, admin_id):
    """The rehearsal says what the erasure then does, and itself writes nothing."""
    with unit_of_work(admin_id, write=False) as uow:
        foreseen = find_person(uow, "specimen", traces["one"]).counts()
    assert _left(runtime) != []
    runtime.clock.move(timedelta(minutes=1))
    assert _erase(runtime, unit_of_work, admin_id, traces["one"]).counts == foreseen
    with unit_of_work(write=False) as uow:
        assert uow.execute(select(func.count()).select_from(job_table)).scalar_one() >= 1
