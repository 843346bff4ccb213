"""Switching modules in the browser: what comes with them, what goes away, and failures."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from core.plugins.state import read_enabled

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def dougong_plugins():
    return ()


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS, TESTS / "plugins")


@pytest.fixture
def admin(sign_in):
    return sign_in()


def text(answer):
    return unescape(answer.get_data(as_text=True))


def switch(browser, name, what):
    return browser.post(f"/admin/apps/{name}/{what}", data={"csrf_token": browser.csrf})


def enabled(unit_of_work):
    with unit_of_work(write=False) as uow:
        return read_enabled(uow.connection)


def test_a_module_is_switched_on_with_what_it_needs(admin, unit_of_work):
    """S-240: module switches."""
    asked = text(admin.get("/admin/apps/dummy_extension/enable"))
    assert "样例" in asked.partition("</h1>")[2]
    assert switch(admin, "dummy_extension", "enable").status_code == 302
    assert {"dummy_plugin", "dummy_extension"} <= enabled(unit_of_work)
    assert admin.get("/admin/settings/dummy_plugin").status_code == 200


def test_switching_off_names_what_goes_away_and_keeps_the_data(admin, unit_of_work):
    from core.entities import service
    from core.entities.query import ListQuery, count

    switch(admin, "dummy_plugin", "enable")
    with unit_of_work() as uow:
        service.create(uow, "specimen", [{"name": "样品"}])
    asked = text(admin.get("/admin/apps/dummy_plugin/disable"))
    assert "Specimens" in asked
    assert "Board" in asked
    assert "dummy_plugin" in enabled(unit_of_work)  # asking changes nothing
    assert switch(admin, "dummy_plugin", "disable").status_code == 302
    assert "dummy_plugin" not in enabled(unit_of_work)
    assert admin.get("/admin/settings/dummy_plugin").status_code == 404
    switch(admin, "dummy_plugin", "enable")
    with unit_of_work() as uow:
        assert count(uow, "specimen", ListQuery()) == 1


def test_a_module_that_is_needed_stays_on(admin, unit_of_work):
    switch(admin, "dummy_extension", "enable")
    answer = switch(admin, "dummy_plugin", "disable")
    assert "dummy_extension" in text(admin.get(answer.location))
    assert "dummy_plugin" in enabled(unit_of_work)


def test_a_failure_changes_nothing_and_is_kept_until_it_works(
    admin, runtime, unit_of_work, monkeypatch
):
    def fail(plugin, hook, /, **arguments):
        if hook == "plugin_enabled":
            raise RuntimeError("the moon is wrong")

    with monkeypatch.context() as patch:
        patch.setattr(runtime.plugins, "tell", fail)
        assert switch(admin, "dummy_plugin", "enable").status_code == 302
    assert "dummy_plugin" not in enabled(unit_of_work)
    assert "the moon is wrong" in text(admin.get("/admin/apps"))
    assert "the moon is wrong" in text(admin.get("/admin/apps"))  # kept, not only told once
    switch(admin, "dummy_plugin", "enable")
    assert "the moon is wrong" not in text(admin.get("/admin/apps"))


def test_what_is_held_back_is_shown_with_its_reason(admin, runtime, monkeypatch):
    reason = "needs core >=9, this is 0.1"
    monkeypatch.setitem(runtime.plugins.held_back, "oracle_sample", reason)
    page = text(admin.get("/admin/apps"))
    assert reason in page
    assert "/admin/apps/oracle_sample/enable" not in page
    answer = switch(admin, "oracle_sample", "enable")
    assert reason in text(admin.get(answer.location))


def test_unknown_modules_are_not_found(admin):
    assert switch(admin, "nothing", "enable").status_code == 404
    assert admin.get("/admin/apps/nothing/enable").status_code == 404
