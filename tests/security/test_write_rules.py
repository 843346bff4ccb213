"""What a write asks for: lines with their parent, verbs under their condition, nothing named unseen."""

from __future__ import annotations

from typing import Any

import pytest

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.incoming import readable
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused

LINES = [{"product": "saw", "price": "2.00", "quantity": 3}]


@pytest.fixture
def person(unit_of_work, make_person) -> Any:
    """``person(grants, rules)``: somebody with one role of that kind."""

    def make(grants: dict[str, Any], rules: dict[str, Any] | None = None) -> int:
        role = {"name": "one", "title": "One", "grants": grants, "field_rules": rules or {}}
        with unit_of_work() as uow:
            service.create(uow, "role", [role])
        return make_person("One", roles=("one",))

    return make


# Creating with lines


def test_creating_with_lines_needs_the_right_to_create(unit_of_work, person):
    writer = person({"oracle_deal": {"read": "all", "create": "all"}})
    with unit_of_work(writer) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t", "lines": LINES}])
    with unit_of_work(writer, write=False) as uow:
        (line,) = query.get(uow, "oracle_deal", key).values["lines"]
    assert line["product"] == "saw"
    for change in (
        lambda uow: service.update(uow, "oracle_deal", {key: {"lines": []}}),
        lambda uow: service.create(uow, "oracle_line", [{"deal": key, "product": "axe"}]),
        lambda uow: service.update(uow, "oracle_line", {line["id"]: {"product": "axe"}}),
        lambda uow: service.delete(uow, "oracle_line", [line["id"]]),
    ):
        with pytest.raises(Forbidden), unit_of_work(writer) as uow:
            change(uow)


def test_a_record_for_somebody_else_may_have_lines(unit_of_work, person, admin_id):
    """The maker need not be able to read it afterwards."""
    writer = person({"oracle_deal": {"read": "own", "create": "all"}})
    item = {"title": "t", "owner": admin_id, "lines": LINES}
    with unit_of_work(writer) as uow:
        (key,) = service.create(uow, "oracle_deal", [item])
    with unit_of_work(write=False) as uow:
        assert len(query.get(uow, "oracle_deal", key).values["lines"]) == 1


def test_a_token_to_create_creates_with_lines(client, bearer, admin_id):
    headers = bearer(admin_id, ["oracle_deal.create", "oracle_deal.read"])
    body = {"title": "t", "lines": LINES}
    answer = client.post("/api/v1/records/oracle_deal", json=body, headers=headers)
    assert answer.status_code == 201
    path = f"/api/v1/records/oracle_deal/{answer.json['id']}"
    assert client.patch(path, json={"lines": []}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "rules",
    [
        {"oracle_deal": {"lines": "read"}},
        {"oracle_deal": {"lines": "hidden"}},
        {"oracle_line": {"price": "read"}},
    ],
)
def test_the_fields_of_lines_are_asked_all_the_same(unit_of_work, person, rules):
    writer = person({"oracle_deal": {"read": "all", "create": "all"}}, rules)
    with pytest.raises(Invalid), unit_of_work(writer) as uow:
        service.create(uow, "oracle_deal", [{"title": "t", "lines": LINES}])


def test_lines_of_new_records_point_only_where_their_maker_sees(unit_of_work, person):
    """A line cannot be slipped under another record on the way."""
    writer = person({"oracle_deal": {"read": "own", "create": "all"}})
    with unit_of_work() as uow:
        (other,) = service.create(uow, "oracle_deal", [{"title": "other"}])
    with unit_of_work(writer) as uow:
        item = {"title": "t", "lines": [{**LINES[0], "deal": other}]}
        (key,) = service.create(uow, "oracle_deal", [item])
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "oracle_deal", other).values["lines"] == []
        assert len(query.get(uow, "oracle_deal", key).values["lines"]) == 1


# Lines in the recycle bin


