"""Batches: all or nothing, or each item for itself."""

from __future__ import annotations

import time


def statuses(answer) -> list[int]:
    assert answer.status_code == 200, answer.json
    return [result["status"] for result in answer.json["results"]]


def titles(api) -> list[str]:
    return sorted(row["title"] for row in api.get("/records/note", limit=500).json["items"])


def test_each_item_for_itself(api):
    answer = api.post(
        "/records/note/batch",
        {
            "create": [
                {"title": "一"},
                {"title": ""},
                {"title": "三", "amount": "much", "nonsense": 1},
                {"title": "四"},
            ]
        },
    )
    assert statuses(answer) == [201, 422, 422, 201]
    results = answer.json["results"]
    assert results[0]["record"]["title"] == "一"
    assert results[1]["errors"][0]["field"] == "title"
    assert {error["field"] for error in results[2]["errors"]} == {"amount", "nonsense"}
    assert titles(api) == ["一", "四"]


def test_all_or_nothing(api):
    items = [{"title": "一"}, {"title": "二", "due_on": "never"}]
    refused = api.post("/records/note/batch", {"create": items, "atomic": True})
    assert refused.status_code == 422
    assert [(e["item"], e["field"]) for e in refused.json["errors"]] == [(1, "due_on")]
    assert titles(api) == []
    good = api.post("/records/note/batch", {"create": items[:1], "atomic": True})
    assert statuses(good) == [201]


def test_what_two_items_share_is_refused_for_the_second_only(api):
    people = [
        {"name": "甲" * 200, "email": "a@example.com"},
        {"name": "乙", "email": "a@example.com"},
        {"name": "丙", "email": "a@example.com"},
    ]
    answer = api.post("/records/user/batch", {"create": people})
    assert statuses(answer) == [422, 201, 422]
    assert answer.json["results"][2]["errors"][0]["code"] == "taken"


def test_changing_and_deleting_many(api):
    a, b, c = (api.made("note", title=title) for title in "abc")
    answer = api.post(
        "/records/note/batch",
        {
            "create": [{"title": "d"}],
            "update": [
                {"id": a["id"], "title": "A", "version": 1},
                {"id": b["id"], "title": "B", "version": 9},
                {"id": 4711, "title": "?"},
            ],
            "delete": [{"id": c["id"]}, {"id": 4712}],
        },
    )
    assert statuses(answer) == [201, 200, 409, 404, 204, 404]
    assert titles(api) == ["A", "b", "d"]
    atomic = {"update": [{"id": a["id"], "title": "x"}], "delete": [{"id": 4712}], "atomic": True}
    assert api.post("/records/note/batch", atomic).status_code == 404
    assert titles(api) == ["A", "b", "d"]


def test_limits_and_shapes(api):
    for body in (
        {},
        {"create": []},
        {"create": [{}] * 1001},
        {"create": {}},
        {"create": [1]},
        {"create": [{"title": "x"}], "atomic": "yes"},
        {"delete": [{"id": 1}, {"id": 1}]},
        {"delete": [{"id": "1"}]},
        {"delete": [{"id": 1, "x": 1}]},
        {"update": [{"id": 1, "version": "1"}]},
        {"upsert": []},
    ):
        answer = api.post("/records/note/batch", body)
        assert answer.status_code == 400, (str(body)[:80], answer.json)


def test_a_thousand_items_with_wrong_ones_stay_quick(api):
    items = [{"title": f"n{n}"} if n % 100 else {"title": ""} for n in range(1000)]
    begin = time.perf_counter()
    answer = api.post("/records/note/batch", {"create": items})
    took = time.perf_counter() - begin
    assert statuses(answer).count(422) == 10
    assert len(titles(api)) == 500
    assert took < 30, f"{took:.1f} s"


def test_a_writer_gets_back_what_they_may_see(caller, make_person):
    writer = caller(make_person("作者", roles=("writer",)))
    answer = writer.post("/records/note/batch", {"create": [{"title": "a"}, {"title": "b"}]})
    assert [r["record"]["title"] for r in answer.json["results"]] == ["a", "b"]
    refused = writer.post("/records/department/batch", {"create": [{"name": "x"}]})
    assert refused.json["results"][0]["status"] == 403
