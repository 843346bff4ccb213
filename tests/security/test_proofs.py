"""A2, A3: what happens between a right password and the session that it opens."""

from __future__ import annotations

from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from core.entities import service
from core.runtime import bump_access
from core.security.authentication import Proof, SignInRefused, change_password, prove
from core.security.credentials import set_password
from core.security.devices import Browser
from core.security.models import User, credential_table, session_table
from core.security.passwords import needs_rehash
from core.security.steps import sign_in
from core.security.tokens import create_token

PASSWORD = "a very calm horse stands"
OTHER = "another calm horse stands"
EMAIL = "person1@example.com"
PLACE = "198.51.100.7"
HERE = Browser(PLACE, "")
ME = "/api/v1/me"


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


@pytest.fixture
def proof(person, unit_of_work) -> Proof:
    return prove(lambda write: unit_of_work(write=write), EMAIL, PASSWORD, address=PLACE)


def _set(uow: Any, person: int, values: dict[str, Any]) -> None:
    """Behind the suite's back, as with a tool of the database."""
    uow.execute(update(User.__table__).where(User.__table__.c.id == person).values(values))
    bump_access(uow.connection)


def _sessions(unit_of_work: Any, person: int) -> int:
    with unit_of_work(write=False) as uow:
        of_person = session_table.c.user_id == person
        counted = select(func.count()).select_from(session_table).where(of_person)
        return int(uow.execute(counted).scalar_one())


def test_a_password_changed_since_it_was_proven_opens_nothing(unit_of_work, person, proof):
    """A3: neither a session nor yet another password."""
    with unit_of_work() as uow:
        set_password(uow, person, OTHER, email=EMAIL, name="Member")
    with pytest.raises(SignInRefused), unit_of_work() as uow:
        sign_in(uow, proof, HERE)
    with pytest.raises(SignInRefused), unit_of_work(person) as uow:
        change_password(uow, proof, "a third calm horse stands", HERE)
    assert _sessions(unit_of_work, person) == 0
    again = prove(lambda write: unit_of_work(write=write), EMAIL, OTHER, address=PLACE)
    with unit_of_work() as uow:  # positive control
        assert sign_in(uow, again, HERE).user_id == person


@pytest.mark.parametrize("way", ["disabled", "deleted"])
def test_who_left_since_the_proof_gets_no_session(unit_of_work, person, proof, way):
    """A3: not even one that would come alive with the person."""
    with unit_of_work() as uow:
        if way == "deleted":
            service.delete(uow, "user", [person])
        else:
            service.update(uow, "user", {person: {"is_active": False}})
    with pytest.raises(SignInRefused), unit_of_work() as uow:
        sign_in(uow, proof, HERE)
    assert _sessions(unit_of_work, person) == 0


def test_who_may_not_sign_in_is_nobody_by_whatever_they_hold(app, sign_in, unit_of_work, person):
    """A3: the session and the token are good, and the person is gone behind the suite's back."""
    browser = sign_in(EMAIL, PASSWORD)
    with unit_of_work() as uow:
        token = create_token(uow, person, title="t")
    headers = {"Authorization": f"Bearer {token.text}"}
    other = app.test_client()
    assert browser.get(ME).status_code == other.get(ME, headers=headers).status_code == 200
    with unit_of_work() as uow:
        _set(uow, person, {"is_active": False})
    assert browser.get(ME).status_code == other.get(ME, headers=headers).status_code == 401
    with unit_of_work() as uow:
        _set(uow, person, {"is_active": True})
    assert browser.get(ME).status_code == 200  # positive control


def test_a_hash_of_other_parameters_is_replaced_at_the_next_sign_in(sign_in, unit_of_work, person):
    """When the cost rises, those who come in are kept at the new one."""
    weak = PasswordHasher(memory_cost=8192, time_cost=1, parallelism=1).hash(PASSWORD)
    stored = credential_table.c.user_id == person
    with unit_of_work() as uow:
        uow.execute(update(credential_table).where(stored).values(password=weak))

    def hash_now() -> str:
        with unit_of_work(write=False) as uow:
            return str(uow.execute(select(credential_table.c.password).where(stored)).scalar_one())

    assert needs_rehash(hash_now())
    sign_in(EMAIL, PASSWORD)
    kept = hash_now()
    assert not needs_rehash(kept)
    sign_in(EMAIL, PASSWORD)
    assert hash_now() == kept


def test_a_password_that_is_too_long_to_be_one_is_wrong(app, person):
    """Refused like any other: `hash_password` would have none of it."""
    answer = app.test_client().post(
        "/sign-in", data={"email": EMAIL, "password": PASSWORD + " " * 500}
    )
    assert answer.status_code == 401


def test_an_address_that_no_text_holds_is_wrong(app):
    """A5: answered like any other that nobody has."""
    pages = []
    for email in ("nobody@example.com", "nobody\x00@example.com"):
        data = {"email": email, "password": PASSWORD}
        answer = app.test_client().post("/sign-in", data=data)
        assert answer.status_code == 401
        pages.append(
            answer.get_data(as_text=True).partition('role="alert"')[2].partition("</p>")[0]
        )
    assert "<p>" in pages[0]
    assert pages[0] == pages[1]
