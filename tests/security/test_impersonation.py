"""Signing in as another: by whom, how far, for how long, and how it is seen afterwards."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from test_every_token import LOGS, PREFERENCES
from test_requests import digest

from core.audit.models import AuditEntry
from core.entities import query, service
from core.http.requests import route_policy
from core.security.actor import Actor
from core.security.locks import locks_of
from core.security.oneself import require_oneself
from core.settings.service import put_settings
from core.work.tables import job_table

OWN = dict.fromkeys(("read", "create", "update", "delete", "import"), "own")


@pytest.fixture
def person(unit_of_work, make_person) -> int:
    with unit_of_work() as uow:
        role = {"name": "seller", "title": "Seller", "grants": {"oracle_deal": OWN}}
        service.create(uow, "role", [role])
    return make_person("Wang Fang", roles=("seller",))


@pytest.fixture
def behind(sign_in, person):
    """A browser of the administrator, signed in as the person."""
    browser = sign_in()
    sent = _begin(browser, person)
    assert sent.status_code == 303, sent.text
    browser.csrf = _csrf(browser)
    return browser


def _begin(browser, person, reason="They asked for help"):
    data = {"reason": reason, "csrf_token": browser.csrf}
    return browser.post(f"/admin/people/{person}/sign-in-as", data=data)


def _csrf(browser) -> str:
    return re.search(r'name="csrf-token" content="([^"]+)"', browser.get("/").text)[1]


def _entries(unit_of_work):
    with unit_of_work(write=False) as uow:
        return uow.execute(select(AuditEntry.__table__).order_by(AuditEntry.__table__.c.id)).all()


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_banner_on_every_page_and_both_names_on_every_act(
    unit_of_work, behind, person, admin_id, run_jobs
):
    """A12: 100 % of what is done carries both ids, jobs included."""
    before = len(_entries(unit_of_work))
    for path in ("/", "/profile", "/r/oracle_deal", "/search?q=x"):
        page = behind.get(path)
        assert page.status_code == 200
        assert "/sign-in-as/end" in page.text, path
    headers = {"X-CSRF-Token": behind.csrf}
    made = behind.post("/api/v1/records/oracle_deal", json={"title": "North"}, headers=headers)
    assert made.status_code == 201, made.text
    key = made.get_json()["id"]
    path = f"/api/v1/records/oracle_deal/{key}"
    assert behind.patch(path, json={"title": "South"}, headers=headers).status_code == 200
    table = {"entity": "oracle_deal", "file": (io.BytesIO(b"Title\nEast\n"), "deals.csv")}
    queued = behind.post("/api/v1/imports", data=table, headers=headers)
    assert queued.status_code == 202, queued.text
    with unit_of_work(write=False) as uow:
        jobs = uow.execute(select(job_table).where(job_table.c.kind == "core.import")).all()
    assert [(job.actor_id, job.behind_id) for job in jobs] == [(person, admin_id)]
    run_jobs()
    assert behind.delete(path, headers=headers).status_code == 204
    ended = behind.post("/sign-in-as/end", data={"csrf_token": behind.csrf})
    assert ended.status_code == 303
    done = [row for row in _entries(unit_of_work)[before:] if row.actor_id is not None]
    assert {"create", "update", "delete", "sign_in_as_ended"} <= {row.action for row in done}
    assert {"import"} <= {row.channel for row in done}  # what the job did
    assert {(row.actor_id, row.behind_id) for row in done} == {(person, admin_id)}


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_it_reaches_what_the_person_reaches(behind, person, admin_id):
    assert behind.get("/api/v1/me").get_json()["id"] == person
    for path in ("/admin/people", "/admin/roles", f"/admin/people/{admin_id}"):
        assert behind.get(path).status_code == 403, path
    assert _begin(behind, person).status_code == 403  # nor a third


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_what_only_the_person_does(app, behind, unit_of_work, admin_id, person):
    """A12: no password, second factor, token, session, deputy, through any route of the account."""
    asked = set()
    for rule in app.url_map.iter_rules():
        account = rule.rule.startswith(("/profile", "/api/v1/tokens"))
        methods = rule.methods & {"POST", "DELETE", "PUT", "PATCH"}
        if not account or not methods:
            continue
        asked.add(rule.endpoint)
        assert route_policy(app.view_functions[rule.endpoint]) == "signed_in"
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        headers, method = {"X-CSRF-Token": behind.csrf}, next(iter(methods))
        body = {"json": {"title": "x"}} if path.startswith("/api") else {"data": {"title": "x"}}
        answer = behind.open(path, method=method, headers=headers, **body)
        assert answer.status_code == 403, (path, answer.status_code, answer.text[:300])
    assert {"web.change_password", "web.create_own_token", "api.make_token"} <= asked
    assert {"web.add_absence", "web.end_own_session", "web.begin_second_factor"} <= asked


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_what_the_person_prefers_is_looked_at_and_left_alone(behind, unit_of_work):
    before = digest(unit_of_work, without=LOGS)
    for path, form in PREFERENCES.items():
        answer = behind.post(path, data={**form, "csrf_token": behind.csrf})
        assert answer.status_code == 403, path
    assert digest(unit_of_work, without=LOGS) == before
    assert 'name="locale"' not in behind.get("/r/oracle_deal").text


def test_the_guard_is_what_refuses(unit_of_work, person, admin_id):
    """Positive control: the same person without anybody behind may."""
    from dataclasses import replace

    from core.errors import Forbidden

    with unit_of_work(person) as uow:
        require_oneself(uow)
        uow.actor = replace(uow.actor, behind=admin_id)
        with pytest.raises(Forbidden):
            require_oneself(uow)
    assert not Actor(1, is_admin=True, behind=2).manages_security
    assert Actor(1, is_admin=True).manages_security


def test_where_the_administrator_sits_is_no_place_of_the_person(app, behind, unit_of_work, person):
    """Guesses from there count like those of strangers: the person never signed in from it."""
    with unit_of_work() as uow:
        put_settings(uow, "core_sign_in", {"lock_failures": 2})
        email = query.get(uow, "user", person).values["email"]
    for _turn in range(2):
        app.test_client().post("/sign-in", data={"email": email, "password": "wrong"})
    with unit_of_work(write=False) as uow:
        assert [lock.place for lock in locks_of(uow, person)] == [""]


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_it_ends_by_itself_after_an_hour(behind, person, runtime):
    runtime.clock.move(timedelta(minutes=59))
    assert behind.get("/api/v1/me").get_json()["id"] == person
    runtime.clock.move(timedelta(minutes=2))
    assert behind.get("/api/v1/me").status_code == 401


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_the_end_gives_ones_own_session_back(behind, admin_id, unit_of_work):
    assert behind.post("/sign-out", data={"csrf_token": behind.csrf}).status_code == 307
    ended = behind.post("/sign-in-as/end", data={"csrf_token": behind.csrf})
    assert ended.headers["Location"].startswith("/admin/people/")
    assert behind.get("/api/v1/me").get_json()["id"] == admin_id
    assert "/sign-in-as/end" not in behind.get("/").text


def test_nobody_else_and_not_as_an_administrator(
    unit_of_work, person, make_person, sign_in, client, bearer, admin_id
):
    second = make_person("Second", roles=("admin",))
    path = f"/admin/people/{person}/sign-in-as"
    assert client.post(path, data={"reason": "x"}, headers=bearer(person)).status_code == 403
    assert client.post(path, data={"reason": "x"}, headers=bearer(admin_id)).status_code == 403
    browser = sign_in()
    assert browser.get(path).status_code == 200
    assert _begin(browser, person, " ").status_code == 422
    assert _begin(browser, second).status_code == 409
    assert _begin(browser, 10**6).status_code == 404
    with unit_of_work() as uow:
        put_settings(uow, "core_security", {"sign_in_as": False})
    assert _begin(browser, person).status_code == 409


def test_it_ends_when_it_is_forbidden_or_the_administrator_is_none(behind, unit_of_work, admin_id):
    with unit_of_work() as uow:
        put_settings(uow, "core_security", {"sign_in_as": False})
    assert behind.get("/api/v1/me").status_code == 401
    with unit_of_work() as uow:
        put_settings(uow, "core_security", {"sign_in_as": True})
    assert behind.get("/api/v1/me").status_code == 200
    with unit_of_work() as uow:
        service.create(
            uow, "user", [{"name": "Next", "email": "next@example.com", "roles": _admins(uow)}]
        )
        service.update(uow, "user", {admin_id: {"roles": []}})
    assert behind.get("/api/v1/me").status_code == 401


def _admins(uow) -> list[int]:
    roles = uow.entity("role").table
    return list(uow.execute(select(roles.c.id).where(roles.c.is_admin)).scalars())


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_the_person_is_told(behind, unit_of_work, person, run_jobs, runtime, client, bearer):
    """By mail, and on their own page, with the reason."""
    run_jobs()
    with unit_of_work(write=False) as uow:
        email = query.get(uow, "user", person).values["email"]
        state = uow.execute(
            select(job_table.c.state, job_table.c.result).where(
                job_table.c.kind == "core.tell_signed_in_as"
            )
        ).one()
    assert (state.state, state.result) == ("done", {"sent": 1})
    sent = [path.read_text() for path in (runtime.config.home / "mail").iterdir()]
    assert any(email in each for each in sent)
    page = client.get("/profile", headers=bearer(person)).text
    assert "They asked for help" in page
