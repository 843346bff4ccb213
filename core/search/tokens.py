"""What a text is found by: pairs of Chinese characters, words, parts of numbers, pinyin.

Tokens are made of letters and digits alone, so that no text can say anything in the language of a
database's text search.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from core.search.pinyin import read_name

__all__ = ["RULES", "Needs", "index_tokens", "needs", "normal", "pinyin_starts", "runs", "whole"]

#: Counts up when other tokens are made of the same text, so that the index is made anew.
RULES = 1

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
Needs = list[tuple[str, ...]]


def normal(text: str) -> str:
    """The text in one width and case."""
    return unicodedata.normalize("NFKC", text).casefold()


def runs(text: str) -> Iterator[tuple[str, str]]:
    """``(kind, run)`` of a normal text; kinds are ``han``, ``word`` and ``digits``."""
    for found in _RUN.finditer(text):
        yield str(found.lastgroup), found[0]


def index_tokens(text: str, *, spoken: bool) -> set[str]:
    """All tokens of a value; with its pinyin when it is ``spoken``, as names are."""
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
            if spoken:
                found.update(_spoken_tokens(run))
    if spoken and len(text) <= _LONGEST_WHOLE:
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
    for at, (initials, spelled) in enumerate(pinyin_starts(_LEGAL_FORM.sub("", run))):
        if at == 0:
            yield _START + initials[0]
        if len(initials) > 1:
            yield _PART + initials[:_INITIALS]
        yield _PART + spelled[:_SPELLED]


def pinyin_starts(run: str) -> Iterator[tuple[str, str]]:
    """(initials, spelling) of a run of Chinese characters from each of them on."""
    syllables = read_name(run[:_MOST_READ])
    for at, syllable in enumerate(syllables):
        if syllable:
            rest = syllables[at:]
            yield "".join(each[:1] for each in rest), "".join(rest)


def needs(words: Sequence[str]) -> Needs:
    """What the index must have for all of some normal words; empty when they ask for nothing.

    It may let more through than is meant: `core.search.matching` looks at the values again.
    """
    asked = [part for word in words for part in runs(word)]
    if any(len(run) > 1 for _kind, run in asked):
        asked = [(kind, run) for kind, run in asked if len(run) > 1]
    found: Needs = []
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
