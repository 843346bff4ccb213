"""The restore drill at full size: a million records with their history, back in service in minutes."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import func, select

from core.app import create_app
from core.audit.models import AuditEntry
from core.backup.writing import verify_backup, write_backup
from core.db.structure import describe_tables
from core.entities import service
from core.ops.restore import restore_backup

SEED, COPIES = 1_000, 1_000
SPECIMENS = "dummy_plugin_specimen"
#: What makes a copy another record.
FRESH = {"code": "'D' || n.value || '-' || t.id"}


def _multiply(runtime, table: str, fresh: dict[str, str]) -> None:
    """As many copies of each row as make a million, with ids of their own."""
    with runtime.database.connect(write=True) as connection, connection.begin():
        if not runtime.database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        (shape,) = describe_tables(connection, [table])
        names = [each.name for each in shape.columns if each.name != "id"]
        values = ", ".join(fresh.get(name, f"t.{name}") for name in names)
        numbers = (
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n"
            f" WHERE value < {COPIES - 1})"
        )
        connection.exec_driver_sql(
            f"{numbers} INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} t, n"
        )


@pytest.mark.long
def test_a_million_records_are_back_within_five_minutes(
    runtime, grounds, unit_of_work, tmp_path, database_kind
):
    """Q1, S-225: 1,000,000 records and as many entries of history, restored and served in 300 s."""
    with unit_of_work() as uow:
        records = [
            {"name": f"样品 {n}", "notes": "备注 " * 20, "weight": f"{n}.125", "tags": ["甲", "乙"]}
            for n in range(SEED)
        ]
        service.create(uow, "specimen", records)
    _multiply(runtime, SPECIMENS, FRESH)
    _multiply(runtime, "core_audit_entry", {})
    done = write_backup(runtime, tmp_path / "million.backup")
    there = grounds.empty(database_kind)
    started = time.monotonic()
    restored = restore_backup(there, tmp_path / "million.backup")
    create_app(there).test_client().get("/sign-in")
    to_serving = time.monotonic() - started
    print(
        json.dumps(
            {
                "kind": database_kind,
                "rows": done.rows,
                "megabytes": round(done.size / 1e6),
                "backup_s": round(done.seconds, 1),
                "restore_to_serving_s": round(to_serving, 1),
            }
        )
    )
    assert restored.rows == done.rows >= 2 * SEED * COPIES
    assert not [each for each in restored.findings if each.state == "problem"]
    before = verify_backup(tmp_path / "million.backup")
    with there.read_connection() as connection:
        entries = select(func.count()).select_from(AuditEntry.__table__)
        assert connection.execute(entries).scalar_one() == before.tables["core_audit_entry"].rows
    assert to_serving < 300
