"""The chain over the audit trail: what it holds against, and what may happen to it in peace."""

from __future__ import annotations

import re
import secrets
import threading
import time
from datetime import timedelta
from email import message_from_bytes
from random import Random

import pytest
from sqlalchemy import delete, func, insert, select, update

from core.audit import sealing
from core.audit.anchors import anchors_file, append_anchor, read_anchors
from core.audit.canonical import entry_bytes, select_entries
from core.audit.models import AuditEntry
from core.audit.recorder import record_act
from core.audit.redacting import redact
from core.audit.retention import drop_old
from core.audit.sealing import seal_pending
from core.audit.tables import redaction_table, seal_table
from core.audit.telling import SEND_HEAD
from core.audit.verifying import examine_chain, verify
from core.db.bulk import bulk_insert
from core.entities import service
from core.mail import FolderMailer
from core.ops.checks import trail
from core.settings.service import put_settings

entries = AuditEntry.__table__


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(sealing, "BATCH", 10)


@pytest.fixture
def chain(runtime, unit_of_work):
    """Some 60 entries under 6 or more seals, made in three runs."""
    for run in range(3):
        with unit_of_work() as uow:
            for number in range(20):
                details = {"a": run, "b": f"值 {number}", "c": 1.0, "d": [0.5, {"z": 2.0}]}
                record_act(uow, "export", entity="user", record_ids=[number], details=details)
        runtime.clock.move(timedelta(minutes=5))
        seal_pending(runtime)
    return runtime


def _hash(runtime, seal):
    with runtime.read_connection() as connection:
        found = select(seal_table.c.hash).where(seal_table.c.id == seal)
        return connection.execute(found).scalar_one()


def _kinds(report):
    return {problem.kind for problem in report.problems}


def test_what_nobody_touched_holds(chain):
    """L2: every entry is under a seal, once, and the head is anchored outside the table."""
    report = verify(chain)
    assert report.holds, report.problems
    with chain.read_connection() as connection:
        count = connection.execute(select(func.count()).select_from(entries)).scalar_one()
        head = sealing.newest_seal(connection)
    assert (report.entries, report.waiting, report.redacted) == (count, 0, 0)
    assert report.seals == head.id >= 6
    assert [anchor.genuine for anchor in read_anchors(chain.config)] == [True] * 3
    assert read_anchors(chain.config)[-1].hash == head.hash == report.head
    assert seal_pending(chain) == 0


def test_what_is_newer_waits(chain, unit_of_work):
    with unit_of_work() as uow:
        record_act(uow, "export")
    assert (verify(chain).waiting, verify(chain).holds) == (1, True)
    assert seal_pending(chain) == 1


# Seven attacks (L2). Each takes a connection in a transaction that is rolled back afterwards.


def _edit(connection, random, rows, _seals):
    row = random.choice(rows)
    column = random.choice(["actor_id", "record_id", "action", "address", "changes", "at"])
    new = {"action": "import", "address": "10.1.1.1", "changes": {"a": [None, 9]}, "at": row.at}
    new["at"] += timedelta(seconds=1)
    value = new.get(column, 4711)
    connection.execute(update(entries).where(entries.c.id == row.id).values({column: value}))


def _delete(connection, random, rows, _seals):
    connection.execute(delete(entries).where(entries.c.id == random.choice(rows).id))


def _reorder(connection, random, rows, _seals):
    one, other = random.sample(rows, 2)
    for key, new in ((one.id, -1), (other.id, one.id), (-1, other.id)):
        connection.execute(update(entries).where(entries.c.id == key).values(id=new))


def _truncate(connection, random, _rows, seals):
    """The newest part goes, entries and seals."""
    cut = random.choice(seals)
    connection.execute(delete(entries).where(entries.c.id >= cut.first_id))
    connection.execute(delete(seal_table).where(seal_table.c.id >= cut.id))


def _insert(connection, random, rows, _seals):
    """One entry more: the later ones make room."""
    row, number = random.choice(rows), random.choice(rows).id
    key = entries.c.id
    connection.execute(update(entries).where(key >= number).values(id=-(key + 1)))
    connection.execute(update(entries).where(key < 0).values(id=-key))
    values = {column.name: row._mapping[column.name] for column in entries.c}
    connection.execute(insert(entries).values(values | {"id": number, "record_id": 4711}))


def _replay(connection, random, _rows, seals):
    """An older state comes back and goes on from there, under seals that only lack the key."""
    cut = random.choice(seals[:-1])
    connection.execute(delete(entries).where(entries.c.id > cut.last_id))
    connection.execute(delete(seal_table).where(seal_table.c.id > cut.id))
    values = {"id": cut.last_id + 1, "action": "export", "at": cut.at, "channel": "web"}
    connection.execute(insert(entries).values(values))
    root, last = secrets.token_hex(32), cut.last_id + 1
    own = sealing.hash_of(cut.id + 1, last, last, 1, root, cut.at, cut.hash)
    sealed = {
        **{"id": cut.id + 1, "first_id": last, "last_id": last, "entries": 1, "root": root},
        **{"at": cut.at, "previous": cut.hash, "hash": own, "signature": cut.signature},
        **{"leaves": b"", "salts": b""},
    }
    connection.execute(insert(seal_table).values(sealed))


