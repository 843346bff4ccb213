"""Small promises about pages to whoever sits before them (ASVS 6.2, 7.4, 13.4, 14.3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

#: What is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite")

STATIC = Path(__file__).resolve().parents[2] / "core" / "static" / "core"


@pytest.fixture
def browser(sign_in):
    return sign_in()


def test_passwords_are_hidden_and_may_be_filled_in(client, browser):
    """Inputs hide what is typed, let managers fill them in, and let people paste."""
    pages = [client.get("/sign-in"), browser.get("/profile"), browser.get("/profile/second-factor")]
    inputs = [
        found
        for page in pages
        for found in re.findall(r"<input[^>]*>", page.get_data(as_text=True))
        if re.search(r'name="[^"]*password"', found)
    ]
    assert len(inputs) >= 4
    for found in inputs:
        assert 'type="password"' in found
        assert re.search(r'autocomplete="(current|new)-password"', found), found
        assert "onpaste" not in found
    scripts = "".join(path.read_text() for path in STATIC.glob("*.js"))
    assert not re.search(r"""["']paste["'][^;]*password""", scripts)


@pytest.mark.parametrize("path", ["/", "/profile", "/r/order", "/r/order/new", "/admin/settings"])
def test_signing_out_is_on_every_page(browser, path):
    page = browser.get(path).get_data(as_text=True)
    assert '<form method="post" action="/sign-out">' in page


def test_the_sheet_of_keys_tells_of_each_that_does_something(browser):
    page = browser.get("/").get_data(as_text=True)
    sheet = page[page.index('id="keys"') :]
    told = set(re.findall(r"<kbd>([^<]+)</kbd>", sheet))
    pressed = {"/", "?", "j", "k", "n", "e", "f", "[", "]", "Esc"}
    assert told >= pressed | {"Ctrl", "K", "空格", "F2", "Alt", "←", "→", "Enter"}


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("http://localhost/r/order?sort=title", "/r/order?sort=title"),
        ("http://localhost/r/order/actions/approve", "/"),
        ("http://evil.example/r/order", "/"),
    ],
)
def test_what_is_chosen_in_the_head_leads_back_to_a_page(browser, page, wanted):
    """Of a page that answered a form there is nothing to open."""
    for path, data in (
        ("/language", {"locale": "zh_CN"}),
        ("/appearance", {"color_scheme": "dark"}),
        ("/navigation", {"navigation": "narrow"}),
        ("/keyboard", {"single_keys": "on"}),
    ):
        data = {**data, "csrf_token": browser.csrf}
        assert browser.post(path, data=data, headers={"Referer": page}).location == wanted


def test_the_browser_forgets_when_one_signs_out(browser):
    """The cookie goes, and whatever the browser may have kept of this site."""
    answer = browser.post("/sign-out", data={"csrf_token": browser.csrf})
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    cookies = " ".join(answer.headers.getlist("Set-Cookie"))
    assert re.search(r"dougong=;.*(Max-Age=0|Expires=Thu, 01 Jan 1970)", cookies)


def test_nothing_is_kept_in_the_browser():
    """No script of ours puts anything into the browser's storage: drafts are on the server."""
    for path in STATIC.glob("*.js"):
        assert not re.search(r"localStorage|sessionStorage|indexedDB", path.read_text()), path


def test_there_is_no_debugger(app, client):
    assert not app.debug
    assert not app.testing
    assert client.get("/console").status_code == 404
