"""C1, A2, A6, A9: every route from the outside: tokens, origins, cookies, sign-in, redirects."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.db.base import metadata
from core.entities import service
from core.http.requests import SAFE_METHODS, route_policy
from core.http.security import check_csrf
from core.security.credentials import set_password
from core.security.tokens import create_token
from core.testing.installation import ADMIN, PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: Notes that somebody was there, or tried.
LOGS = ("core_session", "core_sign_in", "core_audit_entry", "core_event", "core_job")


def digest(unit_of_work: Any, *, without: tuple[str, ...] = ()) -> str:
    found = hashlib.sha256()
    with unit_of_work(write=False) as uow:
        for name in sorted(metadata.tables):
            if (
                name.startswith(("core_", "oracle_sample_"))
                and "__x_" not in name
                and name not in without
            ):
                rows = sorted(
                    map(repr, uow.connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())
                )
                found.update(name.encode() + "\n".join(rows).encode())
    return found.hexdigest()


def _rules(app: Any, *, writing: bool) -> list[tuple[str, str]]:
    """(method, path) of every route, with values that exist filled in."""
    found = []
    owners, enabled = app.extensions["dougong.owners"], app.extensions["dougong"].snapshot.enabled
    for rule in app.url_map.iter_rules():
        owner = owners.get(rule.endpoint.partition(".")[0])
        if owner is not None and owner not in enabled:
            continue  # there is no such page, whoever asks and however
        values = {name: _value(rule, name) for name in rule.arguments}
        with app.test_request_context():
            built = app.url_map.bind("localhost").build(rule.endpoint, values, method=None)
        for method in sorted(rule.methods or ()):
            if (method not in SAFE_METHODS) is writing and method not in ("HEAD", "OPTIONS"):
                found.append((method, built.partition("?")[0]))
    return sorted(set(found))


def _value(rule: Any, name: str) -> Any:
    texts = {"entity": "oracle_deal", "path": "x.css", "action": "approve", "name": "oracle_sample"}
    for value in (texts.get(name, "x"), 1, *getattr(rule._converters[name], "items", ())):
        converter = rule._converters[name]
        try:
            url = converter.to_url(value)
        except ValueError:
            continue
        if re.fullmatch(converter.regex, url):
            return value
    raise LookupError(f"{rule}: no value for {name}")


ATTACKS: dict[str, dict[str, str]] = {
    "no token": {},
    "wrong token": {"X-CSRF-Token": "x" * 32},
    "foreign origin": {"X-CSRF-Token": "right", "Origin": "https://evil.example"},
    "origin with our name in front": {"X-CSRF-Token": "right", "Origin": "http://localhost.evil.example"},
    "hidden origin": {"X-CSRF-Token": "right", "Origin": "null"},
    "cross-site": {"X-CSRF-Token": "right", "Sec-Fetch-Site": "cross-site"},
    "same-site": {"X-CSRF-Token": "right", "Sec-Fetch-Site": "same-site"},
    "text": {"Content-Type": "text/plain"},
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_write_without_the_sessions_token(app, sign_in, unit_of_work, attack):
    """C1: each state-changing route, by the administrator's own browser steered from elsewhere."""
    browser = sign_in()
    headers = {k: browser.csrf if v == "right" else v for k, v in ATTACKS[attack].items()}
    before = digest(unit_of_work, without=("core_session",))
    refused = 0
    for method, path in _rules(app, writing=True):
        answer = browser.open(path, method=method, headers=headers, data=b"{}")
        assert answer.status_code == 403, (method, path, answer.status_code)
        refused += 1
    assert refused >= 20
    assert digest(unit_of_work, without=("core_session",)) == before


def test_with_the_token_the_same_routes_are_reached(app, sign_in):
    """Positive control: what refuses above is the missing token, not the path."""
    browser, reached = sign_in(), 0
    headers = {
        "X-CSRF-Token": browser.csrf,
        "Origin": "http://localhost",
        "Sec-Fetch-Site": "same-origin",
    }
    for method, path in _rules(app, writing=True):
        if "sign-out" in path:
            continue
        answer = browser.open(path, method=method, headers=headers, json={"nonsense": 1})
        assert answer.status_code < 500 or answer.status_code == 503, (method, path)
        reached += answer.status_code != 403
    assert reached >= 15