def _clock_back(connection, random, rows, _seals):
    """Something is dated back by a day or more, as if the clock had stood there."""
    row = random.choice(rows)
    then = row.at - timedelta(days=random.randint(1, 900))
    connection.execute(update(entries).where(entries.c.id == row.id).values(at=then))


ATTACKS = [_edit, _delete, _reorder, _truncate, _insert, _replay, _clock_back]


def _detected(runtime, attack, times, seed):
    """How many of the attacks are found, each at a place of its own."""
    with runtime.read_connection() as connection:
        rows = connection.execute(select(entries).order_by(entries.c.id)).all()
        seals = connection.execute(select(seal_table).order_by(seal_table.c.id)).all()
    found, random = 0, Random(seed)
    with runtime.database.connect(write=True) as connection:
        for _time in range(times):
            with connection.begin() as transaction:
                attack(connection, random, rows, seals)
                found += not examine_chain(runtime.config, connection).holds
                transaction.rollback()
    return found


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_detected(chain, attack, database_kind):
    """L2: 30 random places each on SQLite, 8 on PostgreSQL; the 7,000 are in the long tier."""
    times = 30 if database_kind == "sqlite" else 8
    assert _detected(chain, attack, times, 1) == times
    assert verify(chain).holds


@pytest.mark.long
@pytest.mark.parametrize("attack", ATTACKS)
def test_seven_thousand_attacks_are_detected(chain, attack, database_kind):
    """L2: 1,000 random places each; 100 on PostgreSQL."""
    times = 1_000 if database_kind == "sqlite" else 100
    assert _detected(chain, attack, times, 2) == times


def test_the_entry_is_named(chain):
    """L2: which batch, and which entry."""
    with chain.database.connect(write=True) as connection, connection.begin():
        victim = connection.execute(select(seal_table.c.first_id).where(seal_table.c.id == 3))
        key = victim.scalar_one()
        connection.execute(update(entries).where(entries.c.id == key).values(actor_id=9))
    (problem,) = verify(chain).problems
    assert (problem.kind, problem.seal, problem.entry) == ("edited", 3, key)
    assert verify(chain, last=1).holds  # the quick look is at the newest only


def test_without_the_key_the_chain_cannot_be_made_anew(chain, monkeypatch):
    """Positive control: who has the database and not the key leaves a chain that nobody signed."""
    with chain.database.connect(write=True) as connection, connection.begin():
        connection.execute(delete(seal_table))
        connection.execute(update(entries).values(address="10.9.9.9"))
    anchors_file(chain.config).unlink()
    monkeypatch.setattr(sealing, "sign", lambda _config, *_parts: "00000000:" + "0" * 64)
    seal_pending(chain)
    assert _kinds(verify(chain)) == {"signature"}
    anchors_file(chain.config).unlink()
    assert _kinds(verify(chain)) == {"signature", "anchor"}


def test_a_chain_of_another_time_is_detected_by_the_anchors(chain, unit_of_work):
    """L2: a consistent older copy of all tables, signed by ourselves, is found out by the file."""
    older, newest = read_anchors(chain.config)[0].seal, read_anchors(chain.config)[-1]
    with chain.database.connect(write=True) as connection, connection.begin():
        cut = select(seal_table.c.last_id).where(seal_table.c.id == older)
        last = connection.execute(cut).scalar_one()
        connection.execute(delete(seal_table).where(seal_table.c.id > older))
        connection.execute(delete(entries).where(entries.c.id > last))
    assert _kinds(verify(chain)) == {"truncated"}
    with unit_of_work() as uow:
        for number in range(60):
            record_act(uow, "export", record_ids=[number])
    seal_pending(chain)
    assert _kinds(verify(chain)) == {"replayed"}
    anchors_file(chain.config).unlink()  # positive control: it is the file that tells
    assert _kinds(verify(chain)) == {"anchor"}
    append_anchor(chain.config, 1, _hash(chain, 1), chain.clock.now())
    assert verify(chain).holds
    # Who made the file anew too is found out by a head that was mailed.
    assert _kinds(verify(chain, noted=[(newest.seal, newest.hash)])) == {"replayed"}
    assert _kinds(verify(chain, noted=[(10**6, newest.hash)])) == {"truncated"}
    assert verify(chain, noted=[(1, _hash(chain, 1))]).holds


