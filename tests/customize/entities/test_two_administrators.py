"""K2: several change the structure at once, and people hold forms that are older than it."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import inspect

from core.customize import changing
from core.customize.checks import MAX_FIELDS
from core.customize.purge import can_go, purge, retired
from core.ops.doctor import examine

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def problems(runtime):
    """What the doctor finds wrong with the structure."""
    return [
        each.detail for each in examine(runtime) if each.check == "schema" and each.state != "ok"
    ]


def at_once(app, headers, asked):
    """What each of ``[(method, path, body)]`` is answered when all begin together."""
    ready = Barrier(len(asked))

    def ask(method, path, body):
        client = app.test_client()
        ready.wait()
        return client.open(f"/api/v1{path}", method=method, json=body, headers=headers).status_code

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda each: ask(*each), asked))


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.long)])
def test_of_two_who_make_the_same_field_one_does(app, api, runtime, rounds):
    """K2: the other is told that the name is taken; columns and descriptions agree."""
    for number in range(rounds):
        name = f"x_both{number}"
        body = {"name": name, "kind": "text", "label": "Both", "unique": bool(number % 2)}
        asked = [("POST", "/schema/entities/note/fields", body)] * 2
        assert sorted(at_once(app, api.headers, asked)) == [201, 422]
        fields = Counter(each["name"] for each in api.schema("note")["fields"])
        assert fields[name] == 1
    assert problems(runtime) == []


@pytest.mark.long
def test_of_two_who_change_one_field_in_different_ways_both_are_answered(app, api, runtime):
    """K2: one retires it, the other gives it another label; in whatever order, both or one of them."""
    for number in range(3):
        place = f"/schema/entities/note/fields/x_f{number}"
        body = {"name": f"x_f{number}", "kind": "text", "label": "F"}
        api.post("/schema/entities/note/fields", body)
        asked = [("POST", f"{place}/retire", None), ("PATCH", place, {"label": "G"})]
        retired_, labelled = at_once(app, api.headers, asked)
        assert retired_ == 204
        assert labelled in (200, 409)
        (told,) = [
            each for each in api.get("/schema/retired")["items"] if each["field"] == body["name"]
        ]
        assert told["label"] == ("G" if labelled == 200 else "F")
    assert problems(runtime) == []


@pytest.mark.long
@pytest.mark.databases("postgresql")
def test_without_turns_two_make_the_same_field(app, api, monkeypatch):
    """The positive control: where changes of structure do not take turns, one of them is a crash."""
    monkeypatch.setattr(changing, "lock_structure", lambda *_given, **_more: None)
    answers = Counter()
    for number in range(20):
        body = {"name": f"x_both{number}", "kind": "text", "label": "Both"}
        answers.update(
            at_once(app, api.headers, [("POST", "/schema/entities/note/fields", body)] * 2)
        )
    assert set(answers) - {201, 422}, answers


def _inputs(html):
    """What a browser would send of the form that holds the title."""
    form = re.search(r'<form[^>]*action="(/r/note[^"]*)"[^>]*>(.*?)</form>', html, re.S)
    sent = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form[2]))
    return form[1], {key: value for key, value in sent.items() if not key.endswith("__label")}


@pytest.mark.parametrize("gone", ["retired", pytest.param("purged", marks=pytest.mark.long)])
@pytest.mark.parametrize("record", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_form_is_open_while_its_field_goes(api, sign_in, runtime, unit_of_work, gone, record):
    """K2: the rest of it is saved, of an old record and of a new one; what the field held stays as
    long as the field is only retired."""
    api.post("/schema/entities/note/fields", {"name": "x_code", "kind": "text", "label": "Code"})
    key = api.made("note", title="old", x_code="kept")["id"]
    browser = sign_in()
    path = f"/r/note/{key}/edit" if record else "/r/note/new"
    action, sent = _inputs(browser.get(path).get_data(as_text=True))
    assert "x_code" in sent
    api.post("/schema/entities/note/fields/x_code/retire", status=204)
    if gone == "purged":
        with unit_of_work() as uow:
            purge(uow, can_go(uow, retired(uow))[0])
    sent |= {"title": "typed meanwhile", "x_code": "typed too", "csrf_token": browser.csrf}
    answer = browser.post(action, data=sent)
    assert answer.status_code == 303, answer.get_data(as_text=True)[-2000:]
    made = int(re.search(r"/r/note/(\d+)", answer.location)[1])
    assert (made == key) is record
    found = api.get(f"/records/note/{made}")
    assert found["title"] == "typed meanwhile"
    assert "x_code" not in found
    assert problems(runtime) == []
    if gone == "retired":
        api.post("/schema/entities/note/fields/x_code/restore", status=200)
        assert api.get(f"/records/note/{key}")["x_code"] == "kept"
        assert record or api.get(f"/records/note/{made}")["x_code"] is None


@pytest.mark.long
def test_as_many_fields_as_there_may_be(api, runtime):
    """K2: two hundred on one entity, the limit; one more is refused, and pages and lists still come."""
    first = {"name": "x_f0", "kind": "text", "label": "F0"}
    api.post("/schema/entities", {"name": "x_wide", "label": "Wide", "fields": [first]})
    have = len(api.schema("x_wide")["fields"])
    for number in range(1, MAX_FIELDS - have + 1):
        body = {"name": f"x_f{number}", "kind": "text", "label": f"F{number}"}
        api.post("/schema/entities/x_wide/fields", body)
    number += 1
    more = {"name": "x_more", "kind": "text", "label": "More"}
    api.post("/schema/entities/x_wide/fields", more, 422)
    made = api.made("x_wide", **{f"x_f{n}": str(n) for n in range(number)})
    assert api.get(f"/records/x_wide/{made['id']}")[f"x_f{number - 1}"] == str(number - 1)
    assert len(api.get("/records/x_wide")["items"]) == 1
    with runtime.read_connection() as connection:
        columns = {each["name"] for each in inspect(connection).get_columns("x_wide")}
    assert {f"x_f{n}" for n in range(number)} <= columns
    assert problems(runtime) == []
