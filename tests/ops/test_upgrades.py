"""Old installations are brought up to the code with their data, also after a kill; newer ones wait."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import column, insert, table, text

from core.app import create_app
from core.backup.writing import verify_backup
from core.db.base import metadata
from core.db.migrate import (
    CORE_MIGRATIONS,
    current_revision,
    head_revision,
    migrating,
    numbers,
    upgrade,
)
from core.errors import Refused
from core.faults import InjectedFault, planned_fault
from core.i18n import use_locale
from core.ops.doctor import examine
from core.ops.readiness import require_ready
from core.ops.restore import restore_backup
from core.ops.upgrading import examine_upgrade, upgrade_installation
from core.security.passwords import hash_password
from core.testing.installation import PASSWORD

OLD = "0003"
NOW = "'2026-01-01 00:00:00.000000'"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
#: By hand also 1,000,000, with ``-k 0005`` (docs/assurance.md).
LEADS = int(os.environ.get("DOUGONG_UPGRADE_LEADS", "300"))
_AT_ONCE = 10_000
#: The first schema with all that leads need, and the five before the newest.
OLDER = ["0005", *numbers(CORE_MIGRATIONS)[-6:-1]]


@pytest.fixture
def old(grounds, database_kind):
    """An installation as it was made by an early version, with a person and a module on."""
    there = grounds.empty(database_kind)
    false = "false" if database_kind == "postgresql" else "0"
    true = "true" if database_kind == "postgresql" else "1"
    with migrating(there.database) as connection:
        upgrade(connection, "core", CORE_MIGRATIONS, to=OLD)
        for statement in (
            "INSERT INTO core_epoch (id, structure, access) VALUES (1, 1, 1)",
            "INSERT INTO core_user (id, name, email, is_active, version, created_at, updated_at)"
            f" VALUES (7, '老用户', 'old@example.com', {true}, 3, {NOW}, {NOW})",
            "INSERT INTO core_plugin (name, enabled, version, changed_at)"
            f" VALUES ('dummy_plugin', {false}, '0.9', {NOW})",
            'INSERT INTO core_setting ("group", key, value)'
            " VALUES ('core', 'company_name', '\"老公司\"')",
        ):
            connection.execute(text(statement.replace(":", "\\:")))
    there.database.dispose()
    return there


def _people(runtime):
    with runtime.read_connection() as connection:
        statement = text("SELECT id, name, email, version FROM core_user")
        return [tuple(row) for row in connection.execute(statement)]


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_an_old_installation_is_upgraded_also_after_a_kill(old):
    """P5, U1: what would be done is told; killed between two steps it is run again, data intact."""
    with use_locale("en"), pytest.raises(Refused, match="migrate"):
        require_ready(old.config)
    findings = examine_upgrade(old)
    assert not [each for each in findings if each.state == "problem"]
    pending = [each.detail for each in findings if each.check == "pending"]
    assert any(each.startswith("core 0004") for each in pending)
    assert any(each.startswith("dummy_plugin 0001") for each in pending)
    with planned_fault("migrate.between_steps:raise"), pytest.raises(InjectedFault):
        upgrade_installation(old)
    old.database.dispose()
    reached, made = upgrade_installation(old)
    assert reached["core"] == head_revision(CORE_MIGRATIONS)
    with old.read_connection() as connection:
        assert current_revision(connection, "core") == head_revision(CORE_MIGRATIONS)
        assert current_revision(connection, "dummy_plugin") is not None
    assert _people(old) == [(7, "老用户", "old@example.com", 3)]
    require_ready(old.config)
    kinds = {each.check for each in examine(old) if each.state == "problem"}
    assert kinds <= {"administrators"}
    if old.database.is_sqlite:
        backups = list((old.config.home / "backups").iterdir())
        assert any(verify_backup(each).owners["core"].revision == OLD for each in backups)
    else:
        assert made is None
    assert upgrade_installation(old)[1] is None, "nothing is pending, nothing to back up"


def test_a_newer_database_is_not_served(runtime, grounds):
    """U1: an older program says what to do, and takes no traffic; one that served goes on."""
    app = create_app(runtime)
    assert app.test_client().get("/readyz").json["schema"] == "ok"
    with runtime.database.connect(write=True) as connection, connection.begin():
        connection.execute(text("UPDATE core_alembic SET version_num = '9999'"))
    with use_locale("en"), pytest.raises(Refused, match="newer"):
        require_ready(runtime.config)
    assert "problem" in {each.state for each in examine_upgrade(runtime)}
    with pytest.raises(Refused):
        upgrade_installation(runtime)
    fresh = create_app(runtime).test_client().get("/readyz")
    assert fresh.status_code == 503
    assert "9999" in fresh.json["schema"]
    assert app.test_client().get("/readyz").status_code == 200


def _put(connection, name, *rows):
    """Rows into a table as it was: with these columns and no others."""
    declared = metadata.tables[name]
    known = table(name, *(column(each, declared.c[each].type) for each in rows[0]))
    connection.execute(insert(known), list(rows))


@pytest.fixture(params=OLDER)
def old_leads(request, grounds, database_kind):
    """An installation of an older schema, at work: people, leads and their history."""
    there = grounds.empty(database_kind)
    made = {"version": 1, "created_at": MOMENT, "updated_at": MOMENT}
    with migrating(there.database) as connection:
        upgrade(connection, "core", CORE_MIGRATIONS, to=request.param)
        upgrade(connection, "crm_leads", _migrations(there), to="0001")
        _put(connection, "core_epoch", {"id": 1, "structure": 1, "access": 1})
        role = {"name": "admin", "title": "A", "is_admin": True, "grants": {}, "field_rules": {}}
        _put(connection, "core_role", role | {"permissions": []} | made)
        person = {"name": "老用户", "email": "old@example.com", "is_active": True}
        _put(connection, "core_user", person | made)
        credential = {"user_id": 1, "password": hash_password(PASSWORD), "changed_at": MOMENT}
        _put(connection, "core_credential", credential)
        _put(connection, "core_user__roles", {"source_id": 1, "target_id": 1, "position": 0})
        module = {"name": "crm_leads", "enabled": True, "version": "0.1", "changed_at": MOMENT}
        _put(connection, "core_plugin", module)
        for start in range(0, LEADS, _AT_ONCE):
            leads = [_lead(n) for n in range(start, min(LEADS, start + _AT_ONCE))]
            _put(connection, "crm_leads_lead", *(lead | made for lead in leads))
            _put(connection, "core_audit_entry", *map(_entry, leads))
    there.database.dispose()
    return there


def _lead(n):
    return {
        "id": n + 1,
        "company": f"潍坊第{n}机械有限公司",
        "mobile": f"13{n:09}",
        "status": "new",
        "expected_amount": Decimal(f"{n}.25"),
        "tags": ["甲", "乙"],
        "owner_id": 1,
    }


def _entry(lead):
    made = {"entity": "lead", "record_id": lead["id"], "action": "create", "actor_id": 1}
    return made | {"at": MOMENT, "changes": {"company": [None, lead["company"]]}}


def _migrations(runtime):
    return runtime.plugins.manifests["crm_leads"].folder / "migrations"


def _assert_at_work(runtime):
    """Nothing is wrong, and who signs in finds every lead, one of them whole, and its history."""
    require_ready(runtime.config)
    assert not [each for each in examine(runtime) if each.state == "problem"]
    browser = create_app(runtime).test_client()
    who = {"email": "old@example.com", "password": PASSWORD}
    assert browser.post("/sign-in", data=who).status_code == 302
    assert f"第{LEADS - 1}机械" in browser.get("/r/lead").get_data(as_text=True)
    found = browser.get("/api/v1/records/lead?count=exact&limit=1").json
    assert found["total"] == LEADS
    one = browser.get("/api/v1/records/lead/42").json
    assert (one["company"], one["expected_amount"]) == ("潍坊第41机械有限公司", "41.25")
    assert one["tags"] == ["甲", "乙"]
    kept = browser.get("/api/v1/records/audit_entry?count=exact&sort=id&limit=1").json
    assert kept["total"] > LEADS
    assert kept["items"][0]["changes"] == {"company": [None, "潍坊第0机械有限公司"]}


@pytest.mark.long
def test_leads_of_each_older_schema_are_upgraded_and_can_be_taken_back(
    old_leads, grounds, tmp_path
):
    """U1: the look before finds nothing in the way; after it all is there, and the backup made
    before restores to the same."""
    findings = examine_upgrade(old_leads)
    assert not [each for each in findings if each.state == "problem"]
    assert any(each.check == "pending" for each in findings)
    began = time.perf_counter()
    _reached, made = upgrade_installation(old_leads, backup=True)
    print(f"{LEADS:,} leads backed up and upgraded in {time.perf_counter() - began:.1f} s")
    _assert_at_work(old_leads)
    again = grounds.empty(old_leads.database.url.get_backend_name())
    restore_backup(again, made)
    _assert_at_work(again)
