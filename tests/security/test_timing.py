"""A5, the long part: whether an address exists cannot be told from how long signing in takes."""

from __future__ import annotations

import math
import random
import time
from datetime import timedelta

import pytest

from core.testing.installation import ADMIN

#: Of each kind; alternating at random, so that what else the machine does concerns both.
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


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_signing_in_takes_as_long_for_an_address_that_is_not_there(
    thorough_passwords, client, sign_in, runtime
):
    """A5: 500 of each; the same status and words, and p > 0.01 on the time."""
    sign_in()  # the password is hashed anew, as thoroughly as one that is not there
    rng, took, told = random.Random(3), {True: [], False: []}, {True: set(), False: set()}
    order = [True, False] * ATTEMPTS
    rng.shuffle(order)
    for number, there in enumerate(order):
        runtime.clock.offset += timedelta(minutes=30)  # no attempt waits for an earlier one
        email = ADMIN if there else f"nobody{number}@example.com"
        began = time.perf_counter()
        answer = client.post("/sign-in", data={"email": email, "password": "wrong"})
        took[there].append(time.perf_counter() - began)
        told[there].add((answer.status_code, len(answer.headers)))
    assert told[True] == told[False]
    p = mann_whitney(took[True][20:], took[False][20:])
    assert p > 0.01, p
