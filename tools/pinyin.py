#!/usr/bin/env python3
"""Write core/search/data/pinyin.json from the package pypinyin, which is needed for nothing else.

    pip install pypinyin==0.55.0 && tools/pinyin.py

Kept are the usual reading of each character, and words of two or three whose reading differs from
that of their characters.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pypinyin
from pypinyin.phrases_dict import phrases_dict

TARGET = Path(__file__).resolve().parent.parent / "core" / "search" / "data" / "pinyin.json"


def readings(text: str) -> list[str]:
    return [syllable.replace("ü", "v") for syllable in pypinyin.lazy_pinyin(text)]


def main() -> None:
    usual = {chr(code): readings(chr(code))[0] for code in range(0x4E00, 0xA000)}
    usual = {character: reading for character, reading in usual.items() if reading.isascii()}
    words: dict[str, str] = {}

    def derived(word: str) -> list[str]:
        if len(word) == 3 and word[:2] in words:
            return [*words[word[:2]].split(), usual[word[2]]]
        if len(word) == 3 and word[1:] in words:
            return [usual[word[0]], *words[word[1:]].split()]
        return [usual[character] for character in word]

    for word in sorted(phrases_dict, key=lambda word: (len(word), word)):
        if len(word) not in (2, 3) or any(character not in usual for character in word):
            continue
        spoken = readings(word)
        if len(spoken) == len(word) and spoken != derived(word):
            words[word] = " ".join(spoken)
    by_reading: dict[str, str] = {}
    for character, reading in usual.items():
        by_reading[reading] = by_reading.get(reading, "") + character
    content = {
        "source": f"pypinyin {pypinyin.__version__}",
        "licence": "MIT",
        "characters": dict(sorted(by_reading.items())),
        "words": words,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(orjson.dumps(content) + b"\n")


if __name__ == "__main__":
    main()
