"""Records: create, read, change, list, recycle bin, in the shapes that DESIGN 6 fixes."""

from __future__ import annotations

import json

import pytest


def test_a_record_goes_all_the_way(api, admin_id):
    made = api.post(
        "/records/note",
        {
            "title": "砖",
            "amount": "1234.5",
            "ratio": 0.25,
            "happened_at": "2026-05-01T08:30:00+08:00",
            "due_on": "2026-05-02",
            "tags": ["a", "b"],
            "phone": "13800138000",
            "lines": [{"text": "一", "quantity": "2"}],
        },
    )
    assert made.status_code == 201
    note = made.json
    assert made.headers["Location"] == f"/api/v1/records/note/{note['id']}"
    assert made.headers["ETag"] == '"1"'
    assert note["number"] == "N0001"
    assert note["amount"] == "1234.50"
    assert note["ratio"] == "0.2500"
    assert note["happened_at"] == "2026-05-01T00:30:00Z"
    assert note["due_on"] == "2026-05-02"
    assert note["urgent"] is False
    assert note["owner"] == {"id": admin_id, "label": "管理员"}
    assert note["created_at"].endswith("Z")
    (line,) = note["lines"]
    assert (line["text"], line["quantity"]) == ("一", "2.00")
    assert line["note"] == {"id": note["id"], "label": "砖"}

    path = f"/records/note/{note['id']}"
    assert api.get(path).json == note
    kept = {"id": line["id"], "text": "壹"}
    changed = api.patch(path, {"version": 1, "lines": [kept, {"text": "二"}]})
    assert changed.status_code == 200, changed.json
    assert [each["text"] for each in changed.json["lines"]] == ["壹", "二"]
    assert changed.headers["ETag"] == f'"{changed.json["version"]}"'
    assert api.patch(path, {"lines": []}).json["lines"] == []

    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert [row["id"] for row in api.get("/records/note", archived="true").json["items"]] == [
        note["id"]
    ]
    assert api.get(path, archived="true").json["title"] == "砖"
    back = api.post(path + "/restore")
    assert (back.status_code, back.json["title"]) == (200, "砖")
    assert api.get("/records/note").json["items"][0]["id"] == note["id"]


def test_links_are_lists_of_references_in_lists_and_details(api):
    north = api.made("department", name="华北")
    note = api.made("note", title="砖", about=[north["id"]])
    expected = [{"id": north["id"], "label": "华北"}]
    assert note["about"] == expected
    (row,) = api.get("/records/note").json["items"]
    assert row["about"] == expected
    assert "lines" not in row


def test_pages_follow_each_other_and_are_counted(api):
    api.post("/records/note/batch", {"create": [{"title": f"n{n % 4}"} for n in range(11)]})
    seen, after = [], None
    while True:
        query = {"limit": 4, "sort": "-title", "count": "exact"} | (
            {"after": after} if after else {}
        )
        page = api.get("/records/note", **query).json
        assert page["total"] == 11
        seen += [(row["title"], row["id"]) for row in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(set(seen)) == 11
    assert [title for title, _id in seen] == sorted((title for title, _ in seen), reverse=True)
    assert api.get("/records/note").json["total"] is None
    assert api.get("/records/note", count="estimate").json["total"] == 11


def test_filters_search_and_chosen_fields(api):
    api.made("note", title="青砖", amount="10", tags=["x"])
    api.made("note", title="瓦片", amount="20")
    found = {"all": [{"field": "amount", "op": "gt", "value": "15"}]}
    (row,) = api.get("/records/note", filter=json.dumps(found), fields="title,amount").json["items"]
    assert row.keys() == {"id", "version", "title", "amount"}
    assert (row["title"], row["amount"]) == ("瓦片", "20.00")
    through = {"field": "owner.email", "op": "eq", "value": "admin@example.com"}
    assert len(api.get("/records/note", filter=json.dumps(through)).json["items"]) == 2
    assert [r["title"] for r in api.get("/records/note", search="砖").json["items"]] == ["青砖"]
    assert api.get("/records/note", search="100%").json["items"] == []


def test_what_somebody_may_not_see_is_masked_or_absent(api, caller, make_person):
    note = api.made("note", title="砖", phone="13800138000", amount="5")
    clerk = caller(make_person("文员", roles=("clerk",)))
    seen = clerk.get(f"/records/note/{note['id']}").json
    assert "amount" not in seen
    assert seen["phone"] == "138****8000"
    for query in (
        {"sort": "amount"},
        {"sort": "phone"},
        {"fields": "amount"},
        {"filter": '{"field": "phone", "op": "is_set"}'},
    ):
        assert clerk.get("/records/note", **query).status_code == 422, query
    refused = clerk.patch(f"/records/note/{note['id']}", {"phone": seen["phone"], "amount": "6"})
    assert refused.status_code == 422
    assert {(e["field"], e["code"]) for e in refused.json["errors"]} == {
        ("phone", "masked"),
        ("amount", "unknown_field"),
    }


def test_only_own_records_are_reached(api, caller, make_person, admin_id):
    foreign = api.made("note", title="别人的")
    writer = caller(make_person("作者", roles=("writer",)))
    mine = writer.made("note", title="我的")
    assert [row["id"] for row in writer.get("/records/note").json["items"]] == [mine["id"]]
    path = f"/records/note/{foreign['id']}"
    for answer in (
        writer.get(path),
        writer.patch(path, {"title": "x"}),
        writer.delete(path),
        writer.get(path + "/timeline"),
        writer.post(path + "/actions/close", {"reason": "x"}),
    ):
        assert answer.status_code == 404
    assert api.get(path).json["title"] == "别人的"
    given_away = writer.patch(f"/records/note/{mine['id']}", {"owner": admin_id})
    assert given_away.status_code == 403


@pytest.mark.parametrize("way", ["body", "header"])
def test_a_stale_version_is_a_conflict_with_both_values(api, admin_id, way):
    """N1: the second of two editors is told, and nothing is lost."""
    note = api.made("note", title="砖", amount="1")
    path = f"/records/note/{note['id']}"
    assert api.patch(path, {"title": "青砖", "version": 1}).json["version"] == 2
    yours = {"amount": "2", "owner": admin_id}
    if way == "body":
        answer = api.patch(path, {**yours, "version": 1})
    else:
        answer = api.patch(path, yours, headers={"If-Match": '"1"'})
    assert answer.status_code == 409
    problem = answer.json
    assert answer.content_type == "application/problem+json"
    assert problem["type"] == "urn:dougong:conflict"
    assert problem["current"] == api.get(path).json
    assert problem["yours"] == {"amount": "2.00", "owner": {"id": admin_id, "label": "管理员"}}
    assert api.get(path).json["amount"] == "1.00"
    wrong = api.patch(path, {"amount": "much", "owner": 2**63 - 1, "version": 1})
    assert wrong.json["yours"] == {"amount": "much", "owner": 2**63 - 1}
    assert api.delete(path, headers={"If-Match": '"1"'}).status_code == 409
    assert api.delete(path, headers={"If-Match": '"2"'}).status_code == 204


def test_of_many_editors_with_one_version_one_wins(api):
    """N1"""
    from concurrent.futures import ThreadPoolExecutor

    note = api.made("note", title="0")
    path = f"/records/note/{note['id']}"
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda n: api.patch(path, {"title": f"t{n}", "version": 1}), range(12))
        )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [409] * 11
    won = next(answer.json for answer in answers if answer.status_code == 200)
    assert api.get(path).json["title"] == won["title"]
    assert api.get(path).json["version"] == 2


