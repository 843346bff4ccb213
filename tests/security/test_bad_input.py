"""Bad input over REST and on pages, in both languages: a clear 4xx, never a 5xx, nothing written."""

from __future__ import annotations

import inspect
import io
import json
import re
import zipfile
from typing import Any

import pytest
from test_requests import digest
from werkzeug.test import create_environ, run_wsgi_app

from core.entities import service
from core.http.addresses import read_number

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: Notes that somebody was there; and keys of requests, which hold no data of theirs.
LOGS = ("core_session", "core_sign_in", "core_api_token", "core_audit_entry")
LANGUAGES = {"en": "en", "zh_CN": "zh-CN"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
DEALS, PAGE = "/api/v1/records/oracle_deal", "/r/oracle_deal"
BIG = 200 * 1024 * 1024


def filtered(condition: Any) -> dict[str, Any]:
    return {"query_string": {"filter": json.dumps(condition)}}


def raw(body: bytes, kind: str = "application/json") -> dict[str, Any]:
    return {"data": body, "content_type": kind}


class Zeros(io.RawIOBase):
    """A body of 200 MB that is nowhere; it counts what was read of it."""

    def __init__(self) -> None:
        self.left, self.taken = BIG, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        self.taken += size
        return size


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(40_000_000))
    return packed.getvalue()


def upload(content: bytes, name: str) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(content), name), "entity": "oracle_deal"}}


#: REST: what is wrong -> (method, path, request, status). ID is a deal of version 2.
REST: dict[str, tuple[str, str, Any, int]] = {
    "malformed JSON": ("POST", DEALS, raw(b'{"title": '), 400),
    "NUL in JSON": ("POST", DEALS, raw(b'{"title": "a\\u0000b"}'), 400),
    "unknown field": ("POST", DEALS, {"json": {"title": "x", "nonsense": 1}}, 422),
    "wrong type": ("POST", DEALS, {"json": {"title": "x", "quantity": "many"}}, 422),
    "wrong type of a text": ("PATCH", f"{DEALS}/ID", {"json": {"title": ["x"]}}, 422),
    "too long": ("POST", DEALS, {"json": {"title": "x" * 121}}, 422),
    "wrong choice": ("PATCH", f"{DEALS}/ID", {"json": {"stage": "nonsense"}}, 422),
    "stale version": ("PATCH", f"{DEALS}/ID", {"json": {"title": "y", "version": 1}}, 409),
    "stale If-Match": (
        "PATCH", f"{DEALS}/ID", {"json": {"title": "y"}, "headers": {"If-Match": '"1"'}}, 409,
    ),
    "unknown entity": ("GET", "/api/v1/records/nonsense", {}, 404),
    "unknown record": ("PATCH", f"{DEALS}/999999", {"json": {"title": "y"}}, 404),
    "forbidden field in a filter": (
        "GET", DEALS, filtered({"field": "secret", "op": "eq", "value": "x"}), 422,
    ),
    "forbidden field in a sort": ("GET", f"{DEALS}?sort=secret", {}, 422),
    "forbidden field in a group": ("GET", f"{DEALS}/aggregate?group=secret", {}, 422),
    "forbidden field to write": ("PATCH", f"{DEALS}/ID", {"json": {"secret": "x"}}, 422),
    "unknown verb": ("POST", f"{DEALS}/ID/actions/nonsense", {"json": {}}, 404),
    "verb without what it needs": ("POST", f"{DEALS}/ID/actions/approve", {"json": {}}, 422),
    "zip bomb": ("POST", "/api/v1/imports", lambda: upload(bomb(), "a.xlsx"), 422),
    "NUL bytes in a csv": ("POST", "/api/v1/imports", lambda: upload(b"title\n\0\0\n", "a.csv"), 422),
    "csv under another name": (
        "POST", "/api/v1/imports", lambda: upload(b"title\nx\n", "a.xlsx"), 422,
    ),
    "no file": ("POST", "/api/v1/imports", {"data": {"entity": "oracle_deal"}}, 400),
}  # fmt: skip

