"""Follow-ups of customers and of what belongs to them, with the module of activities and without that of leads."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.entities import service

pytestmark = pytest.mark.long


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_sales", "activities")


def test_the_latest_follow_up_of_a_customer_its_contacts_and_opportunities_counts(
    team, make, act, read, unit_of_work, runtime
):
    customer = make("customer", name="鼎源机械", owner=team.fu)
    contact = make("contact", name="王建国", customer=customer)
    deal = make("opportunity", name="输送线", customer=customer, owner=team.fu)

    def follow(entity, key):
        runtime.clock.move(timedelta(hours=1))
        with unit_of_work(team.fu) as uow:
            values = {"related_entity": entity, "related_id": key, "kind": "call"}
            return service.create(uow, "follow_up", [values | {"content": "约了样机"}])[0]

    def last(entity, key):
        return read(entity, key)["last_followed_at"]

    moments = {}
    for entity, key in (("customer", customer), ("contact", contact), ("opportunity", deal)):
        made = follow(entity, key)
        moments[entity] = (made, read("follow_up", made)["happened_at"])
        assert last("customer", customer) == moments[entity][1]
    assert last("opportunity", deal) == moments["opportunity"][1]
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "follow_up", [moments["opportunity"][0]])
    assert last("opportunity", deal) is None
    assert last("customer", customer) == moments["contact"][1]
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "follow_up", [moments["customer"][0], moments["contact"][0]])
    assert last("customer", customer) is None
