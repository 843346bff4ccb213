"""The box that searches everything offers pages and beginnings too, and none that would refuse."""

from __future__ import annotations

import re
from html import unescape

import pytest

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def offered(browser, words=""):
    """(label, address) of what is offered."""
    text = unescape(browser.get("/suggest", query_string={"q": words}).get_data(as_text=True))
    found = re.findall(r'data-url="([^"]+)"><span>(?:<svg.*?</svg>)?\s*([^<]*)</span>', text, re.S)
    return [(label.strip(), address) for address, label in found]


def test_without_words_beginnings_come_first(browser):
    labels = [label for label, _address in offered(browser)]
    assert labels[0].startswith("新建")
    assert "首页" in labels


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("设置", "/admin/settings"),
        ("sz", "/admin/settings"),
        ("shezhi", "/admin/settings"),
        ("order new", "/r/order/new"),
        ("xinjian order", "/r/order/new"),
        ("daoru order", "/r/order/import"),
        ("huishouzhan order", "/r/order/bin"),
        ("tz", "/notifications"),
        ("bangzhu", "/help"),
        ("bumen", "/admin/departments"),
        ("shezhi waiguan", "/admin/settings/core_look"),
        ("gerenshuju", "/admin/privacy"),
    ],
)
def test_a_page_is_found_by_letters_pinyin_and_initials(browser, words, wanted):
    if words == "order new":
        browser.set_cookie("locale", "en")
        browser.post("/language", data={"csrf_token": browser.csrf, "locale": "en"})
    assert wanted in [address for _label, address in offered(browser, words)]


def test_what_fits_nothing_offers_nothing(browser):
    assert offered(browser, "qqqq zzzz") == []


@pytest.mark.parametrize("who", ["worker", "foreman"])
def test_nobody_is_offered_what_would_refuse(sign_in_as, who):
    person = sign_in_as(who)
    found = {
        address for words in ("", "a", "e", "i", "d", "s") for _l, address in offered(person, words)
    }
    assert len(found) >= 5
    assert not any(address.startswith("/admin") for address in found)
    for address in found:
        assert person.get(address).status_code == 200, address
