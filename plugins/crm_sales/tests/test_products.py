"""Products: their tree, their variants, their parameters and formulas, and who sees what they cost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.entities import service
from core.errors import Forbidden, Invalid

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

POWER = {"name": "功率", "kind": "number", "unit": "kW", "minimum": "1", "maximum": "200"}
MATERIAL = {"name": "材质", "kind": "choice", "choices": ["304", "Q235"]}


def fields_of(error):
    return {problem.field for problem in error.value.problems}


@pytest.fixture
def refused(make):
    """``refused(entity, **values)``: the fields that say no."""

    def ask(entity, **values):
        with pytest.raises(Invalid) as error:
            make(entity, **values)
        return fields_of(error)

    return ask


def test_a_category_does_not_stand_below_itself(make, unit_of_work):
    top = make("product_category", name="输送设备")
    middle = make("product_category", name="皮带线", parent=top)
    low = make("product_category", name="窄带", parent=middle)
    for above in (low, top):
        with pytest.raises(Invalid) as error, unit_of_work() as uow:
            service.update(uow, "product_category", {top: {"parent": above}})
        assert fields_of(error) == {"parent"}
    make("product", name="皮带机", code="P1", category=low)
    for key in (low, top):
        with pytest.raises(Invalid) as error, unit_of_work() as uow:
            service.delete(uow, "product_category", [key])
        assert fields_of(error) == {"name"}


def test_a_product_has_a_code_of_its_own_and_sensible_numbers(make, refused):
    """S-075"""
    make("product", name="码垛机", code="MD-1")
    assert refused("product", name="另一个", code="MD-1") == {"code"}
    assert refused("product", name="x") == {"code"}
    wrong = {"list_price": "-1", "cost": "-0.01", "tax_rate": "101"}
    assert refused("product", name="x", code="x", **wrong) == {"list_price", "cost", "tax_rate"}


def test_variants_differ_by_their_attributes(make, refused, unit_of_work):
    main = make("product", name="码垛机", code="MD", list_price="100")
    volts = [{"name": "电压", "value": "380V"}]
    first = make("product", name="码垛机 380V", code="MD-380", variant_of=main, attributes=volts)
    again = {"name": "又一个", "code": "MD-381", "variant_of": main}
    assert refused("product", **again, attributes=volts) == {"attributes"}
    make("product", **again, attributes=[{"name": "电压", "value": "220V"}])
    assert refused("product", name="x", code="x", variant_of=first) == {"variant_of"}
    for key, above in ((main, first), (main, main)):
        with pytest.raises(Invalid) as error, unit_of_work() as uow:
            service.update(uow, "product", {key: {"variant_of": above}})
        assert fields_of(error) == {"variant_of"}


@pytest.mark.parametrize(
    ("formula", "word"),
    [
        ("功率 * 转速", "转速"),
        ("功率 * 材质", ""),
        ("材质", ""),
        ("功率 *", ""),
        ("功率 + YEAR(TODAY())", "报价日"),
    ],
)
def test_a_formula_is_checked_when_it_is_saved(make, formula, word):
    with pytest.raises(Invalid) as error:
        make("product", name="x", code="x", parameters=[POWER, MATERIAL], price_formula=formula)
    (problem,) = error.value.problems
    assert problem.field == "price_formula"
    assert word in problem.message


def test_parameters_are_checked_beside_each_other(make, refused):
    bad = [
        POWER,
        {"name": "功率"},
        {"name": "quantity"},
        {"name": "a.b"},
        {"name": "色", "kind": "choice"},
        {"name": "长", "minimum": "5", "maximum": "2"},
        {"name": "宽", "maximum": "2", "default_value": "3"},
    ]
    assert refused("product", name="x", code="x", parameters=bad) == {
        *("parameters.1.name", "parameters.2.name", "parameters.3.name"),
        *("parameters.4.choices", "parameters.5.maximum", "parameters.6.default_value"),
    }


def test_a_parameter_that_a_formula_names_stays(make, read, unit_of_work):
    """By the product's form and by itself alike."""
    key = make(
        "product", name="电机", code="D", parameters=[POWER, MATERIAL], price_formula="功率 * 100"
    )
    power, material = read("product", key)["parameters"]
    for change in (
        lambda uow: service.update(uow, "product", {key: {"parameters": [{"id": material["id"]}]}}),
        lambda uow: service.update(uow, "product_parameter", {power["id"]: {"name": "转速"}}),
        lambda uow: service.delete(uow, "product_parameter", [power["id"]]),
    ):
        with pytest.raises(Invalid), unit_of_work() as uow:
            change(uow)
    with unit_of_work() as uow:
        both = {
            "parameters": [{"id": power["id"], "name": "转速"}, {"name": "长度", "unit": "m"}],
            "price_formula": "转速 * 2 + 长度",
        }
        service.update(uow, "product", {key: both})
        service.update(uow, "product_parameter", {power["id"]: {"unit": "rpm"}})
    assert [each["name"] for each in read("product", key)["parameters"]] == ["转速", "长度"]


def test_costs_are_hidden_from_who_sells(make, read, team):
    key = make("product", name="码垛机", code="MD", list_price="100", cost="60")
    assert "cost" not in read("product", key, team.fu)
    assert "cost" not in read("product", key, team.service)
    assert str(read("product", key, team.manager)["cost"]) == "60.00"
    with pytest.raises(Forbidden):
        make("product", team.fu, name="x", code="x")


