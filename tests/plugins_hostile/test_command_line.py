"""`dougong plugin enable` of a module that fails: one line, nothing changed, kept for the Apps page."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from core.cli.main import dougong
from core.errors import Refused
from core.plugins.state import plugin_table
from core.testing.installation import Template

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

BROKEN = "raise ValueError('broken on purpose')"
HOOK = "from core.plugins import hookimpl\n\n\n@hookimpl\ndef plugin_{turn}(plugin):\n    1 / 0\n"


@pytest.fixture
def installed(database_kind, tmp_path, monkeypatch):
    """``installed() -> runtime`` over a fresh database, with the plugins of ``installed.folder``."""
    made = []

    def install():
        made.append(Template(tmp_path / "home", database_kind, (), (install.folder,)))
        config = made[-1].runtime.config
        monkeypatch.setenv("DOUGONG_HOME", str(config.home))
        monkeypatch.setenv("DOUGONG_DATABASE_URL", config.database_url)
        monkeypatch.setenv("DOUGONG_PLUGINS_PATH", str(install.folder))
        return made[-1].runtime

    install.folder = tmp_path / "plugins"
    install.folder.mkdir()
    yield install
    for template in made:
        template.remove()


def kept(runtime, name):
    with runtime.read_connection() as connection:
        row = plugin_table.select().where(plugin_table.c.name == name)
        found = connection.execute(row).one_or_none()
        return None if found is None else (found.enabled, found.error)


def switch(*arguments):
    return CliRunner().invoke(dougong, ["plugin", *arguments])


def test_a_migration_that_fails_is_kept_as_the_reason(installed, writer):
    name = writer.thing_plugin(installed.folder, (BROKEN,))
    runtime = installed()
    assert kept(runtime, name) is None
    done = switch("enable", name)
    assert isinstance(done.exception, Refused), done.exception
    assert "broken on purpose" in done.exception.message
    enabled, error = kept(runtime, name)
    assert enabled is False
    assert f"{name} failed in migrations: ValueError: broken on purpose" in error


@pytest.mark.parametrize("turn", ["enabled", "disabled"])
def test_a_hook_that_fails_is_kept_too_and_the_one_at_fault_is_named(installed, writer, turn):
    bad = writer.write_plugin(installed.folder, {"plugin.py": HOOK.replace("{turn}", turn)})
    needing = writer.write_plugin(installed.folder, depends=bad)
    runtime = installed()
    if turn == "disabled":
        assert switch("enable", bad).exit_code == 0
        done = switch("disable", bad)
    else:
        done = switch("enable", needing)
        assert kept(runtime, needing) is None
    assert isinstance(done.exception, Refused)
    enabled, error = kept(runtime, bad)
    assert enabled is (turn == "disabled")
    assert f"failed in plugin_{turn}: ZeroDivisionError" in error


def test_one_that_works_leaves_no_reason(installed, writer):
    """Positive control."""
    name = writer.thing_plugin(installed.folder)
    runtime = installed()
    assert switch("enable", name).exit_code == 0
    assert kept(runtime, name) == (True, None)