def test_lines_go_into_the_recycle_bin_with_their_parent(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        gone, here = service.create(
            uow,
            "oracle_deal",
            [{"title": "gone", "lines": LINES}, {"title": "here", "lines": LINES}],
        )
        service.delete(uow, "oracle_deal", [gone])
    with unit_of_work(admin_id, write=False) as uow:
        rows = query.page(uow, "oracle_line", ListQuery(count="exact"))
        assert ([row["deal"] for row in rows.items], rows.total) == ([here], 1)
        (sums,) = aggregate(uow, "oracle_line", [], ["count", "sum:quantity"], ListQuery())
        assert (sums["count"], sums["sum:quantity"]) == (1, 3)
        (line,) = query.get(uow, "oracle_deal", gone, archived=True).values["lines"]
        with pytest.raises(NotFound):
            query.get(uow, "oracle_line", line["id"])
        assert readable(uow, "oracle_line", {line["id"]}) == set()
    with pytest.raises(NotFound), unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_line", {line["id"]: {"quantity": 9}})
    with unit_of_work(admin_id) as uow:
        service.restore(uow, "oracle_deal", [gone])
    with unit_of_work(admin_id, write=False) as uow:
        assert query.count(uow, "oracle_line", ListQuery()) == 2


# What is required and not seen


def test_a_required_field_that_is_hidden_is_not_named(unit_of_work, person, client, bearer):
    grants = {"oracle_deal": {"read": "all", "create": "all"}}
    writer = person(grants, {"oracle_deal": {"title": "hidden"}})
    with pytest.raises(Invalid) as refusal, unit_of_work(writer) as uow:
        service.create(uow, "oracle_deal", [{"stage": "new"}])
    (problem,) = refusal.value.problems
    assert (problem.field, problem.code) == ("", "required")
    headers = {**bearer(writer), "Accept-Language": "en"}
    answer = client.post("/api/v1/records/oracle_deal", json={}, headers=headers)
    assert answer.status_code == 422
    assert "title" not in str(answer.json["errors"]).lower()
    assert "administrator" in answer.json["errors"][0]["message"]


def test_a_required_field_that_is_seen_is_named(unit_of_work, person):
    """Positive control, masked and read-only fields included."""
    grants = {"oracle_deal": {"read": "all", "create": "all"}}
    writer = person(grants, {"oracle_deal": {"title": "read"}})
    with pytest.raises(Invalid) as refusal, unit_of_work(writer) as uow:
        service.create(uow, "oracle_deal", [{"stage": "new"}])
    assert [problem.field for problem in refusal.value.problems] == ["title"]


# What was readable a moment ago


def test_what_is_deleted_is_not_pointed_at_in_the_same_transaction(unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        (account,) = service.create(uow, "oracle_account", [{"name": "a"}])
        service.create(uow, "oracle_deal", [{"title": "before", "account": account}])
        service.delete(uow, "oracle_account", [account])
        with pytest.raises(Invalid) as refusal:
            service.create(uow, "oracle_deal", [{"title": "after", "account": account}])
        service.restore(uow, "oracle_account", [account])
        service.create(uow, "oracle_deal", [{"title": "again", "account": account}])
    assert [(p.field, p.code) for p in refusal.value.problems] == [("account", "reference")]


def test_what_is_given_away_is_not_pointed_at_in_the_same_transaction(
    unit_of_work, person, admin_id
):
    """Also when it left the reach of its reader by what a business rule wrote."""
    deals = {"read": "all", "create": "all"}
    writer = person({"oracle_account": {"read": "own", "create": "own"}, "oracle_deal": deals})
    with unit_of_work(writer) as uow:
        (account,) = service.create(uow, "oracle_account", [{"name": "a"}])
        service.create(uow, "oracle_deal", [{"title": "before", "account": account}])
        with uow.elevated():
            service.update(uow, "oracle_account", {account: {"owner": admin_id}})
        with pytest.raises(Invalid):
            service.create(uow, "oracle_deal", [{"title": "after", "account": account}])


# The condition of a verb


def test_a_verb_is_refused_where_its_condition_does_not_hold(
    unit_of_work, admin_id, client, bearer, sign_in
):
    """By every door alike; one that does not fit refuses them all."""
    with unit_of_work(admin_id) as uow:
        lost, open_ = service.create(
            uow, "oracle_deal", [{"title": "a", "stage": "lost"}, {"title": "b", "stage": "new"}]
        )
    params = {"reason": "good"}
    for ids in ([lost], [open_, lost]):
        with pytest.raises(Refused) as refusal, unit_of_work(admin_id) as uow:
            service.act(uow, "oracle_deal", "approve", ids, params)
        assert f"#{lost}" in refusal.value.message
        assert "Approve" in refusal.value.message
    path = f"/api/v1/records/oracle_deal/{lost}/actions/approve"
    assert client.post(path, json=params, headers=bearer(admin_id)).status_code == 409
    browser = sign_in()
    form = {"ids": [lost], "param.reason": "good", "confirmed": "1"}
    headers = {"X-CSRF-Token": browser.csrf}
    page = browser.post("/r/oracle_deal/actions/approve", data=form, headers=headers)
    assert page.status_code == 409
    with unit_of_work(admin_id) as uow:
        stages = {key: query.get(uow, "oracle_deal", key).values["stage"] for key in (lost, open_)}
        assert stages == {lost: "lost", open_: "new"}
        service.act(uow, "oracle_deal", "approve", [open_], params)


def test_a_condition_may_look_at_what_its_user_does_not_see(unit_of_work, person):
    verbs = {"read": "all", "approve": "all"}
    user = person({"oracle_deal": verbs}, {"oracle_deal": {"stage": "hidden"}})
    with unit_of_work() as uow:
        lost, open_ = service.create(
            uow, "oracle_deal", [{"title": "a", "stage": "lost"}, {"title": "b", "stage": "new"}]
        )
    with pytest.raises(Refused), unit_of_work(user) as uow:
        service.act(uow, "oracle_deal", "approve", [lost], {"reason": "x"})
    with unit_of_work(user) as uow:
        service.act(uow, "oracle_deal", "approve", [open_], {"reason": "x"})


def test_a_verb_says_in_its_own_words_why_not(unit_of_work, person, client, bearer, admin_id):
    """Looking at what its user does not see; without words of its own the suite's are told."""
    fields = {"oracle_deal": {"stage": "hidden", "won": "hidden"}}
    user = person({"oracle_deal": {"read": "all", "approve": "all", "assign": "all"}}, fields)
    items = [
        {"title": "a", "stage": "lost", "won": True},
        {"title": "b", "stage": "lost"},
        {"title": "Sealed"},
    ]
    with unit_of_work() as uow:
        both, lost, sealed = service.create(uow, "oracle_deal", items)
    headers = {**bearer(user), "Accept-Language": "en"}
    for key, verb, params, reason in (
        (both, "approve", {"reason": "x"}, "It cannot be won and lost."),
        (lost, "approve", {"reason": "x"}, f"“Approve” is not possible for Deal #{lost}"),
        (sealed, "assign", {"to": admin_id}, f"“Assign” is not possible for Deal #{sealed}"),
    ):
        path = f"/api/v1/records/oracle_deal/{key}/actions/{verb}"
        answer = client.post(path, json=params, headers=headers)
        assert answer.status_code == 409
        assert answer.json["title"].startswith(reason)
    with unit_of_work(write=False) as uow:
        rows = query.page(uow, "oracle_deal", ListQuery(sort="id")).items
        assert [row["stage"] for row in rows] == ["lost", "lost", "new"]
        assert [row["owner"] for row in rows] == [None] * 3
