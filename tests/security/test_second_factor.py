"""A3: the second factor, from setting it up to losing the phone; nobody gets around it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from signing_in import (
    EMAIL,
    ME,
    OTHER,
    PASSWORD,
    app_code,
    begin_sign_in,
    codes_on,
    csrf_of,
    key_on,
    put,
    send_step,
    set_up,
)
from sqlalchemy import func, select

from core.entities import service
from core.ops.rescue import let_in
from core.security import second_factor, throttle
from core.security.models import (
    recovery_code_table,
    second_factor_table,
    session_table,
    sign_in_step_table,
)
from core.security.tokens import create_token

HOME = "198.51.100.7"


# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")
both = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


@pytest.fixture
def browser(person, sign_in) -> Any:
    return sign_in(EMAIL, PASSWORD)


@pytest.fixture
def at_rest(runtime, monkeypatch) -> Any:
    """A clock that stands still but for what tests move."""
    moment = runtime.clock.now()
    monkeypatch.setattr(runtime.clock, "source", lambda: moment)
    return runtime.clock


@pytest.fixture
def key(browser, at_rest) -> str:
    """The key of the person's app; a minute after it was set up."""
    found, _codes = set_up(browser, at_rest)
    at_rest.move(timedelta(minutes=1))
    return found


def _sessions(unit_of_work: Any, person: int) -> int:
    with unit_of_work(write=False) as uow:
        of_person = session_table.c.user_id == person
        counted = select(func.count()).select_from(session_table).where(of_person)
        return int(uow.execute(counted).scalar_one())


@both
def test_the_password_alone_opens_nothing(app, person, key, unit_of_work):
    """A3: until the code there is no session and no right, whatever is asked for in between."""
    before = _sessions(unit_of_work, person)
    half = begin_sign_in(app)
    assert half.answer.status_code == 302
    assert half.answer.location.startswith("/sign-in/step")
    assert half.get_cookie("dougong") is None
    assert half.get(ME).status_code == 401
    assert half.get("/profile").status_code == 302
    assert half.post("/profile/password", data={}).status_code == 302
    assert _sessions(unit_of_work, person) == before


@both
def test_a_code_signs_in_and_is_taken_once(app, key, at_rest):
    """A replay of the step is refused, also that of a code not yet over."""
    code = app_code(key, at_rest)
    first = begin_sign_in(app)
    assert send_step(first, code=code).status_code == 302
    assert first.get(ME).status_code == 200
    second = begin_sign_in(app)
    assert send_step(second, code=code).status_code == 401
    assert second.get(ME).status_code == 401
    at_rest.move(timedelta(seconds=30))
    assert send_step(second, code=app_code(key, at_rest)).status_code == 302
    assert second.get(ME).status_code == 200


def test_a_replay_is_noticed_when_the_guard_is_off(app, key, at_rest, monkeypatch):
    """Positive control: without the comparison of steps the same code would work again."""
    code = app_code(key, at_rest)
    first, second = begin_sign_in(app), begin_sign_in(app)
    assert send_step(first, code=code).status_code == 302
    monkeypatch.setattr(second_factor, "_take_step", lambda *given, **more: True)
    assert send_step(second, code=code).status_code == 302


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 302), (1, 302), (2, 401)])
def test_the_clock_of_a_phone_may_be_half_a_minute_off(app, key, at_rest, steps, status):
    half = begin_sign_in(app)
    at_rest.move(timedelta(seconds=30 * steps))
    code = app_code(key, at_rest)
    at_rest.move(timedelta(seconds=-30 * steps))
    assert send_step(half, code=code).status_code == status


@pytest.mark.parametrize(
    "code", ["", "000000000", "abcdef", "１２３４５６", "aaaa-bbbb-cccc-dddd", "x" * 5000]
)
def test_what_is_no_code_is_wrong(app, key, code):
    assert send_step(begin_sign_in(app), code=code).status_code == 401


