"""A backup comes back as it was, on either database, while others write, and never half."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text

from core.app import create_app
from core.audit.models import AuditEntry
from core.backup.archive import ArchiveReader
from core.backup.writing import table_member, verify_backup, write_backup
from core.config import Config
from core.customize.entities import add_entity
from core.customize.service import add_field
from core.entities import service
from core.entities.query import ListQuery, get, page
from core.errors import Refused
from core.files.service import store_upload
from core.ops.readiness import require_ready
from core.ops.restore import restore_backup
from core.security.actor import SYSTEM
from core.settings.service import put_settings
from core.testing.installation import ADMIN, PASSWORD
from core.work.uow import Origin, UnitOfWork

KINDS = pytest.mark.parametrize("to", ["sqlite", "postgresql"])
CUSTOM = [
    {"name": "x_price", "kind": "decimal", "label": "Price", "scale": 3, "index": True},
    {"name": "x_seen", "kind": "datetime", "label": "Seen"},
    {"name": "x_words", "kind": "tags", "label": "Words"},
    {"name": "x_friend", "kind": "reference", "label": "Friend", "entity": "specimen"},
    {"name": "x_friends", "kind": "references", "label": "Friends", "entity": "specimen"},
]
ENTITY = {
    "name": "x_parcel",
    "label": "Parcel",
    "fields": [
        {"name": "x_title", "kind": "text", "label": "Title"},
        {"name": "x_weight", "kind": "decimal", "label": "Weight", "scale": 3},
        {"name": "x_to", "kind": "references", "label": "To", "entity": "specimen"},
    ],
}
RECORD = {
    "name": '第一件 "quoted" \\ tab\tend',
    "notes": "zwei\nZeilen\r\n",
    "body": "<p>é — 😀</p>",
    "quantity": 9_007_199_254_740_993,
    "weight": Decimal("-0.005"),
    "price": Decimal("12345678901234.56"),
    "active": False,
    "day": date(1899, 12, 31),
    "moment": datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC),
    "state": "kept",
    "colours": ["red", "blue"],
    "tags": ["甲", "b"],
    "phone": "13800138000",
    "email": "a@example.com",
    "website": "https://example.com/?a=1",
    "region": "310101",
    "layout": {"b": [1, 2.5, None, True], "a": {"ü": "x"}},
    "x_price": Decimal("-1.250"),
    "x_seen": datetime(2020, 1, 1, tzinfo=UTC),
    "x_words": ["词"],
}


@pytest.fixture
def full(runtime, unit_of_work, run_jobs):
    """An installation with a value of every kind, custom fields, files, history, jobs, settings."""
    run_jobs()
    with unit_of_work() as uow:
        for body in CUSTOM:
            add_field(uow, "specimen", body)
    with unit_of_work() as uow:
        add_entity(uow, ENTITY)
    with unit_of_work() as uow:
        put_settings(uow, "core", {"company_name": "斗拱 & Söhne"})
        file = store_upload(uow, BytesIO(b"\x00\xffbytes" * 1000), "附件.bin")
        (first,) = service.create(uow, "specimen", [RECORD | {"attachment": file}])
        values = {
            "name": "second",
            "origin": first,
            "relatives": [first],
            "x_friend": first,
            "x_friends": [first],
            "parts": [{"title": "p1"}, {"title": "p2"}],
        }
        (second,) = service.create(uow, "specimen", [values])
        (gone,) = service.create(uow, "specimen", [{"name": "gone"}])
    with unit_of_work() as uow:
        service.update(uow, "specimen", {second: {"name": "second, changed"}})
        service.delete(uow, "specimen", [gone])
        service.create(uow, "x_parcel", [{"x_title": "parcel", "x_weight": Decimal("1.250")}])
    return runtime


TRAIL = AuditEntry.__tablename__


def _hashes(path) -> dict[str, tuple[int, str]]:
    """Of each table but the trail, which is told of the restore."""
    tables = verify_backup(path).tables
    return {name: (each.rows, each.sha256) for name, each in tables.items() if name != TRAIL}


def _trail(path) -> list[bytes]:
    with ArchiveReader(path, None) as archive, archive.member(table_member(TRAIL)) as member:
        return member.read().splitlines()


def _assert_same(before, after) -> None:
    """All rows came back, and the restore was noted once."""
    assert _hashes(after) == _hashes(before)
    kept = _trail(before)
    assert len(kept) > 10
    assert _trail(after)[: len(kept)] == kept
    (added,) = _trail(after)[len(kept) :]
    assert "restore_backup" in json.loads(added)


@KINDS
def test_everything_comes_back_on_either_database(full, grounds, unit_of_work, tmp_path, to):
    """Q1, Q4: the same hashes of every table after a restore into the same and the other kind."""
    write_backup(full, tmp_path / "a.zip")
    there = grounds.empty(to)
    done = restore_backup(there, tmp_path / "a.zip")
    assert [each for each in done.findings if each.state == "problem"] == []
    assert done.rows > 20
    write_backup(there, tmp_path / "b.zip")
    _assert_same(tmp_path / "a.zip", tmp_path / "b.zip")


@pytest.mark.databases("sqlite")
def test_the_companys_time_zone_comes_along(runtime, grounds, tmp_path):
    """It was chosen in the browser, and stands in the home."""
    runtime.config = replace(old := runtime.config, timezone=ZoneInfo("America/Lima"))
    try:
        write_backup(runtime, tmp_path / "a.zip")
    finally:
        runtime.config = old
    there = grounds.empty("sqlite")
    restore_backup(there, tmp_path / "a.zip")
    home = {"DOUGONG_HOME": str(there.config.home)}
    assert str(Config.from_environment(home).timezone) == "America/Lima"
    given = {**home, "DOUGONG_TIMEZONE": "Asia/Shanghai"}
    assert str(Config.from_environment(given).timezone) == "Asia/Shanghai"


def _entries(connection) -> int:
    made = (AuditEntry.entity == "specimen") & (AuditEntry.action == "create")
    return connection.execute(select(func.count()).where(made)).scalar_one()


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_backup_is_of_one_moment_while_others_write(runtime, unit_of_work, grounds, tmp_path):
    """Q1: each record has its entry in the history, though records are made between the tables."""
    made: list[int] = []

    def write(done: int, total: int) -> None:
        with unit_of_work() as uow:
            made.extend(service.create(uow, "specimen", [{"name": f"during {done}"}]))

    write(0, 0)
    write_backup(runtime, tmp_path / "a.zip", tell=write)
    assert len(made) > 20, "nobody wrote meanwhile: the test would show nothing"
    there = grounds.empty("sqlite")
    restore_backup(there, tmp_path / "a.zip")
    with there.read_connection() as connection:
        specimens = select(func.count()).select_from(text("dummy_plugin_specimen"))
        assert connection.execute(specimens).scalar_one() == _entries(connection) == 1


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_files_come_back_with_their_content_and_pages_are_served(full, grounds, tmp_path):
    """Q1: who signs in there reads every list, record and file, under a passphrase too."""
    write_backup(full, tmp_path / "a", passphrase="a long passphrase")
    assert b"dummy_plugin_specimen" not in (tmp_path / "a").read_bytes()
    there = grounds.empty("sqlite")
    restore_backup(there, tmp_path / "a", passphrase="a long passphrase")
    browser = create_app(there).test_client()
    who = {"email": ADMIN, "password": PASSWORD}
    assert browser.post("/sign-in", data=who).status_code == 302
    read = []
    for entity in ("specimen", "x_parcel", "user", "role", "department"):
        items = browser.get(f"/api/v1/records/{entity}").json["items"]
        pages = [f"/r/{entity}", *(f"/r/{entity}/{item['id']}" for item in items)]
        read += [browser.get(page).status_code for page in pages]
    assert len(read) > 10
    assert set(read) == {200}
    (file,) = browser.get("/api/v1/records/file").json["items"]
    assert browser.get(f"/files/{file['id']}").data == b"\x00\xffbytes" * 1000


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_numbers_go_on_where_they_were(full, grounds, tmp_path):
    """Q1: an id that was given to a record that is gone is not given again."""
    write_backup(full, tmp_path / "a.zip")
    given = verify_backup(tmp_path / "a.zip").tables["dummy_plugin_specimen"].last_id
    there = grounds.empty(full.database.url.get_backend_name())
    restore_backup(there, tmp_path / "a.zip")
    with UnitOfWork(there, SYSTEM, origin=Origin("test")) as uow:
        assert service.create(uow, "specimen", [{"name": "next"}]) == [given + 1]


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_nothing_is_replaced_unless_forced(full, unit_of_work, tmp_path):
    """Q3: an installation that is there is kept; with force it becomes that of the backup."""
    write_backup(full, tmp_path / "a.zip")
    with unit_of_work() as uow:
        (later,) = service.create(uow, "specimen", [{"name": "made after the backup"}])
    with pytest.raises(Refused, match="--force"):
        restore_backup(full, tmp_path / "a.zip")
    with unit_of_work(write=False) as uow:
        assert get(uow, "specimen", later).values["name"] == "made after the backup"
        epoch = uow.snapshot.structure
    if full.database.is_sqlite:
        with closing(sqlite3.connect(full.database.url.database)) as other:
            other.execute("SELECT count(*) FROM core_user").fetchall()
            with pytest.raises(Refused, match="serve"):
                restore_backup(full, tmp_path / "a.zip", force=True)
        require_ready(full.config)
    done = restore_backup(full, tmp_path / "a.zip", force=True)
    assert "problem" not in {each.state for each in done.findings}
    with unit_of_work(write=False) as uow:
        assert [row["name"] for row in page(uow, "specimen", ListQuery()).items].count(
            "made after the backup"
        ) == 0
        assert uow.snapshot.structure > epoch, "a process that was not stopped would not notice"


@pytest.mark.long
@pytest.mark.parametrize("where", ["restore.before_commit", "restore.between_steps"])
def test_a_restore_that_is_killed_can_be_run_again(full, grounds, tmp_path, where):
    """Q1, Q3: nothing is served of half a restore, and the next one brings all back."""
    write_backup(full, tmp_path / "a.zip")
    there = grounds.empty(full.database.url.get_backend_name())
    command = [sys.executable, "-c", "from core.cli import main; main()"]
    command += ["restore", str(tmp_path / "a.zip")]
    environment = {
        **{key: value for key, value in os.environ.items() if "DOUGONG" not in key},
        "DOUGONG_HOME": str(there.config.home),
        "DOUGONG_DATABASE_URL": there.config.database_url,
        "DOUGONG_SECRET_KEY": there.config.secret_key,
        "DOUGONG_PLUGINS_PATH": os.pathsep.join(map(str, there.config.plugin_folders)),
    }
    killed = subprocess.run(command, env={**environment, "FAULT": f"{where}:kill"}, timeout=120)
    assert killed.returncode == -9
    with pytest.raises(Refused, match="restore"):
        require_ready(there.config)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    require_ready(there.config)
    write_backup(there, tmp_path / "b.zip")
    _assert_same(tmp_path / "a.zip", tmp_path / "b.zip")
