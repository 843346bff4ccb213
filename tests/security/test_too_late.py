"""What comes when the moment is over: letters to who has left, steps that were taken already."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from signing_in import (
    EMAIL,
    OTHER,
    PASSWORD,
    letters_in,
    set_up,
)
from sqlalchemy import select

from core.entities import service
from core.errors import Forbidden, NotFound, Refusal, Refused
from core.mail import FolderMailer
from core.security import impersonation, steps
from core.security.authentication import (
    accept,
    actor_of_session,
    end_one_session,
    open_session,
    prove,
    prove_code,
)
from core.security.credentials import set_password
from core.security.devices import Browser
from core.work.tables import job_table

HERE = Browser("198.51.100.7", "test")
THIRD = "a third calm horse stands"

# One database is enough, but where transactions meet.
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


@pytest.fixture
def begin(unit_of_work) -> Any:
    """What proofs begin their transactions with."""
    return lambda write: unit_of_work(write=write)


@pytest.fixture
def sign_in_step(begin, unit_of_work, person) -> Any:
    """``sign_in_step(password)``: a half-done sign-in of the person, as its cookie."""

    def made(password: str = PASSWORD) -> str:
        proof = prove(begin, EMAIL, password, address=HERE.address)
        with unit_of_work() as uow:
            step = steps.sign_in(uow, proof, HERE)
        assert isinstance(step, steps.NewStep)
        return step.token

    return made


def _leaves(unit_of_work: Any, person: int) -> None:
    with unit_of_work() as uow:
        service.update(uow, "user", {person: {"is_active": False}})


def _results(unit_of_work: Any, kind: str) -> list[Any]:
    with unit_of_work(write=False) as uow:
        asked = select(job_table.c.result).where(job_table.c.kind == kind)
        return list(uow.execute(asked).scalars())


# Letters


@pytest.fixture
def letters(runtime, tmp_path, monkeypatch) -> Any:
    monkeypatch.setattr(runtime, "mailer", FolderMailer(tmp_path / "mail", clock=runtime.clock))
    config = replace(runtime.config, smtp_url="smtp://localhost:2525")
    monkeypatch.setattr(runtime, "config", config)
    return lambda: letters_in(tmp_path / "mail")


def test_who_has_left_is_told_nothing(unit_of_work, person, sign_in, letters, run_jobs):
    admin = sign_in()
    data = {"reason": "help", "csrf_token": admin.csrf}
    assert admin.post(f"/admin/people/{person}/sign-in-as", data=data).status_code == 303
    _leaves(unit_of_work, person)
    run_jobs()
    assert _results(unit_of_work, "core.tell_signed_in_as") == [{"sent": 0}]
    assert letters() == []


def test_nobody_signs_in_as_who_has_left(unit_of_work, person, sign_in):
    admin = sign_in()
    _leaves(unit_of_work, person)
    data = {"reason": "help", "csrf_token": admin.csrf}
    assert admin.post(f"/admin/people/{person}/sign-in-as", data=data).status_code == 404


def test_who_is_signed_in_as_themselves_ends_nobodys_visit(unit_of_work, person):
    with pytest.raises(Forbidden), unit_of_work(person) as uow:
        impersonation.end(uow)


# Steps


def test_a_step_takes_only_what_it_asks_for(unit_of_work, begin, person, sign_in_step):
    with unit_of_work() as uow:
        set_password(uow, person, OTHER, email=EMAIL, name="Member", must_change=True)
    token = sign_in_step(OTHER)
    with pytest.raises(NotFound):
        steps.give_code(begin, token, "000000", HERE)
    with pytest.raises(NotFound), unit_of_work() as uow:
        steps.give_first_code(uow, token, "000000", HERE)
    with pytest.raises(steps.StepOver), unit_of_work() as uow:
        steps.choose_password(uow, "no such step", PASSWORD, HERE)
    with unit_of_work() as uow:
        session = steps.choose_password(uow, token, THIRD, HERE)
        assert session.user_id == person


@pytest.mark.databases("sqlite", "postgresql")
def test_a_form_sent_twice_at_once_chooses_one_password(unit_of_work, person, sign_in_step, begin):
    """The second waits for the first, and is told that its step is over; nothing fails."""
    with unit_of_work() as uow:
        set_password(uow, person, OTHER, email=EMAIL, name="Member", must_change=True)
    token = sign_in_step(OTHER)
    told: list[Any] = []

    def second() -> None:
        try:
            with unit_of_work() as uow:
                steps.choose_password(uow, token, "the horse is another one", HERE)
        except Refusal as refusal:
            told.append(type(refusal))

    thread = threading.Thread(target=second)
    with unit_of_work() as uow:
        steps.choose_password(uow, token, THIRD, HERE)
        thread.start()
        thread.join(0.3)  # it waits; were it not to, it would be done long before
    thread.join()
    assert told == [steps.StepOver]
    assert prove(begin, EMAIL, THIRD, address=HERE.address).user_id == person


def test_a_code_of_who_has_no_second_factor(begin, person):
    with pytest.raises(NotFound):
        prove_code(begin, person, "000000", address=HERE.address)


def test_a_key_is_not_made_anew_while_it_counts(app, runtime, unit_of_work, person, sign_in):
    """A step that was begun before the second factor was on does not replace its key."""
    from core.security.second_factor import begin_set_up, set_up_of

    set_up(sign_in(EMAIL, PASSWORD), runtime.clock)
    with pytest.raises(Refused), unit_of_work(person) as uow:
        begin_set_up(uow, person)
    with unit_of_work(person) as uow:
        assert set_up_of(uow, uow.actor) is None


def test_a_password_that_was_proven_and_then_changed_opens_nothing(unit_of_work, begin, person):
    proof = prove(begin, EMAIL, PASSWORD, address=HERE.address)
    with unit_of_work() as uow:
        set_password(uow, person, OTHER, email=EMAIL, name="Member")
    with pytest.raises(Refusal), unit_of_work() as uow:
        accept(uow, proof)


def test_a_session_ends_once(unit_of_work, begin, person):
    proof = prove(begin, EMAIL, PASSWORD, address=HERE.address)
    with unit_of_work() as uow:
        session = open_session(uow, accept(uow, proof), HERE)
    with unit_of_work(write=False) as uow:
        found = actor_of_session(uow, session.token)
        assert found is not None
        key = found[0].session_id
    with unit_of_work(person) as uow:
        end_one_session(uow, person, key)
    with pytest.raises(NotFound), unit_of_work(person) as uow:
        end_one_session(uow, person, key)
