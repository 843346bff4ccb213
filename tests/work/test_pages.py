"""What administrators see and do about the work behind the pages, and everybody about their own."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import event, select, update

from core.audit.definitions import audit_entry
from core.errors import Forbidden
from core.work.endings import cancel_job, replay_jobs
from core.work.jobs import claim_job
from core.work.presence import note_presence
from core.work.schedule import start_now
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PASSWORD = "a calm roof of brackets"


@pytest.fixture
def admin(sign_in):
    return sign_in()


@pytest.fixture
def person(make_person, sign_in):
    """A person with a browser: (id, browser)."""
    key = make_person("王芳", password=PASSWORD)
    return key, sign_in("person1@example.com", PASSWORD)


def text(answer):
    assert answer.status_code == 200, answer.status_code
    return unescape(answer.get_data(as_text=True))


def send(browser, url, **form):
    return browser.post(url, data={"csrf_token": browser.csrf, **form})


def _fail(unit_of_work, *keys):
    with unit_of_work() as uow:
        mine = update(job_table).where(job_table.c.id.in_(keys))
        uow.execute(mine.values(state="failed", attempts=5, error="gone", finished_at=uow.now()))


def _recorded(unit_of_work, action):
    table = audit_entry.model.__table__
    with unit_of_work(write=False) as uow:
        return len(uow.execute(select(table.c.id).where(table.c.action == action)).all())


def test_what_waits_runs_and_failed_is_counted_by_kind(admin, enqueue, unit_of_work):
    _fail(unit_of_work, enqueue("workbench.other"), enqueue("workbench.other"))
    for _ in range(3):
        enqueue("workbench.few")
    rows = re.findall(r"<tr>.*?</tr>", text(admin.get("/admin/jobs/background")), re.DOTALL)
    few = next(row for row in rows if "Limited work" in row)
    other = next(row for row in rows if "Other work" in row and "workbench.other" in row)
    assert 'state=queued">3</a>' in few
    assert re.search(r">\d+\s?[^\d<]+<", few)
    assert 'state=failed">2</a>' in other


def test_all_failed_jobs_of_a_kind_run_again(admin, enqueue, unit_of_work, job, run_jobs):
    bad, worse = enqueue("workbench.other"), enqueue("workbench.other")
    another = enqueue("workbench.few")
    _fail(unit_of_work, bad, worse, another)
    assert send(admin, "/admin/jobs/replay", kind="workbench.other").status_code == 302
    assert [job(key).state for key in (bad, worse, another)] == ["queued", "queued", "failed"]
    assert job(bad).attempts == 0
    run_jobs()
    assert job(worse).state == "done"
    assert _recorded(unit_of_work, "retry_jobs") == 1


def test_a_schedule_is_shown_and_started_out_of_turn(admin, run_jobs, job, unit_of_work):
    run_jobs()
    page = text(admin.get("/admin/jobs/background"))
    assert "02:30" in page
    assert "Asia/Shanghai" in page
    answer = send(admin, "/admin/jobs/schedules/workbench.nightly/run")
    key = int(answer.headers["Location"].rpartition("/")[2])
    run_jobs()
    assert (job(key).state, job(key).kind, job(key).actor_id) == ("done", "workbench.other", None)
    assert _recorded(unit_of_work, "run_schedule") == 1
    assert send(admin, "/admin/jobs/schedules/workbench.never/run").status_code == 404


def test_the_workers_are_listed_with_what_is_in_their_hands(admin, runtime, enqueue):
    key = enqueue("workbench.work")
    claim_job(runtime, key, worker="somewhere:17")
    note_presence(runtime, "somewhere:17", "worker", hanging=1)
    page = text(admin.get("/admin/jobs/background"))
    assert "somewhere:17" in page
    assert f'href="/admin/jobs/{key}"' in page


@pytest.mark.parametrize(
    "path",
    ["/admin/jobs/replay", "/admin/jobs/schedules/workbench.nightly/run"],
)
def test_only_administrators_decide_for_all(person, path, enqueue, unit_of_work, job):
    _key, browser = person
    bad = enqueue("workbench.other")
    _fail(unit_of_work, bad)
    assert send(browser, path, kind="workbench.other").status_code == 403
    assert browser.get("/admin/jobs/background").status_code == 403
    assert job(bad).state == "failed"
    with unit_of_work(write=False) as uow:
        assert len(uow.execute(select(job_table.c.id)).all()) == 1


def test_everybody_stops_their_own_jobs_and_no_others(person, enqueue, job, unit_of_work):
    """By the page: another person's job, and a delivery, are missing ones."""
    key, browser = person
    mine, others, system = enqueue("workbench.work", key), enqueue("workbench.work"), None
    with unit_of_work(key) as uow:
        system = uow.enqueue("core.deliver", {"event_id": 0, "subscriber": "x"})
    assert f'href="/jobs/{mine}/stop"' in text(browser.get("/jobs"))
    assert "/jobs" in text(browser.get(f"/jobs/{mine}/stop"))
    assert send(browser, f"/jobs/{mine}/stop").status_code == 302
    assert job(mine).state == "cancelled"
    for each in (others, system, 999):
        assert browser.get(f"/jobs/{each}/stop").status_code == 404
        assert send(browser, f"/jobs/{each}/stop").status_code == 404
    assert job(others).state == job(system).state == "queued"
    assert _recorded(unit_of_work, "cancel_job") == 1


