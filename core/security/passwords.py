"""Passwords: argon2id hashes, and whether a new password is good enough."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from core.i18n import LazyText
from core.i18n import lazy_gettext as _l

__all__ = [
    "LONGEST_PASSWORD",
    "SHORTEST_PASSWORD",
    "PasswordProblem",
    "check_strength",
    "hash_password",
    "needs_rehash",
    "verify_nothing",
    "verify_password",
]

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 256
_FEWEST_SYMBOLS = 5
#: A password needs this many characters beside the guessable ones.
_FEWEST_OWN = 6
_SHORTEST_RUN = 4
_SHORTEST_NAME = 3

#: 19 MiB, two passes, one lane: OWASP's least for argon2id, about 20 ms here.
_HASHER = PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1, type=Type.ID)

#: Words that common passwords are made of. One that is left with little else is refused, which
#: covers far more spellings than a list of whole passwords would.
_COMMON_WORDS = """
password passwort passw0rd p@ssw0rd p@ssword pa$$word welcome letmein iloveyou qwertyuiop qwerty
qwertz azerty asdfghjkl asdfgh zxcvbnm zxcvbn 1q2w3e4r5t 1q2w3e4r 1q2w3e 1qaz2wsx 1qaz 2wsx 3edc
qazwsx administrator admin root user guest login test demo changeme default master secret dragon
monkey football baseball superman batman princess sunshine shadow trustno1 starwars whatever
computer internet company office summer winter spring autumn january february october november
december monday friday hello abc123 abcdef abcd1234 woaini woaini1314 wang li123 zhang5201314
5201314 1314520 dougong mima mima123 huanying nihao beijing shanghai chongqing shenzhen guangzhou
zhongguo gongsi taobao weixin qq123456 aa123456 a123456 zxc123 qwe123 asd123 aaaa1111 password1
"""
_COMMON = _COMMON_WORDS.split()
_RUNS = ("0123456789012345678909876543210987654321", "abcdefghijklmnopqrstuvwxyzabcdef")


@dataclass(frozen=True)
class PasswordProblem:
    """Why a password will not do: a code for programs, a sentence for people."""

    code: str
    message: LazyText


_TOO_LONG = PasswordProblem(
    "too_long", _l("Use at most %(count)s characters.", count=LONGEST_PASSWORD)
)
_TOO_SIMPLE = PasswordProblem("too_simple", _l("Use more than a few different characters."))
_TOO_COMMON = PasswordProblem("too_common", _l("This password is too easy to guess."))
_PERSONAL = PasswordProblem(
    "personal", _l("Do not use your name, your email address or the name of the company.")
)


def hash_password(password: str) -> str:
    """An argon2id hash with its own salt; a password beyond the longest is a `ValueError`."""
    if len(password) > LONGEST_PASSWORD:
        raise ValueError(f"a password has at most {LONGEST_PASSWORD} characters")
    return _HASHER.hash(_composed(password))


def verify_password(hash: str, password: str) -> bool:
    """Whether ``password`` made ``hash``; a hash that cannot be read matches nothing."""
    if len(password) > LONGEST_PASSWORD:
        return verify_nothing(password)
    try:
        return _HASHER.verify(hash, _composed(password))
    except InvalidHashError:
        return verify_nothing(password)
    except Argon2Error:
        return False


def verify_nothing(password: str) -> bool:
    """False, after the work of a true verification: for users that do not exist."""
    _HASHER.hash(_composed(password[:LONGEST_PASSWORD]))
    return False


def needs_rehash(hash: str) -> bool:
    """Whether ``hash`` was made with other parameters than today's, or cannot be read."""
    try:
        return _HASHER.check_needs_rehash(hash)
    except InvalidHashError:
        return True


def check_strength(
    password: str,
    *,
    email: str,
    name: str,
    company: str = "",
    shortest: int = SHORTEST_PASSWORD,
) -> list[PasswordProblem]:
    """What is wrong with a new password of the person with this address, name and company."""
    problems = []
    if len(password) < shortest:
        message = _l("Use at least %(count)s characters.", count=shortest)
        problems.append(PasswordProblem("too_short", message))
    if len(password) > LONGEST_PASSWORD:
        problems.append(_TOO_LONG)
    if len(set(password)) < _FEWEST_SYMBOLS:
        problems.append(_TOO_SIMPLE)
    bare = _composed(password).casefold()
    if _is_mostly(bare, [*_COMMON, *_runs_in(bare)]):
        problems.append(_TOO_COMMON)
    if _is_mostly(bare, _personal_parts(email, name, company)):
        problems.append(_PERSONAL)
    return problems


def _composed(password: str) -> str:
    """One spelling for what looks alike, so that another keyboard or input method still fits."""
    return unicodedata.normalize("NFKC", password)


def _is_mostly(password: str, parts: list[str]) -> bool:
    """Whether little is left once ``parts`` are taken out, longest first."""
    rest = password
    for part in sorted(parts, key=lambda part: (len(part), part), reverse=True):
        rest = rest.replace(part, "")
    return rest != password and len(rest) < _FEWEST_OWN


def _runs_in(password: str) -> list[str]:
    """The longest stretches of at least four neighbours, such as 4567 or dcba."""
    rows = [*_RUNS, *(row[::-1] for row in _RUNS)]
    runs, start = [], 0
    while start < len(password):
        end = start + 1
        while end < len(password) and any(password[start : end + 1] in row for row in rows):
            end += 1
        if end - start >= _SHORTEST_RUN:
            runs.append(password[start:end])
        start = end
    return runs


def _personal_parts(*texts: str) -> list[str]:
    """The texts, their words, and what stands before the @ of an address."""
    folded = [text.casefold() for text in texts]
    words = re.split(r"[\W_]+", " ".join(folded))
    whole = [*folded, *(text.partition("@")[0] for text in folded)]
    return [part for part in {*words, *whole} if len(part) >= _SHORTEST_NAME]
