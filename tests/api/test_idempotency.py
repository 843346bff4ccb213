"""Idempotency keys (J5): one effect, the first answer again, another request refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

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
