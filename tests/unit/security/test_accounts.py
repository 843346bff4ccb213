"""Passwords, sessions and tokens of people: who may set, end and make them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.boot import boot
from core.entities import query, service
from core.errors import Forbidden, Invalid
from core.security.actor import SYSTEM
from core.security.authentication import actor_of_session, end_sessions_of, prove
from core.security.credentials import set_password
from core.security.devices import Browser
from core.security.directory import find_user
from core.security.steps import sign_in
from core.security.throttle import KEPT_FOR, claim_try, forget_old_tries, give_back
from core.security.tokens import (
    actor_of_token,
    create_token,
    note_token_use,
    revoke_token,
    revoke_tokens_of,
    token_use_is_due,
)
from core.work.uow import Origin, UnitOfWork

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PASSWORD = "a very calm horse stands"
EMAIL = "person1@example.com"
PLACE = "198.51.100.7"


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


@pytest.fixture
def session(person, unit_of_work) -> str:
    """The cookie of a session of the person."""
    proof = prove(lambda write: unit_of_work(write=write), EMAIL, PASSWORD, address=PLACE)
    with unit_of_work() as uow:
        return sign_in(uow, proof, Browser(PLACE, "")).token


def _lives(unit_of_work: Any, session: str) -> bool:
    with unit_of_work(write=False) as uow:
        return actor_of_session(uow, session) is not None


def test_others_are_signed_out_by_administrators_alone(
    unit_of_work, make_person, admin_id, person, session
):
    """A3: neither their sessions nor their tokens are anybody else's to end."""
    with unit_of_work(person) as uow:
        token = create_token(uow, person, title="t")
    for end in (end_sessions_of, revoke_tokens_of):
        with pytest.raises(Forbidden), unit_of_work(make_person("Colleague")) as uow:
            end(uow, person)
    with unit_of_work(write=False) as uow:
        assert actor_of_token(uow, token.text) is not None
    assert _lives(unit_of_work, session)
    with unit_of_work(admin_id) as uow:
        assert (end_sessions_of(uow, person), revoke_tokens_of(uow, person)) == (1, 1)
        assert (end_sessions_of(uow, person), revoke_tokens_of(uow, person)) == (0, 0)
    with unit_of_work(write=False) as uow:
        assert actor_of_token(uow, token.text) is None
    assert not _lives(unit_of_work, session)


def test_everybody_signs_oneself_out_everywhere(unit_of_work, person, session):
    with unit_of_work(person) as uow:
        create_token(uow, person, title="t")
        assert (end_sessions_of(uow, person), revoke_tokens_of(uow, person)) == (1, 1)
    assert not _lives(unit_of_work, session)


def test_tokens_are_revoked_by_their_person_and_by_administrators(
    unit_of_work, make_person, admin_id, person
):
    """A8: for everybody else they are not there."""
    with unit_of_work(person) as uow:
        tokens = [create_token(uow, person, title="t") for _ in range(2)]
    other = make_person("Colleague")
    for token, who in zip(tokens, (person, admin_id), strict=True):
        for actor, ends in ((other, False), (who, True), (who, False)):
            with unit_of_work(actor) as uow:
                assert revoke_token(uow, token.id) is ends
        with unit_of_work(write=False) as uow:
            assert actor_of_token(uow, token.text) is None


def test_a_weak_password_is_told_in_full_and_ends_nothing(unit_of_work, person, session):
    with pytest.raises(Invalid) as refused, unit_of_work(person) as uow:
        set_password(uow, person, "aaaa", email=EMAIL, name="Member")
    assert {(p.field, p.code) for p in refused.value.problems} == {
        ("password", "too_short"),
        ("password", "too_simple"),
    }
    assert _lives(unit_of_work, session)