def test_the_head_is_mailed_and_compared(
    chain, unit_of_work, admin_id, run_jobs, monkeypatch, tmp_path
):
    """L2: each day to the address in the settings; the command in the letter tells on the server."""
    monkeypatch.setattr(chain, "mailer", FolderMailer(tmp_path, clock=chain.clock))

    def letters():
        with unit_of_work() as uow:
            uow.enqueue(SEND_HEAD.name, {})
        run_jobs()
        return [message_from_bytes(path.read_bytes()) for path in tmp_path.glob("*.eml")]

    assert letters() == []
    with unit_of_work(admin_id) as uow:
        put_settings(uow, "core_audit", {"head_to": "auditor@example.com"})
    (letter,) = letters()
    assert letter["To"] == "auditor@example.com"
    text = letter.get_payload(decode=True).decode()
    seal, own = re.search(
        r"^dougong audit verify --head (\d+):([0-9a-f]{64})\r?$", text, re.M
    ).groups()
    assert own == verify(chain).head
    assert verify(chain, noted=[(int(seal), own)]).holds
    with chain.read_connection() as connection:
        told = " ".join(finding.detail for finding in trail.audit(chain, connection))
    assert "auditor@example.com" in told


def test_a_restored_backup_is_told_and_not_a_finding(chain):
    """A restore that somebody answers for ends the claims of the anchors beyond it."""
    older = read_anchors(chain.config)[0]
    with chain.database.connect(write=True) as connection, connection.begin():
        cut = select(seal_table.c.last_id).where(seal_table.c.id == older.seal)
        last = connection.execute(cut).scalar_one()
        connection.execute(delete(seal_table).where(seal_table.c.id > older.seal))
        connection.execute(delete(entries).where(entries.c.id > last))
    now = chain.clock.now()
    append_anchor(chain.config, older.seal, older.hash, now, reason="restored from tape")
    report = verify(chain)
    assert report.holds, report.problems
    assert [line.partition(": ")[2] for line in report.restored] == ["restored from tape"]


def test_a_clock_set_back_is_detected(chain, unit_of_work):
    """L2: what is written and sealed while the clock stands in the past."""
    chain.clock.move(timedelta(days=-3))
    with unit_of_work() as uow:
        record_act(uow, "export")
    chain.clock.move(timedelta(days=3))
    assert seal_pending(chain) == 1
    assert _kinds(verify(chain)) == {"clock"}
    chain.clock.move(timedelta(hours=-2))
    with unit_of_work() as uow:
        record_act(uow, "export")
    seal_pending(chain)
    assert any(p.kind == "clock" and p.entry is None for p in verify(chain).problems)


def test_foreign_and_broken_anchors_are_detected(chain):
    with anchors_file(chain.config).open("ab") as file:
        file.write(b'{"seal": 1, "hash": "", "at": "", "reason": "", "signature": "x:y"}\n{half')
    assert [p.kind for p in verify(chain).problems] == ["anchor", "anchor"]


# What may happen in peace


def test_redacted_entries_hold_and_are_gone(chain, unit_of_work):
    """V3: the values are taken out, the salt of the leaf with them, and the chain still holds."""
    with chain.read_connection() as connection:
        keys = connection.execute(select(entries.c.id).order_by(entries.c.id)).scalars().all()
    chosen = [keys[4], keys[5], keys[33]]
    for _again in range(2):
        with unit_of_work() as uow:
            redact(uow, {key: {"b": [None, "已抹除"]} for key in chosen})
        report = verify(chain)
        assert (report.holds, report.redacted) == (True, 3), report.problems
    with chain.database.connect(write=True) as connection:
        for spoil in (
            update(entries).where(entries.c.id == keys[4]).values(changes={"b": [None, "x"]}),
            update(redaction_table).values(digest="0" * 64),
            delete(redaction_table),
        ):
            with connection.begin() as transaction:
                connection.execute(spoil)
                assert "edited" in _kinds(examine_chain(chain.config, connection))
                transaction.rollback()


def test_nobody_redacts_without_the_key(chain):
    """An attacker who zeroes the salt and makes up a redaction is found."""
    with chain.database.connect(write=True) as connection, connection.begin():
        seal = connection.execute(select(seal_table).where(seal_table.c.id == 2)).one()
        connection.execute(
            update(seal_table).where(seal_table.c.id == 2).values(salts=bytes(len(seal.salts)))
        )
    assert _kinds(verify(chain)) == {"edited"}


