"""How Chinese names are read, in letters without tones."""

from __future__ import annotations

from array import array
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import orjson

__all__ = ["read_name"]

_FIRST, _LAST = 0x4E00, 0x9FFF
_LONGEST_WORD = 3
#: As many characters make a person's name, whose first one or two are read as a surname.
_LONGEST_PERSON = 4
#: Surnames that are read otherwise than the same character is elsewhere.
_SURNAMES = {
    **{"单": "shan", "曾": "zeng", "仇": "qiu", "解": "xie", "查": "zha", "盖": "ge", "区": "ou"},
    **{
        "朴": "piao",
        "任": "ren",
        "华": "hua",
        "翟": "zhai",
        "乐": "yue",
        "覃": "qin",
        "缪": "miao",
    },
    **{"尹": "yin", "冼": "xian", "郇": "xun", "逄": "pang", "员": "yun", "召": "shao", "秘": "bi"},
    **{"种": "chong", "重": "chong", "牟": "mu", "燕": "yan", "应": "ying", "宁": "ning"},
    **{"葛": "ge", "隗": "wei", "哈": "ha", "折": "she", "繁": "po", "洗": "xian", "阚": "kan"},
    **{"万俟": "mo qi", "尉迟": "yu chi", "澹台": "tan tai", "长孙": "zhang sun"},
    **{"令狐": "ling hu", "单于": "chan yu", "皇甫": "huang fu", "宿": "su", "都": "du"},
    **{"谌": "chen", "晁": "chao", "郗": "xi", "仉": "zhang", "臧": "zang", "贾": "jia"},
}


class _Readings(NamedTuple):
    syllables: list[str]
    #: The place of the usual reading of each character from `_FIRST` on; 0 for none.
    usual: array[int]
    words: dict[str, str]
    #: What those words begin with.
    heads: frozenset[str]


@cache
def _readings() -> _Readings:
    content = orjson.loads((files("core.search") / "data" / "pinyin.json").read_bytes())
    syllables, usual = [""], array("H", bytes(2 * (_LAST - _FIRST + 1)))
    for place, (syllable, characters) in enumerate(content["characters"].items(), 1):
        syllables.append(syllable)
        for character in characters:
            usual[ord(character) - _FIRST] = place
    words = content["words"]
    return _Readings(syllables, usual, words, frozenset(word[0] for word in words))


def read_name(run: str) -> list[str]:
    """A syllable for each character of a run of Chinese ones; empty for those that have none."""
    spoken: list[str] = []
    if len(run) <= _LONGEST_PERSON:
        spoken = (_SURNAMES.get(run[:2]) or _SURNAMES.get(run[:1]) or "").split()
    place, known = len(spoken), _readings()
    while place < len(run):
        word = _word_at(known, run, place) if run[place] in known.heads else None
        if word is None:
            code = ord(run[place])
            inside = _FIRST <= code <= _LAST
            spoken.append(known.syllables[known.usual[code - _FIRST]] if inside else "")
            place += 1
        else:
            spoken += known.words[word].split()
            place += len(word)
    return spoken


def _word_at(known: _Readings, run: str, place: int) -> str | None:
    """The longest word there that is read otherwise than its characters are by themselves."""
    for length in range(_LONGEST_WORD, 1, -1):
        if (word := run[place : place + length]) in known.words:
            return word
    return None
