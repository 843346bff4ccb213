"""A5, A6, A7: links by mail that set a password, for who forgot it and for who never had one."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from signing_in import (
    EMAIL,
    ME,
    OTHER,
    PASSWORD,
    Letters,
    app_code,
    begin_sign_in,
    letters_in,
    link_in,
    put,
    send_step,
    set_up,
)
from sqlalchemy import select, update
from test_timing import mann_whitney

from core.entities import service
from core.mail import FolderMailer, MailError
from core.security import reset
from core.security.credentials import set_password
from core.security.models import User, password_link_table
from core.work.tables import job_table

# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")
both = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def person(make_person) -> int:
    return make_person("Member", password=PASSWORD)


@pytest.fixture
def letters(runtime, tmp_path, monkeypatch) -> Letters:
    """The mails sent so far, oldest first."""
    monkeypatch.setattr(runtime, "mailer", FolderMailer(tmp_path / "mail", clock=runtime.clock))
    return lambda: letters_in(tmp_path / "mail")


@pytest.fixture
def link(app, person, letters, run_jobs) -> str:
    """The path of a link that was just mailed to the person."""
    return _ask(app, run_jobs, letters)


def _ask(app: Any, run_jobs: Any, letters: Letters, who: str = EMAIL) -> str:
    answer = app.test_client().post("/forgotten", data={"email": who})
    assert answer.status_code == 200
    run_jobs()
    return urlsplit(link_in(letters()[-1])).path


def _use(app: Any, link: str, password: str = OTHER) -> int:
    data = {"password": password, "repeated_password": password}
    return int(app.test_client().post(link, data=data).status_code)


def _signs_in(app: Any, password: str) -> bool:
    return begin_sign_in(app, password).get_cookie("dougong") is not None


@both
def test_a_link_sets_the_password_once(app, sign_in, person, link):
    """A6; all sessions end, and nobody is signed in by the link itself."""
    browser, other = sign_in(EMAIL, PASSWORD), app.test_client()
    assert other.get(link).status_code == 200
    assert other.get(link).status_code == 200  # to look at it uses nothing up
    assert _use(app, link) == 303
    assert browser.get(ME).status_code == 401
    assert other.get(ME).status_code == 401
    assert _use(app, link, "a third calm horse stands") == 410
    assert app.test_client().get(link).status_code == 410
    assert not _signs_in(app, PASSWORD)
    assert _signs_in(app, OTHER)


def test_a_link_lasts_half_an_hour(app, runtime, link):
    """A6: good a second before, over a second after."""
    runtime.clock.move(timedelta(minutes=30) - timedelta(seconds=30))
    assert app.test_client().get(link).status_code == 200
    runtime.clock.move(timedelta(seconds=31))
    assert app.test_client().get(link).status_code == 410
    assert _use(app, link) == 410


CHANGES: dict[str, Any] = {
    "another password": lambda uow, key: set_password(
        uow, key, "a third calm horse", email=EMAIL, name="x"
    ),
    "another address": lambda uow, key: service.update(
        uow, "user", {key: {"email": "other@example.com"}}
    ),
    "disabled": lambda uow, key: service.update(uow, "user", {key: {"is_active": False}}),
    "deleted": lambda uow, key: service.delete(uow, "user", [key]),
    "the id of another person": lambda uow, key: uow.execute(
        update(User.__table__)
        .where(User.__table__.c.id == key)
        .values(created_at=uow.now() + timedelta(days=1))
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@both
def test_a_link_ends_with_any_change_of_the_account(app, person, link, unit_of_work, change):
    """A6: 0 successes after each."""
    with unit_of_work() as uow:
        CHANGES[change](uow, person)
    assert app.test_client().get(link).status_code == 410
    assert _use(app, link) == 410


def test_a_link_that_outlives_a_change_would_be_noticed(
    app, person, letters, run_jobs, unit_of_work, monkeypatch
):
    """Positive control: with a version that says nothing the link works after another password."""
    monkeypatch.setattr(reset, "account_version", lambda uow, user_id: "same")
    link = _ask(app, run_jobs, letters)
    with unit_of_work() as uow:
        CHANGES["another password"](uow, person)
    assert _use(app, link) == 303


def test_one_link_ends_all_others(app, person, letters, run_jobs):
    first, second = _ask(app, run_jobs, letters), _ask(app, run_jobs, letters)
    assert first != second
    assert _use(app, second) == 303
    assert _use(app, first, "a third calm horse stands") == 410


@both
def test_a_hundred_at_once_set_it_once(app, person, link, unit_of_work):
    """A6: 100 parallel redemptions, exactly one success."""
    put(unit_of_work, "core_limits", reset=0)
    passwords = [f"calm horse number {n} stands" for n in range(100)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda password: _use(app, link, password), passwords))
    assert answers.count(303) == 1
    assert set(answers) <= {303, 410}
    assert _signs_in(app, passwords[answers.index(303)])


@both
def test_two_links_at_once_set_it_once(app, person, letters, run_jobs):
    """Also two different ones: who comes second finds another account."""
    links = [_ask(app, run_jobs, letters) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda link: _use(app, link), links * 4))
    assert answers.count(303) == 1


def test_a_weak_password_leaves_the_link(app, link):
    assert _use(app, link, "password12") == 422
    client = app.test_client()
    differing = {"password": OTHER, "repeated_password": PASSWORD}
    assert client.post(link, data=differing).status_code == 422
    assert _use(app, link) == 303


@both
def test_tokens_are_in_the_mail_and_nowhere_else(app, link, unit_of_work):
    """A6, S3: stored as hashes, absent from jobs and their results."""
    token = link.rpartition("/")[2]
    with unit_of_work(write=False) as uow:
        hashes = uow.execute(select(password_link_table.c.token_hash)).scalars().all()
        jobs = uow.execute(select(job_table)).all()
    assert len(hashes) == 1
    assert token not in hashes
    assert jobs
    assert token not in str(jobs)


def test_a_link_that_nobody_made_is_over(app, person):
    for token in ("x", "x" * 300, "%00", "..%2f..%2f"):
        assert app.test_client().get(f"/password/{token}").status_code in (404, 410)
    assert _use(app, "/password/x") == 410


# Nobody learns who has an account


@both
def test_the_answer_is_the_same_for_every_address(app, person, letters, run_jobs, unit_of_work):
    """A5: status, headers and words; only the one with an account gets a mail."""
    answers = []
    for who in (EMAIL, "nobody@example.com", "", "x" * 5000, "a\x00b@example.com"):
        answer = app.test_client().post("/forgotten", data={"email": who})
        headers = {name for name, _value in answer.headers}
        answers.append((answer.status_code, headers, answer.get_data(as_text=True)))
    assert all(answer == answers[0] for answer in answers)
    run_jobs()
    assert [letter["To"] for letter in letters()] == [EMAIL]


@pytest.mark.parametrize("times", [120, pytest.param(500, marks=pytest.mark.long)])
def test_it_takes_as_long_for_an_address_that_is_not_there(app, person, unit_of_work, times):
    """A5: the same work for all, so the same time."""
    put(unit_of_work, "core_limits", reset=0)
    client, rng = app.test_client(), random.Random(4)
    order = [True, False] * times
    rng.shuffle(order)
    took: dict[bool, list[float]] = {True: [], False: []}
    for number, there in enumerate(order):
        email = EMAIL if there else f"nobody{number}@example.com"
        began = time.perf_counter()
        client.post("/forgotten", data={"email": email})
        took[there].append(time.perf_counter() - began)
    assert mann_whitney(took[True][10:], took[False][10:]) > 0.001


def test_nobodys_mailbox_is_flooded(app, person, letters, run_jobs, unit_of_work):
    """Who has enough links that work gets no more; and nobody is kept from those."""
    put(unit_of_work, "core_limits", reset=0)
    for _ in range(8):
        app.test_client().post("/forgotten", data={"email": EMAIL})
    run_jobs()
    assert len(letters()) == reset.OPEN_LINKS
    assert _use(app, urlsplit(link_in(letters()[0])).path) == 303


# Where links lead


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.1"},
        {"Forwarded": "host=evil.example"},
        {"X-Original-URL": "https://evil.example/"},
    ],
)
def test_links_lead_to_where_the_installation_is(app, person, letters, run_jobs, runtime, headers):
    """A7: from DOUGONG_BASE_URL alone, whatever the request says."""
    app.test_client().post("/forgotten", data={"email": EMAIL}, headers=headers)
    run_jobs()
    (letter,) = letters()
    assert link_in(letter).startswith(f"{runtime.config.base_url}/password/")
    assert "evil.example" not in letter.as_string()


@pytest.mark.parametrize(("locale", "word"), [("zh_CN", None), ("en", "somebody asked for")])
def test_letters_are_in_the_language_of_the_person(
    app, person, letters, run_jobs, unit_of_work, locale, word
):
    """Not in that of the browser, nor of the company."""
    with unit_of_work() as uow:
        service.update(uow, "user", {person: {"locale": locale}})
    app.test_client().post("/forgotten", data={"email": EMAIL}, headers={"Cookie": "locale=en"})
    run_jobs()
    text = letters()[-1].get_body(("plain",)).get_content()
    if word:
        assert word in text
    assert "Member" in text


def test_a_company_with_a_strange_name_sends_sound_letters(
    app, person, letters, run_jobs, unit_of_work
):
    """I14: no line of a header comes from a setting."""
    put(unit_of_work, "core", company_name="Acme =?utf-8?q?x?= Ltd")
    app.test_client().post("/forgotten", data={"email": EMAIL})
    run_jobs()
    assert letters()[-1]["Bcc"] is None
    assert link_in(letters()[-1])


def test_mail_that_does_not_leave_is_tried_again(
    app, runtime, person, letters, run_jobs, monkeypatch, unit_of_work
):
    """And a link that reached nobody is withdrawn."""

    class Away:
        def send(self, message: Any) -> str:
            raise MailError("away")

    there = runtime.mailer
    monkeypatch.setattr(runtime, "mailer", Away())
    app.test_client().post("/forgotten", data={"email": EMAIL})
    run_jobs()
    with unit_of_work(write=False) as uow:
        assert uow.execute(select(password_link_table)).all() == []
    monkeypatch.setattr(runtime, "mailer", there)
    runtime.clock.move(timedelta(minutes=5))
    run_jobs()
    assert len(letters()) == 1
    assert _use(app, urlsplit(link_in(letters()[0])).path) == 303


# Invitations


@both
def test_an_invited_person_chooses_the_first_password(
    app, sign_in, letters, run_jobs, unit_of_work
):
    """The same link; until then there is no password to guess."""
    admin = sign_in()
    data = {"name": "New One", "email": "new.one@example.com", "locale": "en", "is_active": "1",
            "invite": "1"}  # fmt: skip
    answer = admin.post("/admin/people/new", data=data, headers={"X-CSRF-Token": admin.csrf})
    assert answer.status_code == 302, answer.get_data(as_text=True)[:2000]
    run_jobs()
    (letter,) = letters()
    assert letter["To"] == "new.one@example.com"
    assert "an account was made for you" in letter.get_body(("plain",)).get_content()
    assert _use(app, urlsplit(link_in(letter)).path) == 303
    half = begin_sign_in(app, OTHER, who="new.one@example.com")
    assert half.get(ME).json["email"] == "new.one@example.com"


def test_administrators_mail_a_link_and_others_do_not(
    sign_in, person, make_person, letters, run_jobs, unit_of_work
):
    from core.errors import Forbidden

    admin = sign_in()
    headers = {"X-CSRF-Token": admin.csrf}
    assert admin.post(f"/admin/people/{person}/invite", headers=headers).status_code == 302
    run_jobs()
    assert [letter["To"] for letter in letters()] == [EMAIL]
    other = make_person("Other")
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        reset.invite(uow, person)


def test_the_administrator_is_told_when_mail_is_not_set_up(sign_in, runtime, person, monkeypatch):
    """It works all the same, with the folder of the installation."""
    admin = sign_in()
    assert "DOUGONG_SMTP_URL" in admin.get(f"/admin/people/{person}").get_data(as_text=True)
    config = replace(runtime.config, smtp_url="smtp://localhost:2525")
    monkeypatch.setattr(runtime, "config", config)
    assert "DOUGONG_SMTP_URL" not in admin.get(f"/admin/people/{person}").get_data(as_text=True)


# New devices


@pytest.fixture
def has_mail(runtime, monkeypatch, letters) -> None:
    """As if a mail server were named; the letters go into the folder all the same."""
    config = replace(runtime.config, smtp_url="smtp://localhost:2525")
    monkeypatch.setattr(runtime, "config", config)


@both
def test_a_sign_in_with_a_new_device_is_told(app, person, sign_in, letters, run_jobs, has_mail):
    """Not the first one ever, and not a browser that was here before."""
    first = sign_in(EMAIL, PASSWORD)
    again = {"email": EMAIL, "password": PASSWORD, "csrf_token": first.csrf}
    assert first.post("/sign-in", data=again).status_code == 302
    run_jobs()
    assert letters() == []
    begin_sign_in(app)
    run_jobs()
    (letter,) = letters()
    assert letter["To"] == EMAIL
    assert "198.51.100.7" in letter.get_body(("plain",)).get_content()


def test_nothing_is_told_where_nobody_wants_it(
    app, person, sign_in, letters, run_jobs, has_mail, unit_of_work
):
    put(unit_of_work, tell_new_device=False)
    sign_in(EMAIL, PASSWORD)
    begin_sign_in(app)
    run_jobs()
    assert letters() == []


def test_the_mark_of_a_browser_opens_nothing(app, person, sign_in):
    """It is no session: alone it is nobody."""
    mark = sign_in(EMAIL, PASSWORD).get_cookie("dougong-device").value
    client = app.test_client()
    for name in ("dougong-device", "dougong-step", "dougong"):
        client.set_cookie(name, mark)
    assert client.get(ME).status_code == 401
    assert client.get("/sign-in/step").status_code == 302


def test_who_resets_a_password_is_still_asked_for_the_code(
    app, runtime, sign_in, person, letters, run_jobs
):
    """A mailbox is one factor: the link turns nothing else off, and signs nobody in."""
    key, _codes = set_up(sign_in(EMAIL, PASSWORD), runtime.clock)
    assert _use(app, _ask(app, run_jobs, letters)) == 303
    half = begin_sign_in(app, OTHER)
    assert half.get_cookie("dougong") is None
    runtime.clock.move(timedelta(minutes=1))
    assert send_step(half, code=app_code(key, runtime.clock)).status_code == 302