#: Pages: what is wrong -> (method, path, form, status).
PAGES: dict[str, tuple[str, str, Any, int]] = {
    "too long": ("POST", f"{PAGE}/new", {"data": {"title": "x" * 121}}, 422),
    "nothing required": ("POST", f"{PAGE}/new", {"data": {"title": ""}}, 422),
    "wrong type": ("POST", f"{PAGE}/new", {"data": {"title": "x", "quantity": "many"}}, 422),
    "wrong choice": ("POST", f"{PAGE}/new", {"data": {"title": "x", "stage": "nonsense"}}, 422),
    "NUL": ("POST", f"{PAGE}/new", {"data": {"title": "a\0b"}}, 422),
    "stale version": (
        "POST", f"{PAGE}/ID/edit", {"data": {"title": "y", "stage": "new", "version": "1"}}, 409,
    ),
    "unknown entity": ("GET", "/r/nonsense", {}, 404),
    "unknown record": ("GET", f"{PAGE}/999999", {}, 404),
    "unknown verb": ("POST", f"{PAGE}/actions/nonsense", {"data": {"ids": "ID"}}, 404),
    "no such page": ("GET", "/nonsense", {}, 404),
}  # fmt: skip


@pytest.fixture
def stage(unit_of_work, make_person, app, bearer, sign_in):
    """``stage(language) -> (ask, key)``: somebody from whom `secret` is hidden, and a deal."""
    rights = ("read", "create", "update", "approve", "import")
    with unit_of_work() as uow:
        values = {
            "grants": {"oracle_deal": {a: "all" for a in rights}},
            "field_rules": {"oracle_deal": {"secret": "hidden"}},
        }
        service.create(uow, "role", [{"name": "bad", "title": "Bad", **values}])
    person = make_person("Bad", roles=("bad",), password="a very calm horse stands")
    with unit_of_work() as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t"}])
        service.update(uow, "oracle_deal", {key: {"title": "u"}})
    headers, browser = bearer(person), sign_in("person1@example.com", "a very calm horse stands")

    def ask(language: str, method: str, path: str, request: Any) -> Any:
        more = dict(request() if callable(request) else request)
        wanted = {"Accept-Language": LANGUAGES[language], **more.pop("headers", {})}
        more = json.loads(json.dumps(more).replace("ID", str(key))) if "json" in more else more
        path = path.replace("ID", str(key))
        if path.startswith("/api/"):
            return app.test_client().open(
                path, method=method, headers={**headers, **wanted}, **more
            )
        with unit_of_work() as uow:
            service.update(uow, "user", {person: {"locale": language}})
        if isinstance(data := more.get("data"), dict) and data.get("ids") == "ID":
            more["data"] = {**data, "ids": str(key)}
        wanted["X-CSRF-Token"] = browser.csrf
        return browser.open(path, method=method, headers=wanted, **more)

    return ask


@pytest.mark.parametrize("language", LANGUAGES)
def test_rest_refuses_in_the_callers_language_and_writes_nothing(stage, unit_of_work, language):
    before = digest(unit_of_work, without=LOGS)
    for name, (method, path, request, status) in REST.items():
        answer = stage(language, method, path, request)
        text = answer.get_data(as_text=True)
        assert answer.status_code == status, (name, text)
        assert answer.content_type == "application/problem+json", name
        problem = json.loads(text)
        words = [problem["title"], *(error["message"] for error in problem["errors"])]
        assert all(words), name
        told = bool(CHINESE.search(words[0]))
        assert told is (language == "zh_CN"), (name, words)
        assert digest(unit_of_work, without=LOGS) == before, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_refuse_in_their_readers_language_and_write_nothing(stage, unit_of_work, language):
    stage(language, "GET", PAGE, {})
    before = digest(unit_of_work, without=(*LOGS, "core_user", "core_epoch"))
    for name, (method, path, request, status) in PAGES.items():
        answer = stage(language, method, path, request)
        text = answer.get_data(as_text=True)
        assert answer.status_code == status, (name, text[:2000])
        assert re.search(rf'<html[^>]*lang="{LANGUAGES[language][:2]}', text), name
        assert digest(unit_of_work, without=(*LOGS, "core_user", "core_epoch")) == before, name


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "path", ["/api/v1/imports", "/files", f"{PAGE}/import", f"{PAGE}/new", DEALS]
)
def test_200_megabytes_are_refused_before_they_are_read(
    path, app, bearer, admin_id, sign_in, unit_of_work
):
    headers = bearer(admin_id)
    before = digest(unit_of_work, without=LOGS)
    for said in (True, False):
        body = Zeros()
        kind = "application/json" if path == DEALS else "multipart/form-data; boundary=x"
        environment = create_environ(path, method="POST", headers=headers, content_type=kind)
        environment["wsgi.input"] = io.BufferedReader(body)
        if said:
            environment["CONTENT_LENGTH"] = str(BIG)
        else:
            environment["wsgi.input_terminated"] = True
            environment["HTTP_TRANSFER_ENCODING"] = "chunked"
        _answer, status, _headers = run_wsgi_app(app, environment)
        assert int(status[:3]) in (400, 413, 422), (path, said, status)
        assert body.taken <= 101 * 1024 * 1024, (path, said)
        assert not said or body.taken == 0, path
        assert digest(unit_of_work, without=LOGS) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_that_cannot_be_read_is_refused_on_the_next_page(stage, unit_of_work, language):
    """On pages the file is kept for an hour, for it may be read otherwise; no record is made of it."""
    kept = (*LOGS, "core_user", "core_epoch", "core_file", "core_event")
    before = digest(unit_of_work, without=kept)
    for content, name in ((bomb(), "a.xlsx"), (b"title\n\0\0\n", "a.csv"), (b"", "a.csv")):
        answer = stage(language, "POST", f"{PAGE}/import", lambda: upload(content, name))  # noqa: B023
        if answer.status_code == 303:
            answer = stage(language, "GET", answer.headers["Location"], {})
        text = answer.get_data(as_text=True)
        assert answer.status_code in (200, 422), (name, answer.status_code)
        told = re.search(r'role="alert"[^>]*>(.*?)</div>', text, re.DOTALL) or re.search(
            "<title>(.*?) · ", text
        )
        assert told, text[:3000]
        assert bool(CHINESE.search(told[1])) is (language == "zh_CN"), told[1]
        assert digest(unit_of_work, without=kept) == before


