"""Answers on the wire: short for who takes gzip, and a token that looks different every time."""

from __future__ import annotations

import gzip
import io
import re

import pytest

from core.files.service import store_upload
from core.http.masking import mask, unmask

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

GZIP = {"Accept-Encoding": "gzip, deflate, br"}
#: What may be compressed by its kind, and is long enough.
TEXTS = (
    "/r/order",
    "/static/core/app.css",
    "/static/core/app.js",
    "/static/core/icons/icons.svg",
    "/api/openapi.json",
)


@pytest.mark.parametrize("path", TEXTS)
def test_a_long_text_is_sent_short_to_who_takes_it(browser, make_orders, path):
    make_orders(20)
    plain, packed = browser.get(path), browser.get(path, headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in plain.vary
    assert "Accept-Encoding" in packed.vary
    text = gzip.decompress(packed.data)
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(text) / 2
    if path.startswith("/static"):
        assert text == plain.data
    plain.close()


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0"])
def test_who_does_not_take_it_gets_the_text(browser, accepted):
    answer = browser.get("/profile", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers
    assert answer.data.startswith(b"<!doctype html>")


def test_short_texts_files_and_errors_go_as_they_are(browser, unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        file = store_upload(uow, io.BytesIO(b"line of a file\n" * 400), "long.txt")
    for path in ("/healthz", f"/files/{file}", "/nowhere"):
        answer = browser.get(path, headers=GZIP)
        assert "Content-Encoding" not in answer.headers, path
        answer.close()
    with browser.get(f"/files/{file}", headers=GZIP) as answer:
        assert answer.data == b"line of a file\n" * 400


def test_who_comes_from_another_site_learns_no_length(browser):
    """BREACH: a page that another site asked for is not compressed."""
    foreign = {**GZIP, "Sec-Fetch-Site": "cross-site"}
    assert "Content-Encoding" not in browser.get("/profile", headers=foreign).headers
    own = {**GZIP, "Sec-Fetch-Site": "same-origin"}
    assert browser.get("/profile", headers=own).headers["Content-Encoding"] == "gzip"


def test_the_token_of_forms_is_never_twice_the_same_text(browser):
    """BREACH: each answer masks it anew; each of them is taken."""
    pages = [browser.get("/profile").get_data(as_text=True) for _n in range(3)]
    tokens = [set(re.findall(r'(?:name="csrf_token" value|csrf-token" content)="([^"]+)"', page))
              for page in pages]  # fmt: skip
    assert [len(found) for found in tokens] == [1, 1, 1]
    assert len(set.union(*tokens)) == 3
    for (token,) in tokens:
        data = {"name": "王师傅", "csrf_token": token}
        assert browser.post("/profile", data=data).status_code == 303


def test_the_bare_token_and_nonsense_are_refused(browser):
    page = browser.get("/profile").get_data(as_text=True)
    token = re.search(r'csrf-token" content="([^"]+)"', page)[1]
    for wrong in (unmask(token), "", "é", "AAAA", token[:-4], mask("x" * 32)):
        data = {"name": "王师傅", "csrf_token": wrong}
        assert browser.post("/profile", data=data).status_code == 403, wrong


def test_masking_keeps_the_secret():
    secret = "aZ-_09" * 5
    assert {unmask(mask(secret)) for _n in range(20)} == {secret}
    assert unmask("not base64!") is None


def test_a_browser_that_guesses_at_the_icon_finds_it(client):
    answer = client.get("/favicon.ico", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.mimetype == "image/svg+xml"
    answer.close()
