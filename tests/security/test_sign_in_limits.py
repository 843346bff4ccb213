"""A2: guesses are held back by person and place, and nobody is held back by the guesses of others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from core.security import authentication, throttle
from core.security.models import session_table, sign_in_table
from core.testing.installation import ADMIN, PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def reached(monkeypatch) -> list[str]:
    """The passwords that reached the slow hash."""
    seen: list[str] = []
    real = authentication.verify_password

    def verify(stored: str, password: str) -> bool:
        seen.append(password)
        return real(stored, password) if password == PASSWORD else False

    monkeypatch.setattr(authentication, "verify_password", verify)
    return seen


@pytest.fixture
def at_rest(runtime, monkeypatch) -> Any:
    """A clock that stands still but for what tests move."""
    moment = runtime.clock.now()
    monkeypatch.setattr(runtime.clock, "source", lambda: moment)
    return runtime.clock


def attempt(app: Any, address: str, password: str = "wrong", email: str = ADMIN) -> int:
    answer = app.test_client().post(
        "/sign-in",
        data={"email": email, "password": password},
        environ_base={"REMOTE_ADDR": address},
    )
    return int(answer.status_code)


@pytest.mark.long
def test_a_thousand_guesses_from_fifty_addresses(app, reached, at_rest, database_kind):
    """A2: at most 20 a minute reach the hash; where the person is at home the right one still works."""
    assert attempt(app, "198.51.100.7", PASSWORD) == 302
    reached.clear()
    places = [f"203.0.113.{n}" for n in range(50)]
    for turn in range(1000 if database_kind == "sqlite" else 300):
        assert attempt(app, places[turn % 50]) == 401
        if turn == 200:
            assert attempt(app, "198.51.100.7", PASSWORD) == 302
        if turn % 100 == 99:
            at_rest.move(timedelta(seconds=6))
    guesses = [password for password in reached if password != PASSWORD]
    assert 0 < len(guesses) <= 20
    assert attempt(app, "198.51.100.7", PASSWORD) == 302


def test_a_new_place_gets_in_when_the_attackers_are_known(app, reached, at_rest):
    """A place that never tried before has a way of its own; those that were told to wait have not."""
    for turn in range(120):
        attempt(app, f"203.0.113.{turn % 40}")
    at_rest.move(timedelta(seconds=21))
    for turn in range(120):
        attempt(app, f"203.0.113.{turn % 40}")
    assert attempt(app, "198.51.100.7", PASSWORD) == 302


def test_one_guesser_holds_nobody_else_back(app, reached, at_rest):
    for _ in range(50):
        assert attempt(app, "203.0.113.1") == 401
    assert attempt(app, "203.0.113.1", PASSWORD) == 401
    assert len(reached) <= 10
    assert PASSWORD not in reached
    assert attempt(app, "198.51.100.7", PASSWORD) == 302


def test_the_pair_of_person_and_place_waits_longer_and_longer(app, reached, at_rest):
    """A2: a delay after at most ten tries, also where the person is at home."""
    assert attempt(app, "198.51.100.7", PASSWORD) == 302
    reached.clear()
    for _second in range(60):
        attempt(app, "198.51.100.7")
        at_rest.move(timedelta(seconds=1))
    assert len(reached) <= 9


def test_one_place_guesses_at_many(app, make_person, reached, at_rest, unit_of_work):
    """One password for a thousand people: after a few the place itself is held back."""
    statuses = {attempt(app, "203.0.113.1", "x", f"p{n}@example.com") for n in range(200)}
    assert statuses == {401}
    with unit_of_work(write=False) as uow:
        rows = uow.execute(select(func.count()).select_from(sign_in_table)).scalar_one()
    assert rows <= 1 + 3 * throttle.TRIES_OF_A_PLACE.burst  # what is refused leaves nothing
    assert attempt(app, "203.0.113.1", PASSWORD) == 401
    assert attempt(app, "198.51.100.7", PASSWORD) == 302


def test_right_passwords_use_nothing_up(app, at_rest, unit_of_work):
    """An office behind one address, at nine in the morning."""
    for _ in range(3 * throttle.FIRST_TRIES.burst):
        assert attempt(app, "192.0.2.10", PASSWORD) == 302
        with unit_of_work() as uow:
            uow.execute(session_table.delete())  # as if each were new there


def test_parallel_guesses_are_counted_one_after_the_other(app, reached, at_rest):
    """None of those that come at once slips through before the first is counted."""
    assert attempt(app, "198.51.100.7", PASSWORD) == 302
    reached.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: attempt(app, "198.51.100.7"), range(24)))
    assert set(answers) <= {401, 503}
    assert len(reached) <= throttle.FREE_TRIES + 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "unix:", False),
    ],
)
def test_a_network_of_the_sixth_version_is_one_place(one, other, same):
    assert (throttle.place_of(one) == throttle.place_of(other)) is same


def test_old_tries_and_sessions_are_dropped(app, runtime, unit_of_work, run_jobs):
    """The tables do not grow for ever: a schedule of the core's own removes what is of no use."""
    from core.work.schedule import start_due

    assert attempt(app, "198.51.100.7", PASSWORD) == 302
    attempt(app, "203.0.113.1")
    start_due(runtime)  # schedules are seen for the first time

    def left() -> tuple[int, int]:
        with unit_of_work(write=False) as uow:
            return tuple(
                uow.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (sign_in_table, session_table)
            )

    def tidy() -> None:
        assert start_due(runtime) >= 1
        run_jobs()

    assert left()[0] > 0
    runtime.clock.move(timedelta(days=2))
    tidy()
    assert left() == (0, 1)
    runtime.clock.move(timedelta(days=105))
    tidy()
    assert left() == (0, 0)