def _arguments(view: Any) -> list[str]:
    """The names of what the page reads from its address, told by the source of its module."""
    source = inspect.getsource(inspect.unwrap(view))
    if view.__module__.startswith("core.api."):  # which names the arguments that a route takes
        asked = re.findall(r"arguments\(([^)]*)\)", source)
        return re.findall(r'"(\w+)"', " ".join(asked))
    module = inspect.getsource(inspect.getmodule(view))
    found = re.findall(r'(?:args|sent|values|given|form)\.get(?:list)?\(\s*"(\w+)"', module)
    listed = re.findall(r"for name in \(([^)]*)\)", module)
    return sorted({*found, *re.findall(r'"(\w+)"', " ".join(listed))})


@pytest.mark.long
def test_no_number_in_an_address_is_too_large(app, sign_in, unit_of_work):
    """Every page without a number in its path, with each argument that it knows: not one fails."""
    browser, asked = sign_in(), 0
    huge = "9" * 30
    owners, enabled = app.extensions["dougong.owners"], app.extensions["dougong"].snapshot.enabled
    for rule in app.url_map.iter_rules():
        owner = owners.get(rule.endpoint.partition(".")[0])
        if rule.arguments or "GET" not in rule.methods or (owner and owner not in enabled):
            continue
        names = _arguments(app.view_functions[rule.endpoint])
        # One at a time where one could hide another; together where that says as much.
        numbers = [name for name in names if name in ("before", "actor", "department", "parent")]
        for given in ([names] if names else []) + [[name] for name in numbers]:
            answer = browser.get(rule.rule, query_string=dict.fromkeys(given, huge))
            answer.close()
            assert answer.status_code < 500, (rule.rule, given)
            asked += 1
    assert asked >= 40


def test_numbers_are_read_as_far_as_databases_hold_them():
    assert read_number("9" * 18) == 10**18 - 1
    for none in (None, "", "-1", "1.5", "x", "９", "9" * 19, "9" * 5000):
        assert read_number(none) is None, none


def test_good_input_at_the_same_places_is_taken(stage, unit_of_work):
    """Positive control: what is refused above is not the caller, the path or the form."""
    before = digest(unit_of_work, without=LOGS)
    for method, path, request, status in (
        ("POST", DEALS, {"json": {"title": "x" * 120, "stage": "won", "quantity": 1}}, 201),
        ("PATCH", f"{DEALS}/ID", {"json": {"title": "y", "version": 2}}, 200),
        ("POST", f"{PAGE}/new", {"data": {"title": "x", "stage": "new", "quantity": "2"}}, 303),
        ("POST", "/api/v1/imports", lambda: upload(b"Title\nx\n", "a.csv"), 202),
    ):
        answer = stage("en", method, path, request)
        assert answer.status_code in (status, 302), (path, answer.get_data(as_text=True)[:600])
    assert digest(unit_of_work, without=LOGS) != before
