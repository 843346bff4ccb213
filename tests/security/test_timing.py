"""A5, the long part: whether an address exists cannot be told from how long signing in takes."""

from __future__ import annotations

import math
import random
import time
from datetime import timedelta

import pytest
from sqlalchemy import insert

from core.entities import service
from core.security.models import credential_table
from core.security.passwords import hash_password

#: Of each kind; in random order, so that what else the machine does concerns both.
ATTEMPTS = 500


def mann_whitney(first: list[float], second: list[float]) -> float:
    """The two-sided p of "both come from one distribution" (normal approximation, ties shared)."""
    n, m = len(first), len(second)
    ordered = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks, position = 0.0, 0
    while position < len(ordered):
        end = position
        while end < len(ordered) and ordered[end][0] == ordered[position][0]:
            end += 1
        shared = (position + 1 + end) / 2
        ranks += shared * sum(1 for _value, which in ordered[position:end] if which == 0)
        position = end
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def test_the_statistic_tells_what_it_should():
    """Controls: without a difference one in twenty is below 0.05; half a deviation is found."""
    rng = random.Random(1)

    def draw(shift: float, count: int) -> list[float]:
        return [rng.gauss(shift, 1) for _ in range(count)]

    by_chance = sum(mann_whitney(draw(0, 60), draw(0, 60)) < 0.05 for _ in range(400))
    assert 8 <= by_chance <= 34
    assert mann_whitney(draw(0, 500), draw(0.5, 500)) < 1e-6
    assert mann_whitney([1.0] * 20, [1.0] * 20) == 1


@pytest.fixture
def people(thorough_passwords, runtime, unit_of_work):
    """Addresses of as many as are asked about, who all have a password hashed as in production."""
    stored = hash_password("seven bridges")
    found = [f"somebody{number:04}@example.com" for number in range(ATTEMPTS)]
    with unit_of_work() as uow:
        keys = service.create(uow, "user", [{"email": each, "name": each[:12]} for each in found])
        rows = [{"user_id": key, "password": stored, "changed_at": uow.now()} for key in keys]
        uow.execute(insert(credential_table), rows)
    return found


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_signing_in_takes_as_long_for_an_address_that_is_not_there(client, runtime, people):
    """A5: 500 of each; the same status and words, and p > 0.01 on the time.

    As who has a list of addresses would ask: each once, from a place where nobody has signed in.
    """
    rng, took, told = random.Random(3), {True: [], False: []}, {True: set(), False: set()}
    order = [(True, each) for each in people]
    order += [(False, each.replace("somebody", "nobodies")) for each in people]
    rng.shuffle(order)
    for there, email in order:
        runtime.clock.offset += timedelta(minutes=30)  # no attempt waits for an earlier one
        sent, where = {"email": email, "password": "wrong"}, {"REMOTE_ADDR": "203.0.113.9"}
        began = time.perf_counter()
        answer = client.post("/sign-in", data=sent, environ_base=where)
        took[there].append(time.perf_counter() - began)
        told[there].add((answer.status_code, len(answer.headers)))
    assert told[True] == told[False] == {(401, next(iter(told[True]))[1])}
    p = mann_whitney(took[True][20:], took[False][20:])
    assert p > 0.01, p