def test_without_the_check_a_foreign_page_writes(app, sign_in, unit_of_work, monkeypatch):
    """Positive control: the guard is what holds."""
    browser = sign_in()
    checks = app.before_request_funcs[None]
    monkeypatch.setitem(app.before_request_funcs, None, [f for f in checks if f is not check_csrf])
    assert check_csrf in checks
    before = digest(unit_of_work)
    browser.post("/language", data={"locale": "en"}, headers={"Origin": "https://evil.example"})
    assert digest(unit_of_work) != before


def test_reading_routes_write_nothing(
    app, runtime, monkeypatch, sign_in, bearer, admin_id, unit_of_work
):
    """C1: GET and HEAD leave the database as it was; that a session or a token is in use is noted
    only as time goes by."""
    moment = runtime.clock.now()
    monkeypatch.setattr(runtime.clock, "source", lambda: moment)
    headers = bearer(admin_id)
    app.test_client().get("/api/v1/me", headers=headers).close()
    browser = sign_in()
    with unit_of_work() as uow:
        service.create(uow, "oracle_deal", [{"title": "t"}])
    trail = ("core_audit_entry",)  # that somebody exported is noted
    before = digest(unit_of_work, without=trail)
    for method, path in _rules(app, writing=False):
        for answer in (
            browser.open(path, method=method),
            browser.open(path, method="HEAD"),
            app.test_client().open(path, method=method, headers=headers),
        ):
            answer.close()
            assert answer.status_code < 500, (path, answer.status_code)
        assert digest(unit_of_work, without=trail) == before, path


def test_nobody_gets_in_anywhere(app, unit_of_work):
    """A1, Z2: what is not public asks for somebody; each route says what it demands."""
    before, public = digest(unit_of_work, without=LOGS), set()
    for writing in (False, True):
        for method, path in _rules(app, writing=writing):
            answer = app.test_client().open(path, method=method)
            answer.close()
            if answer.status_code not in (302, 401, 403, 404):
                public.add(path)
    assert digest(unit_of_work, without=LOGS) == before
    assert {path for path in public if "/records/" in path or "/admin" in path} == set()
    for rule in app.url_map.iter_rules():
        assert route_policy(app.view_functions[rule.endpoint]), rule


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer dg_x",
        "Bearer " + "x" * 5000,
        "Basic YTpi",
        "bearer dg_\x7f",
        "x",
        " ",
    ],
)
def test_a_bad_token_is_nobody(app, sign_in, header):
    """A header decides alone: a session beside it does not count."""
    browser = sign_in()
    answer = browser.get("/api/v1/records/user", headers={"Authorization": header})
    assert answer.status_code == 401 or not header.strip()