def test_a_price_list_that_overlaps_another_is_refused(make, refused, unit_of_work):
    rule = {"currency": "CNY", "customer_level": "A", "valid_from": "2026-01-01"}
    first = make("price_list", name="A 级 2026", valid_to="2026-12-31", **rule)
    again = rule | {"valid_from": "2026-12-31"}
    with pytest.raises(Invalid) as error:
        make("price_list", name="又一张", **again)
    (problem,) = error.value.problems
    assert (problem.field, "A 级 2026" in problem.message) == ("valid_from", True)
    assert refused("price_list", name="x", valid_to="2025-12-31", **rule) == {"valid_to"}
    for other in (
        {"valid_from": "2027-01-01"},
        {"currency": "USD"},
        {"customer_level": None},
        {"region": "370000"},
        {"priority": 5},
        {"is_active": False},
    ):
        key = make("price_list", name="别的", **(again | other))
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.update(uow, "price_list", {key: {"is_active": True}})
    assert fields_of(error) == {"valid_from"}
    with unit_of_work() as uow:  # one that is changed does not overlap itself
        service.update(uow, "price_list", {first: {"name": "A 级", "valid_to": "2026-12-30"}})


def test_what_comes_out_of_the_recycle_bin_keeps_the_rules_of_what_is_made(
    make, read, unit_of_work
):
    """What took its place meanwhile stays, and nothing stands there twice."""
    rule = {"currency": "CNY", "customer_level": "A", "valid_from": "2026-01-01"}
    main = make("product", name="码垛机", code="MD", list_price="100")
    like = {"variant_of": main, "attributes": [{"name": "电压", "value": "380V"}]}
    prices = make("price_list", name="标准", currency="CNY", valid_from="2026-01-01", priority=3)
    item = {"price_list": prices, "product": main, "price": "9"}
    rate = {"currency": "USD", "valid_from": "2026-01-01", "rate": "7.1"}
    for entity, values, other, field in (
        ("price_list", {"name": "A", **rule}, {"name": "B", **rule}, "valid_from"),
        ("price_list_item", item, item | {"price": "8"}, "minimum_quantity"),
        ("exchange_rate", rate, rate | {"rate": "7.2"}, "valid_from"),
        (
            *("product", {"name": "甲", "code": "A", **like}),
            *({"name": "乙", "code": "B", **like}, "attributes"),
        ),
    ):
        key = make(entity, **values)
        with unit_of_work() as uow:
            service.delete(uow, entity, [key])
        second = make(entity, **other)
        with pytest.raises(Invalid) as error, unit_of_work() as uow:
            service.restore(uow, entity, [key])
        assert fields_of(error) == {field}, entity
        with unit_of_work() as uow:
            service.delete(uow, entity, [second])
            service.restore(uow, entity, [key])
        assert read(entity, key)["id"] == key


@pytest.mark.long
def test_of_two_lists_that_overlap_and_come_at_once_one_is_made(rows, unit_of_work):
    rule = {"currency": "CNY", "valid_from": "2026-01-01"}
    for number in range(20):
        ready = Barrier(2)

        def attempt(name, number=number, ready=ready):
            ready.wait()
            try:
                with unit_of_work() as uow:
                    service.create(uow, "price_list", [rule | {"name": name, "priority": number}])
            except Invalid:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(attempt, "甲乙")) == [False, True]
    assert len(rows("price_list", limit=100)) == 20


def test_prices_of_a_list_are_one_a_product_and_quantity(make, refused, read, unit_of_work):
    product = make("product", name="码垛机", code="MD")
    rule = {"name": "标准", "currency": "CNY", "valid_from": "2026-01-01"}
    twice = [{"product": product, "price": "9"}, {"product": product, "discount": "5"}]
    assert refused("price_list", **rule, items=twice) == {"items.1.minimum_quantity"}
    wrong = [
        {"product": product, "price": "1", "discount": "1"},
        {"product": product, "minimum_quantity": "2"},
        {"product": product, "minimum_quantity": "-3", "discount": "101"},
        {"product": product, "minimum_quantity": "4", "price": "-1"},
    ]
    assert refused("price_list", **rule, items=wrong) == {
        *("items.0.price", "items.1.price", "items.2.discount"),
        *("items.2.minimum_quantity", "items.3.price"),
    }
    key = make("price_list", **rule, items=[{"product": product, "price": "9"}])
    alone = {"price_list": key, "product": product, "price": "8"}
    assert refused("price_list_item", **alone) == {"minimum_quantity"}
    make("price_list_item", **alone, minimum_quantity="10")
    assert len(read("price_list", key)["items"]) == 2
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.delete(uow, "product", [product])


def test_rates_and_limits_are_sensible(make, refused, rows, unit_of_work):
    rate = {"currency": "USD", "valid_from": "2026-01-01", "rate": "7.1"}
    make("exchange_rate", **rate)
    assert refused("exchange_rate", **rate) == {"valid_from"}
    twice = [rate | {"currency": "EUR"}] * 2
    with pytest.raises(Invalid) as error, unit_of_work() as uow:
        service.create(uow, "exchange_rate", twice)
    assert fields_of(error) == {"valid_from"}
    assert refused("exchange_rate", **(rate | {"currency": "CNY"})) == {"currency"}
    assert refused("exchange_rate", **(rate | {"currency": "EUR", "rate": "0"})) == {"rate"}
    (role,) = rows("role", search="", filter={"field": "name", "op": "eq", "value": "sales"})
    assert refused("discount_limit", role=role["id"], limit="101") == {"limit"}
