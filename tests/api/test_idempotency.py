"""Idempotency keys (J5): one effect, the first answer again, another request refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.entities import service

KEY = {"Idempotency-Key": "order-1"}


def count(api, entity: str = "note") -> int:
    return api.get(f"/records/{entity}", count="exact").json["total"]


def test_the_first_answer_comes_again(api, runtime):
    first = api.post("/records/note", {"title": "砖"}, headers=KEY)
    again = api.post("/records/note", {"title": "砖"}, headers=KEY)
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Location"] == first.headers["Location"]
    assert count(api) == 1
    api.patch(f"/records/note/{first.json['id']}", {"title": "瓦"})
    assert api.post("/records/note", {"title": "砖"}, headers=KEY).data == first.data
    runtime.clock.move(timedelta(days=3))
    later = api.post("/records/note", {"title": "砖"}, headers=KEY)
    assert later.json["id"] != first.json["id"]


def test_a_key_stands_for_one_request_of_one_person(api, caller, make_person):
    assert api.post("/records/note", {"title": "砖"}, headers=KEY).status_code == 201
    assert api.post("/records/note", {"title": "瓦"}, headers=KEY).status_code == 409
    assert api.post("/records/department", {"name": "砖"}, headers=KEY).status_code == 409
    writer = caller(make_person("作者", roles=("writer",)))
    assert writer.post("/records/note", {"title": "瓦"}, headers=KEY).status_code == 201
    for wrong in ("", "k" * 201):
        answer = api.post("/records/note", {"title": "x"}, headers={"Idempotency-Key": wrong})
        assert answer.status_code == 422


def test_after_a_refusal_the_request_may_be_tried_again(api):
    assert api.post("/records/note", {"title": ""}, headers=KEY).status_code == 422
    assert api.post("/records/note", {"title": "砖"}, headers=KEY).status_code == 201


def test_fifty_at_once_have_one_effect(api):
    body = {"name": "新人", "email": "new@example.com"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: api.post("/records/user", body, headers=KEY), range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert count(api, "user") == 2


def test_batches_and_verbs_take_keys_too(api):
    body = {"create": [{"title": "a"}, {"title": "b"}]}
    first = api.post("/records/note/batch", body, headers=KEY)
    assert api.post("/records/note/batch", body, headers=KEY).data == first.data
    assert count(api) == 2
    key = first.json["results"][0]["record"]["id"]
    act = f"/records/note/{key}/actions/close"
    once = {"Idempotency-Key": "close-1"}
    done = api.post(act, {"reason": "x"}, headers=once)
    assert api.post(act, {"reason": "x"}, headers=once).data == done.data
    assert api.get(f"/records/note/{key}").json["version"] == 2


# What is kept is given only to who may still have it


@pytest.fixture
def holder(caller, unit_of_work, make_person):
    """Somebody with a role that tests take things out of, and how to do that."""
    everything = {action: "all" for action in ("read", "create", "update", "delete", "close")}
    with unit_of_work() as uow:
        (role,) = service.create(
            uow, "role", [{"name": "h", "title": "H", "grants": {"note": everything}}]
        )
    person = make_person("Holder", roles=("h",))

    def change(**values):
        with unit_of_work() as uow:
            service.update(uow, "role", {role: values})

    def without(action):
        change(grants={"note": {k: v for k, v in everything.items() if k != action}})

    return caller(person), person, change, without


def test_nothing_is_replayed_after_the_right_to_it_has_ended(holder, api):
    who, _person, change, without = holder
    key = who.made("note", title="x")["id"]
    requests = {
        "create": ("/records/note", {"title": "砖"}),
        "close": (f"/records/note/{key}/actions/close", {"reason": "x"}),
        "update": ("/records/note/batch", {"update": [{"id": key, "title": "y"}]}),
        "delete": ("/records/note/batch", {"delete": [{"id": key}]}),
    }
    for action, (path, body) in requests.items():
        once = {"Idempotency-Key": action}
        assert who.post(path, body, headers=once).status_code in (200, 201)
        without(action)
        assert who.post(path, body, headers=once).status_code == 403
        without(None)
        assert who.post(path, body, headers=once).status_code in (200, 201)
    gone = api.post(f"/records/note/{key}/restore", headers={"Idempotency-Key": "r"})
    assert gone.status_code == 200


def test_nothing_is_replayed_of_a_record_out_of_reach(holder, api, admin_id, unit_of_work):
    who, person, change, without = holder
    first = who.post("/records/note", {"title": "砖"}, headers=KEY)
    batch = {"Idempotency-Key": "batch"}
    key = first.json["id"]
    body = {"update": [{"id": key, "title": "瓦"}]}
    assert who.post("/records/note/batch", body, headers=batch).status_code == 200
    change(grants={"note": {"read": "own", "create": "all", "update": "all"}})
    with unit_of_work() as uow:
        service.update(uow, "note", {key: {"owner": admin_id}})
    assert who.post("/records/note", {"title": "砖"}, headers=KEY).status_code == 404
    again = who.post("/records/note/batch", body, headers=batch)
    assert again.json["results"] == [{"status": 200, "record": {"id": key}}]
    with unit_of_work() as uow:
        service.update(uow, "note", {key: {"owner": person}})
    assert who.post("/records/note", {"title": "砖"}, headers=KEY).data == first.data


def test_nothing_is_replayed_of_a_field_that_is_closed_since(holder):
    who, _person, change, _without = holder
    body = {"title": "砖", "amount": "12.50", "phone": "13800138000"}
    first = who.post("/records/note", body, headers=KEY)
    assert first.json["amount"] == "12.50"
    change(field_rules={"note": {"amount": "hidden", "phone": "masked"}})
    again = who.post("/records/note", body, headers=KEY)
    assert again.status_code == 201
    assert "amount" not in again.json
    assert "13800138000" not in again.get_data(as_text=True)


def test_a_key_belongs_to_the_token_that_it_came_with(caller, make_person):
    """Two programs of one person do not meet; a limited one reads nothing of another's answers."""
    person = make_person("作者", roles=("writer",))
    one, other = caller(person), caller(person, ["note.create"])
    assert one.post("/records/note", {"title": "砖"}, headers=KEY).status_code == 201
    answer = other.post("/records/note", {"title": "砖"}, headers=KEY)
    assert answer.status_code == 409
    assert "砖" not in answer.get_data(as_text=True)
