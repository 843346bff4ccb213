"""P1, P2: a plugin that fails is vetoed, isolated or held back, and always named."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from core.app import create_app
from core.boot import boot
from core.config import Config
from core.entities import forms, query, service, tables
from core.entities.inputs import InputContext
from core.entities.query import ListQuery
from core.entities.rendering import Reader
from core.errors import NotFound
from core.ops.lifecycle import disable, enable, note_failure
from core.plugins.manager import HookFailed
from core.plugins.state import plugin_table
from core.testing.installation import Template

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

TESTS = Path(__file__).resolve().parents[1]


def load_writer():
    """The neighbouring module, wherever pytest was started."""
    name = "dougong_plugin_writer"
    if name not in sys.modules:
        place = Path(__file__).with_name("plugin_writer.py")
        spec = importlib.util.spec_from_file_location(name, place)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


writer = load_writer()


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("dummy_plugin",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS,)


@pytest.fixture
def behaving(runtime):
    from dummy_plugin.behaviour import behaving

    return behaving


def boot_with(folder: Path, home: Path):
    environment = {"DOUGONG_HOME": str(home), "DOUGONG_PLUGINS_PATH": str(folder)}
    return boot(Config.from_environment(environment))


@pytest.fixture
def started(tmp_path):
    """``started() -> runtime`` with the plugins written into ``started.folder``."""

    def start():
        return boot_with(start.folder, tmp_path / "home")

    start.folder = tmp_path / "plugins"
    start.folder.mkdir()
    return start


@pytest.fixture
def installed(database_kind, tmp_path):
    """``installed() -> runtime`` over a fresh database, with the plugins of ``installed.folder``."""
    made = []

    def install():
        made.append(Template(tmp_path / "home", database_kind, (), (install.folder,)))
        return made[-1].runtime

    install.folder = tmp_path / "plugins"
    install.folder.mkdir()
    yield install
    for template in made:
        template.remove()


def system(runtime, *, write=True):
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    return UnitOfWork(runtime, SYSTEM, origin=Origin("test"), write=write)


# P1: hooks of transactions and questions


def fails(**arguments):
    raise ValueError("broken on purpose")


JUNK = (lambda **_: 7, lambda **_: "text", lambda **_: [object()], lambda **_: (x for x in [1]))
FAULTS = {"raises": fails, **{f"junk {n}": junk for n, junk in enumerate(JUNK)}}


@pytest.fixture(params=FAULTS, ids=lambda name: name.replace(" ", "_"))
def fault(request):
    return FAULTS[request.param]


@pytest.mark.parametrize("hook", ["validate_changes", "before_changes", "after_changes"])
def test_a_failure_in_the_transaction_vetoes(hook, fault, unit_of_work, admin_id, behaving):
    vetoed = pytest.raises(HookFailed, match=f"dummy_plugin failed in {hook}")
    with behaving(**{hook: fault}), vetoed as failed, unit_of_work(admin_id) as uow:
        service.create(uow, "specimen", [{"name": "石头"}])
    assert failed.value.plugin == "dummy_plugin"
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "specimen", ListQuery()) == 0


@pytest.mark.parametrize("hook", ["check_permission", "scope_query"])
def test_a_failure_that_would_grant_access_refuses(hook, fault, unit_of_work, admin_id, behaving):
    refused = pytest.raises(HookFailed, match=f"dummy_plugin failed in {hook}")
    with behaving(**{hook: fault}), refused, unit_of_work(admin_id, write=False) as uow:
        query.page(uow, "specimen", ListQuery())


@pytest.mark.parametrize("hook", ["adjust_form", "adjust_list", "record_actions"])
def test_a_failure_in_a_question_is_no_answer(
    hook, fault, unit_of_work, admin_id, runtime, behaving, caplog
):
    with behaving(**{hook: fault}), unit_of_work(admin_id, write=False) as uow:
        spec = uow.entity("specimen")
        reader = Reader(runtime.clock.timezone)
        asked = {
            "adjust_form": lambda: (
                forms.build_form(InputContext(uow, reader), spec, values={}).sections
            ),
            "adjust_list": lambda: tables.list_columns(uow, spec),
            "record_actions": lambda: service.actions_of(uow, spec),
        }
        with caplog.at_level(logging.ERROR, "dougong.plugins"):
            assert asked[hook]()
    assert any("dummy_plugin" in r.getMessage() and hook in r.getMessage() for r in caplog.records)


def test_who_fails_to_recognise_recognises_nobody(fault, client, behaving):
    with behaving(authenticate=fault, resolve_theme=fault):
        answer = client.post("/dummy_plugin/count")
    assert answer.status_code in (302, 401)
    assert client.get("/dummy_plugin/open").status_code == 200


def test_the_caller_is_told_which_module_failed(client, bearer, admin_id, behaving, unit_of_work):
    with behaving(validate_changes=fails):
        answer = client.post(
            "/api/v1/records/specimen", headers=bearer(admin_id), json={"name": "石头"}
        )
    assert (answer.status_code, answer.json["plugin"]) == (500, "dummy_plugin")
    assert "broken on purpose" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("hook", ["plugin_enabled", "plugin_disabled"])
def test_a_switch_is_turned_whole_or_not(hook, fault, unit_of_work, behaving):
    turn, back = (disable, enable) if hook == "plugin_disabled" else (enable, disable)
    if hook == "plugin_enabled":
        with unit_of_work() as uow:
            back(uow, "dummy_plugin")
    with behaving(**{hook: fault}), pytest.raises(HookFailed, match=hook), unit_of_work() as uow:
        turn(uow, "dummy_plugin")
    with unit_of_work(write=False) as uow:
        assert ("dummy_plugin" in uow.snapshot.enabled) is (hook == "plugin_disabled")


# P2: at the start

AT_IMPORT = {
    "raises": "raise ValueError('no')",
    "leaves": "import sys; sys.exit(3)",
    "syntax": "def broken(:",
    "import": "import no_such_module_anywhere",
    "hook": "from core.plugins import hookimpl\n\n\n@hookimpl\ndef register_nonsense():\n    return []",
}


@pytest.mark.parametrize("source", AT_IMPORT.values(), ids=AT_IMPORT)
def test_who_fails_at_import_is_held_back_with_dependants(source, started):
    bad = writer.write_plugin(started.folder, {"plugin.py": source})
    needing = writer.write_plugin(started.folder, depends=bad)
    good = writer.write_plugin(started.folder)
    runtime = started()
    assert good in runtime.plugins.loaded
    assert bad in runtime.plugins.held_back
    assert runtime.plugins.held_back[needing] == f"needs the plugin {bad}, which is held back"


REGISTERING = """
from core.plugins import hookimpl
from core.plugins.contributions import Job, Permission


