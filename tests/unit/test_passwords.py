"""Passwords are hashed with argon2id, compared in even time, and weak ones are named."""

from __future__ import annotations

import time
from statistics import median

import pytest
from argon2 import PasswordHasher

from core.security.passwords import (
    LONGEST_PASSWORD,
    check_strength,
    hash_password,
    needs_rehash,
    verify_nothing,
    verify_password,
)

GOOD = "correct horse battery"

pytestmark = pytest.mark.usefixtures("thorough_passwords")


def _codes(password: str) -> list[str]:
    return [
        p.code for p in check_strength(password, email="zhang.wei@firm.cn", name="Zhang Wei 张伟")
    ]


def test_a_password_fits_its_own_hash_only():
    made = hash_password(GOOD)
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert made != hash_password(GOOD)
    assert verify_password(made, GOOD)
    assert not verify_password(made, GOOD + " ")
    assert not verify_password(made, "")
    assert not verify_nothing(GOOD)


@pytest.mark.parametrize(
    "broken", ["", "x", "$argon2id$v=19$m=1", "$2b$12$abcdefghijklmnopqrstuv", "!"]
)
def test_a_hash_that_cannot_be_read_matches_nothing(broken):
    assert not verify_password(broken, GOOD)
    assert not verify_password(broken, broken)
    assert needs_rehash(broken)


def test_the_same_characters_from_another_keyboard_fit():
    assert verify_password(hash_password("Ｐａｓｓé longer"), "Passe\u0301 longer")


def test_a_hash_with_other_parameters_asks_to_be_made_again():
    assert not needs_rehash(hash_password(GOOD))
    assert needs_rehash(PasswordHasher(memory_cost=8192, time_cost=1, parallelism=1).hash(GOOD))


def test_a_monstrous_password_is_refused():
    with pytest.raises(ValueError, match="at most"):
        hash_password("x" * (LONGEST_PASSWORD + 1))
    made = hash_password("x" * LONGEST_PASSWORD)
    assert not verify_password(made, "x" * (LONGEST_PASSWORD + 1))
    assert _codes("ab3-c" * 60) == ["too_long"]


def test_an_unknown_user_costs_as_much_as_a_known_one():
    made = hash_password(GOOD)

    def seconds(work) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    pairs = [
        (
            seconds(lambda: verify_password(made, "wrong password")),
            seconds(lambda: verify_nothing("x")),
        )
        for _ in range(15)
    ]
    known, unknown = (median(column) for column in zip(*pairs, strict=True))
    assert 0.6 < known / unknown < 1.6


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "Tr0ub4dor&3x",
        "我爱北京天安门上太阳升",
        "vK9#mQ2$xL",
        "blauer Elefant 7",
    ],
)
def test_good_passwords_pass(password):
    assert _codes(password) == []


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "too_short"),
        ("vK9#mQ2$x", "too_short"),
        ("aaaaaaaaaaaa", "too_simple"),
        ("121212121212", "too_simple"),
        ("1234567890", "too_common"),
        ("9876543210", "too_common"),
        ("password123", "too_common"),
        ("Password2024", "too_common"),
        ("P@ssw0rd1234", "too_common"),
        ("ＰＡＳＳＷＯＲＤ１２３", "too_common"),
        ("qwertyuiop", "too_common"),
        ("1q2w3e4r5t6y", "too_common"),
        ("1qaz2wsx3edc", "too_common"),
        ("admin123456", "too_common"),
        ("woaini1314520", "too_common"),
        ("abcdefghij", "too_common"),
        ("zhang.wei@firm.cn", "personal"),
        ("Zhang.Wei@Firm.CN!", "personal"),
        ("zhangwei2026!", "personal"),
    ],
)
def test_weak_passwords_are_named(password, code):
    assert code in _codes(password)


def test_a_problem_is_a_sentence_with_the_figure():
    (problem,) = check_strength("vK9#mQ2$x", email="", name="")
    assert "10" in str(problem.message)
