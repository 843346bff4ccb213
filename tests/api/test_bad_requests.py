"""Malformed requests: each is a 4xx problem document that names what is wrong, never a 5xx."""

from __future__ import annotations

import json

import pytest

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

JSON = {"Content-Type": "application/json"}
NOTES = "/records/note"


def raw(body: str | bytes, **headers: str) -> dict:
    return {"data": body, "headers": {**JSON, **headers}}


def filtered(condition) -> str:
    from urllib.parse import quote

    return f"{NOTES}?filter={quote(json.dumps(condition))}"


CASES = {
    "no json": ("POST", NOTES, raw("{"), 400),
    "empty body": ("POST", NOTES, raw(""), 400),
    "a list": ("POST", NOTES, raw("[]"), 400),
    "a text": ("POST", NOTES, raw('"x"'), 400),
    "null": ("POST", NOTES, raw("null"), 400),
    "twice a name": ("POST", NOTES, raw('{"title": "a", "title": "b"}'), 400),
    "twice a name deep inside": ("POST", NOTES, raw('{"lines": [{"a": 1, "a": 2}]}'), 400),
    "NaN": ("POST", NOTES, raw('{"amount": NaN}'), 400),
    "infinity": ("POST", NOTES, raw('{"amount": -Infinity}'), 400),
    "too large a float": ("POST", NOTES, raw('{"amount": 1e999}'), 400),
    "too long a number": ("POST", NOTES, raw('{"amount": ' + "9" * 5000 + "}"), 400),
    "too deep": ("POST", NOTES, raw('{"title": ' + "[" * 40 + "]" * 40 + "}"), 400),
    "far too deep": ("POST", NOTES, raw("[" * 100_000), 400),
    "not utf-8": ("POST", NOTES, raw(b'{"title": "\xff"}'), 400),
    "a byte order mark": ("POST", NOTES, raw(b'\xef\xbb\xbf{"title": "x"}'), 400),
    "NUL as escape": ("POST", NOTES, raw('{"title": "a\\u0000b"}'), 400),
    "NUL in a name": ("POST", NOTES, raw('{"ti\\u0000tle": "a"}'), 400),
    "half a surrogate": ("POST", NOTES, raw('{"title": "\\ud800"}'), 400),
    "a trailing comma": ("POST", NOTES, raw('{"title": "a",}'), 400),
    "a form": ("POST", NOTES, {"data": {"title": "x"}}, 415),
    "plain text": ("POST", NOTES, raw("{}", **{"Content-Type": "text/plain"}), 415),
    "too large": ("POST", NOTES, raw('{"title": "' + "x" * 2_000_001 + '"}'), 413),
    "an unknown field": ("POST", NOTES, {"json": {"title": "x", "nonsense": 1}}, 422),
    "a field of the system": ("POST", NOTES, {"json": {"title": "x", "id": 7}}, 422),
    "a number given by hand": ("POST", NOTES, {"json": {"title": "x", "number": "N1"}}, 422),
    "nothing required": ("POST", NOTES, {"json": {}}, 422),
    "a wrong type": ("POST", NOTES, {"json": {"title": ["x"]}}, 422),
    "a wrong amount": ("POST", NOTES, {"json": {"title": "x", "amount": "1,5"}}, 422),
    "an amount too large": ("POST", NOTES, {"json": {"title": "x", "amount": "9" * 30}}, 422),
    "a moment without zone": (
        "POST",
        NOTES,
        {"json": {"title": "x", "happened_at": "2026-05-01T08:00:00"}},
        422,
    ),
    "a number of more than 64 bits": ("POST", NOTES, {"json": {"title": "x", "owner": 2**63}}, 400),
    "a huge reference": ("POST", NOTES, {"json": {"title": "x", "owner": 2**63 - 1}}, 422),
    "a reference to nothing": ("POST", NOTES, {"json": {"title": "x", "owner": 4711}}, 422),
    "a reference as truth": ("POST", NOTES, {"json": {"title": "x", "owner": True}}, 422),
    "lines as text": ("POST", NOTES, {"json": {"title": "x", "lines": "y"}}, 422),
    "a line of nobody": ("POST", NOTES, {"json": {"title": "x", "lines": [{"id": [1]}]}}, 422),
    "a document with a huge number": (
        "POST",
        "/records/role",
        {"json": {"name": "r", "title": "R", "grants": {"a": 10**30}}},
        400,
    ),
    "no entity": ("GET", "/records/nonsense", {}, 404),
    "no entity with NUL": ("GET", "/records/a%00b", {}, 404),
    "no id": ("GET", "/records/note/abc", {}, 404),
    "a huge id": ("GET", "/records/note/" + "9" * 5000, {}, 404),
    "an id beyond the database": ("GET", "/records/note/999999999999999999", {}, 404),
    "a negative id": ("GET", "/records/note/-1", {}, 404),
    "an unknown parameter": ("GET", NOTES + "?colour=red", {}, 400),
    "a parameter twice": ("GET", NOTES + "?limit=1&limit=2", {}, 400),
    "a parameter where there are none": ("DELETE", NOTES + "/1?force=1", {}, 400),
    "a limit of words": ("GET", NOTES + "?limit=many", {}, 400),
    "no limit": ("GET", NOTES + "?limit=0", {}, 400),
    "too large a limit": ("GET", NOTES + "?limit=501", {}, 400),
    "a wrong count": ("GET", NOTES + "?count=all", {}, 400),
    "a wrong flag": ("GET", NOTES + "?archived=maybe", {}, 400),
    "a filter that is no json": ("GET", NOTES + "?filter={", {}, 400),
    "a filter with NUL": ("GET", NOTES + "?filter=%00", {}, 400),
    "a filter on nothing": ("GET", filtered({"field": "x", "op": "eq", "value": 1}), {}, 422),
    "an unknown operator": ("GET", filtered({"field": "title", "op": "like"}), {}, 422),
    "an operator as list": ("GET", filtered({"field": "title", "op": []}), {}, 422),
    "a wrong value": (
        "GET",
        filtered({"field": "amount", "op": "eq", "value": {"a": 1}}),
        {},
        422,
    ),
    "a variable as list": (
        "GET",
        filtered({"field": "owner", "op": "eq", "value": {"var": []}}),
        {},
        422,
    ),
    "a filter that is a list": ("GET", filtered([1]), {}, 422),
    "a search with NUL": ("GET", NOTES + "?search=%00", {}, 400),
    "an unknown sort": ("GET", NOTES + "?sort=nonsense", {}, 422),
    "sorted by a list": ("GET", NOTES + "?sort=tags", {}, 422),
    "a wrong cursor": ("GET", NOTES + "?after=xyz", {}, 422),
    "a forged cursor": ("GET", NOTES + "?after=W10", {}, 422),
    "an unknown field to show": ("GET", NOTES + "?fields=nonsense", {}, 422),
    "an unknown group": ("GET", NOTES + "/aggregate?group=nonsense", {}, 422),
    "too many groups": (
        "GET",
        NOTES + "/aggregate?group=status&group=owner&group=urgent&group=due_on",
        {},
        422,
    ),
    "an unknown measure": ("GET", NOTES + "/aggregate?measure=median:amount", {}, 422),
    "a sum of texts": ("GET", NOTES + "/aggregate?measure=sum:title", {}, 422),
    "a wrong moment": ("GET", "/records/user/1/timeline?before=yesterday", {}, 400),
    "a wrong version": ("PATCH", "/records/user/1", {"json": {"version": "1"}}, 400),
    "a huge version": ("PATCH", "/records/user/1", {"json": {"version": 10**30}}, 400),
    "a wrong If-Match": ("DELETE", "/records/user/1", {"headers": {"If-Match": "1"}}, 400),
    "two versions": (
        "PATCH",
        "/records/user/1",
        {"json": {"version": 1}, "headers": {"If-Match": '"2"'}},
        400,
    ),
    "a method that is not": ("PUT", "/records/user/1", {"json": {}}, 405),
    "a page that is not": ("GET", "/nonsense", {}, 404),
    "a field of an unknown kind": (
        "POST",
        "/schema/entities/note/fields",
        {"json": {"name": "x_a", "kind": ["text"], "label": "A"}},
        422,
    ),
    "a field that points at a list": (
        "POST",
        "/schema/entities/note/fields",
        {"json": {"name": "x_a", "kind": "reference", "label": "A", "entity": []}},
        422,
    ),
    "a field with a wrong name": (
        "POST",
        "/schema/entities/note/fields",
        {"json": {"name": "a; drop", "kind": "text", "label": "A"}},
        422,
    ),
    "no job": ("GET", "/jobs/4711", {}, 404),
    "no plugin": ("POST", "/plugins/nonsense/enable", {}, 404),
    "no settings": ("GET", "/settings/nonsense", {}, 404),
    "a wrong setting": ("PATCH", "/settings/core_security", {"json": {"session_days": "x"}}, 422),
    "a token without a name": ("POST", "/tokens", {"json": {}}, 422),
    "a token for ever": ("POST", "/tokens", {"json": {"title": "x", "days": 10**9}}, 422),
    "a token made by a token": ("POST", "/tokens", {"json": {"title": "x"}}, 403),
    "no token": ("DELETE", "/tokens/4711", {}, 404),
    "searching numbers": (
        "POST",
        "/schema/entities/note/fields",
        {"json": {"name": "x_a", "kind": "integer", "label": "A", "searchable": True}},
        422,
    ),
    "a unique list": (
        "POST",
        "/schema/entities/note/fields",
        {"json": {"name": "x_a", "kind": "tags", "label": "A", "unique": True}},
        422,
    ),
    "more decimals than digits": (
        "POST",
        "/schema/entities/note/fields",
        {"json": {"name": "x_a", "kind": "decimal", "label": "A", "precision": 2, "scale": 5}},
        422,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(api, name):
    method, path, options, status = CASES[name]
    answer = api(method, path, **options)
    assert answer.status_code == status, answer.get_data(as_text=True)[:400]
    assert answer.content_type == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"].startswith("urn:dougong:")
    assert isinstance(problem["errors"], list)


def test_the_parameter_is_named(api):
    (error,) = api.get("/records/note", colour="red").json["errors"]
    assert (error["field"], error["code"]) == ("colour", "unknown_parameter")


def test_errors_speak_the_language_that_is_asked_for(api):
    from core.i18n import gettext, use_locale

    with use_locale("zh_CN"):
        expected = gettext("Please correct what is marked.")
    answer = api("POST", NOTES, json={}, headers={"Accept-Language": "zh-CN"})
    assert answer.json["title"] == expected
