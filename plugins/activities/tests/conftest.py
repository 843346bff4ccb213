"""Activities and leads are on; two sellers of one group, their manager, a seller of another group."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.settings.service import put_settings
from core.testing.installation import PASSWORD


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("activities", "crm_leads")


@pytest.fixture
def team(make_person):
    """A manager above two sellers, a seller elsewhere, and somebody who only reads."""
    return SimpleNamespace(
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
        ning=make_person("宁书瑶", roles=("sales",), department="华北"),
        viewer=make_person("谭博远", roles=("viewer",)),
    )


@pytest.fixture
def make_lead(unit_of_work):
    """``make_lead(owner, **values) -> id``, by the system."""
    numbers = iter(range(1, 10_000))

    def make(owner, **values):
        item = {"company": f"潍坊鼎源{next(numbers)}农机有限公司", "owner": owner, **values}
        with unit_of_work() as uow:
            return service.create(uow, "lead", [item])[0]

    return make


@pytest.fixture
def write(unit_of_work):
    """``write(person, lead=None, **values) -> id`` of a follow-up, through the one door."""

    def make(person, lead=None, **values):
        about = {} if lead is None else {"related_entity": "lead", "related_id": lead}
        item = {"kind": "call", "content": "确认了产量和工件尺寸。", **about, **values}
        with unit_of_work(person) as uow:
            return service.create(uow, "follow_up", [item])[0]

    return make


@pytest.fixture
def give(unit_of_work):
    """``give(person, **values) -> id`` of a task."""

    def make(person, lead=None, **values):
        about = {} if lead is None else {"related_entity": "lead", "related_id": lead}
        with unit_of_work(person) as uow:
            return service.create(uow, "task", [{"title": "发报价", **about, **values}])[0]

    return make


@pytest.fixture
def read(unit_of_work):
    """``read(entity, id, person=None)``: its values as that person (or the system) sees them."""

    def get(entity, key, person=None):
        with unit_of_work(person, write=False) as uow:
            return query.get(uow, entity, key).values

    return get


@pytest.fixture
def find(unit_of_work):
    """``find(entity, person=None, **equal)``: all rows that the person reads, oldest first."""

    def rows(entity, person=None, **equal):
        parts = [{"field": name, "op": "eq", "value": value} for name, value in equal.items()]
        with unit_of_work(person, write=False) as uow:
            wanted = ListQuery(filter={"all": parts}, sort="id", limit=500)
            return query.page(uow, entity, wanted).items

    return rows


@pytest.fixture
def change(unit_of_work):
    """``change(person, entity, id, **values)``"""

    def update(person, entity, key, **values):
        with unit_of_work(person) as uow:
            return service.update(uow, entity, {key: values})

    return update


@pytest.fixture
def act(unit_of_work):
    """``act(person, entity, verb, id, **params)``"""

    def run(person, entity, verb, key, **params):
        with unit_of_work(person) as uow:
            return service.act(uow, entity, verb, [key], params)

    return run


@pytest.fixture
def ask_for(unit_of_work):
    """``ask_for(require_next=True)``: settings of the plugin."""

    def put(**values):
        with unit_of_work() as uow:
            put_settings(uow, "activities", values)

    return put


@pytest.fixture
def browser_of(sign_in, unit_of_work):
    """``browser_of(person)``: a browser in which that person is signed in."""

    def open_(person):
        from core.security.credentials import set_password

        with unit_of_work() as uow:
            values = query.get(uow, "user", person).values
            set_password(uow, person, PASSWORD, email=values["email"], name=values["name"])
        return sign_in(values["email"], PASSWORD)

    return open_
