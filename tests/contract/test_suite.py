"""Promises of the whole suite: routes, templates, migrations, fault points, public names."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from core.boot import boot
from core.config import Config
from core.db.migrate import CORE_MIGRATIONS, differences, upgrade
from core.faults import FAULT_POINTS
from core.http.requests import route_policy
from core.ops.lifecycle import enable
from core.testing import public_api

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/plugin.cfg"))


def test_every_route_names_a_permission(app, runtime):
    rights = {item.item.name for item in runtime.installed("register_permissions")}
    known = {"public", "signed_in", "admin"} | rights
    for rule in app.url_map.iter_rules():
        policy = route_policy(app.view_functions[rule.endpoint])
        assert policy in known or policy.startswith("core."), f"{rule.endpoint}: {policy}"


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_templates_compile_in_every_theme(app):
    renderer, themes = app.extensions["dougong.renderer"], app.extensions["dougong.themes"]
    folders = [ROOT / "core/templates", *(ROOT / "plugins").glob("*/templates")]
    names = [
        path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*.html")
    ]
    assert len(names) > 5
    compiled: set[tuple[str, str | None]] = set()
    for theme in themes:
        environment = renderer.environment(theme.name)
        for name in names:
            _source, file, _fresh = environment.loader.get_source(environment, name)
            if (name, file) not in compiled:  # the same file is the same in the next theme
                environment.get_template(name)
                compiled.add((name, file))
    assert len(compiled) > len(names), "no theme has a template of its own"


def test_migrations_of_the_core_and_its_models_agree(unit_of_work):
    with unit_of_work() as uow:
        assert differences(uow.connection, "core", CORE_MIGRATIONS) == ""


@pytest.mark.parametrize("plugin", BUNDLED)
def test_migrations_of_bundled_plugins_and_their_models_agree(plugin, runtime, unit_of_work):
    with unit_of_work() as uow:
        enable(uow, plugin)
    versions = ROOT / "plugins" / plugin / "migrations"
    with unit_of_work() as uow:
        assert differences(uow.connection, plugin, versions) == ""


def test_a_missing_column_would_be_noticed(unit_of_work):
    with unit_of_work() as uow:
        uow.connection.exec_driver_sql("ALTER TABLE core_user DROP COLUMN title")
        assert "title" in differences(uow.connection, "core", CORE_MIGRATIONS)


def test_a_history_numbered_otherwise_than_its_files_is_refused(tmp_path, unit_of_work):
    """What is pending is told by the names of the files: they must tell the truth."""
    for name, revision in (("0001_one", "0001"), ("0002_two", "ab12")):
        text = f'"""{name}"""\nrevision = "{revision}"\ndown_revision = None\n'
        text = text.replace("None", '"0001"') if name == "0002_two" else text
        text += "def upgrade(): raise AssertionError\n"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    refused = pytest.raises(RuntimeError, match="0001, 0002 by their files, and 0001, ab12 by")
    with unit_of_work() as uow, refused:
        upgrade(uow.connection, "numbered", tmp_path)


def fault_calls() -> set[str]:
    found = set()
    for path in (ROOT / "core").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "fault(" in text else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "fault":
                found.add(node.args[0].value)
    return found


def test_fault_points_are_what_the_table_says():
    """A place that nothing passes would make a crash test that never crashes."""
    assert fault_calls() == set(FAULT_POINTS)


def test_public_modules_exist_and_say_what_is_public():
    for name in public_api.PUBLIC_MODULES:
        if name.endswith(".") or name in ("core.documents", "core.notifications", "core.search"):
            continue  # of the next parts of the suite
        module = import_module(name)
        assert getattr(module, "__all__", None), name
        assert all(hasattr(module, each) for each in module.__all__), name


def test_the_public_modules_are_written_down():
    text = (ROOT / "docs/plugins/write.md").read_text(encoding="utf-8")
    missing = [name for name in public_api.PUBLIC_MODULES if f"`{name.rstrip('.')}" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("line", "is_private"),
    [
        ("from core.fields import Text", False),
        ("from core.entities import service, query", False),
        ("from core.entities.writing import load", True),
        ("from core.entities.query import _columns", True),
        ("import core.runtime", True),
        ("from core.work.uow import UnitOfWork", False),
        ("from .models import core", False),
    ],
)
def test_private_imports_are_found(tmp_path, line, is_private):
    folder = tmp_path / "sample"
    folder.mkdir()
    (folder / "plugin.py").write_text(line + "\n")
    assert bool(public_api.private_imports(public_api.imports_of(folder, "sample"))) is is_private


def test_the_core_names_no_plugin():
    """STYLE 2.3: core never imports or names a plugin."""
    for path in (ROOT / "core").rglob("*.py"):
        found = re.findall(r"^ *(?:from|import) plugins\b.*", path.read_text("utf-8"), re.MULTILINE)
        assert found == [], path


def test_the_core_starts_without_plugins(tmp_path, monkeypatch):
    import core.boot

    monkeypatch.setattr(core.boot, "ROOT", tmp_path)
    runtime = boot(Config.from_environment({"DOUGONG_HOME": str(tmp_path / "home")}))
    assert runtime.plugins.loaded == {}
    assert runtime.plugins.held_back == {}
