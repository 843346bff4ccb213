"""The jobs' pages: states, dead letters, retrying and stopping; and everybody's own list."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select, update

from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PASSWORD = "a calm roof of brackets"


@pytest.fixture
def admin(sign_in):
    return sign_in()


@pytest.fixture
def make_job(unit_of_work):
    """``make_job(title, person=None, kind=…, **columns) -> id``"""

    def make(title, person=None, kind="core.export", **columns):
        with unit_of_work(person) as uow:
            key = uow.enqueue(kind, {"entity": "user"}, title=title)
            if columns:
                uow.execute(update(job_table).where(job_table.c.id == key).values(columns))
        return key

    return make


def text(answer):
    return unescape(answer.get_data(as_text=True))


def send(browser, url):
    return browser.post(url, data={"csrf_token": browser.csrf})


def state_of(unit_of_work, key):
    with unit_of_work(write=False) as uow:
        return uow.execute(select(job_table.c.state).where(job_table.c.id == key)).scalar_one()


def test_jobs_are_filtered_by_state_and_dead_letters_are_apart(admin, make_job):
    make_job("导出人员")
    make_job("坏掉的导出", state="failed", error="OSError: no space")
    make_job("crm.notify", kind="core.deliver", state="failed", error="gone")
    everything, dead = text(admin.get("/admin/jobs")), text(admin.get("/admin/jobs?state=dead"))
    assert all(title in everything for title in ("导出人员", "坏掉的导出", "crm.notify"))
    assert "OSError: no space" in everything
    assert "crm.notify" in dead
    assert "坏掉的导出" not in dead
    failed = text(admin.get("/admin/jobs?state=failed"))
    assert "坏掉的导出" in failed
    assert "导出人员" not in failed
    assert re.search(r'state=failed"[^>]*>[^<]*<span class="count">2<', failed)


def test_the_list_refreshes_only_while_something_is_open(admin, make_job, unit_of_work):
    key = make_job("导出人员")
    live = admin.get("/admin/jobs", headers={"HX-Request": "true"})
    assert "hx-get" in text(live)
    assert "<html" not in text(live)
    with unit_of_work() as uow:
        done = update(job_table).where(job_table.c.id == key).values(state="done")
        uow.execute(done)
    assert 'hx-trigger="every' not in text(admin.get("/admin/jobs?state=done"))


def test_a_dead_letter_runs_again(admin, make_job, unit_of_work):
    key = make_job("crm.notify", kind="core.deliver", state="failed", error="gone", attempts=8)
    assert "gone" in text(admin.get(f"/admin/jobs/{key}"))
    assert send(admin, f"/admin/jobs/{key}/retry").status_code == 302
    assert state_of(unit_of_work, key) == "queued"
    send(admin, f"/admin/jobs/{key}/retry")  # a second click does nothing
    assert state_of(unit_of_work, key) == "queued"


def test_a_waiting_job_is_stopped_after_a_question(admin, make_job, unit_of_work):
    key = make_job("导出人员")
    assert "导出人员" in text(admin.get(f"/admin/jobs/{key}/cancel"))
    assert state_of(unit_of_work, key) == "queued"
    send(admin, f"/admin/jobs/{key}/cancel")
    assert state_of(unit_of_work, key) == "cancelled"


def test_unknown_jobs_are_not_found(admin):
    assert admin.get("/admin/jobs/999").status_code == 404
    assert send(admin, "/admin/jobs/999/retry").status_code == 404


def test_everybody_sees_their_own_jobs_and_no_others(sign_in, make_person, make_job, admin_id):
    person = make_person("王芳", password=PASSWORD)
    make_job("我的导出", person, done=3, total=10)
    make_job("别人的导出", admin_id)
    browser = sign_in("person1@example.com", PASSWORD)
    page = text(browser.get("/jobs"))
    assert "我的导出" in page
    assert "3 / 10" in page
    assert "别人的导出" not in page
    assert browser.get("/admin/jobs").status_code == 403


def test_older_jobs_are_on_further_pages(admin, make_job):
    keys = [make_job(f"导出 {number}") for number in range(55)]
    first = text(admin.get("/admin/jobs"))
    assert f'/admin/jobs/{keys[-1]}"' in first
    assert f'/admin/jobs/{keys[0]}"' not in first
    following = re.search(r'href="([^"]+)"[^>]* rel="next"', first)[1]
    assert f'/admin/jobs/{keys[0]}"' in text(admin.get(following))


def test_ones_own_list_leads_to_the_progress_and_to_the_file(sign_in, make_job, admin_id):
    """B7: a long export is found again, while it runs and when its file is ready."""
    running = make_job("导出人员", person=admin_id, state="running", done=3, total=9)
    ready = make_job("导出完成", person=admin_id, state="done", result={"report": 41})
    browser = sign_in()
    page = text(browser.get("/jobs"))
    for key in (running, ready):
        assert f'href="/r/user/exchange/{key}"' in page
    assert page.count('href="/files/41"') == 1
    progress = text(browser.get(f"/r/user/exchange/{running}"))
    assert 'hx-trigger="every 1s"' in progress
    assert '<progress value="3" max="9"' in progress
    assert 'href="/files/41"' in text(browser.get(f"/r/user/exchange/{ready}"))
