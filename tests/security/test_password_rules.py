"""What a password has to be, how long it lasts, and which sessions it begins and ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from signing_in import (
    EMAIL,
    ME,
    OTHER,
    PASSWORD,
    begin_sign_in,
    csrf_of,
    put,
    send_step,
)
from sqlalchemy import select

from core.errors import Forbidden, Invalid, NotFound
from core.security.authentication import end_one_session
from core.security.credentials import set_password
from core.security.models import credential_table, session_table
from core.security.passwords import LONGEST_PASSWORD, check_strength

THIRD = "a third calm horse stands"


# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")
both = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


def _set(
    unit_of_work: Any, person: int, password: str, *, by: int | None = None, **more: Any
) -> None:
    with unit_of_work(by) as uow:
        set_password(uow, person, password, email=EMAIL, name="Member", **more)


def _codes(unit_of_work: Any, person: int, password: str, by: int | None = None) -> list[str]:
    try:
        _set(unit_of_work, person, password, by=by)
    except Invalid as error:
        return [problem.code for problem in error.problems]
    return []


def test_the_company_says_how_long_a_password_is(person, unit_of_work):
    """Ten characters, unless the company asks for more."""
    assert _codes(unit_of_work, person, "qT7#mw!zu2") == []
    put(unit_of_work, password_length=16)
    assert _codes(unit_of_work, person, "pX4&kd?yv9bT") == ["too_short"]
    assert _codes(unit_of_work, person, "pX4&kd?yv9bTw3h!") == []
    with pytest.raises(Invalid):
        put(unit_of_work, password_length=6)


@pytest.mark.parametrize("password", ["Yuanheng2026!", "YUANHENG-steel", "heavy4yuanheng"])
def test_the_name_of_the_company_is_no_password(person, unit_of_work, password):
    assert check_strength(password, email="", name="") == []  # positive control
    put(unit_of_work, "core", company_name="Yuanheng Heavy Steel")
    assert _codes(unit_of_work, person, password) == ["personal"]


def test_the_longest_password_signs_in(app, person, unit_of_work):
    """What may be set may be used."""
    longest = ("a very calm horse stands. " * 12)[:LONGEST_PASSWORD]
    _set(unit_of_work, person, longest)
    assert begin_sign_in(app, longest).get(ME).status_code == 200


# Earlier ones


def test_ones_own_new_password_is_another(person, unit_of_work):
    """The present one never is a new one; an administrator does not know it."""
    assert _codes(unit_of_work, person, PASSWORD, by=person) == ["used_before"]
    assert _codes(unit_of_work, person, PASSWORD) == []


@both
def test_earlier_passwords_are_refused_where_the_company_says_so(person, unit_of_work):
    put(unit_of_work, password_history=2)
    _set(unit_of_work, person, OTHER, by=person)
    assert _codes(unit_of_work, person, PASSWORD, by=person) == ["used_before"]
    _set(unit_of_work, person, THIRD, by=person)
    assert _codes(unit_of_work, person, OTHER, by=person) == ["used_before"]
    assert _codes(unit_of_work, person, PASSWORD, by=person) == []  # two were in between


@both
def test_without_that_none_is_kept(person, unit_of_work):
    _set(unit_of_work, person, OTHER, by=person)
    mine = credential_table.c.user_id == person
    with unit_of_work(write=False) as uow:
        assert uow.execute(select(credential_table.c.previous).where(mine)).scalar_one() is None
    assert _codes(unit_of_work, person, PASSWORD, by=person) == []


# Changing it on the way in


def _has_session(browser: Any) -> bool:
    return browser.get(ME).status_code == 200


@both
def test_a_password_of_the_administrator_is_changed_at_the_next_sign_in(
    app, sign_in, person, unit_of_work, admin_id
):
    """Before there is a session; neither the same nor a weak one will do."""
    admin = sign_in()
    data = {"password": OTHER, "must_change": "1"}
    headers = {"X-CSRF-Token": admin.csrf}
    path = f"/admin/people/{person}/password"
    assert admin.post(path, data=data, headers=headers).status_code == 302
    half = begin_sign_in(app, OTHER)
    assert not _has_session(half)
    for new, again in ((OTHER, OTHER), ("password12", "password12"), (THIRD, PASSWORD)):
        answer = send_step(half, password=new, repeated_password=again)
        assert answer.status_code in (401, 422)
        assert not _has_session(half)
    answer = send_step(half, password=THIRD, repeated_password=THIRD, next="/profile")
    assert answer.location == "/profile"
    assert _has_session(half)
    assert _has_session(begin_sign_in(app, THIRD))  # and not again the next time


def test_a_password_that_is_too_old_is_changed_on_the_way_in(app, runtime, person, unit_of_work):
    """Off as delivered."""
    runtime.clock.move(timedelta(days=400))
    assert _has_session(begin_sign_in(app))
    put(unit_of_work, password_days=90)
    half = begin_sign_in(app)
    assert not _has_session(half)
    send_step(half, password=OTHER, repeated_password=OTHER)
    assert _has_session(half)
    runtime.clock.move(timedelta(days=89))
    assert _has_session(begin_sign_in(app, OTHER))
    runtime.clock.move(timedelta(days=1, seconds=5))
    assert not _has_session(begin_sign_in(app, OTHER))


def test_a_step_takes_only_what_it_asks_for(app, person, unit_of_work):
    """Who is asked for a password does not get on with a code, nor twice with the same step."""
    _set(unit_of_work, person, OTHER, must_change=True)
    half = begin_sign_in(app, OTHER)
    assert send_step(half, code="123456").status_code == 422
    step = half.get_cookie("dougong-step").value
    assert send_step(half, password=THIRD, repeated_password=THIRD).status_code == 302
    thief = app.test_client()
    thief.set_cookie("dougong-step", step)
    answer = send_step(
        thief, password="yet another calm horse", repeated_password="yet another calm horse"
    )
    assert answer.location.startswith("/sign-in?")
    assert not _has_session(thief)


# Sessions: how long, and who ends them


@pytest.mark.parametrize(("minutes", "offset", "status"), [(30, -1, 200), (30, 1, 401)])
def test_the_company_says_how_long_an_unused_session_lives(
    app, runtime, sign_in, person, unit_of_work, minutes, offset, status
):
    """A4: accepted at the limit − 1 s, refused at the limit + 1 s."""
    put(unit_of_work, "core_security", session_idle_minutes=minutes)
    browser = sign_in(EMAIL, PASSWORD)
    with unit_of_work(write=False) as uow:
        seen = uow.execute(select(session_table.c.seen_at)).scalars().all()[-1]
    runtime.clock.move(seen + timedelta(minutes=minutes, seconds=offset) - runtime.clock.now())
    assert browser.get(ME).status_code == status


def test_who_uses_a_session_is_not_signed_out_for_not_using_it(
    runtime, sign_in, person, unit_of_work
):
    """A4: with the shortest time that can be set, by a click a minute."""
    put(unit_of_work, "core_security", session_idle_minutes=5)
    browser = sign_in(EMAIL, PASSWORD)
    for _ in range(8):
        runtime.clock.move(timedelta(minutes=1))
        assert browser.get(ME).status_code == 200
    runtime.clock.move(timedelta(minutes=5, seconds=1))
    assert browser.get(ME).status_code == 401


def test_the_company_says_when_one_signs_in_again(app, runtime, sign_in, person, unit_of_work):
    """A4: however much the session is used."""
    put(unit_of_work, "core_security", session_days=1)
    browser = sign_in(EMAIL, PASSWORD)
    for _ in range(3):
        runtime.clock.move(timedelta(hours=7, minutes=50))
        assert browser.get(ME).status_code == 200
    runtime.clock.move(timedelta(minutes=31))
    assert browser.get(ME).status_code == 401


@both
def test_administrators_see_and_end_the_sessions_of_a_person(app, sign_in, person, unit_of_work):
    """With place and device, one by one; the others go on."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
    browser = app.test_client()
    browser.post(
        "/sign-in",
        data={"email": EMAIL, "password": PASSWORD},
        headers={"User-Agent": agent},
        environ_base={"REMOTE_ADDR": "198.51.100.9"},
    )
    other, admin = sign_in(EMAIL, PASSWORD), sign_in()
    page = admin.get(f"/admin/people/{person}").get_data(as_text=True)
    assert "198.51.100.9" in page
    assert "Firefox · Linux" in page
    with unit_of_work(write=False) as uow:
        mine = session_table.c.address == "198.51.100.9"
        session = uow.execute(select(session_table.c.id).where(mine)).scalar_one()
    headers = {"X-CSRF-Token": admin.csrf}
    path = f"/admin/people/{person}/sessions/{session}/end"
    assert admin.post(path, headers=headers).status_code == 302
    assert browser.get(ME).status_code == 401
    assert other.get(ME).status_code == 200
    assert admin.post(path, headers=headers).status_code == 404


def test_nobody_ends_the_session_of_another(sign_in, person, make_person, unit_of_work):
    """Neither by naming its owner nor by naming oneself."""
    browser, other = sign_in(EMAIL, PASSWORD), make_person("Other")
    with unit_of_work(write=False) as uow:
        session = uow.execute(select(session_table.c.id)).scalars().all()[-1]
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        end_one_session(uow, person, session)
    with pytest.raises(NotFound), unit_of_work(other) as uow:
        end_one_session(uow, other, session)
    assert _has_session(browser)
    headers = csrf_of(browser)
    assert browser.post(f"/profile/sessions/{session}/end", headers=headers).status_code == 303
    assert not _has_session(browser)
