"""What is about a record is read only by who may read that record: every way around it is tried."""

from __future__ import annotations

import pytest

from core.audit.definitions import audit_entry
from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.entities.timeline import timeline
from core.errors import Invalid, NotFound
from core.ops.lifecycle import disable, enable
from core.security.explain import explain


@pytest.fixture
def foreign(make_lead, team):
    """A lead that 傅宇恒 cannot read."""
    return make_lead(team.ning)


@pytest.fixture
def own(make_lead, team):
    return make_lead(team.fu)


def refused(error):
    return {(problem.field, problem.code) for problem in error.value.problems}


# Writing


@pytest.mark.parametrize("entity", ["follow_up", "task"])
def test_nothing_is_written_about_a_foreign_record(
    client, bearer, team, foreign, own, entity, find
):
    """REST: made on it, moved to it, in a batch, imported by number."""
    headers = bearer(team.fu)
    text = {"title": "x"} if entity == "task" else {"kind": "call", "content": "谈了方案和交期"}
    about = {"related_entity": "lead", "related_id": foreign}
    base = f"/api/v1/records/{entity}"
    answer = client.post(base, json={**text, **about}, headers=headers)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == ["related_id"]
    missing = client.post(base, json={**text, **about, "related_id": 10**9}, headers=headers)
    assert missing.json["errors"] == answer.json["errors"], "a foreign one looks like none"
    made = client.post(base, json={**text, **about, "related_id": own}, headers=headers)
    assert made.status_code == 201, made.json
    moved = client.patch(
        f"{base}/{made.json['id']}",
        json={"related_id": foreign, "version": made.json["version"]},
        headers=headers,
    )
    assert moved.status_code == 422
    batch = client.post(f"{base}/batch", json={"create": [{**text, **about}]}, headers=headers)
    assert "reference" in batch.get_data(as_text=True)
    assert [row["related_id"] for row in find(entity)] == [own]


@pytest.mark.parametrize(
    "about",
    [
        {"related_entity": "lead"},
        {"related_id": 1},
        {"related_entity": "nothing", "related_id": 1},
        {"related_entity": "user", "related_id": 1},
        {"related_entity": "task", "related_id": 1},
        {"related_entity": "lead_transfer", "related_id": 1},
        {"related_entity": "audit_entry", "related_id": 1},
    ],
)
def test_only_whole_names_of_business_records_are_taken(give, admin_id, about, own):
    """Half a name; no entity; the directory; what is about others itself; lines; the trail."""
    with pytest.raises(Invalid) as error:
        give(admin_id, **about)
    assert {field for field, _code in refused(error)} == {"related_id"}


def test_a_task_is_given_only_to_who_sees_the_record(give, change, team, own, read):
    with pytest.raises(Invalid) as error:
        give(team.manager, own, assignee=team.ning)
    assert refused(error) == {("assignee", "reach")}
    key = give(team.manager, own, assignee=team.fu)
    with pytest.raises(Invalid):
        change(team.manager, "task", key, assignee=team.ning)
    with pytest.raises(Invalid):
        change(team.manager, "task", key, owner=team.ning)
    assert read("task", key)["assignee"] == team.fu


# Reading


@pytest.fixture
def lost(write, give, own, team, change):
    """A follow-up and a task of 傅宇恒 about a lead that was taken away from him."""
    keys = {
        "follow_up": write(team.fu, own, content="客户透露了底价八十万"),
        "task": give(team.fu, own, title="底价八十万的报价"),
    }
    change(None, "lead", own, owner=team.ning)
    return keys


@pytest.mark.parametrize("entity", ["follow_up", "task"])
def test_with_the_record_goes_what_is_about_it(
    lost, entity, team, unit_of_work, client, bearer, own
):
    """Read by number, lists, search, counts, the trail, changed, deleted, acted on: all as if not there."""
    key, headers = lost[entity], bearer(team.fu)
    base = f"/api/v1/records/{entity}"
    assert client.get(f"{base}/{key}", headers=headers).status_code == 404
    assert client.get(base, headers=headers).json["items"] == []
    assert client.get(f"{base}?search=底价", headers=headers).json["items"] == []
    assert client.get(f"{base}?count=exact", headers=headers).json["total"] == 0
    asked = f"{base}?filter=" + '{"field":"related_id","op":"is_set"}'
    assert client.get(asked, headers=headers).json["items"] == []
    counted = client.get(f"{base}/aggregate?group=owner&measure=count", headers=headers)
    assert counted.json["items"] == []
    assert client.get(f"{base}/{key}/timeline", headers=headers).status_code == 404
    assert client.delete(f"{base}/{key}", headers=headers).status_code == 404
    changed = client.patch(f"{base}/{key}", json={"version": 1}, headers=headers)
    assert changed.status_code == 404
    assert client.get(f"/api/v1/records/lead/{own}/timeline", headers=headers).status_code == 404
    with unit_of_work(team.fu, write=False) as uow:
        assert list(query.stream(uow, entity, ListQuery()))[0].items == []
        with pytest.raises(NotFound):
            timeline(uow, entity, key)


