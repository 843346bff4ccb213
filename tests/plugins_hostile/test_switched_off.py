"""P1: a plugin that fails N times in a row is switched off everywhere, and a person says when it is on."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core.boot import boot
from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Invalid, Problem, Refused
from core.ops.lifecycle import enable
from core.plugins.failures import WINDOW, Failures, switch_off_failing
from core.plugins.state import plugin_table
from core.settings.service import put_settings
from core.work.jobs import claim_job, run_job
from core.work.tables import job_table

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

LIMIT = 3


def fails(**_: Any) -> Any:
    raise ValueError("broken on purpose")


@pytest.fixture(autouse=True)
def _limit(unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "core_modules", {"failures": LIMIT})


@pytest.fixture
def write(client, bearer, admin_id):
    """``write() -> status``: a note is made through REST."""
    headers = bearer(admin_id)

    def make() -> int:
        body = {"text": "written"}
        return client.post("/api/v1/records/oracle_note", json=body, headers=headers).status_code

    return make


@pytest.fixture
def state(unit_of_work):
    """``state(plugin) -> (is on, what the Apps page says)``."""

    def read(name: str) -> tuple[bool, str]:
        with unit_of_work(write=False) as uow:
            row = uow.execute(plugin_table.select().where(plugin_table.c.name == name)).one()
            assert row.enabled is (name in uow.snapshot.enabled)
            return row.enabled, row.error or ""

    return read


@pytest.mark.parametrize("hook", ["validate_changes", "before_changes", "after_changes"])
def test_who_fails_in_a_row_is_switched_off_with_those_that_need_it(
    hook, write, behaving, state, sign_in, runtime
):
    with behaving(**{hook: fails}):
        assert [write() for _ in range(LIMIT)] == [500] * LIMIT
        assert write() == 201
    on, reason = state("hostile")
    assert (on, f"{hook}: ValueError: broken on purpose" in reason) == (False, True)
    assert f"{LIMIT} times in a row" in reason
    assert state("hostile_needing") == (False, "needs hostile, which failed")
    assert state("oracle_sample") == (True, "")
    page = sign_in().get("/admin/apps").get_data(as_text=True)
    assert "broken on purpose" in page
    assert "/admin/apps/hostile/enable" in page


@pytest.mark.parametrize("hook", ["adjust_list", "resolve_theme"])
def test_questions_count_too(hook, behaving, state, sign_in):
    browser = sign_in()
    with behaving(**{hook: fails}):
        for _ in range(LIMIT):
            assert browser.get("/r/oracle_note").status_code == 200
    assert state("hostile")[0] is False


def test_one_failure_less_leaves_it_on(write, behaving, state):
    """Positive control."""
    with behaving(validate_changes=fails):
        assert [write() for _ in range(LIMIT - 1)] == [500] * (LIMIT - 1)
    assert state("hostile") == (True, "")


def test_an_answer_ends_the_row(write, behaving, state):
    """One person's odd input does not take a module from everybody who works well with it."""
    for _ in range(3):
        with behaving(validate_changes=fails):
            assert [write() for _ in range(LIMIT - 1)] == [500] * (LIMIT - 1)
        assert write() == 201
    assert state("hostile") == (True, "")


def test_an_administrator_switches_it_on_again(write, behaving, state, sign_in, unit_of_work):
    browser = sign_in()
    with behaving(validate_changes=fails):
        assert [write() for _ in range(LIMIT)] == [500] * LIMIT
    with unit_of_work() as uow:
        enable(uow, "hostile_needing")
    assert state("hostile") == state("hostile_needing") == (True, "")
    with behaving(validate_changes=fails):
        assert write() == 500, "it counts again, from the beginning"
        assert state("hostile") == (True, "")
        assert [write() for _ in range(LIMIT)] == [500, 500, 201]
    answer = browser.post("/admin/apps/hostile/enable", headers={"X-CSRF-Token": browser.csrf})
    assert answer.status_code == 302
    assert state("hostile") == (True, "")


def test_other_processes_follow(write, behaving, runtime, state):
    """The switch is in the database, not in the process that counted."""
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    other = boot(runtime.config)
    with UnitOfWork(other, SYSTEM, origin=Origin("test"), write=False) as uow:
        assert "hostile" in uow.snapshot.enabled
    with behaving(validate_changes=fails):
        assert [write() for _ in range(LIMIT)] == [500] * LIMIT
        with UnitOfWork(other, SYSTEM, origin=Origin("test")) as uow:
            assert "hostile" not in uow.snapshot.enabled
            service.create(uow, "oracle_note", [{"text": "there"}])
    other.database.dispose()


@pytest.mark.parametrize("hook", ["check_permission", "scope_query"])
def test_who_narrows_rights_stays_on_and_refuses(
    hook, client, bearer, admin_id, behaving, state, runtime
):
    """Without it more would be open: that is a person's decision."""
    headers = bearer(admin_id)
    with behaving(**{hook: fails}):
        for _ in range(LIMIT + 2):
            answer = client.get("/api/v1/records/oracle_deal", headers=headers)
            assert (answer.status_code, answer.json["plugin"]) == (500, "hostile_guard")
    on, reason = state("hostile_guard")
    assert on
    assert f"{hook}: ValueError: broken on purpose" in reason
    assert "stays on" in reason


def test_refusals_and_an_absent_database_are_no_failures(write, behaving, state):
    def refuses(**_: Any) -> Any:
        raise Invalid([Problem("text", "silly", "Not that.")])

    def closes(**_: Any) -> Any:
        raise Refused("Not today.")

    def away(**_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("database is locked"))

    for behaviour, status in ((refuses, 422), (closes, 409), (away, 503)):
        with behaving(validate_changes=behaviour):
            assert {write() for _ in range(LIMIT + 1)} == {status}
    assert state("hostile") == (True, "")


