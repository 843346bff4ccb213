"""Customers and opportunities over REST: as the interface promises for every entity."""

from __future__ import annotations

import json

import pytest

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def test_from_a_customer_to_the_sums_of_stages(client, bearer, team, stage):
    """S-025, S-061: references come with their names, money as text, and groups follow references."""
    headers = bearer(team.fu)

    def post(entity, **values):
        answer = client.post(f"/api/v1/records/{entity}", json=values, headers=headers)
        assert answer.status_code == 201, answer.json
        return answer.json["id"]

    customer = post("customer", name="潍坊鼎源农机有限公司", source="展会", city="潍坊市")
    contact = post("contact", name="王建国", customer=customer, mobile="138 0000 1111")
    for n in range(3):
        post("opportunity", name=f"商机{n}", customer=customer, contact=contact, amount="100.10")
    listed = client.get(
        "/api/v1/records/opportunity?fields=name,customer,stage,amount,weighted_amount",
        headers=headers,
    ).json["items"][0]
    assert listed["customer"] == {"id": customer, "label": "潍坊鼎源农机有限公司"}
    assert (listed["amount"], listed["weighted_amount"]) == ("100.10", "10.01")
    address = "/api/v1/records/opportunity/aggregate?group=stage&group=customer.city"
    (row,) = client.get(f"{address}&measure=count&measure=sum:amount", headers=headers).json[
        "items"
    ]
    assert row["stage"] == {"id": stage("初步接洽"), "label": "初步接洽"}
    assert (row["count"], row["sum:amount"]) == (3, "300.30")
    wanted = json.dumps({"field": "customer.name", "op": "contains", "value": "鼎源"})
    found = client.get(
        "/api/v1/records/contact",
        query_string={"filter": wanted, "count": "exact"},
        headers=headers,
    ).json
    assert (found["total"], found["items"][0]["is_primary"]) == (1, True)
    last_four = client.get("/api/v1/records/contact?search=1111", headers=headers).json["items"]
    assert [each["id"] for each in last_four] == [contact]


def test_a_process_is_written_with_its_stages(client, bearer, admin_id):
    """S-060, S-073: what is left out goes, the order is that of the lines."""
    headers, path = bearer(admin_id), "/api/v1/records/sales_process"
    stages = [{"name": "初步接洽"}, {"name": "方案演示"}, {"name": "商务谈判"}]
    made = client.post(path, json={"name": "经销流程", "stages": stages}, headers=headers)
    assert made.status_code == 201, made.json
    one, two, three = made.json["stages"]
    changed = {"stages": [{"id": three["id"]}, {"id": one["id"]}, {"name": "送样测试"}]}
    answer = client.patch(f"{path}/{made.json['id']}", json=changed, headers=headers)
    assert answer.status_code == 200, answer.json
    names = [each["name"] for each in answer.json["stages"]]
    assert names == ["商务谈判", "初步接洽", "送样测试"]
    assert two["id"] not in {each["id"] for each in answer.json["stages"]}


def test_what_exists_is_described(client, bearer, team):
    answer = client.get("/api/openapi.json", headers=bearer(team.fu))
    assert answer.status_code == 200
    paths = answer.json["paths"]
    assert any("opportunity" in path and "move" in path for path in paths)
    assert not any("customer" in path and "assign" in path for path in paths)
