"""Sales and contracts are on; sellers of two groups, a manager, finance, legal, and who only reads."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.entities import query, service


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_sales", "contracts")


@pytest.fixture
def team(make_person):
    return SimpleNamespace(
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
        ning=make_person("宁书瑶", roles=("sales",), department="华北"),
        finance=make_person("钱若水", roles=("finance",), department="财务部"),
        legal=make_person("卫明法", roles=("legal",), department="法务部"),
        viewer=make_person("谭博远", roles=("viewer",)),
    )


@pytest.fixture
def make(unit_of_work):
    """``make(entity, person=None, **values) -> id``, by that person or the system."""

    def run(entity, person=None, **values):
        if entity == "customer":
            values = {"source": "展会"} | values
        with unit_of_work(person) as uow:
            return service.create(uow, entity, [values])[0]

    return run


@pytest.fixture
def change(unit_of_work):
    """``change(person, entity, id, **values)`` in a transaction of its own."""

    def run(person, entity, key, **values):
        with unit_of_work(person) as uow:
            return service.update(uow, entity, {key: values})

    return run


@pytest.fixture
def shop(make, team):
    """A customer of the seller with an opportunity, and two products of different taxes."""
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    return SimpleNamespace(
        customer=customer,
        deal=make("opportunity", team.fu, name="鼎源 码垛机三台", customer=customer, amount="1"),
        robot=make("product", name="码垛机", code="MD", unit="台", list_price="33.33"),
        service=make(
            "product", name="安装", code="FW", unit="人天", list_price="250", tax_rate="6"
        ),
    )


@pytest.fixture
def accepted(make, team, shop, act):
    """``accepted(**values)``: a quote of the seller that the customer has accepted; 344.99 with tax."""

    def run(**values):
        lines = [
            {"product": shop.robot, "quantity": "3", "discount": "5"},
            {"product": shop.service},
        ]
        head = {"customer": shop.customer, "opportunity": shop.deal, "terms": "预付 30%"}
        key = make("quote", team.fu, **(head | {"lines": lines} | values))
        for verb in ("submit", "accept"):
            act(team.fu, "quote", verb, [key])
        return key

    return run


@pytest.fixture
def browser_of(sign_in, unit_of_work):
    """``browser_of(person)``: signed in as that person."""

    def open_(person):
        from core.security.credentials import set_password
        from core.testing.installation import PASSWORD

        with unit_of_work() as uow:
            values = query.get(uow, "user", person).values
            set_password(uow, person, PASSWORD, email=values["email"], name=values["name"])
        return sign_in(values["email"], PASSWORD)

    return open_