def test_old_batches_are_dropped_and_the_chain_holds(chain, unit_of_work):
    """Retention: whole sealed batches go, the seals stay; nobody else can do the same."""
    assert drop_old(chain) == 0  # kept for ever unless somebody says otherwise
    with unit_of_work() as uow:
        put_settings(uow, "core_audit", {"keep_years": 2})
    assert drop_old(chain) == 0
    chain.clock.move(timedelta(days=800))
    with unit_of_work() as uow:
        record_act(uow, "export")
    seal_pending(chain)
    before = verify(chain)
    dropped = drop_old(chain)
    report = verify(chain)
    assert report.holds, report.problems
    assert 60 <= dropped == before.entries - report.entries
    assert report.seals == before.seals
    with chain.database.connect(write=True) as connection:
        for spoil, kind in (
            (update(seal_table).values(dropped_at=chain.clock.now()), "dropped"),
            (insert(entries).values(id=3, action="export", at=chain.clock.now()), "inserted"),
        ):
            with connection.begin() as transaction:
                connection.execute(spoil)
                assert kind in _kinds(examine_chain(chain.config, connection))
                transaction.rollback()


def test_canonical_bytes_survive_json_of_either_database(runtime, unit_of_work):
    """Equal on both databases: the order of keys, and 1.0 against 1, are not part of them."""
    with unit_of_work() as uow:
        record_act(uow, "export", details={"b": 1.0, "a": [2.5, 1e3, {"y": -0.0, "x": None}]})
    with runtime.read_connection() as connection:
        last = connection.execute(select_entries()).all()[-1]
    told = entry_bytes(last).decode()
    assert '{"a":[null,[2.5,1000,{"x":null,"y":0}]],"b":[null,1]}' in told
    assert last.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00") in told


# Writers


@pytest.mark.databases("postgresql")
def test_an_entry_that_commits_late_is_not_left_out(chain, unit_of_work, monkeypatch):
    """L2: ids are given before commits, so nothing is sealed while an older one is under way."""
    monkeypatch.setattr(sealing, "PATIENCE", 0.1)
    with unit_of_work() as slow:
        record_act(slow, "slow")
        with unit_of_work() as quick:
            record_act(quick, "quick")
        assert seal_pending(chain) == 0
    assert seal_pending(chain) == 2
    assert verify(chain).holds
    monkeypatch.setattr(sealing, "_writers", lambda _connection: set())  # positive control
    with unit_of_work() as slow:
        record_act(slow, "slow")
        with unit_of_work() as quick:
            record_act(quick, "quick")
        assert seal_pending(chain) == 1
    assert _kinds(verify(chain)) == {"inserted"}


def test_writers_and_sealers_at_once_do_not_fork_the_chain(runtime, unit_of_work):
    """L2: three writers and two sealers; one chain in the end, and every entry under it."""
    failures: list[BaseException] = []

    def attempt(work):
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def write():
        for number in range(25):
            with unit_of_work() as uow:
                service.create(uow, "department", [{"name": f"部门 {number}"}])

    def seal():
        for _time in range(10):
            seal_pending(runtime)

    threads = [threading.Thread(target=attempt, args=[work]) for work in [write] * 3 + [seal] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    seal_pending(runtime)
    report = verify(runtime)
    assert report.holds, report.problems
    assert report.entries >= 75
    assert report.waiting == 0


@pytest.mark.long
def test_a_million_entries_are_verified_in_a_minute(runtime, unit_of_work, monkeypatch):
    """L2: 1,000,000 entries in at most 60 s, and in constant memory: batch by batch."""
    monkeypatch.setattr(sealing, "BATCH", 1_000)
    names = ("entity", "record_id", "action", "actor_id", "at", "channel", "address", "changes")
    for start in range(0, 1_000_000, 50_000):
        with unit_of_work() as uow:
            now = uow.now()
            way = (1, now, "import", "10.0.0.1")
            rows = [
                ("lead", start + n, "create", *way, {"company": [None, f"公司 {start + n}"]})
                for n in range(50_000)
            ]
            bulk_insert(uow.connection, entries, names, rows)
    began = time.perf_counter()
    assert seal_pending(runtime) >= 1_000_000
    sealed = time.perf_counter()
    report = verify(runtime)
    took = time.perf_counter() - sealed
    print(f"sealed in {sealed - began:.1f} s, verified in {took:.1f} s")
    assert report.holds
    assert report.entries >= 1_000_000
    assert took <= 60


def test_a_sealer_that_was_overtaken_leaves_the_anchors_in_order(runtime):
    """L2: two sealers commit one after the other and note it the other way round: no false alarm."""
    config, now = runtime.config, runtime.clock.now()
    append_anchor(config, 8, "b" * 64, now + timedelta(milliseconds=7))
    append_anchor(config, 7, "a" * 64, now)
    append_anchor(config, 9, "c" * 64, now + timedelta(seconds=1))
    assert [anchor.seal for anchor in read_anchors(config)] == [8, 9]
    append_anchor(config, 3, "d" * 64, now + timedelta(seconds=2), reason="an older backup")
    append_anchor(config, 4, "e" * 64, now + timedelta(seconds=3))
    assert [anchor.seal for anchor in read_anchors(config)] == [8, 9, 3, 4]