def test_a_running_job_stops_at_its_next_step_and_what_it_did_is_told(
    admin, admin_id, client, bearer, enqueue, doing, job, run_jobs, unit_of_work
):
    """Three steps are committed when somebody stops it over REST; the fourth is not."""
    headers, told = bearer(admin_id), []

    def work(context):
        for step in range(1, 9):
            with context.unit_of_work() as uow:
                context.advance(uow, step, 8, partial={"made": step})
            if step == 3:
                told.append(client.post(f"/api/v1/jobs/{context.job_id}/cancel", headers=headers))

    with doing("workbench.work", work):
        key = enqueue("workbench.work", admin_id)
        run_jobs()
    assert told[0].status_code == 200
    answer = told[0].json
    assert (answer["state"], answer["done"], answer["total"]) == ("cancelled", 3, 8)
    row = job(key)
    assert (row.state, row.done, row.result) == ("cancelled", 3, {"made": 3})
    page = text(admin.get(f"/admin/jobs/{key}"))
    assert "3" in page
    assert "8" in re.search(r'class="notice.*?</div></div>', page, re.DOTALL)[0]
    assert client.post(f"/api/v1/jobs/{key}/cancel", headers=headers).status_code == 409


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "path", ["", "?state=failed", "?state=queued&kind=core.import", "?actor=1", "/background"]
)
def test_no_page_reads_all_jobs(admin, runtime, path):
    """Thousands of them do not slow it: a statement goes by an index, or takes the newest as they lie."""
    asked = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        if "core_job" in statement and statement.startswith("SELECT"):
            asked.append((statement, parameters))

    admin.get(f"/admin/jobs{path}")
    event.listen(runtime.database.engine, "before_cursor_execute", note)
    try:
        text(admin.get(f"/admin/jobs{path}"))
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", note)
    assert asked
    with runtime.read_connection() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            details = [row.detail for row in plan]
            newest = "LIMIT" in statement and len(details) == 1
            assert newest or "SCAN core_job" not in details, f"{statement}\n{details}"


def test_the_store_asks_for_the_right_itself(unit_of_work, make_person):
    """Z1: whatever page or plugin calls them; somebody else's job stays, schedules start for nobody."""
    stranger = make_person()
    with unit_of_work() as uow:
        job = uow.enqueue("core.export", {})
    with unit_of_work(stranger) as uow:
        assert not cancel_job(uow, job)
        with pytest.raises(Forbidden):
            replay_jobs(uow, "core.export")
        with pytest.raises(Forbidden):
            start_now(uow, "core.backup")
    with unit_of_work() as uow:
        assert cancel_job(uow, job)
