"""Who works on an opportunity with its owner: what they reach, and what shares come to."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.entities import service
from core.errors import Forbidden, Invalid, NotFound
from plugins.crm_sales.deals.shares import split

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def deal(make, team):
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    return make("opportunity", team.fu, name="码垛机", customer=customer, amount="100")


@pytest.fixture
def change(unit_of_work):
    def run(person, key, entity="opportunity", **values):
        with unit_of_work(person) as uow:
            service.update(uow, entity, {key: values})

    return run


@pytest.fixture
def wrong(change):
    """``wrong(person, id, **values)``: the fields and codes that stand against it."""

    def run(*arguments, **values):
        with pytest.raises(Invalid) as error:
            change(*arguments, **values)
        return [(problem.field, problem.code) for problem in error.value.problems]

    return run


def test_members_read_it_and_some_change_it(act, change, deal, read, rows, team):
    change(team.fu, deal, members=[{"person": team.ning, "role": "observer"}])
    assert read("opportunity", deal, team.ning)["name"] == "码垛机"
    assert [row["id"] for row in rows("opportunity", team.ning)] == [deal]
    with pytest.raises((Forbidden, NotFound)):
        change(team.ning, deal, next_step="报价")
    (member,) = read("opportunity", deal)["members"]
    change(team.fu, deal, members=[{"id": member["id"], "role": "partner", "share": "20"}])
    change(team.ning, deal, next_step="报价")
    act(team.ning, "opportunity", "win", [deal])
    assert read("opportunity", deal)["status"] == "won"
    with pytest.raises((Forbidden, NotFound)):
        read("opportunity", deal, team.yan)


def test_shares_of_all_are_a_hundred_at_most(change, deal, read, team, wrong):
    change(
        team.fu,
        deal,
        members=[
            {"person": team.ning, "share": "60.5"},
            {"person": team.yan, "role": "presales", "share": "39.5"},
        ],
    )
    ning, yan = read("opportunity", deal)["members"]
    more = [{"id": ning["id"], "share": "60.51"}, {"id": yan["id"]}]
    assert wrong(team.fu, deal, members=more) == [("members.1.share", "total")]
    assert wrong(team.fu, yan["id"], "opportunity_member", share="40") == [("share", "total")]
    assert wrong(team.fu, yan["id"], "opportunity_member", share="-1") == [("share", "range")]
    twice = [{"id": ning["id"]}, {"person": team.ning}]
    assert wrong(team.fu, deal, members=twice) == [("members.1.person", "taken")]
    own = [{"person": team.fu, "share": "1"}]
    assert wrong(team.fu, deal, members=own) == [("members.0.person", "owner")]
    # One leaves while the other gets all: what is meant together is looked at together.
    change(team.fu, deal, members=[{"id": ning["id"], "share": "100"}])
    assert [str(each["share"]) for each in read("opportunity", deal)["members"]] == ["100.00"]


def test_members_do_not_change_the_team(change, deal, read, team, wrong):
    change(team.fu, deal, members=[{"person": team.ning, "share": "10"}])
    (member,) = read("opportunity", deal)["members"]
    more = [{"id": member["id"], "share": "90"}]
    assert wrong(team.ning, deal, members=more) == [("members", "team")]
    assert wrong(team.ning, member["id"], "opportunity_member", share="90") == [("person", "team")]
    same = [{"id": member["id"], "share": "10.00", "person": str(team.ning), "role": "partner"}]
    change(team.ning, deal, members=same, next_step="报价")  # as the form sends it
    change(team.manager, deal, members=more)
    assert str(read("opportunity", deal)["members"][0]["share"]) == "90.00"


def test_who_only_looks_on_does_not_change_its_amount_by_a_quote(
    act, change, make, read, rows, team, unit_of_work
):
    """They have the customer and may make quotes; the opportunity is another's."""
    customer = make("customer", team.ning, name="青岛润泽食品有限公司")
    deal = make("opportunity", name="码垛机", customer=customer, owner=team.fu, amount="100")
    change(None, deal, members=[{"person": team.ning, "role": "observer"}])
    product = make("product", name="码垛机", code="MD", list_price="7")
    lines = [{"product": product}]
    own = make("quote", team.ning, customer=customer, lines=lines)
    refused = [("opportunity", "not_changing")]
    for write in (
        lambda: make("quote", team.ning, customer=customer, opportunity=deal, lines=lines),
        lambda: change(team.ning, own, "quote", opportunity=deal),
        lambda: act(team.ning, "quote", "copy", [own], opportunity=deal),
    ):
        with pytest.raises(Invalid) as error:
            write()
        assert [(problem.field, problem.code) for problem in error.value.problems] == refused
    assert str(read("opportunity", deal)["amount"]) == "100.00"
    assert [row["id"] for row in rows("quote")] == [own]
    (member,) = read("opportunity", deal)["members"]
    change(None, deal, members=[{"id": member["id"], "role": "partner"}])
    quote = make("quote", team.ning, customer=customer, opportunity=deal, lines=lines)
    assert str(read("opportunity", deal)["amount"]) == "7.00"
    with unit_of_work(team.ning) as uow:
        service.delete(uow, "quote", [quote])
    change(None, deal, members=[{"id": member["id"], "role": "observer"}])
    with pytest.raises(Invalid), unit_of_work(team.ning) as uow:
        service.restore(uow, "quote", [quote])


def test_a_new_owner_keeps_the_members(act, change, deal, read, team):
    change(team.fu, deal, members=[{"person": team.ning, "share": "10"}])
    customer = read("opportunity", deal)["customer"]
    for owner in (team.ning, team.yan):
        act(None, "customer", "assign", [customer], owner=owner)
        values = read("opportunity", deal)
        assert (values["owner"], [m["person"] for m in values["members"]]) == (owner, [team.ning])


@pytest.mark.parametrize(
    ("amount", "shares", "found"),
    [
        ("100", {2: "33.33", 3: "33.33"}, {1: "33.34", 2: "33.33", 3: "33.33"}),
        ("0.05", {2: "33.33", 3: "33.33"}, {1: "0.02", 2: "0.02", 3: "0.01"}),
        ("0.01", {2: "50"}, {1: "0.01", 2: "0.00"}),
        ("100.01", {2: "100"}, {1: "0.00", 2: "100.01"}),
        ("99", {1: "10", 2: "50"}, {1: "49.50", 2: "49.50"}),
    ],
)
def test_parts_come_to_the_whole_to_the_cent(amount, shares, found):
    """The largest remainders get the cents that are left; of equals the owner, then who came first."""
    parts = split(Decimal(amount), 1, {key: Decimal(each) for key, each in shares.items()}, "CNY")
    assert {key: str(part) for key, part in parts.items()} == found
    assert sum(parts.values()) == Decimal(amount)


def test_yen_are_split_into_whole_ones():
    parts = split(Decimal(100), 1, {2: Decimal("33.33"), 3: Decimal("33.33")}, "JPY")
    assert {key: str(part) for key, part in parts.items()} == {1: "34", 2: "33", 3: "33"}
