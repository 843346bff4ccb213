"""What a share is refused for, beside the right to it."""

from __future__ import annotations

import pytest

from core.entities import service

OWN = dict.fromkeys(("read", "create", "update"), "own")

# One database is enough, but where rows are locked, counted or kept as JSON.
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def owner(unit_of_work, make_person) -> int:
    with unit_of_work() as uow:
        grants = {"oracle_deal": OWN}
        service.create(uow, "role", [{"name": "seller", "title": "Seller", "grants": grants}])
    return make_person("Owner", roles=("seller",))


@pytest.fixture
def deal(unit_of_work, owner) -> int:
    with unit_of_work(owner) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "North"}])
    return key


def test_a_token_for_reading_opens_nothing_to_others(owner, deal, make_person, client, bearer):
    """It could otherwise pass on all that it reads, by writing."""
    other, path = make_person("Other"), f"/api/v1/records/oracle_deal/{deal}/shares"
    for scopes, status in (
        (["oracle_deal.read", "user.read"], 403),
        (["*.read"], 403),
        (["oracle_deal.read", "oracle_deal.update", "user.read"], 201),
    ):
        answer = client.post(path, json={"user": other}, headers=bearer(owner, scopes))
        assert answer.status_code == status
    made = answer.get_json()["id"]
    reading = bearer(owner, ["oracle_deal.read"])
    assert client.delete(f"{path}/{made}", headers=reading).status_code == 403
    page = client.get(f"/r/oracle_deal/{deal}", headers=reading)
    assert page.status_code == 200
    assert f"/r/oracle_deal/{deal}/shares" not in page.text


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "user"),
        ({"user": "self"}, "user"),
        ({"user": 10**6}, "user"),
        ({"department": 10**6}, "department"),
        ({"user": "other", "until": "2020-01-01T00:00:00Z"}, "until"),
    ],
)
def test_with_whom_and_until_when(owner, deal, make_person, client, bearer, wanted, field):
    people = {"self": owner, "other": make_person("Other")}
    body = wanted | (
        {"user": people.get(wanted["user"], wanted["user"])} if "user" in wanted else {}
    )
    path = f"/api/v1/records/oracle_deal/{deal}/shares"
    answer = client.post(path, json=body, headers=bearer(owner))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


def test_a_share_that_is_not_there_cannot_be_ended(owner, deal, client, bearer):
    path = f"/api/v1/records/oracle_deal/{deal}/shares/{10**6}"
    assert client.delete(path, headers=bearer(owner)).status_code == 404
