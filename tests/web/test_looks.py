"""What a page says once, to whom it offers what, and how errors look."""

from __future__ import annotations

import re
from html import unescape

import pytest

from core.entities import service

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


def test_the_head_of_a_record_is_not_said_again(browser, make_orders, unit_of_work):
    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East yard"}])
    (key,) = make_orders(1, title="Only once", site=site, amount="12.50", pieces=3)
    page = text_of(browser.get(f"/r/order/{key}"))
    head, _break, body = page.partition('<div class="content')
    assert "12.50" in head
    for label in re.findall(r"<dt>([^<]+)</dt>", head):
        assert f"<dt>{label}</dt>" not in body, label
    assert "<dd>Only once" not in page
    assert "<dt>Pieces</dt>" in body


def test_the_list_leads_administrators_to_its_fields(browser, sign_in_as, make_orders):
    make_orders(1)
    link = 'href="/admin/fields/order"'
    assert link in text_of(browser.get("/r/order"))
    assert browser.get("/admin/fields/order").status_code == 200
    assert link not in text_of(sign_in_as("foreman").get("/r/order"))


@pytest.mark.parametrize(("locale", "title"), [("zh_CN", "纸墨"), ("en", "Ink on paper")])
def test_a_theme_is_called_in_the_readers_language(browser, locale, title):
    browser.post("/language", data={"locale": locale, "csrf_token": browser.csrf})
    assert f"<span>{title}</span></label>" in text_of(browser.get("/admin/settings/appearance"))


def test_an_error_shows_strangers_no_empty_shell(client, browser):
    stranger, known = client.get("/nowhere"), browser.get("/nowhere")
    assert (stranger.status_code, known.status_code) == (404, 404)
    assert "sidebar" not in text_of(stranger)
    assert "error-code" in text_of(stranger)
    assert "sidebar" in text_of(known)
    fragment = browser.get("/nowhere", headers={"HX-Request": "true"})
    assert "<html" not in text_of(fragment)
    assert "error-code" in text_of(fragment)


def test_a_right_that_is_missing_is_named_in_words(sign_in_as):
    """S-218: not by what programs call the action."""
    answer = sign_in_as("worker").get("/r/site/new")
    assert answer.status_code == 403
    assert "新建" in text_of(answer)
    assert "create" not in re.sub(r"<[^>]*>", "", text_of(answer))


def test_the_navigation_is_folded_and_remembers_it(browser):
    assert "data-narrow" not in browser.get("/").get_data(as_text=True)
    data = {"navigation": "narrow", "csrf_token": browser.csrf}
    browser.post("/navigation", data=data)
    assert "data-narrow" in browser.get("/").get_data(as_text=True)
    browser.post("/navigation", data=data | {"navigation": "wide"})
    assert "data-narrow" not in browser.get("/").get_data(as_text=True)


def test_what_one_may_make_is_begun_from_anywhere(browser, sign_in_as):
    def begun(person):
        html = person.get("/profile").get_data(as_text=True)
        head = html[html.index('class="topbar-tools"') : html.index("</header>")]
        return [name for name in ("order", "site") if f'href="/r/{name}/new"' in head]

    assert begun(browser) == ["order", "site"]
    assert begun(sign_in_as("worker")) == ["order"]