@both
def test_recovery_codes_work_once_each_and_are_kept_as_hashes(
    app, browser, person, at_rest, unit_of_work
):
    """Ten, shown in one answer; typed with or without the dashes."""
    _key, codes = set_up(browser, at_rest)
    assert len(set(codes)) == 10
    with unit_of_work(write=False) as uow:
        kept = uow.execute(select(recovery_code_table.c.code_hash)).scalars().all()
        sealed = uow.execute(select(second_factor_table.c.secret)).scalar_one()
    assert not set(codes) & set(kept)
    assert _key not in sealed
    assert sealed.startswith("sealed.")
    for typed in (codes[0], codes[1].replace("-", "").upper()):
        half = begin_sign_in(app)
        assert send_step(half, code=typed).status_code == 302
        assert half.get(ME).status_code == 200
        again = begin_sign_in(app)
        assert send_step(again, code=typed).status_code == 401
    page = half.get("/profile").get_data(as_text=True)
    assert not codes_on(page)
    assert "8" in page


def test_new_recovery_codes_end_the_old_ones(app, browser, person, at_rest):
    key, old = set_up(browser, at_rest)
    at_rest.move(timedelta(minutes=1))
    data = {"password": PASSWORD, "code": app_code(key, at_rest)}
    answer = browser.post("/profile/second-factor/codes", data=data, headers=csrf_of(browser))
    new = codes_on(answer.get_data(as_text=True))
    assert len(new) == 10
    assert not set(old) & set(new)
    assert send_step(begin_sign_in(app), code=old[0]).status_code == 401
    assert send_step(begin_sign_in(app), code=new[0]).status_code == 302


def test_setting_it_up_asks_for_the_password_and_a_right_code(app, browser, sign_in, at_rest):
    """And ends all other sessions (A3): this browser goes on with another cookie."""
    other = sign_in(EMAIL, PASSWORD)
    browser.post("/profile/second-factor/begin", headers=csrf_of(browser))
    key = key_on(browser.get("/profile/second-factor").get_data(as_text=True))
    for password, code in ((PASSWORD, "000000"), ("wrong one", app_code(key, at_rest))):
        data = {"password": password, "code": code}
        answer = browser.post("/profile/second-factor", data=data, headers=csrf_of(browser))
        assert answer.status_code == 422
    assert begin_sign_in(app).get_cookie("dougong") is not None  # it is not on yet
    old = browser.get_cookie("dougong").value
    at_rest.move(timedelta(minutes=1))
    data = {"password": PASSWORD, "code": app_code(key, at_rest)}
    assert (
        browser.post("/profile/second-factor", data=data, headers=csrf_of(browser)).status_code
        == 200
    )
    assert browser.get_cookie("dougong").value != old
    assert browser.get(ME).status_code == 200
    assert other.get(ME).status_code == 401
    answer = browser.post("/profile/second-factor/begin", headers=csrf_of(browser))
    assert answer.status_code == 409  # nobody swaps the key of a session left open


@both
def test_turning_it_off_asks_for_both(app, browser, sign_in, person, at_rest):
    key, _codes = set_up(browser, at_rest)
    at_rest.move(timedelta(minutes=1))
    code = app_code(key, at_rest)
    for password, given in (("wrong one", code), (PASSWORD, "000000")):
        data = {"password": password, "code": given}
        answer = browser.post("/profile/second-factor/off", data=data, headers=csrf_of(browser))
        assert answer.status_code == 422
    assert begin_sign_in(app).get_cookie("dougong") is None
    data = {"password": PASSWORD, "code": code}
    answer = browser.post("/profile/second-factor/off", data=data, headers=csrf_of(browser))
    assert answer.status_code == 303
    assert browser.get(ME).status_code == 200
    assert begin_sign_in(app).get_cookie("dougong") is not None


def test_tokens_stand_apart_and_cannot_touch_it(app, client, person, key, unit_of_work):
    """A token works without a code, and neither sets up nor turns off the factor of its person."""
    with unit_of_work() as uow:
        token = create_token(uow, person, title="t")
    headers = {"Authorization": f"Bearer {token.text}"}
    assert client.get(ME, headers=headers).status_code == 200
    for path in ("", "/begin", "/codes", "/off"):
        data = {"password": PASSWORD, "code": "000000"}
        answer = client.post(f"/profile/second-factor{path}", data=data, headers=headers)
        assert answer.status_code == 403


