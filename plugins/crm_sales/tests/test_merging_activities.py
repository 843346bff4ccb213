"""Customers that become one take quotes, follow-ups, tasks and shares along, and give them back."""

from __future__ import annotations

import pytest

from core.entities.merging import merges_of
from core.security.sharing import share, shares_of

pytestmark = pytest.mark.long


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_sales", "activities")


def test_all_that_belongs_to_one_goes_along_and_comes_back(
    act, client, bearer, make, read, team, unit_of_work
):
    one = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    two = make("customer", team.yan, name="潍坊市鼎源农业机械厂")
    product = make("product", name="码垛机", code="MD", list_price="7")
    deal = make("opportunity", team.yan, name="收割机", customer=two)
    about = {"related_entity": "customer", "related_id": two}
    keys = {
        ("quote", "customer"): make(
            "quote", team.yan, customer=two, opportunity=deal, lines=[{"product": product}]
        ),
        ("opportunity", "customer"): deal,
        ("contact", "customer"): make("contact", team.yan, name="王总", customer=two),
        ("follow_up", "related_id"): make(
            "follow_up", team.yan, kind="call", content="谈了报价", **about
        ),
        ("task", "related_id"): make("task", team.yan, title="寄样本", **about),
    }
    with unit_of_work(team.manager) as uow:
        share(uow, "customer", two, user=team.ning)

    def held():
        """What each of the belongings names."""
        return {read(entity, key)[field] for (entity, field), key in keys.items()}

    def shared(key):
        with unit_of_work(write=False) as uow:
            return [each.user for each in shares_of(uow, "customer", key)]

    assert held() == {two}
    answer = client.post(
        f"/api/v1/records/customer/{one}/actions/merge",
        json={"others": [two]},
        headers=bearer(team.manager),
    )
    assert answer.status_code == 200, answer.json
    assert held() == {one}
    assert shared(one) == [team.ning]
    assert read("customer", one, team.ning)["id"] == one
    quote = read("quote", keys["quote", "customer"])
    assert (quote["opportunity"], str(quote["total"])) == (deal, "7.00")
    with unit_of_work(team.manager, write=False) as uow:
        (merge,) = merges_of(uow, "customer", one)
    act(team.manager, "customer", "merge", [one], undo=merge.id)
    assert held() == {two}
    assert (shared(one), shared(two)) == ([], [team.ning])
