"""A public page stands in frames of the sites that it names, and in no others."""

from __future__ import annotations

import pytest

# What is answered does not depend on the database.
pytestmark = pytest.mark.databases("sqlite")


def test_a_page_names_who_may_frame_it(client, behaving):
    plain = client.get("/dummy_plugin/open").headers
    assert "frame-ancestors 'none'" in plain["Content-Security-Policy"]
    assert plain["X-Frame-Options"] == "DENY"
    with behaving(sites=lambda: ("https://www.example.com", "http://localhost:8000")):
        framed = client.get("/dummy_plugin/open").headers
    named = "frame-ancestors https://www.example.com http://localhost:8000"
    assert framed["Content-Security-Policy"] == plain["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", named
    )
    assert "X-Frame-Options" not in framed


@pytest.mark.parametrize(
    "site",
    ["https://a.example; script-src *", "https://a.example b", "*", "javascript:alert(1)", ""],
)
def test_what_could_change_the_policy_is_no_site(app, site):
    from core.http.requests import framed_by

    with app.test_request_context(), pytest.raises(ValueError, match="site"):
        framed_by([site])