def test_guesses_at_a_code_wait_like_those_at_a_password(app, key, at_rest, monkeypatch):
    """A2: few reach the comparison, from all unknown places together."""
    reached: list[str] = []
    real = second_factor._take_step

    def take(uow: Any, user_id: int, code: str, **more: Any) -> bool:
        reached.append(code)
        return real(uow, user_id, code, **more)

    monkeypatch.setattr(second_factor, "_take_step", take)
    at_rest.move(timedelta(days=1))
    for turn in range(24):
        place = f"203.0.113.{turn}"
        at_rest.move(timedelta(seconds=20))
        send_step(begin_sign_in(app, address=place), address=place, code="000000")
    assert 3 < len(reached) <= 12  # three at once, then after 1, 2, 4 … 256 s


def test_a_known_place_is_not_held_back_by_guesses_elsewhere(app, key, at_rest):
    """Who guesses with a stolen password delays nobody at home."""
    code = app_code(key, at_rest)
    assert send_step(begin_sign_in(app, address=HOME), address=HOME, code=code).status_code == 302
    half = begin_sign_in(app, address="203.0.113.1")
    for _ in range(10):
        assert send_step(half, "203.0.113.1", code="000000").status_code == 401
    at_rest.move(timedelta(seconds=30))
    code = app_code(key, at_rest)
    at_rest.move(timedelta(seconds=-30))  # a phone that is ahead, at the same moment
    assert send_step(half, "203.0.113.1", code=code).status_code == 401
    assert send_step(begin_sign_in(app, address=HOME), address=HOME, code=code).status_code == 302


def test_guesses_are_noticed_when_nothing_counts_them(app, key, at_rest, monkeypatch):
    """Positive control for the two above."""
    monkeypatch.setattr(throttle, "_seconds", lambda wait: 0)
    half = begin_sign_in(app)
    for _ in range(20):
        send_step(half, code="000000")
    assert send_step(half, code=app_code(key, at_rest)).status_code == 302


@pytest.mark.parametrize("change", ["time", "password", "address", "disabled"])
def test_a_half_done_sign_in_ends(app, person, key, at_rest, unit_of_work, change):
    """After ten minutes, and with whatever the password was proven for."""
    half = begin_sign_in(app)
    if change == "time":
        at_rest.move(timedelta(minutes=10, seconds=1))
    else:
        with unit_of_work() as uow:
            if change == "password":
                from core.security.credentials import set_password

                set_password(uow, person, OTHER, email=EMAIL, name="Member")
            elif change == "address":
                service.update(uow, "user", {person: {"email": "other@example.com"}})
            else:
                service.update(uow, "user", {person: {"is_active": False}})
    answer = send_step(half, code=app_code(key, at_rest))
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in?")
    assert half.get(ME).status_code == 401
    assert half.get("/sign-in/step").location.startswith("/sign-in?")


def test_a_step_goes_to_this_site_only(app, key, at_rest):
    """A7: also the way through the second step ends on a page of our own."""
    half = begin_sign_in(app)
    answer = send_step(half, code=app_code(key, at_rest), next="https://evil.example/")
    assert answer.location == "/"


# Who has to have one


def test_nobody_has_to_unless_the_company_says_so(app, person):
    assert begin_sign_in(app).get_cookie("dougong") is not None


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        ({"second_factor": "administrators"}, False),
        ({"second_factor": "roles", "second_factor_roles": ["admin"]}, False),
        ({"second_factor": "roles", "second_factor_roles": ["viewer"]}, True),
        ({"second_factor": "all"}, True),
    ],
)
def test_who_has_to_sets_it_up_at_the_next_sign_in(
    app, person, at_rest, unit_of_work, setting, asked
):
    """No session before that; then the recovery codes are shown, and the session is there."""
    put(unit_of_work, **setting)
    half = begin_sign_in(app)
    assert (half.get_cookie("dougong") is None) is asked
    if not asked:
        return
    assert half.get(ME).status_code == 401
    key = key_on(half.get("/sign-in/step").get_data(as_text=True))
    assert send_step(half, code="000000").status_code == 401
    done = send_step(half, code=app_code(key, at_rest), next="/profile")
    page = done.get_data(as_text=True)
    assert len(codes_on(page)) == 10
    assert 'href="/profile"' in page
    assert half.get(ME).status_code == 200
    assert half.get_cookie("dougong-step") is None