def test_answers_go_with_their_follow_up(unit_of_work, admin_id, write, own, team, find, change):
    prompts = [{"label": "底价", "kind": "number"}]
    with unit_of_work(admin_id) as uow:
        item = {"name": "报价", "kind": "call", "prompts": prompts}
        (template,) = service.create(uow, "follow_up_template", [item])
    (prompt,) = find("follow_up_prompt")
    answers = [{"prompt": prompt["id"], "answer": "80"}]
    key = write(team.fu, own, template=template, answers=answers)
    assert len(find("follow_up_answer", team.fu)) == 1
    change(None, "lead", own, owner=team.ning)
    assert find("follow_up_answer", team.fu) == []
    with unit_of_work(team.fu, write=False) as uow:
        wanted = ListQuery()
        assert aggregate(uow, "follow_up_answer", [], ["count"], wanted) == [{"count": 0}]
    line = {"follow_up": key, "prompt": prompt["id"], "answer": "90"}
    with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
        service.create(uow, "follow_up_answer", [line])
    assert len(find("follow_up_answer")) == 1


def test_who_may_read_both_reads_it(lost, team, read, find, own):
    """The new owner reads what the old one wrote, the head of both, and who reads everything."""
    assert read("follow_up", lost["follow_up"], team.ning)["owner"] == team.fu
    assert read("task", lost["task"], team.ning)["assignee"] == team.fu
    assert [row["id"] for row in find("follow_up", team.viewer)] == [lost["follow_up"]]
    assert find("follow_up", team.manager) == [], "who leads the author but not the lead's owner"


def test_a_share_of_the_follow_up_opens_nothing_without_the_record(
    lost, team, unit_of_work, find, own
):
    from core.security.sharing import share

    with unit_of_work() as uow:
        share(uow, "follow_up", lost["follow_up"], user=team.fu, level="read")
    assert find("follow_up", team.fu) == []
    with unit_of_work() as uow:
        share(uow, "lead", own, user=team.fu, level="read")
    assert [row["id"] for row in find("follow_up", team.fu)] == [lost["follow_up"]]


def test_the_timeline_tells_what_the_reader_reads(own, write, give, act, team, unit_of_work):
    """S-048: by the record's reader who has no right to follow-ups, nothing of them is told."""
    write(team.fu, own, kind="visit", content="看了现场，量了立柱间距")
    act(team.fu, "task", "complete", give(team.fu, own, title="寄样件"))
    with unit_of_work(team.fu, write=False) as uow:
        told = [(entry.kind, entry.body) for entry in timeline(uow, "lead", own)]
    assert ("visit", "看了现场，量了立柱间距") in told
    assert ("task", "寄样件") in told
    with unit_of_work() as uow:
        grants = {"lead": {"read": "all"}}
        service.create(uow, "role", [{"name": "leads", "title": "L", "grants": grants}])
    role_only = None
    with unit_of_work() as uow:
        rows = query.page(
            uow, "role", ListQuery(filter={"field": "name", "op": "eq", "value": "leads"})
        )
        role_only = rows.items[0]["id"]
        service.update(uow, "user", {team.viewer: {"roles": [role_only]}})
    with unit_of_work(team.viewer, write=False) as uow:
        kinds = {entry.kind for entry in timeline(uow, "lead", own)}
    assert kinds <= {"create", "update"}


def test_what_is_about_a_switched_off_module_is_hidden_until_it_is_back(
    lost, unit_of_work, admin_id, find
):
    assert len(find("follow_up", admin_id)) == 1
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_leads")
    assert find("follow_up", admin_id) == []
    with unit_of_work(admin_id) as uow:
        enable(uow, "crm_leads")
    assert len(find("follow_up", admin_id)) == 1


def test_the_explanation_agrees(lost, team, unit_of_work, admin_id):
    """Who asks why somebody does not see it is told of the record that it is about."""
    with unit_of_work(admin_id, write=False) as uow:
        told = explain(uow, team.fu, "follow_up", lost["follow_up"])
    assert told.allowed is False
    assert [reason.holds for reason in told.reasons][-1] is False


def test_the_trail_tells_of_it_as_little(lost, team, client, bearer, own):
    """What somebody did oneself stays told; what others did about it does not."""
    assert audit_entry.name == "audit_entry"
    answer = client.get("/api/v1/records/audit_entry?limit=200", headers=bearer(team.yan))
    if answer.status_code == 200:
        entries = answer.json["items"]
        assert not [each for each in entries if each["entity"] in ("follow_up", "task")]


def test_a_manager_reads_what_the_team_does_by_person_day_and_kind(
    write, make_lead, team, browser_of
):
    """S-059: one list, filtered; a seller's own list shows no colleague, nor does the export of it."""
    for who, kind, text in ((team.fu, "call", "傅的电话"), (team.yan, "visit", "闫的拜访")):
        write(who, make_lead(who), kind=kind, content=text)
    write(team.ning, make_lead(team.ning), kind="call", content="宁的电话")

    def shown(person, *rows):
        asked = [("columns", "subject")]
        for field, op, value in rows:
            asked += [("filter_field", field), ("filter_op", op), ("filter_value", str(value))]
        page = browser_of(person).get("/r/follow_up", query_string=asked).get_data(as_text=True)
        return [text for text in ("傅的电话", "闫的拜访", "宁的电话") if text in page]

    assert shown(team.manager) == ["傅的电话", "闫的拜访"]
    assert shown(team.manager, ("owner", "eq", team.fu)) == ["傅的电话"]
    assert shown(team.manager, ("kind", "in", "visit")) == ["闫的拜访"]
    assert shown(team.manager, ("happened_at", "within", "today")) == ["傅的电话", "闫的拜访"]
    assert shown(team.manager, ("happened_at", "within", "yesterday")) == []
    assert shown(team.fu) == ["傅的电话"]
