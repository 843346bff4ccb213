"""What phones and browsers ask for by themselves: manifest, worker, the page without a connection."""

from __future__ import annotations

import re
import struct

import pytest

from core.settings.service import put_settings

#: What is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite")


def put(unit_of_work, group, **values):
    with unit_of_work() as uow:
        put_settings(uow, group, values)


def test_the_manifest_is_of_the_company_and_its_theme(client, unit_of_work):
    put(unit_of_work, "core", company_name="潍坊鸢衡机械制造有限公司", theme="qinglu")
    answer = client.get("/manifest.webmanifest")
    assert answer.content_type == "application/manifest+json"
    found = answer.get_json(force=True)
    assert found["name"] == "潍坊鸢衡机械制造有限公司"
    assert len(found["short_name"]) <= 12
    assert (found["start_url"], found["scope"], found["display"]) == ("/", "/", "standalone")
    assert found["lang"] == "zh-CN"
    assert found["theme_color"] == "#143c5a"
    assert {icon.get("purpose", "any") for icon in found["icons"]} == {"any", "maskable"}
    for icon in found["icons"]:
        with client.get(icon["src"]) as picture:
            assert picture.content_type == "image/png"
            assert "immutable" in picture.headers["Cache-Control"]
            head = picture.data[16:24]
        width, height = struct.unpack(">II", head)
        assert icon["sizes"] == f"{width}x{height}"


def test_every_page_names_manifest_icon_and_colours(client):
    page = client.get("/sign-in").get_data(as_text=True)
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page
    icon = re.search(r'<link rel="apple-touch-icon" href="([^"]+)">', page)
    with client.get(icon[1]) as picture:
        assert picture.content_type == "image/png"
    assert len(re.findall(r'<meta name="theme-color" content="#[0-9a-f]{6}"', page)) == 2


def test_the_worker_stands_at_the_root_and_the_policy_lets_it(client):
    answer = client.get("/sw.js")
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    policy = client.get("/sign-in").headers["Content-Security-Policy"]
    assert "worker-src 'self'" in policy
    assert "manifest-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(("locale", "words"), [("zh_CN", "连不上服务器"), ("en", "No connection")])
def test_the_page_without_a_connection_is_of_nobody(sign_in, locale, words):
    """Also when a person asks for it, nothing of theirs is on it: the browser keeps it."""
    browser = sign_in()
    answer = browser.get(f"/offline?locale={locale}&scheme=dark")
    page = answer.get_data(as_text=True)
    assert words in page
    assert 'data-scheme="dark"' in page
    assert "admin@example.com" not in page
    assert "管理员" not in page
    assert 'class="sidebar"' not in page


def test_that_page_has_another_address_when_the_look_changes(client, unit_of_work):
    def address():
        page = client.get("/sign-in").get_data(as_text=True)
        return re.search(r'<meta name="offline-page" content="([^"]+)">', page)[1]

    before = address()
    assert address() == before
    put(unit_of_work, "core_look", accent="#00b578")
    assert address() != before
