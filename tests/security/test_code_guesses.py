"""Tries at a code are counted by the person's number: no address of somebody else's choosing is one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from signing_in import EMAIL, ME, PASSWORD, app_code, begin_sign_in, put, send_step, set_up

HOME, AWAY, ELSEWHERE = "198.51.100.7", "203.0.113.1", "192.0.2.44"

# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(("guessed_at", "place"), [(HOME, HOME), (AWAY, ELSEWHERE)])
def test_wrong_passwords_keep_nobodys_code_back(
    app, runtime, make_person, sign_in, unit_of_work, monkeypatch, guessed_at, place
):
    """Whoever does not know the password locks no second factor, and nothing holds it for good."""
    moment = runtime.clock.now()
    monkeypatch.setattr(runtime.clock, "source", lambda: moment)
    person = make_person("Member", password=PASSWORD)
    key, _codes = set_up(sign_in(EMAIL, PASSWORD), runtime.clock)
    put(unit_of_work, lock_failures=3, lock_minutes=0)
    runtime.clock.move(timedelta(minutes=1))
    half = begin_sign_in(app, address=HOME)
    assert send_step(half, HOME, code=app_code(key, runtime.clock)).status_code == 302
    for who in (f"code of {person}", str(person), f"code\0{person}"):
        for _try in range(4):
            begin_sign_in(app, "wrong", guessed_at, who)
            runtime.clock.move(timedelta(minutes=1))
    half = begin_sign_in(app, address=place)
    answer = send_step(half, place, code=app_code(key, runtime.clock))
    assert answer.status_code == 302
    assert half.get(ME).status_code == 200
