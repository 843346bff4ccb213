"""Customers and contacts: what is refused, and what follows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.entities import service
from core.errors import Invalid

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

CODE = "91110000600037341L"


def refused(call, *arguments, **values):
    with pytest.raises(Invalid) as error:
        call(*arguments, **values)
    return {problem.field: problem.message for problem in error.value.problems}


def test_each_new_customer_has_its_source(client, bearer, team):
    """S-034: over REST as on the form, the field is named."""
    answer = client.post(
        "/api/v1/records/customer", json={"name": "潍坊鼎源机械"}, headers=bearer(team.fu)
    )
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == ["source"]


def test_the_credit_code_is_checked_and_kept_in_one_spelling(make, read):
    assert set(refused(make, "customer", name="甲", uscc="91110000600037341M")) == {"uscc"}
    assert set(refused(make, "customer", name="甲", uscc="12345")) == {"uscc"}
    key = make("customer", name="甲", uscc=CODE.lower())
    assert read("customer", key)["uscc"] == CODE


def test_nobody_stands_above_themselves(make, unit_of_work):
    top = make("customer", name="集团")
    middle = make("customer", name="华东分公司", parent=top)
    leaf = make("customer", name="潍坊工厂", parent=middle)
    for parent in (leaf, middle, top):
        with pytest.raises(Invalid) as error, unit_of_work() as uow:
            service.update(uow, "customer", {top: {"parent": parent}})
        assert [problem.field for problem in error.value.problems] == ["parent"]
    with pytest.raises(Invalid), unit_of_work() as uow:  # both ways at once
        service.update(uow, "customer", {top: {"parent": leaf}, leaf: {"parent": top}})


def test_a_circle_is_found_however_long_the_chain_is(unit_of_work):
    with unit_of_work() as uow:
        values = [{"name": f"第{n}层", "source": "展会"} for n in range(60)]
        keys = service.create(uow, "customer", values)
        chain = zip(keys[1:], keys, strict=False)
        service.update(uow, "customer", {below: {"parent": above} for below, above in chain})
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.update(uow, "customer", {keys[0]: {"parent": keys[-1]}})
    assert [(p.field, p.code) for p in error.value.problems] == [("parent", "circle")]


@pytest.mark.long
@pytest.mark.parametrize(
    ("entity", "values"),
    [("customer", {"source": "展会"}), ("product_category", {})],
)
def test_two_who_move_each_other_at_once_make_no_circle(make, read, unit_of_work, entity, values):
    """Each goes below what is below the other: each alone makes no circle, and waits for no row."""
    for number in range(20):
        tops = [make(entity, name=f"{name}{number}", **values) for name in "甲乙"]
        lows = [make(entity, name=f"小{key}", parent=key, **values) for key in tops]
        ready = Barrier(2)

        def attempt(pair, ready=ready):
            child, parent = pair
            ready.wait()
            try:
                with unit_of_work() as uow:
                    service.update(uow, entity, {child: {"parent": parent}})
            except Invalid:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            done = list(threads.map(attempt, zip(tops, reversed(lows), strict=True)))
        assert sorted(done) == [False, True]
        assert [read(entity, key)["parent"] for key in tops].count(None) == 1


def test_the_first_contact_is_the_primary_one_until_another_is(make, read):
    """S-025"""
    customer = make("customer", name="甲")
    first = make("contact", name="王建国", customer=customer, mobile="13800000001")
    second = make("contact", name="李敏", customer=customer)
    assert (read("contact", first)["is_primary"], read("contact", second)["is_primary"]) == (
        True,
        False,
    )
    third = make("contact", name="张伟", customer=customer, is_primary=True)
    assert [read("contact", key)["is_primary"] for key in (first, second, third)] == [
        False,
        False,
        True,
    ]


def test_who_comes_out_of_the_recycle_bin_is_no_second_primary_contact(make, read, unit_of_work):
    customer = make("customer", name="甲")
    first = make("contact", name="王建国", customer=customer)
    with unit_of_work() as uow:
        service.delete(uow, "contact", [first])
    second = make("contact", name="李敏", customer=customer)
    assert read("contact", second)["is_primary"]
    with unit_of_work() as uow:
        service.restore(uow, "contact", [first])
    assert [read("contact", key)["is_primary"] for key in (first, second)] == [True, False]


def test_people_report_to_people_of_the_same_customer_and_in_no_circle(make, unit_of_work):
    one, two = make("customer", name="甲"), make("customer", name="乙")
    boss = make("contact", name="王总", customer=one)
    clerk = make("contact", name="小李", customer=one, reports_to=boss)
    wrong = refused(make, "contact", name="外人", customer=two, reports_to=boss)
    assert set(wrong) == {"reports_to"}
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.update(uow, "contact", {boss: {"reports_to": clerk}})


def test_open_opportunities_go_along_to_a_new_owner(make, read, act, team):
    """S-036"""
    customer = make("customer", team.fu, name="甲")
    deal = make("opportunity", team.fu, name="码垛机", customer=customer)
    won = make("opportunity", team.fu, name="输送线", customer=customer)
    other = make("opportunity", name="升降台", customer=customer, owner=team.manager)
    act(team.fu, "opportunity", "win", [won])
    act(team.manager, "customer", "assign", [customer], owner=team.yan)
    assert read("customer", customer)["owner"] == team.yan
    owners = [read("opportunity", key)["owner"] for key in (deal, won, other)]
    assert owners == [team.yan, team.fu, team.manager]


def test_a_customer_to_whom_something_is_being_sold_is_not_deleted(make, act, unit_of_work, team):
    customer = make("customer", team.fu, name="甲")
    deal = make("opportunity", team.fu, name="码垛机", customer=customer)
    with pytest.raises(Invalid), unit_of_work(team.manager) as uow:
        service.delete(uow, "customer", [customer])
    act(team.fu, "opportunity", "lose", [deal], reason="项目暂缓")
    with unit_of_work(team.manager) as uow:
        service.delete(uow, "customer", [customer])


def test_an_import_names_the_rows_without_a_source(client, bearer, team, unit_of_work):
    """S-034: the batch endpoint, through which files and programs come, refuses each by name."""
    items = [{"name": "甲", "source": "展会"}, {"name": "乙"}]
    answer = client.post(
        "/api/v1/records/customer/batch",
        json={"create": items, "atomic": True},
        headers=bearer(team.fu),
    )
    assert answer.status_code == 422
    assert "source" in answer.get_data(as_text=True)