@hookimpl
def register_permissions():
    return [Permission("{name}.good", "Good")]


@hookimpl
def register_jobs():
    return [Job("{name}.good", print)]
"""
FAULTY = {
    "register_entities": "[1]",
    "register_settings": "7",
    "register_events": "[int]",
    "register_subscribers": "['x']",
    "register_schedules": "[None]",
    "register_roles": "1 / 0",
    "register_demo": "'steps'",
}


@pytest.mark.parametrize("hook", FAULTY)
def test_who_registers_wrongly_is_held_back_with_all_it_registered(hook, started):
    source = f"{REGISTERING}\n\n@hookimpl\ndef {hook}():\n    return {FAULTY[hook]}\n"
    bad = writer.write_plugin(started.folder, {"plugin.py": source})
    runtime = started()
    assert hook in runtime.plugins.held_back[bad]
    owners = {c.owner for found in runtime.contributions for c in runtime.installed(found)}
    assert owners >= {"core"}
    assert bad not in owners


def test_a_broken_catalogue_holds_back_its_plugin_alone(started):
    po = "translations/zh_CN/LC_MESSAGES/bad.po"
    bad = writer.write_plugin(started.folder, {po: 'msgid "x"\nnonsense\n'})
    good = writer.write_plugin(started.folder)
    runtime = started()
    assert "translations" in runtime.plugins.held_back[bad]
    assert good in runtime.plugins.loaded


VIEWS = """
from core.http.requests import public
from core.plugins import hookimpl
from core.plugins.contributions import NavItem, SlotFill
from flask import Blueprint