def test_administrators_are_asked_with_every_setting_but_nobody(app, unit_of_work, admin_id):
    from core.testing.installation import ADMIN
    from core.testing.installation import PASSWORD as ADMINS

    put(unit_of_work, second_factor="roles", second_factor_roles=["viewer"])
    assert begin_sign_in(app, ADMINS, who=ADMIN).get_cookie("dougong") is None


def test_who_has_to_and_turns_it_off_signs_in_anew(app, browser, person, at_rest, unit_of_work):
    key, _codes = set_up(browser, at_rest)
    put(unit_of_work, second_factor="all")
    at_rest.move(timedelta(minutes=1))
    data = {"password": PASSWORD, "code": app_code(key, at_rest)}
    answer = browser.post("/profile/second-factor/off", data=data, headers=csrf_of(browser))
    assert answer.location == "/sign-in"
    assert browser.get(ME).status_code == 401


def test_a_role_that_is_not_there_is_refused(sign_in, unit_of_work):
    """A slip of the pen would ask nobody for a second factor."""
    browser = sign_in()
    data = {
        "second_factor": "roles",
        "second_factor_roles": "viewr",
        "password_length": "10",
        "password_days": "0",
        "password_history": "0",
        "link_minutes": "30",
        "lock_failures": "0",
        "lock_within": "15",
        "lock_minutes": "30",
    }
    headers = {"X-CSRF-Token": browser.csrf}
    answer = browser.post("/admin/settings/core_sign_in", data=data, headers=headers)
    assert answer.status_code == 422
    data["second_factor_roles"] = "viewer"
    answer = browser.post("/admin/settings/core_sign_in", data=data, headers=headers)
    assert answer.status_code == 302


# Administrators


@both
def test_an_administrator_resets_it(app, browser, person, key, sign_in, unit_of_work):
    """Audited; all sessions of the person end, and the password alone signs in again."""
    admin = sign_in()
    headers = {"X-CSRF-Token": admin.csrf}
    path = f"/admin/people/{person}/second-factor/reset"
    assert admin.get(path).status_code == 200
    assert admin.post(path, headers=headers).status_code == 302
    assert browser.get(ME).status_code == 401
    assert begin_sign_in(app).get_cookie("dougong") is not None
    with unit_of_work(write=False) as uow:
        entries = uow.entity("audit_entry").table
        acts = uow.execute(select(entries.c.action)).scalars().all()
    assert "second_factor_reset" in acts


def test_the_server_lets_in_whom_nobody_else_can_help(app, person, key, unit_of_work):
    """`dougong user reset`: the last administrator, without phone and recovery codes."""
    with unit_of_work() as uow:
        let_in(uow, person)
    assert begin_sign_in(app).get_cookie("dougong") is not None
    with unit_of_work() as uow:
        let_in(uow, person, OTHER)
    half = begin_sign_in(app, OTHER)
    assert "password" in half.get("/sign-in/step").get_data(as_text=True)
    assert half.get_cookie("dougong") is None


def test_nobody_else_takes_it_away(unit_of_work, person, key, make_person):
    from core.errors import Forbidden

    other = make_person("Other")
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        second_factor.remove_second_factor(uow, person)
    with unit_of_work(write=False) as uow:
        assert second_factor.second_factor_of(uow, person) is not None


@both
def test_half_done_sign_ins_are_dropped(app, runtime, key, unit_of_work, run_jobs):
    from core.work.schedule import start_due

    begin_sign_in(app)
    start_due(runtime)  # schedules are seen for the first time
    runtime.clock.move(timedelta(days=2))
    start_due(runtime)
    run_jobs()
    with unit_of_work(write=False) as uow:
        assert uow.execute(select(sign_in_step_table)).all() == []
