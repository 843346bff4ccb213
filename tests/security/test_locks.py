"""A2: the lock that a company may switch on, and whom it does not keep out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from signing_in import EMAIL, ME, PASSWORD, begin_sign_in, put
from sqlalchemy import func, select

from core.errors import Forbidden
from core.security import throttle
from core.security.locks import FOR_GOOD, locks_of, release
from core.security.models import lock_table
from core.security.throttle import claim_try, give_back

HOME, AWAY = "198.51.100.7", "203.0.113.1"


# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")
both = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


@pytest.fixture
def at_rest(runtime, monkeypatch) -> Any:
    """A clock that stands still but for what tests move."""
    moment = runtime.clock.now()
    monkeypatch.setattr(runtime.clock, "source", lambda: moment)
    return runtime.clock


def _fail(unit_of_work: Any, clock: Any, times: int, address: str = AWAY, who: str = EMAIL) -> None:
    """Wrong tries far enough apart that nothing but the lock counts them."""
    from core.security.directory import find_user

    for _ in range(times):
        with unit_of_work() as uow:
            claim_try(uow, who, find_user(uow, who), address)
        clock.move(timedelta(minutes=1))


def _is_in(app: Any, address: str, password: str = PASSWORD) -> bool:
    return begin_sign_in(app, password, address).get(ME).status_code == 200


def test_there_is_no_lock_unless_the_company_wants_one(app, person, at_rest, unit_of_work):
    """And then nothing is counted for it."""
    _fail(unit_of_work, at_rest, 40)
    at_rest.move(timedelta(minutes=15))
    assert _is_in(app, AWAY)
    with unit_of_work(write=False) as uow:
        assert uow.execute(select(func.count()).select_from(lock_table)).scalar_one() == 0


@both
def test_after_so_many_wrong_tries_nobody_gets_in_for_a_while(
    app, person, at_rest, unit_of_work, sign_in
):
    """From no new place, not even with the right password; then time releases it."""
    put(unit_of_work, lock_failures=5, lock_within=60, lock_minutes=120)
    _fail(unit_of_work, at_rest, 5)
    at_rest.move(timedelta(minutes=20))
    assert not _is_in(app, AWAY)
    assert not _is_in(app, "192.0.2.44")
    at_rest.move(timedelta(minutes=98))
    assert not _is_in(app, "192.0.2.44")
    at_rest.move(timedelta(minutes=2))
    assert _is_in(app, "192.0.2.44")


@both
def test_guesses_elsewhere_lock_nobody_out_of_where_they_work(app, person, at_rest, unit_of_work):
    """A2: the right password still works from a place of the person's own."""
    put(unit_of_work, lock_failures=3, lock_minutes=0)
    assert _is_in(app, HOME)
    _fail(unit_of_work, at_rest, 20)
    assert not _is_in(app, AWAY)
    assert _is_in(app, HOME)
    _fail(unit_of_work, at_rest, 3, HOME)
    assert not _is_in(app, HOME)  # guesses from there count there


def test_a_known_place_that_counts_like_any_other_is_noticed(
    app, person, at_rest, unit_of_work, monkeypatch
):
    """Positive control: were no place known, guesses elsewhere would lock the person out at home."""
    put(unit_of_work, lock_failures=3, lock_minutes=0)
    assert _is_in(app, HOME)
    monkeypatch.setattr(throttle, "_was_here", lambda uow, user_id, place: False)
    _fail(unit_of_work, at_rest, 3)
    assert not _is_in(app, HOME)


def test_wrong_tries_far_apart_lock_nothing(app, person, at_rest, unit_of_work):
    put(unit_of_work, lock_failures=4, lock_within=3)
    _fail(unit_of_work, at_rest, 12)  # one a minute: four never fall into three minutes
    at_rest.move(timedelta(hours=1))
    assert _is_in(app, AWAY)


def test_a_right_password_before_the_limit_counts_from_nothing(person, at_rest, unit_of_work):
    """Nor does the very last try lock when it was right."""
    put(unit_of_work, lock_failures=3, lock_within=60)
    _fail(unit_of_work, at_rest, 2)
    with unit_of_work() as uow:
        claim = claim_try(uow, EMAIL, person, AWAY)
        assert claim.locks
        give_back(uow, claim)
    with unit_of_work() as uow:
        assert locks_of(uow, person) == []
        assert not claim_try(uow, EMAIL, person, AWAY).wait


@both
def test_an_administrator_sees_and_releases_it(app, person, at_rest, unit_of_work, sign_in):
    """Without a time limit nobody else does; audited."""
    put(unit_of_work, lock_failures=3, lock_minutes=0)
    _fail(unit_of_work, at_rest, 3)
    at_rest.move(timedelta(days=30))
    answer = begin_sign_in(app, PASSWORD, AWAY).answer
    assert answer.status_code == 401
    admin = sign_in()
    page = admin.get(f"/admin/people/{person}").get_data(as_text=True)
    assert f"/admin/people/{person}/unlock" in page
    headers = {"X-CSRF-Token": admin.csrf}
    assert admin.post(f"/admin/people/{person}/unlock", headers=headers).status_code == 302
    assert _is_in(app, AWAY)
    with unit_of_work(write=False) as uow:
        entries = uow.entity("audit_entry").table
        acts = uow.execute(select(entries.c.action)).scalars().all()
    assert "release_lock" in acts


def test_nobody_releases_a_lock_but_administrators(unit_of_work, person, at_rest):
    put(unit_of_work, lock_failures=3)
    _fail(unit_of_work, at_rest, 3)
    with pytest.raises(Forbidden), unit_of_work(person) as uow:
        release(uow, person)
    with unit_of_work() as uow:
        assert len(locks_of(uow, person)) == 1


def test_locking_is_audited_once(app, person, at_rest, unit_of_work):
    put(unit_of_work, lock_failures=2)
    for _ in range(4):
        begin_sign_in(app, "wrong", AWAY)
        at_rest.move(timedelta(seconds=40))
    with unit_of_work(write=False) as uow:
        entries = uow.entity("audit_entry").table
        acts = list(uow.execute(select(entries.c.action)).scalars())
    assert acts.count("lock_sign_in") == 1
    assert acts.count("sign_in_failed") == 2


def test_an_address_that_nobody_has_is_locked_alike(app, person, at_rest, unit_of_work):
    """A5: the same words, status and wait, whether there is an account or not."""
    put(unit_of_work, lock_failures=3, lock_minutes=0)
    told = []
    for who in (EMAIL, "nobody@example.com"):
        _fail(unit_of_work, at_rest, 3, who=who)
        answer = begin_sign_in(app, PASSWORD, AWAY, who).answer
        alert = answer.get_data(as_text=True).partition('role="alert"')[2].partition("</p>")[0]
        told.append((answer.status_code, alert))
    assert told[0] == told[1]
    assert told[0][0] == 401
    with unit_of_work() as uow:
        assert claim_try(uow, "nobody@example.com", None, AWAY).wait == FOR_GOOD


@both
def test_counts_and_locks_that_are_over_are_dropped(
    runtime, person, at_rest, unit_of_work, run_jobs
):
    from core.security.locks import forget_locks

    put(unit_of_work, lock_failures=3, lock_minutes=30)
    _fail(unit_of_work, at_rest, 3)
    _fail(unit_of_work, at_rest, 1, who="nobody@example.com")
    with unit_of_work() as uow:
        assert forget_locks(uow) == 0
    at_rest.move(timedelta(days=1, minutes=1))
    with unit_of_work() as uow:
        assert forget_locks(uow) == 2
