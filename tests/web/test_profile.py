"""One's own page: name, password, sessions, tokens."""

from __future__ import annotations

import re

import pytest

from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

NEW = "seven kites over the river"


def text_of(answer):
    return answer.get_data(as_text=True)


@pytest.fixture
def me(sign_in_as):
    return sign_in_as("worker")


def test_everybody_changes_their_own_name_and_language(me):
    data = {"name": "王师傅", "locale": "en", "csrf_token": me.csrf}
    assert me.post("/profile", data=data).status_code == 303
    page = text_of(me.get("/profile"))
    assert 'value="王师傅"' in page
    assert '<html lang="en"' in page
    assert me.post("/profile", data={**data, "name": ""}).status_code == 422


def change(me, **values):
    data = {"old_password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
    return me.post("/profile/password", data={**data, "csrf_token": me.csrf, **values})


def test_the_password_needs_the_old_one(me, sign_in_as):
    for values in ({"old_password": "wrong"}, {"repeated_password": "x"}, {"new_password": "1"}):
        assert change(me, **values).status_code == 422
    assert sign_in_as("worker") is not None


def test_a_new_password_ends_the_other_sessions_and_keeps_this_browser(me, sign_in_as, client):
    other = sign_in_as("worker")
    assert change(me).status_code == 303
    assert me.get("/profile").status_code == 200
    assert other.get("/profile").status_code == 302


def test_a_session_can_be_ended_elsewhere_and_only_ones_own(me, sign_in_as, browser):
    other = sign_in_as("worker")
    page = text_of(me.get("/profile"))
    (ending,) = re.findall(r'href="(/profile/sessions/\d+/end)"', page)
    assert f'action="{ending}"' in text_of(me.get(ending)), "it is asked first"
    assert browser.get(ending).status_code == 404
    assert browser.post(ending, data={"csrf_token": browser.csrf}).status_code == 404
    assert other.get("/profile").status_code == 200
    assert me.post(ending, data={"csrf_token": me.csrf}).status_code == 303
    assert other.get("/profile").status_code == 302


def test_a_token_is_shown_once_and_can_be_revoked_by_its_owner(me, browser, client):
    data = {"title": "for the scales", "scopes": "order.read", "csrf_token": me.csrf}
    page = text_of(me.post("/profile/tokens", data=data))
    token = re.search(r"dg_[\w-]+", page)[0]
    assert token not in text_of(me.get("/profile"))
    call = {"Authorization": f"Bearer {token}"}
    assert client.get("/r/order", headers=call).status_code == 200
    page = text_of(me.get("/profile"))
    assert not re.search(r'action="/profile/(tokens|sessions)/[^"]*(revoke|end)"', page)
    for ending in re.findall(r'href="(/profile/tokens/[^"]*revoke)"', page):
        asked = text_of(me.get(ending))
        assert f'action="{ending}"' in asked
        assert "不能撤回" in asked
    (ending,) = re.findall(r'href="(/profile/tokens/\d+/revoke)"', page)
    assert browser.get(ending).status_code == 404
    assert browser.post(ending, data={"csrf_token": browser.csrf}).status_code == 404
    assert me.post(ending, data={"csrf_token": me.csrf}).status_code == 303
    assert client.get("/r/order", headers=call).status_code == 302


def test_the_page_that_shows_a_token_loaded_again_makes_no_second_one(me):
    """Reload and a double click send the same form."""
    (once,) = re.findall(r'name="once" value="([^"]+)"', text_of(me.get("/profile")))
    data = {"title": "for the scales", "once": once, "csrf_token": me.csrf}
    shown = me.post("/profile/tokens", data=data)
    assert "dg_" in text_of(shown)
    assert f'value="{once}"' not in text_of(shown), "another form makes another token"
    again = me.post("/profile/tokens", data=data)
    assert again.status_code == 303
    page = text_of(me.get("/profile"))
    assert "dg_" not in page
    assert len(re.findall(r'href="/profile/tokens/\d+/revoke"', page)) == 1


def test_a_token_needs_a_title_and_a_scope_that_is_one(me):
    for values in ({"title": ""}, {"title": "x", "scopes": "everything"}):
        answer = me.post("/profile/tokens", data={**values, "csrf_token": me.csrf})
        assert answer.status_code == 422
        assert "dg_" not in text_of(answer)
