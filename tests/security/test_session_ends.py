"""A3, A4: when sessions and tokens end, each seen by a process that did not do it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.app import create_app
from core.boot import boot
from core.entities import service
from core.security.authentication import end_one_session, end_sessions_of
from core.security.credentials import set_password
from core.security.models import api_token_table, session_table
from core.security.tokens import create_token

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PASSWORD = "a very calm horse stands"
OTHER = "another calm horse stands"
EMAIL = "person1@example.com"
ME = "/api/v1/me"


@pytest.fixture
def person(make_person) -> int:
    return make_person("Leaver", password=PASSWORD)


@pytest.fixture
def browser(person, sign_in) -> Any:
    return sign_in(EMAIL, PASSWORD)


@pytest.fixture
def elsewhere(runtime):
    """A second process over the same database."""
    second = boot(runtime.config, clock=runtime.clock)
    yield create_app(second)
    second.database.dispose()


def _status(app: Any, browser: Any) -> int:
    """What the session of a browser is worth to a process."""
    cookie = browser.get_cookie("dougong")
    client = app.test_client()
    client.set_cookie("dougong", cookie.value if cookie else "")
    return int(client.get(ME).status_code)


def _with_token(app: Any, token: Any) -> int:
    headers = {"Authorization": f"Bearer {token.text}"}
    return int(app.test_client().get(ME, headers=headers).status_code)


def _change(name: str, value: Any) -> Any:
    def act(uow: Any, person: int) -> None:
        service.update(uow, "user", {person: {name: value}})

    return act


TRANSITIONS: dict[str, Any] = {
    "another password": lambda uow, key: set_password(uow, key, OTHER, email=EMAIL, name="x"),
    "other roles": _change("roles", []),
    "another address": _change("email", "other@example.com"),
    "disabled": _change("is_active", False),
    "deleted": lambda uow, key: service.delete(uow, "user", [key]),
}


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_session_ends_at_once_everywhere(
    app, elsewhere, browser, person, admin_id, unit_of_work, name
):
    """A3, with a second process that has just answered with the same session."""
    assert _status(app, browser) == _status(elsewhere, browser) == 200
    with unit_of_work(admin_id) as uow:
        TRANSITIONS[name](uow, person)
    assert _status(elsewhere, browser) == _status(app, browser) == 401


def test_what_grants_nothing_ends_no_session(app, browser, person, admin_id, unit_of_work):
    """Positive control: a form that sends all fields again, and a new name."""
    with unit_of_work(admin_id) as uow:
        (role,) = uow.execute(
            select(uow.entity("role").table.c.id).where(uow.entity("role").table.c.name == "viewer")
        ).scalars()
        values = {"name": "New", "roles": [role], "email": EMAIL, "is_active": True}
        service.update(uow, "user", {person: values})
    assert _status(app, browser) == 200


#: What ends an administrator's sessions, by that person's number and that of the session.
LOCKED_OUT: dict[str, Any] = {
    "another password": lambda uow, key, _one: set_password(
        uow, key, OTHER, email="a@example.com", name="x"
    ),
    "signed out everywhere": lambda uow, key, _one: end_sessions_of(uow, key),
    "one session ended": end_one_session,
}


@pytest.mark.parametrize("name", LOCKED_OUT)
def test_who_stands_behind_another_is_out_too(
    app, elsewhere, sign_in, browser, person, admin_id, unit_of_work, name
):
    """A3: the cookie under another's name is the administrator's, and as dangerous in wrong hands."""
    behind = sign_in()
    asked = {"reason": "They asked for help", "csrf_token": behind.csrf}
    assert behind.post(f"/admin/people/{person}/sign-in-as", data=asked).status_code == 303
    assert _status(app, behind) == _status(elsewhere, behind) == 200
    with unit_of_work(admin_id) as uow:
        own = session_table.c.user_id == admin_id
        session = uow.execute(select(session_table.c.id).where(own)).scalar_one()
        LOCKED_OUT[name](uow, admin_id, session)
    assert _status(elsewhere, behind) == _status(app, behind) == 401
    assert _status(app, browser) == 200  # the person's own goes on


def test_signing_out_and_signing_in_anew(app, elsewhere, browser, person):
    """A3: logout; and a login in the same browser ends the session that it had."""
    old = browser.get_cookie("dougong").value
    data = {"email": EMAIL, "password": PASSWORD, "csrf_token": browser.csrf}
    assert browser.post("/sign-in", data=data).status_code == 302
    new = browser.get_cookie("dougong").value
    assert new != old
    before = elsewhere.test_client()
    before.set_cookie("dougong", old)
    assert before.get(ME).status_code == 401
    assert _status(elsewhere, browser) == 200
    page = browser.get("/profile").get_data(as_text=True)
    csrf = page.partition('name="csrf-token" content="')[2].partition('"')[0]
    browser.post("/sign-out", headers={"X-CSRF-Token": csrf})
    after = elsewhere.test_client()
    after.set_cookie("dougong", new)
    assert after.get(ME).status_code == 401


def _save_password(browser: Any, new: str) -> Any:
    data = {"old_password": PASSWORD, "new_password": new, "repeated_password": new}
    return browser.post("/profile/password", data=data, headers={"X-CSRF-Token": browser.csrf})


def test_ones_own_new_password_ends_all_other_sessions(
    app, elsewhere, browser, sign_in, person, unit_of_work
):
    """This browser stays, with another cookie; programs' tokens stay, and the page offers to end them."""
    with unit_of_work() as uow:
        token = create_token(uow, person, title="t")
    second, old = sign_in(EMAIL, PASSWORD), browser.get_cookie("dougong").value
    assert _save_password(browser, OTHER).status_code == 303
    assert browser.get_cookie("dougong").value != old
    assert _status(elsewhere, browser) == 200
    assert _status(elsewhere, second) == 401
    assert _with_token(elsewhere, token) == 200
    page = browser.get("/profile").get_data(as_text=True)
    csrf = page.partition('name="csrf-token" content="')[2].partition('"')[0]
    assert "/profile/tokens/revoke" in page
    answer = browser.post("/profile/tokens/revoke", headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 303
    assert _with_token(elsewhere, token) == _with_token(app, token) == 401


def test_a_wrong_old_password_changes_nothing(app, browser, person):
    data = {"old_password": "no", "new_password": OTHER, "repeated_password": OTHER}
    headers = {"X-CSRF-Token": browser.csrf}
    assert browser.post("/profile/password", data=data, headers=headers).status_code == 422
    assert _status(app, browser) == 200


@pytest.mark.parametrize("name", ["another password", "disabled", "deleted"])
def test_tokens_end_with_a_reset_and_with_the_person(
    app, elsewhere, person, admin_id, unit_of_work, name
):
    """Also when the person comes back: nobody revives what was ended."""
    with unit_of_work() as uow:
        token = create_token(uow, person, title="t")
    assert _with_token(app, token) == _with_token(elsewhere, token) == 200
    with unit_of_work(admin_id) as uow:
        TRANSITIONS[name](uow, person)
    assert _with_token(elsewhere, token) == 401
    if name != "another password":
        with unit_of_work(admin_id) as uow:
            if name == "deleted":
                service.restore(uow, "user", [person])
            else:
                service.update(uow, "user", {person: {"is_active": True}})
    assert _with_token(elsewhere, token) == _with_token(app, token) == 401


def test_unused_sessions_end(app, runtime, browser):
    """A4: accepted a second before the limit of 12 hours without use, refused a second after it."""
    limit = timedelta(hours=12)
    runtime.clock.move(limit - timedelta(seconds=5))
    assert _status(app, browser) == 200  # and so it is in use again
    runtime.clock.move(limit - timedelta(seconds=1))
    assert _status(app, browser) == 200
    runtime.clock.move(limit + timedelta(seconds=1))
    assert _status(app, browser) == 401


def test_sessions_end_however_much_they_are_used(app, runtime, browser, unit_of_work):
    """A4: after 14 days one signs in again."""
    with unit_of_work(write=False) as uow:
        ends = uow.execute(select(session_table.c.expires_at)).scalars().all()[-1]
    assert timedelta(days=13, hours=23) < ends - runtime.clock.now() <= timedelta(days=14)
    while ends - runtime.clock.now() > timedelta(hours=11):
        runtime.clock.move(timedelta(hours=10))
        assert _status(app, browser) == 200
    runtime.clock.move(ends - runtime.clock.now() - timedelta(seconds=5))
    assert _status(app, browser) == 200
    runtime.clock.move(timedelta(seconds=6))
    assert _status(app, browser) == 401


def test_tokens_end_by_the_clock(app, runtime, person, unit_of_work):
    with unit_of_work() as uow:
        token = create_token(uow, person, title="t", days=2)
    runtime.clock.move(timedelta(days=2) - timedelta(seconds=5))
    assert _with_token(app, token) == 200
    runtime.clock.move(timedelta(seconds=6))
    assert _with_token(app, token) == 401


def test_the_use_of_a_token_is_noted_once_a_minute(app, runtime, person, unit_of_work):
    """After the answer, so that nobody waits for it; the profile and REST show it."""
    with unit_of_work() as uow:
        token = create_token(uow, person, title="t")

    def used() -> Any:
        with unit_of_work(write=False) as uow:
            return uow.execute(
                select(api_token_table.c.used_at).where(api_token_table.c.id == token.id)
            ).scalar_one()

    def call() -> Any:
        headers = {"Authorization": f"Bearer {token.text}"}
        answer = app.test_client().get("/api/v1/tokens", headers=headers)
        item = answer.json["items"][0]
        answer.close()
        return item

    assert used() is None
    call()
    first = used()
    assert first is not None
    runtime.clock.move(timedelta(seconds=30))
    call()
    assert used() == first
    runtime.clock.move(timedelta(seconds=31))
    call()
    assert used() > first
    assert call()["used_at"] is not None


def test_the_page_of_one_says_when_tokens_were_used(browser, app, person, unit_of_work):
    with unit_of_work() as uow:
        token = create_token(uow, person, title="Nightly")
    unused = browser.get("/profile").get_data(as_text=True)
    headers = {"Authorization": f"Bearer {token.text}"}
    app.test_client().get(ME, headers=headers).close()
    assert browser.get("/profile").get_data(as_text=True) != unused
