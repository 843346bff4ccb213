"""Old installations are brought up to the code with their data, also after a kill; newer ones wait."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from core.app import create_app
from core.backup.writing import verify_backup
from core.db.migrate import current_revision, migrating, newest_revision, upgrade
from core.errors import Refused
from core.faults import InjectedFault, planned_fault
from core.i18n import use_locale
from core.ops.doctor import examine
from core.ops.lifecycle import CORE_MIGRATIONS
from core.ops.readiness import require_ready
from core.ops.upgrading import examine_upgrade, upgrade_installation

OLD = "0003"
NOW = "'2026-01-01 00:00:00.000000'"


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
    assert reached["core"] == newest_revision()
    with old.read_connection() as connection:
        assert current_revision(connection, "core") == newest_revision()
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