@pytest.mark.parametrize(
    ("scopes", "good"),
    [
        (["*"], True),
        (["user.read", "*.read", "user.*"], True),
        (["user"], False),
        (["user."], False),
        ([".read"], False),
        ([""], False),
        (["user.read", 7], False),
        ([None], False),
        (["u" * 96 + ".read"], False),
    ],
)
def test_what_a_token_may_be_limited_to(unit_of_work, person, scopes, good):
    """A8: a scope that says nothing must not be kept as one that limits nothing."""
    with unit_of_work(person) as uow:
        if good:
            token = create_token(uow, person, title="t", scopes=scopes)
            assert actor_of_token(uow, token.text).token_scopes == frozenset(scopes)
            return
        with pytest.raises(Invalid) as refused:
            create_token(uow, person, title="t", scopes=scopes)
    assert [(p.field, p.code) for p in refused.value.problems] == [("scopes", "scope")]


@pytest.mark.parametrize("text", ["", "dg_", "dg_" + "x" * 40, "dg_" + "x" * 5000, "DG_x", "x"])
def test_what_is_no_token_is_nobodys(unit_of_work, text):
    with unit_of_work(write=False) as uow:
        assert actor_of_token(uow, text) is None
        assert actor_of_session(uow, text) is None


def test_a_process_that_comes_up_knows_when_a_token_was_used(runtime, unit_of_work, person):
    """Or each of them would write it once more, every time it starts."""
    with unit_of_work(person) as uow:
        token = create_token(uow, person, title="t")
        note_token_use(uow, token.id)
    second = boot(runtime.config, clock=runtime.clock)
    try:
        for minutes, due in ((0.5, False), (0.6, True), (0, False)):
            runtime.clock.move(timedelta(minutes=minutes))
            with UnitOfWork(second, SYSTEM, origin=Origin("test"), write=False) as uow:
                assert actor_of_token(uow, token.text).user_id == person
                assert token_use_is_due(uow, token.id) is due
    finally:
        second.database.dispose()


def test_an_address_is_one_however_it_is_written(unit_of_work, person):
    """A2: capitals make no second account beside the first."""
    with unit_of_work() as uow:
        service.update(uow, "user", {person: {"email": "New.Person@Example.COM"}})
        assert query.get(uow, "user", person).values["email"] == "new.person@example.com"
        assert find_user(uow, "NEW.person@example.com ") == person
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        service.create(uow, "user", [{"name": "Twin", "email": "NEW.PERSON@example.com"}])
    assert [(p.field, p.code) for p in refused.value.problems] == [("email", "taken")]
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        service.create(uow, "user", [{"name": "Nobody", "email": ""}])
    assert [(p.field, p.code) for p in refused.value.problems] == [("email", "required")]


def test_the_system_has_every_right_of_records_and_beyond(unit_of_work, person):
    """Business rules run as the system: also when they ask before they act."""
    with unit_of_work(person) as uow:
        spec = uow.entity("absence")
        asked = ("read", "create", "update", "delete", "export", "a verb of nobody")
        assert not uow.actor.has_permission("core.see_jobs")
        assert not any(uow.actor.access(spec).may(action) for action in asked[1:4])
        with uow.elevated():
            assert uow.actor.has_permission("core.see_jobs")
            access = uow.actor.access(spec)
            assert all(access.may(action) and access.is_unlimited(action) for action in asked)
            assert all(access.can_use(field) for field in spec)


def test_a_right_try_is_given_back_when_its_count_was_dropped_meanwhile(runtime, unit_of_work):
    """A2: the nightly cleaning runs between the password and the session."""
    with unit_of_work() as uow:
        claim = claim_try(uow, EMAIL, None, PLACE)
    runtime.clock.move(KEPT_FOR + timedelta(hours=1))
    with unit_of_work() as uow:
        assert forget_old_tries(uow) == 3
        give_back(uow, claim)
        again = [claim_try(uow, EMAIL, None, PLACE).wait for _ in range(3)]
    assert (claim.wait, again) == (0, [0, 0, 0])
