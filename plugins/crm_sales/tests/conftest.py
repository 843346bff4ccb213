"""Customers and sales are on, leads too; a small sales department with sellers of two groups."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.entities import query, service
from core.notifications.service import latest


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture
def team(make_person):
    """Two sellers of one group, a manager above, a seller elsewhere, service, and who only reads."""
    return SimpleNamespace(
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
        ning=make_person("宁书瑶", roles=("sales",), department="华北"),
        service=make_person("季海峰", roles=("service_agent",), department="售后服务部"),
        viewer=make_person("谭博远", roles=("viewer",)),
    )


@pytest.fixture
def headed(team, unit_of_work):
    """The team, of which the manager is the head: of the department ``sales``."""
    with unit_of_work() as uow:
        table = uow.entity("department").table
        (team.sales,) = uow.execute(table.select().where(table.c.name == "销售部")).scalars()
        service.update(uow, "department", {team.sales: {"head": team.manager}})
    return team


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
def told(unit_of_work):
    """``told(person, kind)``: how many notifications of that kind they have."""

    def count(person, kind):
        with unit_of_work(person, write=False) as uow:
            return sum(each.kind == f"crm_sales.{kind}" for each in latest(uow, limit=50))

    return count


@pytest.fixture
def stage(rows):
    """``stage(name)``: the id of a stage of the process that a company begins with."""

    def find(name):
        (row,) = [each for each in rows("stage") if each["name"] == name]
        return row["id"]

    return find


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
