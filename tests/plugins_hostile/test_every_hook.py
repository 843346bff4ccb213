"""P1: a plugin misbehaves in each hook in turn; the host answers, and the plugin is named."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytest

from core.boot import boot
from core.config import Config
from core.entities import query, service
from core.entities.consent import ask_consent
from core.entities.merging import merge_verb
from core.entities.query import ListQuery
from core.ops.lifecycle import disable, enable
from core.plugins import hookspecs
from core.plugins.answers import ITEMS
from core.plugins.manager import HookFailed
from core.settings.service import put_settings

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

VETO = ("validate_changes", "before_changes", "after_changes")
GUARDING = ("check_permission", "scope_query")
QUESTIONS = ("authenticate", "adjust_form", "adjust_list", "record_actions", "resolve_theme")
SWITCHING = ("plugin_enabled", "plugin_disabled")
ASKED = ("request_consent",)
MERGING = ("records_merged", "records_split")


def raises(**_: Any) -> Any:
    raise ValueError("broken on purpose")


def leaves(**_: Any) -> Any:
    sys.exit(3)


def junk(**_: Any) -> Any:
    return object()


def junk_inside(**_: Any) -> Any:
    return [object()]


def breaks_off(**_: Any) -> Any:
    yield from ()
    raise ValueError("broken on purpose")


def recurses(**arguments: Any) -> Any:
    return recurses(**arguments)


def modifies(**arguments: Any) -> Any:
    """Whatever it was given, it tries to change."""
    for value in arguments.values():
        for attempt in (lambda v: v.clear(), lambda v: setattr(v, "name", "other")):
            try:
                attempt(value)
            except (AttributeError, TypeError):
                continue
    raise ValueError("broken on purpose")


#: What each of them does is wrong everywhere.
FAULTS = (raises, leaves, junk, junk_inside, breaks_off, recurses, modifies)


def slow(**_: Any) -> None:
    time.sleep(0.2)


def nothing(**_: Any) -> None:
    return None


@pytest.fixture
def trigger(client, bearer, admin_id, sign_in, unit_of_work):
    """``trigger(hook)``: a request in the course of which that hook is called; its answer."""
    with unit_of_work() as uow:
        put_settings(uow, "core_modules", {"failures": 0})
    headers, browser = bearer(admin_id), sign_in()

    def write() -> Any:
        return client.post("/api/v1/records/oracle_note", json={"text": "written"}, headers=headers)

    requests = {
        **dict.fromkeys(VETO, write),
        **dict.fromkeys(
            GUARDING, lambda: client.get("/api/v1/records/oracle_deal", headers=headers)
        ),
        "authenticate": lambda: client.get("/api/v1/me"),
        "adjust_form": lambda: browser.get("/r/oracle_note/new"),
        "adjust_list": lambda: browser.get("/r/oracle_note"),
        "record_actions": lambda: client.get("/api/v1/schema", headers=headers),
        "resolve_theme": lambda: browser.get("/"),
    }
    return lambda hook: requests[hook]()


def notes(unit_of_work: Any) -> int:
    with unit_of_work(write=False) as uow:
        return query.count(uow, "oracle_note", ListQuery())


def owner(hook: str) -> str:
    return "hostile_guard" if hook in GUARDING else "hostile"


def named(caplog: Any, hook: str) -> bool:
    texts = [record.getMessage() for record in caplog.records]
    return any(owner(hook) in text and hook in text for text in texts)


@pytest.mark.parametrize("hook", [*VETO, *GUARDING, *QUESTIONS])
def test_the_host_answers_whatever_a_hook_does(hook, trigger, behaving, unit_of_work, caplog):
    """P1: veto or isolate, as documented; nothing half-written; the plugin named in the log."""
    before = notes(unit_of_work)
    for fault in FAULTS:
        caplog.clear()
        with behaving(**{hook: fault}), caplog.at_level(logging.ERROR, "dougong.plugins"):
            answer = trigger(hook)
        assert named(caplog, hook), fault.__name__
        if hook in (*VETO, *GUARDING):
            told = (answer.status_code, answer.json.get("plugin"))
            assert told == (500, owner(hook)), (fault.__name__, answer.json)
        else:
            assert answer.status_code == (401 if hook == "authenticate" else 200), fault.__name__
        assert notes(unit_of_work) == before, fault.__name__


@pytest.mark.parametrize("hook", [*VETO, *GUARDING, *QUESTIONS])
def test_silence_and_slowness_are_no_failures(hook, trigger, behaving, caplog, runtime):
    for behaviour in (nothing, slow):
        with behaving(**{hook: behaviour}):
            began = time.monotonic()
            answer = trigger(hook)
        assert answer.status_code in (200, 201, 401)
        assert not named(caplog, hook)
    assert time.monotonic() - began >= 0.2, "the request does call it"
    assert not runtime.plugins.failures


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("hook", MERGING)
def test_records_become_one_whole_or_not_at_all(hook, fault, behaving, unit_of_work):
    def verbs(entity, actor):
        return [merge_verb("oracle_note", "Merge")] if entity.name == "oracle_note" else []

    with unit_of_work() as uow:
        texts = [{"text": "one", "color": "red"}, {"text": "two", "color": "red"}]
        one, two = service.create(uow, "oracle_note", texts)
    given = {"others": [two]}
    if hook == "records_split":
        with behaving(record_actions=verbs), unit_of_work() as uow:
            given = {"undo": service.act(uow, "oracle_note", "merge", [one], given)["merge"]}
    before = notes(unit_of_work)
    failed = pytest.raises(HookFailed, match=f"hostile failed in {hook}")
    with behaving(record_actions=verbs, **{hook: fault}), failed, unit_of_work() as uow:
        service.act(uow, "oracle_note", "merge", [one], given)
    assert notes(unit_of_work) == before


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("hook", SWITCHING)
def test_a_switch_is_turned_whole_or_not_at_all(hook, fault, behaving, unit_of_work):
    on = hook == "plugin_disabled"
    with unit_of_work() as uow:
        disable(uow, "hostile_needing")
        if not on:
            disable(uow, "hostile")
    failed = pytest.raises(HookFailed, match=f"hostile failed in {hook}")
    with behaving(**{hook: fault}), failed, unit_of_work() as uow:
        (disable if on else enable)(uow, "hostile")
    with unit_of_work(write=False) as uow:
        assert ("hostile" in uow.snapshot.enabled) is on


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_failure_is_nobodys_consent(fault, behaving, unit_of_work, admin_id):
    """Neither what was asked about nor why can be changed, and what was written meanwhile is not kept."""
    before, reasons = notes(unit_of_work), {7: ["too cheap"]}
    failed = pytest.raises(HookFailed, match="hostile failed in request_consent")
    with behaving(request_consent=fault), failed, unit_of_work(admin_id) as uow:
        service.create(uow, "oracle_note", [{"text": "a"}])
        ask_consent(uow, "oracle_note", "sell", [{"id": 7}], reasons)
    assert notes(unit_of_work) == before
    assert reasons == {7: ["too cheap"]}


def test_one_who_changes_the_list_of_changes_changes_nothing(unit_of_work, admin_id, behaving):
    """The hooks after it, the audit and the event see all that is written."""
    seen = []

    def empties(changes: Any, uow: Any) -> None:
        for way in ("clear", "pop", "reverse"):
            if hasattr(changes, way):
                getattr(changes, way)()

    def counts(changes: Any, uow: Any) -> None:
        if changes[0].entity.name == "oracle_note":
            seen.append(len(changes))

    with (
        behaving(validate_changes=empties, before_changes=empties, after_changes=counts),
        unit_of_work(admin_id) as uow,
    ):
        keys = service.create(uow, "oracle_note", [{"text": "a"}, {"text": "b"}])
    assert len(keys) == 2
    assert seen == [2]


def test_the_innermost_of_two_plugins_is_blamed(unit_of_work, behaving, runtime, admin_id):
    """A hook that reads is not at fault for what another plugin does about that."""

    blamed = pytest.raises(HookFailed, match="hostile_guard failed in scope_query")

    def guard(entity: Any, action: str, actor: Any) -> Any:
        if entity.name == "oracle_account":
            raise ValueError("broken on purpose")

    def reads(changes: Any, uow: Any) -> None:
        query.count(uow, "oracle_account", ListQuery())

    with behaving(validate_changes=reads, scope_query=guard), blamed, unit_of_work(admin_id) as uow:
        service.create(uow, "oracle_note", [{"text": "a"}])
    assert set(runtime.plugins.failures.beyond(1)) == {"hostile_guard"}


# At boot


BODIES = {
    "raises": "raise ValueError('broken on purpose')",
    "leaves": "import sys; sys.exit(3)",
    "junk": "return 7",
    "text": "return 'junk'",
    "junk inside": "return [object()]",
    "breaks off": "yield from (); raise ValueError('broken on purpose')",
    "recurses": "return {hook}()",
}
REGISTERING = [hook for hook in hookspecs.hook_names() if hook.startswith("register_")]


def test_every_hook_is_in_one_of_these_tests():
    covered = {*VETO, *GUARDING, *QUESTIONS, *SWITCHING, *ASKED, *MERGING, *REGISTERING}
    assert covered == set(hookspecs.hook_names()) - {"app_ready"}  # test_plugins_faults.py
    assert set(REGISTERING) <= set(ITEMS)


def test_each_registration_that_fails_holds_back_its_plugin_alone(tmp_path, writer):
    """P1, P2: all of them at once in one folder; the good one among them is there."""
    wanted = {}
    folder = tmp_path / "plugins"
    folder.mkdir()
    for hook in REGISTERING:
        for fault, body in BODIES.items():
            source = (
                "from core.plugins import hookimpl\n\n\n@hookimpl\n"
                f"def {hook}():\n    {body.replace('{hook}', hook)}\n"
            )
            wanted[writer.write_plugin(folder, {"plugin.py": source})] = (hook, fault)
    good = writer.write_plugin(folder)
    environment = {"DOUGONG_HOME": str(tmp_path / "home"), "DOUGONG_PLUGINS_PATH": str(folder)}
    runtime = boot(Config.from_environment(environment))
    held = runtime.plugins.held_back
    missed = {case for name, case in wanted.items() if case[0] not in held.get(name, "")}
    assert missed == set()
    assert good in runtime.plugins.loaded
    assert len(wanted) == len(REGISTERING) * len(BODIES)
    owners = {item.owner for found in runtime.contributions for item in runtime.installed(found)}
    assert owners.isdisjoint(wanted)