def test_who_may_create_but_not_read_gets_the_id(caller, admin_id):
    blind = caller(admin_id, ["department.create"])
    answer = blind.post("/records/department", {"name": "暗"})
    assert (answer.status_code, answer.json.keys()) == (201, {"id"})


def test_aggregate_counts_and_sums(api, caller, make_person):
    for amount, status in (("1.10", "open"), ("2.20", "open"), ("4", "closed")):
        api.made("note", title="砖", amount=amount, status=status)
    rows = api.get("/records/note/aggregate", group="status", measure=["count", "sum:amount"]).json
    by = {row["status"]["id"]: (row["count"], row["sum:amount"]) for row in rows["items"]}
    assert by == {"open": (2, "3.30"), "closed": (1, "4.00")}
    only = json.dumps({"field": "status", "op": "eq", "value": "open"})
    assert api.get("/records/note/aggregate", filter=only).json == {"items": [{"count": 2}]}
    clerk = caller(make_person("文员", roles=("clerk",)))
    assert clerk.get("/records/note/aggregate", measure="sum:amount").status_code == 422


def test_the_number_of_statements_does_not_grow_with_rows(api, statements):
    people = [api.made("department", name=f"部{n}")["id"] for n in range(6)]

    def cost(call) -> int:
        with statements() as seen:
            answer = call()
        assert answer.status_code in (200, 201), answer.json
        return len(seen)

    def items(number: int) -> list[dict]:
        return [
            {
                "title": f"n{n}",
                "department": people[n % 6],
                "about": people[: n % 6],
                "lines": [{"text": "x"}],
            }
            for n in range(number)
        ]

    def reads(number: int) -> int:
        """SQLite inserts row by row where keys are to come back in order; all else is one each."""
        with statements() as seen:
            assert api.post("/records/note/batch", {"create": items(number)}).status_code == 200
        return len([each for each in seen if not each.startswith("INSERT INTO api_sample")])

    reads(7)
    few = reads(7)
    assert reads(40) == few
    api.get("/records/note", limit=40)
    few = cost(lambda: api.get("/records/note", limit=2))
    many = cost(lambda: api.get("/records/note", limit=40))
    assert many == few <= 8
    one = api.made("note", title="a", lines=[{"text": "x"}])["id"]
    full = api.made("note", title="b", lines=[{"text": str(n)} for n in range(30)])["id"]
    assert cost(lambda: api.get(f"/records/note/{full}")) == cost(
        lambda: api.get(f"/records/note/{one}")
    )
    for _n in range(5):
        api.patch(f"/records/note/{full}", {"title": f"b{_n}", "department": people[_n]})
    short = cost(lambda: api.get(f"/records/note/{full}/timeline", limit=1))
    assert cost(lambda: api.get(f"/records/note/{full}/timeline", limit=50)) <= short + 1
