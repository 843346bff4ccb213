"""Each check of the doctor, with the damage that it is there to find."""

from __future__ import annotations

import io
import shutil
from collections import namedtuple
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, text, update

from core.audit.sealing import seal_pending
from core.config import key_file
from core.entities import service
from core.files.models import StoredFileRecord
from core.files.service import store_upload
from core.ops.checks import records
from core.ops.doctor import CHECKS, FULL, examine
from core.ops.findings import ADVICE
from core.runtime import epoch_table
from core.security.models import User, share_table
from core.work.schedule import start_due
from core.work.tables import event_table, job_table, schedule_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def _states(runtime) -> dict[str, str]:
    """The worst state by check."""
    order = ("ok", "warning", "problem")
    states: dict[str, str] = {}
    for finding in examine(runtime):
        known = states.get(finding.check, "ok")
        states[finding.check] = max(known, finding.state, key=order.index)
    return states


def test_a_fresh_installation_has_no_problem(runtime, run_jobs):
    run_jobs()  # the installation is as old as this run of tests: its first events may wait for long
    assert "problem" not in _states(runtime).values()


def test_one_administrator_is_few_and_none_is_a_problem(runtime, unit_of_work, make_person):
    assert _states(runtime)["administrators"] == "warning"
    make_person("第二位", roles=("admin",))
    assert _states(runtime)["administrators"] == "ok"
    with unit_of_work() as uow:
        uow.execute(update(User.__table__).values(is_active=False))
    assert _states(runtime)["administrators"] == "problem"


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("ALTER TABLE core_user DROP COLUMN title", "schema"),
        ("ALTER TABLE core_user ADD COLUMN x_left_over INTEGER", "schema"),
        ("DROP TABLE core_absence", "schema"),
        ("UPDATE core_department SET head_id = 4711", "references"),
        ("UPDATE core_alembic SET version_num = '0000'", "migrations"),
    ],
)
def test_damage_to_the_tables_is_found(runtime, unit_of_work, admin_id, damage, check):
    from core.entities import service

    with unit_of_work() as uow:
        service.create(uow, "department", [{"name": "总部", "head": admin_id}])
    assert _states(runtime)[check] == "ok"
    with unit_of_work() as uow:
        uow.execute(text(damage))
    runtime.database.dispose()
    assert _states(runtime)[check] == "problem"


def test_what_is_kept_of_records_that_are_gone_is_found(runtime, unit_of_work, admin_id):
    """A share would open another record of that number, a comment would stand under it."""
    with unit_of_work() as uow:
        gone = {"entity": "department", "record_id": 4711}
        share = {"user_id": admin_id, "level": "read", "at": uow.now(), **gone}
        uow.execute(insert(share_table).values(share))
    told = [each.detail for each in examine(runtime) if each.check == "references"]
    assert told == ["1 of core_share (department) are about nothing"]
    with unit_of_work() as uow:
        (there,) = service.create(uow, "department", [{"name": "总部"}])
        uow.execute(update(share_table).values(record_id=there))
    assert _states(runtime)["references"] == "ok"


def test_a_missing_epoch_is_found(runtime, unit_of_work):
    with unit_of_work() as uow:
        uow.execute(delete(epoch_table))
    assert _states(runtime) == {"database": "ok", "epoch": "problem"}


def test_work_that_nobody_does_is_found(runtime, unit_of_work, run_jobs):
    run_jobs()
    with unit_of_work() as uow:
        uow.enqueue("core.deliver", {"event_id": 0, "subscriber": "nobody"})
        now = uow.now()
        values = {"type": "core.UserSignedIn", "payload": {}, "at": now, "state": "new"}
        uow.execute(insert(event_table).values(values))
    assert _states(runtime) | {"jobs": "ok", "outbox": "ok"} == _states(runtime)
    runtime.clock.move(timedelta(hours=1))
    assert _states(runtime) | {"jobs": "problem", "outbox": "problem"} == _states(runtime)
    with unit_of_work() as uow:
        uow.execute(delete(event_table))
        uow.execute(update(job_table).values(state="failed"))
    assert _states(runtime) | {"jobs": "warning", "outbox": "ok"} == _states(runtime)


def test_every_check_says_what_to_do(runtime, unit_of_work):
    """What is wrong comes with what it means and what to do about it."""
    assert set(CHECKS) | {"database"} <= set(ADVICE)
    assert set(FULL) <= set(CHECKS)
    with unit_of_work() as uow:
        uow.execute(update(User.__table__).values(is_active=False))
    findings = examine(runtime)
    assert all(bool(each.advice) == (each.state != "ok") for each in findings)