def test_wrong_sql_is_a_failure(write, behaving, state):
    """On SQLite it comes under the same name as a database that is away."""

    def asks(changes: Any, uow: Any) -> None:
        uow.execute(text("SELECT nothing FROM nowhere"))

    with behaving(validate_changes=asks):
        assert [write() for _ in range(LIMIT)] == [500] * LIMIT
    assert state("hostile")[0] is False


def test_nothing_is_switched_off_where_the_setting_is_0(write, behaving, state, unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "core_modules", {"failures": 0})
    with behaving(validate_changes=fails):
        assert {write() for _ in range(LIMIT * 3)} == {500}
    assert state("hostile") == (True, "")


def test_workers_switch_off_too(runtime, unit_of_work, run_jobs, behaving, state):
    """A job whose writes a hook keeps spoiling: the last attempt works."""

    def work(context: Any) -> None:
        with context.unit_of_work() as uow:
            service.create(uow, "oracle_account", [{"name": "made by a job"}])

    def fails_here(changes: Any, uow: Any) -> None:
        if changes[0].entity.name == "oracle_account":
            raise ValueError("broken on purpose")

    with unit_of_work() as uow:
        for _ in range(LIMIT):
            uow.enqueue("hostile.work", {})
    with behaving(validate_changes=fails_here, work=work):
        run_jobs()
    assert state("hostile")[0] is False
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "oracle_account", ListQuery()) == 0
    with unit_of_work() as uow:
        enable(uow, "hostile")
    runtime.clock.offset += timedelta(hours=2)
    with behaving(work=work):
        run_jobs()
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "oracle_account", ListQuery()) == LIMIT


def test_it_is_noted_who_was_switched_off_and_why(write, behaving, unit_of_work, admin_id):
    with behaving(validate_changes=fails):
        assert [write() for _ in range(LIMIT)] == [500] * LIMIT
    with unit_of_work(admin_id, write=False) as uow:
        test = {"field": "action", "op": "eq", "value": "disable_plugin"}
        rows = query.page(uow, "audit_entry", ListQuery(filter=test)).items
    told = [(row["changes"]["plugin"][1], row["actor"]) for row in rows]
    assert sorted(told) == [("hostile", None), ("hostile_needing", None)]


def test_failures_long_ago_are_forgotten():
    moments = iter((0.0, WINDOW + 1, WINDOW + 2))
    now = [0.0]
    failures = Failures(lambda: now[0])
    for now[0] in moments:
        failures.failed("p", "validate_changes", ValueError("x"))
    assert failures.beyond(2) == {"p": (2, "validate_changes: ValueError: x")}
    assert failures.beyond(3) == {}
    now[0] += WINDOW
    failures.failed("p", "validate_changes", ValueError("x"))
    assert {count for count, _last in failures.beyond(1).values()} == {1} or failures.beyond(3)
    failures.failed("core", "validate_changes", ValueError("x"))
    assert "core" not in failures.beyond(1)


def test_nothing_is_asked_of_the_database_while_nothing_fails(runtime, monkeypatch):
    monkeypatch.setattr(runtime, "database", None)
    assert switch_off_failing(runtime) == []


# Python cannot end a function that never returns: what holds instead


def test_a_hanging_job_is_taken_over_and_its_late_end_is_not_kept(
    runtime, unit_of_work, behaving, run_jobs
):
    """Whoever took the job over decides its result (giving up by time: tests/work/test_poison.py)."""
    let_go, begun = threading.Event(), threading.Event()
    hanging = [True]

    def work(context: Any) -> str:
        if hanging.pop() if hanging else False:
            begun.set()
            assert let_go.wait(30)
            return "late"
        return "in time"

    with unit_of_work() as uow:
        key = uow.enqueue("hostile.work", {})
    with behaving(work=work):
        hung = threading.Thread(target=lambda: run_job(runtime, claim_job(runtime, key)))
        hung.start()
        assert begun.wait(10)
        run_jobs()
        assert _job(runtime, key).state == "running", "its lease is not over"
        runtime.clock.offset += timedelta(minutes=2)
        run_jobs()
        assert (_job(runtime, key).state, _job(runtime, key).result) == ("done", "in time")
        let_go.set()
        hung.join(10)
    assert not hung.is_alive()
    row = _job(runtime, key)
    assert (row.state, row.result, row.attempts) == ("done", "in time", 2)


def test_others_are_answered_while_a_question_hangs(app, sign_in, behaving):
    """One thread is lost to it, no more: reading goes on."""
    let_go, begun = threading.Event(), threading.Event()

    def hangs(entity: Any, actor: Any) -> Any:
        if threading.current_thread().name == "hung":
            begun.set()
            let_go.wait(30)

    first, second = sign_in(), sign_in()
    with behaving(adjust_list=hangs):
        hung = threading.Thread(target=lambda: first.get("/r/oracle_note"), name="hung")
        hung.start()
        assert begun.wait(10)
        started = time.monotonic()
        assert second.get("/r/oracle_note").status_code == 200
        assert time.monotonic() - started < 5
        assert hung.is_alive()
        let_go.set()
        hung.join(10)
    assert not hung.is_alive()


def _job(runtime: Any, key: int) -> Any:
    with runtime.read_connection() as connection:
        return connection.execute(job_table.select().where(job_table.c.id == key)).one()