def _cookies(answer: Any) -> dict[str, str]:
    return {line.partition("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}


def test_the_cookie_is_closed_to_scripts_and_other_sites(app, client, monkeypatch):
    """A9: and bound to this host where the address is https."""
    for secure, name in ((False, "dougong"), (True, "__Host-dougong")):
        monkeypatch.setitem(app.config, "SESSION_COOKIE_SECURE", secure)
        answer = client.post("/sign-in", data={"email": ADMIN, "password": PASSWORD})
        cookie = _cookies(answer)[name]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert ("Secure" in cookie) is secure
        assert answer.headers["Cache-Control"] == "no-store"


def test_over_https_browsers_are_told_to_stay_there(client):
    """A9: on every answer; and the method that repeats a request's headers is not there."""
    for secure in (False, True):
        base = f"http{'s' if secure else ''}://localhost"
        for path in ("/sign-in", "/api/v1/me", "/nowhere"):
            answer = client.get(path, base_url=base)
            assert ("Strict-Transport-Security" in answer.headers) is secure, path
            assert client.open(path, method="TRACE", base_url=base).status_code in (404, 405)


def test_wrong_passwords_wait_longer_and_longer(client, runtime):
    """A2: where one signed in before three free tries, then 1, 2, 4 … s; the right password waits too."""
    assert client.post("/sign-in", data={"email": ADMIN, "password": PASSWORD}).status_code == 302
    client.delete_cookie("dougong")
    waits = []
    for _ in range(9):
        answer = client.post("/sign-in", data={"email": ADMIN, "password": "wrong"})
        assert answer.status_code == 401
        found = re.search(r"(\d+)\s*(秒|seconds)", answer.get_data(as_text=True))
        if found:
            waits.append(int(found[1]))
            right = client.post("/sign-in", data={"email": ADMIN, "password": PASSWORD})
            assert right.status_code == 401
            runtime.clock.offset += timedelta(seconds=int(found[1]))
    assert waits == sorted(waits)
    assert len(waits) >= 2
    runtime.clock.offset += timedelta(minutes=20)
    assert client.post("/sign-in", data={"email": ADMIN, "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("nobody@example.com", "x"),
        ("\x00", "x"),
        (ADMIN, "\x00"),
        ("a" * 9000, "b" * 9000),
        ("", ""),
        ("'--", "x"),
    ],
)
def test_sign_in_tells_nothing(client, email, password):
    """A5: the same words for a wrong address and a wrong password, and no crash."""
    known = client.post("/sign-in", data={"email": ADMIN, "password": "wrong"})
    answer = client.post("/sign-in", data={"email": email, "password": password})
    assert answer.status_code == known.status_code == 401
    wrong = re.compile(r"The address or the password is wrong|地址或密码|密码")
    assert bool(wrong.search(answer.get_data(as_text=True)))


def test_a_session_ends_with_the_right_to_it(app, sign_in, unit_of_work, make_person, admin_id):
    """A3: a new password, a deactivated person, signing out; tokens end with the person too."""
    made = make_person("Leaver", password="a very calm horse stands")
    email = "person1@example.com"
    for end in ("password", "sign-out", "deactivation"):
        password = "a very calm horse stands"
        with unit_of_work() as uow:
            set_password(uow, made, password, email=email, name="Leaver")
            token = create_token(uow, made, title="t")
        browser = sign_in(email, password)
        headers = {"Authorization": f"Bearer {token.text}"}
        assert browser.get("/api/v1/me").status_code == 200
        assert app.test_client().get("/api/v1/me", headers=headers).status_code == 200
        if end == "password":
            with unit_of_work() as uow:
                set_password(uow, made, "another calm horse stands", email=email, name="Leaver")
        elif end == "sign-out":
            browser.post("/sign-out", headers={"X-CSRF-Token": browser.csrf})
        else:
            with unit_of_work(admin_id) as uow:
                service.update(uow, "user", {made: {"is_active": False}})
            assert app.test_client().get("/api/v1/me", headers=headers).status_code == 401
        assert browser.get("/api/v1/me").status_code == 401


def test_a_token_makes_no_tokens(client, bearer, admin_id):
    """A leaked token must not outlive itself, whatever its scopes."""
    for scopes in (None, ["*"], ["oracle_deal.*"]):
        answer = client.post(
            "/api/v1/tokens", json={"title": "t"}, headers=bearer(admin_id, scopes)
        )
        assert answer.status_code == 403


HOSTS = (
    "evil.example",
    "evil.example/",
    "evil.example:80",
    "localhost@evil.example",
    "evil.example#localhost",
)
PREFIXES = (
    "//",
    "///",
    "/\\",
    "\\\\",
    "\\/",
    "http://",
    "https://",
    "https:",
    "http:/",
    "//\t",
    "/\t/",
    " //",
    "\t//",
    "/\n/",
    "ftp://",
)
NEXT = tuple(
    dict.fromkeys(
        [prefix + host for prefix in PREFIXES for host in HOSTS[:4]]
        + ["javascript:alert(1)", "data:text/html,x", "/\x00//evil.example", "//evil.example/..", "/%09/../\\evil.example", "http:evil.example"]
    )
)  # fmt: skip


@pytest.mark.parametrize("target", NEXT)
def test_after_signing_in_one_stays_here(client, target):
    """Open redirects: sixty spellings of elsewhere."""
    answer = client.post("/sign-in", data={"email": ADMIN, "password": PASSWORD, "next": target})
    assert answer.status_code == 302
    where = answer.headers["Location"]
    assert where.startswith("/")
    assert not where.startswith(("//", "/\\"))
    assert not re.search(r"[\\\x00-\x20]", where)
    assert urlsplit(where).netloc == ""
    again = client.get("/sign-in", query_string={"next": target})
    assert not again.headers.get("Location", "/").startswith(("//", "/\\", "h", "j", "d"))
    assert len(NEXT) >= 60


def test_a_path_of_our_own_is_kept(client):
    """Positive control."""
    data = {"email": ADMIN, "password": PASSWORD, "next": "/sign-in?x=1"}
    assert client.post("/sign-in", data=data).headers["Location"] == "/sign-in?x=1"
