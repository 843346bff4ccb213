"""Whether a record is what somebody looks for, judged by its values, and how well it fits.

The index finds candidates; this decides by what the reader may use of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from core.fields import FieldSpec
from core.search.contents import is_spoken
from core.search.tokens import Spoken, normal, runs, spoken

__all__ = ["Value", "judge"]

#: How well a record fits, from the best on.
EXACT, STARTS, NAMED, MENTIONED = 4, 3, 2, 1

_LETTERS = re.compile(r"[a-z]{1,60}")
_NUMBER = re.compile(r"[0-9\s()+.\-]*")
_NOT_DIGITS = re.compile(r"[^0-9]")
_SHORTEST_NUMBER = 4


#: The newest records are looked at again and again.
_spoken = lru_cache(maxsize=4096)(spoken)


def _digits(plain: str) -> str:
    return _NOT_DIGITS.sub("", plain) if _NUMBER.fullmatch(plain) else ""


class Value:
    """One text of a record that the reader may search by."""

    __slots__ = ("_spoken", "digits", "field", "plain", "text")

    def __init__(self, field: FieldSpec, text: str) -> None:
        self.field = field
        self.text = text
        #: The text in one width and case.
        self.plain = normal(text)
        #: Its digits, when it is a number such as a phone's; else empty.
        self.digits = _digits(self.plain)
        self._spoken: list[Spoken] | None = None

    @property
    def spoken(self) -> list[Spoken]:
        """The readings of its runs of Chinese characters, when it is a name."""
        if self._spoken is None:
            self._spoken = []
            if is_spoken(self.field):
                self._spoken += [_spoken(run) for kind, run in runs(self.plain) if kind == "han"]
        return self._spoken

    def holds(self, word: str) -> bool:
        """True when a normal word is in the text, in its number, or in its pinyin."""
        if word in self.plain:
            return True
        if self.digits and (digits := _digits(word)):
            return len(digits) >= _SHORTEST_NUMBER and digits in self.digits
        if _LETTERS.fullmatch(word):
            return any(each.has(word) for each in self.spoken)
        parts = [run for _kind, run in runs(word)]
        return len(parts) > 1 and self.digits == "" and all(self.holds(part) for part in parts)

    def is_exactly(self, whole: str) -> bool:
        """True when it is the text looked for, or the same number written otherwise."""
        if whole == self.plain:
            return True
        digits = _digits(whole) if self.digits else ""
        return len(digits) >= _SHORTEST_NUMBER and digits == self.digits

    def begins_with(self, whole: str) -> bool:
        """True when the text or its pinyin begins so."""
        if self.plain.startswith(whole):
            return True
        if not _LETTERS.fullmatch(whole):
            return False
        first = self.spoken[:1]
        return any(way.startswith(whole) for read in first for way in (read.initials, read.spelled))


def judge(
    words: Sequence[str], label: str, values: Sequence[Value]
) -> tuple[int, Value | None] | None:
    """(how well the record fits, the value other than its name that says so); None: it does not.

    ``words`` are normal; all of them must be found. ``label`` is the field that names records.
    """
    whole = " ".join(words)
    named = next((each for each in values if each.field.name == label), None)
    told: Value | None = None
    for word in words:
        if named is not None and named.holds(word):
            continue
        other = next((each for each in values if each is not named and each.holds(word)), None)
        if other is None:
            return None
        told = told or other
    exact = next((each for each in values if each.is_exactly(whole)), None)
    if exact is not None:
        return EXACT, None if exact is named else exact
    if told is not None or named is None:
        return MENTIONED, told
    return (STARTS if named.begins_with(whole) else NAMED), None
