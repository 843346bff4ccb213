"""Verbs of the business, and the timeline they leave."""

from __future__ import annotations

import pytest


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_a_verb_answers_its_result_and_the_record(api):
    note = api.made("note", title="砖", amount="5")
    answer = api.post(f"/records/note/{note['id']}/actions/close", {"reason": "fertig"})
    assert answer.status_code == 200, answer.json
    assert answer.json["result"] == {"closed": 1, "amount": "5.00"}
    assert answer.json["record"]["status"] == "closed"


def test_the_record_is_null_when_it_is_out_of_reach_afterwards(caller, make_person, admin_id):
    writer = caller(make_person("作者", roles=("writer",)))
    note = writer.made("note", title="砖")
    path = f"/records/note/{note['id']}/actions/close"
    answer = writer.post(path, {"reason": "x", "to": admin_id})
    assert (answer.status_code, answer.json["record"]) == (200, None)


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_what_is_wrong_with_a_verb(api, caller, make_person):
    note = api.made("note", title="砖")
    path = f"/records/note/{note['id']}/actions"
    assert api.post(f"{path}/close", {}).status_code == 422
    assert api("POST", f"{path}/close").status_code == 422
    assert api.post(f"{path}/close", {"reason": "x", "why": 1}).status_code == 422
    assert api.post(f"{path}/close", {"reason": "x", "to": 4711}).status_code == 422
    assert api.post(f"{path}/burn", {}).status_code == 404
    assert api.post("/records/note/4711/actions/close", {"reason": "x"}).status_code == 404
    viewer = caller(make_person("阅者"))
    assert viewer.post(f"{path}/close", {"reason": "x"}).status_code == 403


def test_the_timeline_tells_what_happened_newest_first(api, admin_id, runtime):
    place = api.made("department", name="窑")
    note = api.made("note", title="砖", amount="5", lines=[{"text": "一"}])
    path = f"/records/note/{note['id']}"
    api.patch(path, {"department": place["id"], "due_on": "2026-05-01"})
    api.post(f"{path}/actions/close", {"reason": "fertig"})
    items = api.get(f"{path}/timeline").json["items"]
    kinds = [item["kind"] for item in items]
    assert kinds == ["action", "update", "update", "create", "create", "echo"]
    assert [item["at"] for item in items] == sorted((i["at"] for i in items), reverse=True)
    assert items[0]["title"] == "Close"
    assert items[0]["actor"] == {"id": admin_id, "label": "管理员"}
    assert items[0]["changes"] == [
        {"field": "reason", "label": "Reason", "old": None, "new": "fertig"}
    ]
    changes = {change["field"]: change for change in items[2]["changes"]}
    assert changes["department"]["new"] == {"id": place["id"], "label": "窑"}
    assert changes["due_on"]["new"] == "2026-05-01"
    assert {item["title"] for item in items[3:5]} == {"Created", "Line: Created"}
    first = api.get(f"{path}/timeline", limit=2).json
    rest = api.get(f"{path}/timeline", before=first["next"]).json
    assert [i["kind"] for i in first["items"] + rest["items"]] == kinds
    assert api.delete(path).status_code == 204
    assert api.get(f"{path}/timeline", limit=1).json["items"][0]["kind"] == "delete"


def test_the_timeline_keeps_what_the_reader_may_not_see(api, caller, make_person):
    note = api.made("note", title="砖", amount="5", phone="13800138000")
    api.patch(f"/records/note/{note['id']}", {"phone": "13900139000", "amount": "6"})
    clerk = caller(make_person("文员", roles=("clerk",)))
    answer = clerk.get(f"/records/note/{note['id']}/timeline")
    assert "amount" not in answer.get_data(as_text=True)
    assert "13800138000" not in answer.get_data(as_text=True)
    (update,) = [item for item in answer.json["items"] if item["kind"] == "update"]
    assert update["changes"] == [
        {"field": "phone", "label": "Phone", "old": "138****8000", "new": "139****9000"}
    ]


def test_sign_ins_are_no_part_of_a_persons_timeline(api, sign_in, admin_id):
    sign_in()
    items = api.get(f"/records/user/{admin_id}/timeline").json["items"]
    assert {item["kind"] for item in items} <= {"create", "update"}
