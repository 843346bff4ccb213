"""Rules of fields over REST: set, weighed, shown as far as their reader may see, kept by every writer."""

from __future__ import annotations

import pytest

DONE = {"field": "status", "op": "eq", "value": "done"}
PLACE = "/api/v1/schema/entities/order/fields/hours/rules"


@pytest.fixture
def api(client, bearer, admin_id):
    """``api("put", path, body) -> (status, JSON)``, by the administrator or ``by`` another."""

    def call(method, path, body=None, by=None):
        headers = {**bearer(by or admin_id), "Accept-Language": "en"}
        answer = client.open(path, method=method.upper(), json=body, headers=headers)
        return answer.status_code, answer.json

    return call


def _rules_of(api, name, by=None):
    _status, found = api("get", "/api/v1/schema", by=by)
    (order,) = (each for each in found["entities"] if each["name"] == "order")
    return next(each for each in order["fields"] if each["name"] == name)["rules"]


def test_rules_are_set_shown_and_kept(api):
    """S2: the schema shows them and records are held to them from the next request on."""
    body = {"required_when": DONE, "minimum": 1, "message": None}
    status, field = api("put", PLACE, body)
    assert (status, field["rules"]) == (200, {"required_when": DONE, "minimum": "1"})
    assert _rules_of(api, "hours") == field["rules"]
    status, problem = api("post", "/api/v1/records/order", {"title": "A", "status": "done"})
    assert (status, [each["field"] for each in problem["errors"]]) == (422, ["hours"])
    assert api("put", PLACE, {})[1]["rules"] == {}
    assert api("post", "/api/v1/records/order", {"title": "A", "status": "done"})[0] == 201


def test_what_is_not_seen_can_be_skipped(api):
    """`unseen` is kept where the rule looks at something, and `enforce` is what holds anyway."""
    body = {"required_when": DONE, "unseen": "skip"}
    assert api("put", PLACE, body)[1]["rules"] == body
    assert api("put", PLACE, {**body, "unseen": "enforce"})[1]["rules"] == {"required_when": DONE}
    assert api("put", PLACE, {"minimum": 1, "unseen": "skip"})[1]["rules"] == {"minimum": "1"}
    assert api("put", PLACE, {**body, "unseen": "hide"})[0] == 422


def test_a_new_field_comes_with_its_rules(api):
    body = {"name": "x_card", "kind": "text", "label": "Card", "rules": {"pattern": "id_card"}}
    status, field = api("post", "/api/v1/schema/entities/order/fields", body)
    assert (status, field["rules"]) == (201, {"pattern": "id_card"})
    assert api("post", "/api/v1/records/order", {"title": "A", "x_card": "1"})[0] == 422
    wrong = {**body, "name": "x_two", "rules": {"minimum": 1}}
    assert api("post", "/api/v1/schema/entities/order/fields", wrong)[0] == 422
    assert "x_two" not in str(api("get", "/api/v1/schema")[1])


def test_rules_are_weighed_before_they_are_set(api, make):
    """K3: counted, named, told back as sentences; and nothing is set."""
    ids = [make(status="done"), make(status="done")]
    status, found = api("post", f"{PLACE}/check", {"required_when": DONE})
    assert status == 200
    assert found["breaches"] == [{"rule": "required_when", "count": 2, "ids": ids}]
    assert found["told"] == ["Must be filled in when Status is Done."]
    assert _rules_of(api, "hours") == {}


def test_unique_on_duplicates_is_refused_with_their_number(api, make):
    """K3"""
    make(), make()
    status, problem = api("put", PLACE.replace("hours", "title"), {"unique": True})
    assert status == 409
    assert problem["title"].startswith("2 records")


@pytest.mark.parametrize(("method", "path"), [("put", PLACE), ("post", f"{PLACE}/check")])
def test_only_administrators(api, worker, method, path):
    assert api(method, path, {}, by=worker)[0] == 403


def test_a_reader_is_shown_no_rule_that_names_what_is_hidden(api, worker):
    """The condition would tell that there is such a field, and what it is compared with."""
    hidden = {"field": "secret", "op": "eq", "value": "alpha"}
    api(
        "put",
        PLACE,
        {"required_when": hidden, "validation": "secret <> 'x'", "message": "S", "minimum": 1},
    )
    assert _rules_of(api, "hours", by=worker) == {"minimum": "1"}
    assert "validation" in _rules_of(api, "hours")


def test_a_batch_names_the_items(api):
    api("put", PLACE, {"validation": "hours > 1", "message": {"en": "Too few"}})
    items = [{"title": "A", "hours": n} for n in (2, 1)]
    status, found = api("post", "/api/v1/records/order/batch", {"create": items})
    assert status == 200
    assert [each["status"] for each in found["results"]] == [201, 422]
    assert "Too few" in str(found["results"][1])


def test_the_description_of_the_api_tells_the_rules(api, worker):
    """As sentences, and as far as the caller may see what they look at."""
    hidden = {"field": "secret", "op": "is_set"}
    api("put", PLACE, {"required_when": hidden, "minimum": 1})
    api("put", PLACE.replace("hours", "note"), {"max_length": 30})

    def described(by=None):
        schemas = api("get", "/api/openapi.json", by=by)[1]["components"]["schemas"]
        return schemas["order.create"]["properties"]

    assert described()["note"]["maxLength"] == 30
    told = described()["hours"]["description"]
    assert "Margin secret" in told
    assert told.endswith("At least 1.")
    assert described(by=worker)["hours"]["description"] == "At least 1."
