"""Who gets in: anonymous callers (A1), limited tokens (A8), and what every answer carries (A9)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

# Doors are the same before either database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: The only routes that answer somebody who is not signed in.
PUBLIC = {
    "system.favicon",
    "system.healthz",
    "system.readyz",
    "system.static",
    "web.sign_in_page",
    "web.sign_in",
    "web.set_language",
    "web.set_color_scheme",
    "web.sign_in_step",
    "web.take_sign_in_step",
    "web.forgotten",
    "web.ask_for_password",
    "web.password_link",
    "web.use_password_link",
    # Forms of the company for visitors: test_public_forms.py of crm_leads.
    "crm_leads.form",
    "crm_leads.submit_form",
    # Quotes, for whoever has the link: test_offers.py of crm_sales.
    "crm_sales.answer_offer",
    "crm_sales.show_offer",
    # What browsers ask for by themselves, and what the page of signing in is drawn with.
    "system.accent",
    "system.company_icon",
    "system.company_logo",
    "system.manifest",
    "system.service_worker",
    "system.offline",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def concrete(rule) -> str:
    """A path of the rule with something in each place."""
    return re.sub(r"<(?:([^:<>]+):)?[^<>]+>", lambda m: "1" if m[1] != "path" else "a/b", rule.rule)


def test_nobody_gets_in_anywhere(app):
    """A1: every route, every method."""
    from core.http.requests import route_policy

    public = {
        endpoint for endpoint, view in app.view_functions.items() if route_policy(view) == "public"
    }
    assert public <= PUBLIC, public - PUBLIC
    browser = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC:
            continue
        for method in METHODS:
            answer = browser.open(concrete(rule), method=method)
            allowed = {401, 404, 405} if rule.rule.startswith("/api/") else {302, 401, 404, 405}
            assert answer.status_code in allowed, (method, rule.rule, answer.status_code)
            if answer.status_code == 302:
                assert answer.headers["Location"].startswith("/sign-in")


def test_the_doors_of_signing_in_tell_a_stranger_nothing(app):
    """A1: what the public routes answer to who has begun no sign-in and holds no link."""
    browser = app.test_client()
    answers = {
        ("GET", "/sign-in/step"): (302, 303),
        ("POST", "/sign-in/step"): (302, 303),
        ("GET", "/forgotten"): (200,),
        ("POST", "/forgotten"): (200,),
        ("GET", "/password/none"): (410,),
        ("POST", "/password/none"): (410,),
    }
    for (method, path), expected in answers.items():
        answer = browser.open(path, method=method)
        assert answer.status_code in expected, (method, path, answer.status_code)
        if answer.status_code in (302, 303):
            assert answer.headers["Location"].startswith("/sign-in")
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/sign-in/step", "/forgotten", "/password/none"):
        assert browser.post(path, headers=elsewhere).status_code == 403, path


def test_a_wrong_token_is_nobody(api, nobody, runtime, app):
    from tests.api.conftest import Caller

    for header in ("Bearer dg_wrong", "Bearer", "Basic YTpi", "dg_x", "Bearer dg_" + "x" * 5000):
        answer = Caller(app, {"Authorization": header}).get("/me")
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert nobody.get("/me").json["type"] == "urn:dougong:unauthenticated"
    assert api.get("/me").status_code == 200
    runtime.clock.move(timedelta(days=366))
    assert api.get("/me").status_code == 401


def operations(key: int) -> dict[str, tuple[str, str, dict]]:
    """Every operation on records, and the right that it needs."""
    one = f"/records/department/{key}"
    return {
        "list": ("read", "GET", "/records/department"),
        "get": ("read", "GET", one),
        "timeline": ("read", "GET", one + "/timeline"),
        "aggregate": ("read", "GET", "/records/department/aggregate"),
        "create": ("create", "POST", "/records/department"),
        "batch": ("create", "POST", "/records/department/batch"),
        "update": ("update", "PATCH", one),
        "delete": ("delete", "DELETE", one),
        "restore": ("delete", "POST", one + "/restore"),
    }


BODIES = {
    "create": {"name": "甲"},
    "batch": {"create": [{"name": "乙"}], "atomic": True},
    "update": {"name": "丙"},
}
OUTSIDE = (
    ("GET", "/plugins"),
    ("POST", "/plugins/api_sample/disable"),
    ("GET", "/settings/core"),
    ("PATCH", "/settings/core"),
    ("GET", "/tokens"),
    ("POST", "/tokens"),
    ("DELETE", "/tokens/1"),
    ("POST", "/schema/entities/department/fields"),
)


@pytest.mark.parametrize(
    ("scope", "rights"),
    [
        ("department.read", {"read"}),
        ("department.create", {"create"}),
        ("department.update", {"update"}),
        ("department.delete", {"delete"}),
        ("*.read", {"read"}),
        ("department.*", {"read", "create", "update", "delete"}),
        ("user.*", set()),
        ("department.export", set()),
    ],
)
def test_a_token_does_exactly_what_its_scopes_say(api, caller, admin_id, scope, rights):
    """A8"""
    key = api.made("department", name="部")["id"]
    limited = caller(admin_id, [scope])
    done = set()
    for name, (right, method, path) in operations(key).items():
        answer = limited(method, path, json=BODIES.get(name))
        assert answer.status_code in (200, 201, 204, 403), (name, answer.json)
        if answer.status_code != 403:
            done.add(name)
        assert (answer.status_code != 403) == (right in rights), (scope, name)
    for method, path in OUTSIDE:
        body = {"title": "x"} if method != "GET" else None
        assert limited(method, path, json=body).status_code == 403, (method, path)
    paths = limited("GET", "/api/openapi.json").json["paths"]
    about = {path for path in paths if path.startswith("/api/v1/records/department")}
    assert bool(about) == bool(rights - {"export"})


def test_tokens_are_shown_once_and_end_when_revoked(
    api, app, runtime, caller, make_person, sign_in
):
    """A8"""
    from sqlalchemy import select

    from core.security.models import api_token_table
    from tests.api.conftest import Caller

    wanted = {"title": "ERP", "scopes": ["note.read"], "days": 10}
    assert api.post("/tokens", wanted).status_code == 403, "a token makes no tokens"
    browser = sign_in()
    csrf = {"X-CSRF-Token": browser.csrf}
    made = browser.post("/api/v1/tokens", json=wanted, headers=csrf)
    assert made.status_code == 201, made.json
    for wrong in ({}, {"title": "x", "days": 10**9}, {"title": "x", "scopes": [{}]}, {"a": 1}):
        assert browser.post("/api/v1/tokens", json=wrong, headers=csrf).status_code == 422
    text = made.json["token"]
    with runtime.read_connection() as connection:
        rows = [str(tuple(row)) for row in connection.execute(select(api_token_table))]
    assert not any(text in row for row in rows)
    listed = api.get("/tokens").json["items"]
    assert listed[0]["title"] == "ERP"
    assert text not in api.get("/tokens").get_data(as_text=True)
    erp = Caller(app, {"Authorization": f"Bearer {text}"})
    assert erp.get("/records/note").status_code == 200
    assert erp.get("/me").json["scopes"] == ["note.read"]
    other = caller(make_person("别人"))
    assert other.delete(f"/tokens/{made.json['id']}").status_code == 404
    assert api.delete(f"/tokens/{made.json['id']}").status_code == 204
    assert erp.get("/records/note").status_code == 401


def test_headers_of_every_answer(app, api):
    """A9: on all routes, errors and downloads included."""
    answers = [
        (rule.rule, api(method, concrete(rule)) if rule.rule.startswith("/api/") else None)
        for rule in app.url_map.iter_rules()
        for method in ("GET", "POST")
    ]
    browser = app.test_client()
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/"):
            answers.append((rule.rule, browser.get(concrete(rule))))
    for rule, answer in answers:
        if answer is None:
            continue
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", rule
        assert headers["Referrer-Policy"] == "same-origin", rule
        assert headers["X-Frame-Options"] == "DENY", rule
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, rule
        assert "unsafe-inline" not in policy, rule
        if rule != "/static/<path:path>":
            assert "no-store" in headers["Cache-Control"], rule
        assert answer.status_code < 500 or rule == "/readyz", rule


def test_a_session_needs_its_csrf_token(sign_in):
    browser = sign_in()
    assert browser.get("/api/v1/me").status_code == 200
    assert browser.post("/api/v1/records/note", json={"title": "x"}).status_code == 403
    cookie = next(iter(browser._cookies.values()))
    assert cookie.http_only


def test_jobs_are_their_starters(api, caller, make_person, unit_of_work):
    someone, other = make_person("甲"), make_person("乙")
    with unit_of_work(someone) as uow:
        job = uow.enqueue("core.deliver", {})
    body = caller(someone).get(f"/jobs/{job}").json
    assert body == {
        "id": job,
        "kind": "core.deliver",
        "state": "queued",
        "done": 0,
        "total": None,
        "result": None,
        "error": None,
    }
    assert caller(other).get(f"/jobs/{job}").status_code == 404
    assert caller(other).post(f"/jobs/{job}/cancel").status_code == 404
    assert api.get(f"/jobs/{job}").status_code == 200
    assert caller(someone).post(f"/jobs/{job}/cancel").json["state"] == "cancelled"
    assert caller(someone).post(f"/jobs/{job}/cancel").status_code == 409


def test_only_administrators_see_settings_and_modules(api, caller, make_person):
    person = caller(make_person("员"))
    for method, path in OUTSIDE:
        if "tokens" not in path:
            assert person(method, path, json={}).status_code == 403, path
    changed = api.patch("/settings/core", {"company_name": "斗拱公司"})
    assert changed.json["values"]["company_name"] == "斗拱公司"
    assert api.get("/settings/core").json["values"]["company_name"] == "斗拱公司"


def test_switching_a_module(api):
    assert api.post("/plugins/api_sample/disable").json["enabled"] is False
    assert api.get("/records/note").status_code == 404
    assert "/api/v1/records/note" not in api.get("/api/openapi.json").json["paths"]
    assert api.post("/plugins/api_sample/enable").json["enabled"] is True
    assert api.get("/records/note").status_code == 200


def test_a_module_that_fails_says_why(api):
    answer = api.post("/plugins/api_broken/enable")
    assert answer.status_code == 409
    assert "no ground to stand on" in answer.json["title"]
    items = {item["name"]: item for item in api.get("/plugins").json["items"]}
    assert items["api_broken"]["enabled"] is False
    assert "no ground to stand on" in items["api_broken"]["error"]
