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


def part(tab: Any, title: str) -> Any:
    """The section of a page under that heading."""
    return tab.locator("section", has=tab.get_by_role("heading", name=title, exact=True))


def pick(tab: Any, box: Any, words: str) -> None:
    """Somebody types, and takes the first that is offered."""
    box.fill(words)
    tab.locator("[role=option]:visible").first.click()


def save(tab: Any, way: Way) -> None:
    """Press what saves the form."""
    tab.get_by_role("button", name=way("保存", "Save"), exact=True).first.click()


def use(tab: Any, label: str) -> None:
    """Press a verb of the page's header, or of its menu."""
    button = tab.locator(".page-header").get_by_role("button", name=label, exact=True)
    if not button.is_visible():
        tab.locator(".page-header summary").last.click()
    button.click()