pages = Blueprint("{name}", __name__, url_prefix="/{name}")


@pages.get("/open")
@public
def open_page():
    return "open"


@hookimpl
def register_blueprints():
    return [pages]
"""
IN_THE_APPLICATION = {
    "no policy": '@pages.get("/closed")\ndef closed():\n    return "?"',
    "taken": '@pages.get("/../healthz")\n@public\ndef taken():\n    return "?"',
    "nowhere": '@hookimpl\ndef register_navigation():\n    return [NavItem("X", "{name}.no")]',
    "no slot": '@hookimpl\ndef register_slots():\n    return [SlotFill("no.such.slot", str)]',
    "app_ready": "@hookimpl\ndef app_ready(app):\n    1 / 0",
}


@pytest.mark.parametrize("case", IN_THE_APPLICATION)
def test_who_fails_in_the_application_is_held_back(case, installed):
    source = VIEWS if case != "taken" else VIEWS.replace('"/{name}")', '"/")')
    extra = IN_THE_APPLICATION[case].replace("/../healthz", "healthz")
    bad = writer.write_plugin(installed.folder, {"plugin.py": f"{source}\n\n{extra}\n"})
    runtime = installed()
    with system(runtime) as uow:
        enable(uow, bad)
    app = create_app(runtime)
    assert bad in runtime.plugins.held_back, case
    client = app.test_client()
    assert client.get("/healthz").get_data(as_text=True) == "ok"
    assert client.get(f"/{bad}/open").status_code == 404
    with system(runtime, write=False) as uow:
        assert bad not in uow.snapshot.enabled
    with system(runtime) as uow:
        disable(uow, bad)
        switched = select(plugin_table.c.enabled).where(plugin_table.c.name == bad)
        assert uow.execute(switched).scalar_one() is False


# P2: in a migration


def schema_of(runtime):
    with runtime.read_connection() as connection:
        found = inspect(connection)
        return {
            table: sorted(column["name"] for column in found.get_columns(table))
            for table in found.get_table_names()
        }


STEPS = (
    'op.add_column("{name}_thing", sa.Column("a", sa.Integer()))',
    'op.add_column("{name}_thing", sa.Column("b", sa.Integer()))',
)


@pytest.mark.parametrize("step", range(3))
def test_a_migration_that_fails_leaves_the_schema_as_it_was(step, installed):
    """P2: whatever the step k of n, never between."""
    bodies = list(STEPS)
    bodies.insert(step, "raise ValueError('broken on purpose')")
    bad = writer.thing_plugin(installed.folder, tuple(bodies))
    runtime = installed()
    before = schema_of(runtime)
    failed = pytest.raises(HookFailed, match=f"{bad} failed in migrations: ValueError: broken")
    with failed as told, system(runtime) as uow:
        enable(uow, bad)
    assert schema_of(runtime) == before
    with system(runtime) as uow:
        note_failure(uow, bad, str(told.value))
    with system(runtime, write=False) as uow:
        row = uow.execute(plugin_table.select().where(plugin_table.c.name == bad)).one()
        assert (row.enabled, "broken on purpose" in row.error) == (False, True)
        with pytest.raises(NotFound):
            uow.entity(f"{bad}_thing")


def test_a_migration_may_not_rebuild_a_table(installed):
    """Rebuilding drops the old table, and ON DELETE CASCADE would take the child rows with it."""
    body = (
        'with op.batch_alter_table("{name}_thing", recreate="always") as batch:\n'
        '        batch.add_column(sa.Column("a", sa.Integer()))'
    )
    name = writer.thing_plugin(installed.folder, (body,))
    runtime = installed()
    with pytest.raises(HookFailed, match="rebuilds a table"), system(runtime) as uow:
        enable(uow, name)