def test_a_trail_that_was_changed_is_found(runtime, unit_of_work):
    """L2: the doctor looks at the newest batches, and at all of them when asked to."""
    assert _states(runtime)["audit"] == "ok"
    seal_pending(runtime)
    assert _states(runtime)["audit"] == "ok"
    runtime.clock.move(timedelta(hours=3))
    with unit_of_work() as uow:
        service.create(uow, "department", [{"name": "总部"}])
    runtime.clock.move(timedelta(hours=3))
    assert _states(runtime)["audit"] == "warning"  # nobody seals
    seal_pending(runtime)
    with unit_of_work() as uow:
        changed = "UPDATE core_audit_entry SET address = '10.0.0.9' WHERE id = 1"
        uow.execute(text(changed))
    assert _states(runtime)["audit"] == "problem"
    named = [each for each in examine(runtime, full=True) if each.check == "audit"]
    assert "seal 1, entry 1" in named[0].detail


def test_erasures_that_a_restore_undid_are_found(runtime, unit_of_work, admin_id, make_person):
    """V3: until they are replayed."""
    from core.privacy.erasing import erase_person, keep_erasures
    from core.privacy.finding import find_person
    from core.privacy.tables import erasure_table

    key = make_person("某人")
    with unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "user", key))
    keep_erasures(runtime)
    assert _states(runtime)["erasures"] == "ok"
    with unit_of_work() as uow:
        uow.execute(delete(erasure_table))
    assert _states(runtime)["erasures"] == "problem"


@pytest.mark.databases("postgresql")  # SQLite cannot be talked out of a constraint
def test_a_duplicate_of_a_unique_value_is_found(runtime, unit_of_work, make_person):
    make_person("甲")
    assert _states(runtime)["unique"] == "ok"
    with unit_of_work() as uow:
        uow.execute(text("ALTER TABLE core_user DROP CONSTRAINT uq_core_user_email"))
        uow.execute(text("UPDATE core_user SET email = 'a@example.com'"))
    assert _states(runtime)["unique"] == "problem"


def test_an_altered_file_is_found(runtime, unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        store_upload(uow, io.BytesIO("内容".encode()), "a.txt")
    assert _states(runtime)["checksums"] == "ok"
    with unit_of_work() as uow:
        uow.execute(update(StoredFileRecord.__table__).values(sha256="0" * 64))
    assert _states(runtime)["checksums"] == "problem"


def test_a_clock_that_starts_nothing_is_found(runtime, unit_of_work):
    start_due(runtime)
    assert _states(runtime)["schedules"] == "ok"
    runtime.clock.move(timedelta(days=2))
    assert _states(runtime)["schedules"] == "problem"
    with unit_of_work() as uow:  # those of a module that is off wait in peace
        uow.execute(update(schedule_table).values(name="x" + schedule_table.c.name))
    assert _states(runtime)["schedules"] == "ok"


def test_a_wrong_clock_is_found(runtime):
    for by, state in ((0, "ok"), (-120, "warning"), (3600, "problem")):
        runtime.clock.offset = timedelta(seconds=by)
        assert _states(runtime)["clock"] == state


@pytest.mark.databases("sqlite")
def test_a_full_disk_is_found(runtime, monkeypatch):
    usage = namedtuple("usage", "total used free")
    for free, state in ((10**12, "ok"), (10**9, "warning"), (10**6, "problem")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: usage(0, 0, free))
        assert _states(runtime)["disk"] == state


@pytest.mark.databases("sqlite")
def test_a_readable_secret_key_is_found(runtime, tmp_path, monkeypatch):
    assert _states(runtime)["secret key"] == "ok"  # it comes from the environment
    key_file(tmp_path).write_text("k" * 40)
    monkeypatch.setattr(runtime, "config", replace(runtime.config, home=tmp_path))
    for mode, state in ((0o600, "ok"), (0o644, "problem")):
        key_file(tmp_path).chmod(mode)
        assert _states(runtime)["secret key"] == state


class TestNumbers:
    """Of the dummy's specimens."""

    @pytest.fixture
    def dougong_plugins(self):
        return ("dummy_plugin",)

    @pytest.fixture
    def dougong_plugin_folders(self):
        from pathlib import Path

        return (Path(__file__).resolve().parents[1],)

    def test_numbers_that_do_not_fit_their_counter_are_found(self, runtime, unit_of_work):
        with unit_of_work() as uow:
            service.create(uow, "specimen", [{"name": f"{n}"} for n in range(3)])
        assert _states(runtime)["numbers"] == "ok"
        for last, state in ((5, "warning"), (2, "problem")):
            with unit_of_work() as uow:
                uow.execute(update(records.sequence_table).values(last=last))
            assert _states(runtime)["numbers"] == state
