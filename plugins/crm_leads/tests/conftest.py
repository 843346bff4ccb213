"""Leads are on; a small sales department with two sellers and their pool."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest

from core.entities import query, service
from core.mail import FolderMailer


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads",)


@pytest.fixture
def team(unit_of_work, make_person):
    """Two sellers of one group, a manager above, a seller of another group, and the group's pool."""
    people = SimpleNamespace(
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
        ning=make_person("宁书瑶", roles=("sales",), department="华北"),
        marketing=make_person("尚若兰", roles=("marketing",), department="市场部"),
        viewer=make_person("谭博远", roles=("viewer",)),
    )
    with unit_of_work() as uow:
        sales = query.page(uow, "department", query.ListQuery(search="销售部")).items[0]["id"]
        (people.pool,) = service.create(
            uow, "lead_pool", [{"name": "华东公海", "departments": [sales]}]
        )
    return people


@pytest.fixture
def make_leads(unit_of_work, team):
    """``make_leads(n=1, **values) -> ids``: by the system; without owner they lie in the team's pool."""

    def make(n=1, **values):
        items = [
            {"company": f"潍坊鼎源{number}农机有限公司", "pool": team.pool, "owner": None, **values}
            for number in range(n)
        ]
        with unit_of_work() as uow:
            return service.create(uow, "lead", items)

    return make


@pytest.fixture
def read(unit_of_work):
    """``read(lead, person=None)``: its values as that person (or the system) sees them."""

    def get(lead, person=None, entity="lead"):
        with unit_of_work(person, write=False) as uow:
            return query.get(uow, entity, lead).values

    return get


@pytest.fixture
def act(unit_of_work):
    """``act(person, verb, ids, **params)`` in a transaction of its own."""

    def run(person, verb, ids, **params):
        with unit_of_work(person) as uow:
            return service.act(uow, "lead", verb, ids, params)

    return run


@pytest.fixture
def published(unit_of_work):
    """``published(name)``: payloads of the events of that name, oldest first."""
    from sqlalchemy import select

    from core.work.tables import event_table

    def find(name):
        with unit_of_work(write=False) as uow:
            rows = uow.execute(
                select(event_table.c.payload)
                .where(event_table.c.type == name)
                .order_by(event_table.c.id)
            )
            return [row.payload for row in rows]

    return find


@pytest.fixture
def browser_of(sign_in, unit_of_work):
    """``browser_of(person)``: signed in as that person."""

    def open_for(person):
        from core.security.credentials import set_password
        from core.testing.installation import PASSWORD

        with unit_of_work() as uow:
            values = query.get(uow, "user", person).values
            set_password(uow, person, PASSWORD, email=values["email"], name=values["name"])
        return sign_in(values["email"], PASSWORD)

    return open_for


@pytest.fixture
def at(runtime):
    """``at(days, hour=10)``: it is that hour, so many days after the first, in the company's zone."""
    first = runtime.clock.today()

    def move(days, hour=10):
        clock = runtime.clock
        wanted = datetime.combine(first + timedelta(days=days), time(hour), clock.timezone)
        clock.move(wanted - clock.now())

    move(0)
    return move


@pytest.fixture
def set_pool(unit_of_work, team):
    """``set_pool(**values)``: the rules of the team's pool."""

    def put(**values):
        with unit_of_work() as uow:
            service.update(uow, "lead_pool", {team.pool: values})

    return put


@pytest.fixture
def bell(browser_of):
    """``bell(person)``: what the person was told, the newest first."""

    def read_bell(person):
        html = browser_of(person).get("/notifications").get_data(as_text=True)
        return re.findall(r'action="/notifications/\d+">.*?</svg><span>([^<]*)', html, re.S)

    return read_bell


@pytest.fixture
def mails(runtime, tmp_path, monkeypatch):
    """``mails()``: the letters that went out."""
    monkeypatch.setattr(runtime, "mailer", FolderMailer(tmp_path / "mail", clock=runtime.clock))

    def read():
        found = sorted((tmp_path / "mail").glob("**/*.eml"))
        return [message_from_bytes(each.read_bytes(), policy=policy.default) for each in found]

    return read
