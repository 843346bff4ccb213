"""What a text is found by: pairs of Chinese characters, words, parts of numbers, pinyin.

Tokens are made of letters and digits alone, so that no text can say anything in the language of a
database's text search.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from core.search.pinyin import read_name

__all__ = ["RULES", "Needs", "Spoken", "index_tokens", "needs", "normal", "runs", "spoken", "whole"]

#: Counts up when other tokens are made of the same text, so that the index is made anew.
RULES = 2

_HAN = "㐀-䶿一-鿿豈-﫿々〇\U00020000-\U0003134f"
_RUN = re.compile(rf"(?P<digits>[0-9]+)|(?P<han>[{_HAN}]+)|(?P<word>[^\W_0-9{_HAN}]+)")
_LEGAL_FORM = re.compile(r"(?:股份)?有限(?:责任)?公司$")
#: A start of a run (``s``) is what a query of one character, or of few digits, is compared with.
_START, _PART, _WHOLE = "s", "p", "w"
_LONGEST_WHOLE = 24
_WORD, _INITIALS, _SPELLED = 16, 6, 12
_DIGITS = 4
#: Longer texts are found by what stands in their beginning.
_MOST_CHARACTERS, _MOST_READ = 400, 60

#: What a query needs: of each part one of some tokens, those that end with ``*`` as beginnings.
Needs = Sequence[tuple[str, ...]]


def normal(text: str) -> str:
    """The text in one width and case."""
    return unicodedata.normalize("NFKC", text).casefold()


def runs(text: str) -> Iterator[tuple[str, str]]:
    """``(kind, run)`` of a normal text; kinds are ``han``, ``word`` and ``digits``."""
    for found in _RUN.finditer(text):
        yield str(found.lastgroup), found[0]


def index_tokens(text: str, *, is_spoken: bool) -> set[str]:
    """All tokens of a value; with its pinyin when it ``is_spoken``, as names are."""
    found: set[str] = set()
    parts = list(runs(normal(text[:_MOST_CHARACTERS])))
    for kind, run in parts:
        found.add(_START + run[0])
        if kind == "digits":
            found.update(_PART + part for part in _pieces(run, _DIGITS))
            found.update(_START + run[:length] for length in (2, 3) if len(run) >= length)
        elif kind == "word":
            found.add(_PART + run[:_WORD])
        else:
            found.update(_PART + part for part in _pieces(run, 2))
            if is_spoken:
                found.update(_spoken_tokens(run))
    if is_spoken and len(text) <= _LONGEST_WHOLE:
        found.update(filter(None, [whole(run for _kind, run in parts)]))
    numbers = [run for kind, run in parts if kind == "digits"]
    if len(numbers) > 1:  # 0536-8888888 is also looked for without the dash
        found.update(_PART + part for part in _pieces("".join(numbers), _DIGITS))
    return found


def whole(words: Iterable[str]) -> str | None:
    """The token of a name that consists of these words alone; None when they are too long for it."""
    text = "".join(run for word in words for _kind, run in runs(word))
    return _WHOLE + text if 0 < len(text) <= _LONGEST_WHOLE else None


def _pieces(run: str, length: int) -> Iterable[str]:
    if len(run) <= length:
        return (run,)
    return (run[at : at + length] for at in range(len(run) - length + 1))


def _spoken_tokens(run: str) -> Iterator[str]:
    read = spoken(_LEGAL_FORM.sub("", run))
    for at, start in enumerate(read.starts):
        if at == 0:
            yield _START + read.initials[0]
        if at + 1 < len(read.initials):
            yield _PART + read.initials[at : at + _INITIALS]
        yield _PART + read.spelled[start : start + _SPELLED]


class Spoken(NamedTuple):
    """How a run of Chinese characters is read, in letters."""

    #: The first letter of each character, and all letters.
    initials: str
    spelled: str
    #: Where in ``spelled`` each character begins.
    starts: tuple[int, ...]

    def has(self, word: str) -> bool:
        """Whether the initials or the spelling go on with ``word`` from some character on."""
        return word in self.initials or any(
            self.spelled.startswith(word, start) for start in self.starts
        )


def spoken(run: str) -> Spoken:
    """The reading of a run of Chinese characters; those without one are passed over."""
    syllables = [each for each in read_name(run[:_MOST_READ]) if each]
    starts = (0, *accumulate(map(len, syllables)))[: len(syllables)]
    return Spoken("".join(each[0] for each in syllables), "".join(syllables), starts)


def needs(words: Sequence[str]) -> Needs:
    """What the index must have for all of some normal words; empty when they ask for nothing.

    It may let more through than is meant: `core.search.matching` looks at the values again.
    """
    asked = [part for word in words for part in runs(word)]
    if any(len(run) > 1 for _kind, run in asked):
        asked = [(kind, run) for kind, run in asked if len(run) > 1]
    found: list[tuple[str, ...]] = []
    for kind, run in asked:
        if len(run) == 1 or (kind == "digits" and len(run) < _DIGITS):
            found.append((_START + run,))
        elif kind == "digits":
            found += [(_PART + part,) for part in _pieces(run, _DIGITS)]
        elif kind == "han":
            found += [(_PART + part,) for part in _pieces(run, 2)]
        else:
            found.append(_word_needs(run))
    return list(dict.fromkeys(found))[:40]


def _word_needs(run: str) -> tuple[str, ...]:
    """A word is the beginning of a word, of a spelling, or of initials."""
    ways = [f"{_PART}{run[:_WORD]}*"]
    if len(run) > _SPELLED:
        ways.append(_PART + run[:_SPELLED])
    if len(run) > _INITIALS:
        ways.append(_PART + run[:_INITIALS])
    return tuple(ways)
