"""What the journeys have in common: how somebody looks, and what is asked of each page on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from axe import violations
from words import english_on


@dataclass(frozen=True)
class Way:
    """A size of the screen and a language; called, it chooses between the words of the two."""

    size: dict[str, int]
    locale: str

    def __call__(self, chinese: str, english: str) -> str:
        return english if self.locale == "en" else chinese


DESK = Way({"width": 1440, "height": 900}, "zh_CN")
PHONE = Way({"width": 390, "height": 844}, "en")
both_ways = pytest.mark.parametrize("way", [DESK, PHONE], ids=["desk", "phone"])


def is_sound(tab: Any, way: Way) -> None:
    """Nothing breaks a rule of access, nothing is wider than the screen, and the page speaks Chinese
    to who reads Chinese."""
    assert violations(tab) == [], tab.url
    assert tab.evaluate("document.documentElement.scrollWidth") <= way.size["width"], tab.url
    if way.locale == "zh_CN":
        assert english_on(tab) == set(), tab.url
