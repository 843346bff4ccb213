"""Whether a record is what somebody looks for, judged by its values, and how well it fits.

The index finds candidates; this decides by what the reader may use of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.fields import FieldSpec
from core.search.contents import is_spoken
from core.search.tokens import normal, pinyin_starts, runs

__all__ = ["Value", "judge"]

#: How well a record fits, from the best on.
EXACT, STARTS, NAMED, MENTIONED = 4, 3, 2, 1

_LETTERS = re.compile(r"[a-z]{1,60}")
_NUMBER = re.compile(r"[0-9\s()+.\-]*")
_NOT_DIGITS = re.compile(r"[^0-9]")
_SHORTEST_NUMBER = 4


@dataclass(frozen=True, eq=False)
class Value:
    """One text of a record that the reader may search by."""

    field: FieldSpec
    text: str

    @cached_property
    def plain(self) -> str:
        """The text in one width and case."""
        return normal(self.text)

    @cached_property
    def digits(self) -> str:
        """Its digits, when it is a number such as a phone's; else empty."""
        return _NOT_DIGITS.sub("", self.plain) if _NUMBER.fullmatch(self.plain) else ""

    @cached_property
    def spoken(self) -> tuple[tuple[str, str], ...]:
        """(initials, spelling) from each Chinese character on."""
        if not is_spoken(self.field):
            return ()
        return tuple(
            start for kind, run in runs(self.plain) if kind == "han" for start in pinyin_starts(run)
        )

    def holds(self, word: str) -> bool:
        """True when a normal word is in the text, in its number, or in its pinyin."""
        if word in self.plain:
            return True
        if self.digits and _NUMBER.fullmatch(word):
            digits = _NOT_DIGITS.sub("", word)
            return len(digits) >= _SHORTEST_NUMBER and digits in self.digits
        if _LETTERS.fullmatch(word):
            return any(word in (a[: len(word)], b[: len(word)]) for a, b in self.spoken)
        parts = [run for _kind, run in runs(word)]
        return len(parts) > 1 and self.digits == "" and all(self.holds(part) for part in parts)

    def is_exactly(self, whole: str) -> bool:
        """True when it is the text looked for, or the same number written otherwise."""
        if whole == self.plain:
            return True
        digits = _NOT_DIGITS.sub("", whole) if self.digits and _NUMBER.fullmatch(whole) else ""
        return len(digits) >= _SHORTEST_NUMBER and digits == self.digits

    def begins_with(self, whole: str) -> bool:
        """True when the text or its pinyin begins so."""
        if self.plain.startswith(whole):
            return True
        if not _LETTERS.fullmatch(whole):
            return False
        return any(each.startswith(whole) for start in self.spoken[:1] for each in start)


def judge(
    words: Sequence[str], label: str, values: Sequence[Value]
) -> tuple[int, Value | None] | None:
    """(how well the record fits, the value other than its name that says so); None: it does not.

    ``words`` are normal; all of them must be found. ``label`` is the field that names records.
    """
    whole = " ".join(words)
    told: Value | None = None
    for word in words:
        holding = list(_holding(values, word))
        if not holding:
            return None
        if told is None and all(each.field.name != label for each in holding):
            told = holding[0]
    exact = next((each for each in values if each.is_exactly(whole)), None)
    if exact is not None:
        return EXACT, None if exact.field.name == label else exact
    if told is not None:
        return MENTIONED, told
    named = next(each for each in values if each.field.name == label)
    return (STARTS if named.begins_with(whole) else NAMED), None


def _holding(values: Sequence[Value], word: str) -> Iterator[Value]:
    return (each for each in values if each.holds(word))
