"""What pages keep from being asked is refused behind them too: no door depends on another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from signing_in import (
    EMAIL,
    ME,
    OTHER,
    PASSWORD,
    app_code,
    begin_sign_in,
    csrf_of,
    put,
    send_step,
    set_up,
)
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.entities import service
from core.errors import Forbidden, Invalid
from core.security import reset
from core.security.actor import SYSTEM
from core.security.credentials import change_is_due, set_password
from core.security.locks import forget_locks, locks_of
from core.security.throttle import claim_code, claim_try, forget_old_tries, give_back
from core.security.tokens import create_token

AWAY = "203.0.113.1"

# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


# Deputies


def _leave(uow, runtime, person: int, deputy: int) -> int:
    today = runtime.clock.today()
    values = {"user": person, "deputy": deputy, "starts_on": today, "ends_on": today}
    (key,) = service.create(uow, "absence", [values])
    return key


def test_who_has_left_stands_in_for_nobody(runtime, unit_of_work, person, make_person):
    gone = make_person("Gone")
    with unit_of_work() as uow:
        service.update(uow, "user", {gone: {"is_active": False}})
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        _leave(uow, runtime, person, gone)
    assert [(p.field, p.code) for p in refused.value.problems] == [("deputy", "inactive")]


@pytest.mark.parametrize("how", ["behind", "limited", "oneself"])
def test_only_the_person_names_a_deputy(runtime, unit_of_work, make_person, admin_id, how):
    """Neither an administrator under their name nor a token of theirs that is limited."""
    everything = dict.fromkeys(("read", "create", "update"), "all")
    with unit_of_work() as uow:
        role = {"name": "clerk", "title": "Clerk", "grants": {"user": everything}}
        service.create(uow, "role", [role])
    person, other = make_person("Clerk", roles=("clerk",)), make_person("Other")
    more = {
        "behind": {"behind": admin_id},
        "limited": {"token_scopes": frozenset({"user.*"})},
        "oneself": {},
    }[how]
    with unit_of_work(person) as uow:
        uow.actor = replace(uow.actor, _access={}, **more)
        if how == "oneself":
            _leave(uow, runtime, person, other)
            return
        with pytest.raises(Invalid) as refused:
            _leave(uow, runtime, person, other)
    assert [(p.field, p.code) for p in refused.value.problems] == [("deputy", "readonly")]


def test_a_deputy_who_acts_on_their_own_leaves_no_trace_of_another(
    runtime, unit_of_work, make_person
):
    """Only what belongs to the absent person is noted as done for them."""
    own = dict.fromkeys(("read", "create", "update", "approve"), "own")
    with unit_of_work() as uow:
        role = {"name": "seller", "title": "Seller", "grants": {"oracle_deal": own}}
        service.create(uow, "role", [role])
    absent, deputy = (make_person(name, roles=("seller",)) for name in ("Absent", "Deputy"))
    with unit_of_work() as uow:
        _leave(uow, runtime, absent, deputy)
        mine, theirs = service.create(
            uow, "oracle_deal", [{"title": "m", "owner": deputy}, {"title": "t", "owner": absent}]
        )
    trace = select(AuditEntry.record_id).where(AuditEntry.action == "stand_in")
    for key, noted in ((mine, []), (theirs, [theirs])):
        with unit_of_work(deputy) as uow:
            service.update(uow, "oracle_deal", {key: {"title": "changed"}})
            assert uow.execute(trace).scalars().all() == noted


# Rights


def test_others_are_invited_by_administrators(unit_of_work, person, make_person):
    with pytest.raises(Forbidden), unit_of_work(make_person("Other")) as uow:
        reset.invite(uow, person)


def test_tokens_are_made_by_who_is_there(unit_of_work, person, make_person):
    """For oneself, for others by administrators, and by no token."""
    with pytest.raises(Forbidden), unit_of_work(make_person("Other")) as uow:
        create_token(uow, person, title="t")
    with unit_of_work(person) as uow:
        uow.actor = replace(uow.actor, token_scopes=frozenset({"*"}))
        with pytest.raises(Forbidden):
            create_token(uow, person, title="t")


def test_the_suite_itself_may_do_everything(unit_of_work):
    with unit_of_work(write=False) as uow:
        access = SYSTEM.access(uow.entity("oracle_deal"))
    assert access.is_unlimited("approve")
    assert access.may("anything")
    assert SYSTEM.has_permission("core.see_jobs")
    assert SYSTEM.as_system() is SYSTEM
    assert not SYSTEM.is_anonymous


# Tries and locks


def test_a_try_whose_count_is_gone_is_given_back_all_the_same(runtime, unit_of_work, person):
    """The clean-up, or a clock that jumps, may come between a try and its answer."""
    with unit_of_work() as uow:
        claim = claim_try(uow, EMAIL, person, AWAY)
    runtime.clock.move(timedelta(days=2))
    with unit_of_work() as uow:
        assert forget_old_tries(uow) == 3
        give_back(uow, claim)
    with unit_of_work() as uow:
        assert claim_try(uow, EMAIL, person, AWAY).wait == 0


def test_locks_without_an_end_are_not_cleaned_away(runtime, unit_of_work, person):
    put(unit_of_work, lock_failures=1, lock_minutes=0)
    with unit_of_work() as uow:
        assert claim_try(uow, EMAIL, person, AWAY).locks
    runtime.clock.move(timedelta(days=400))
    with unit_of_work() as uow:
        assert forget_locks(uow) == 0
        assert len(locks_of(uow, person)) == 1


# Steps of signing in


def test_the_session_before_ends_with_the_one_after_a_code(app, runtime, person, sign_in):
    """A browser that signs in anew keeps no second session, however many steps it takes."""
    browser = sign_in(EMAIL, PASSWORD)
    key, _codes = set_up(browser, runtime.clock)
    runtime.clock.move(timedelta(minutes=1))
    old = browser.get_cookie("dougong").value
    data = {"email": EMAIL, "password": PASSWORD}
    address = {"REMOTE_ADDR": "198.51.100.7"}
    again = browser.post("/sign-in", data=data, headers=csrf_of(browser), environ_base=address)
    assert again.location.startswith("/sign-in/step")
    data, headers = {"code": app_code(key, runtime.clock)}, csrf_of(browser)
    sent = browser.post("/sign-in/step", data=data, headers=headers, environ_base=address)
    assert sent.status_code == 302
    assert browser.get(ME).status_code == 200
    assert browser.get_cookie("dougong").value != old
    earlier = app.test_client()
    earlier.set_cookie("dougong", old)
    assert earlier.get(ME).status_code == 401


def test_a_code_and_then_a_new_password(app, runtime, person, sign_in, unit_of_work):
    """The password that somebody else set is changed last, when it is sure who does."""
    key, _codes = set_up(sign_in(EMAIL, PASSWORD), runtime.clock)
    with unit_of_work() as uow:
        set_password(uow, person, OTHER, email=EMAIL, name="Member", must_change=True)
    runtime.clock.move(timedelta(minutes=1))
    half = begin_sign_in(app, OTHER)
    asked = send_step(half, code=app_code(key, runtime.clock))
    assert asked.location.startswith("/sign-in/step")
    assert half.get(ME).status_code == 401
    third = "a third calm horse stands"
    assert send_step(half, password=third, repeated_password=third).status_code == 302
    assert half.get(ME).status_code == 200


def test_a_code_is_locked_after_too_many_tries(runtime, unit_of_work, person):
    put(unit_of_work, lock_failures=2, lock_minutes=0)
    tries = []
    for _try in range(3):
        with unit_of_work() as uow:
            tries.append(claim_code(uow, person, AWAY))
        runtime.clock.move(timedelta(minutes=2))
    assert [each.is_locked for each in tries] == [False, False, True]
    assert tries[2].wait > 0


def test_who_has_no_password_has_none_to_change(unit_of_work, make_person):
    stranger = make_person("Signed in by somebody else", password=None)
    with unit_of_work() as uow:
        assert change_is_due(uow, stranger) is False
