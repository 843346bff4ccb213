"""Leads are everybody's; customers and sales are tried out by one sales group."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from core.comments.service import add_comment
from core.entities import service
from core.entities.drafts import save_draft
from core.entities.list_views import save_view
from core.notifications.tables import notification_table
from core.ops.install import ensure_department
from core.ops.opening import open_to
from core.security.sharing import share
from core.testing.installation import PASSWORD

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("dummy_plugin", "dummy_extension", "activities", "crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS, TESTS / "plugins")


@pytest.fixture
def team(make_person, unit_of_work):
    """Somebody of the group that tries it, below it, and of another; each may do the same."""
    with unit_of_work() as uow:
        export = {"customer": {"export": "own"}, "lead": {"export": "own"}}
        service.create(uow, "role", [{"name": "exporter", "title": "Exporter", "grants": export}])
    roles = ("sales", "keeper", "exporter")
    names = (("head", "销售部"), ("inside", "销售部/华东组"), ("outside", "华北"))
    return SimpleNamespace(
        **{
            key: make_person(key, roles=roles, department=place, password=PASSWORD)
            for key, place in names
        }
    )


@pytest.fixture
def east(unit_of_work, team):
    """The department that tries it."""
    with unit_of_work() as uow:
        return ensure_department(uow, "销售部")


@pytest.fixture
def pilot(unit_of_work, admin_id):
    """``pilot(plugin, departments)``: opened to them by the administrator."""

    def run(name, *departments):
        with unit_of_work(admin_id) as uow:
            open_to(uow, name, departments or None)

    return run


class Caller:
    """``call(person, method, path, body) -> answer``, with a token for all that they may do."""

    def __init__(self, app, bearer):
        self.app, self.bearer, self.kept = app, bearer, {}

    def headers(self, person):
        if person not in self.kept:
            self.kept[person] = {**self.bearer(person), "Accept-Language": "en"}
        return self.kept[person]

    def __call__(self, person, method, path, body=None, **options):
        place = path if path.startswith("/api") else f"/api/v1{path}"
        if body is not None:
            options["json"] = body
        browser = self.app.test_client()
        return browser.open(place, method=method, headers=self.headers(person), **options)


@pytest.fixture
def call(app, bearer):
    return Caller(app, bearer)


@pytest.fixture
def behaving(runtime):
    """The hooks of the dummy behave as given: it can be imported once it is loaded."""
    from dummy_plugin.behaviour import behaving

    return behaving


@pytest.fixture
def world(unit_of_work, team, run_jobs):
    """What the person outside had and did while the module was on for all."""
    with unit_of_work(team.outside) as uow:
        customer = service.create(uow, "customer", [{"name": "潍坊鼎源农机", "source": "展会"}])[0]
        leads = service.create(
            uow,
            "lead",
            [{"company": f"青岛{n}机械", "owner": team.outside, "source": "展会"} for n in (1, 2)],
        )
        made = service.act(uow, "lead", "convert", leads[:1], {"customer": customer})
        about = {"related_entity": "customer", "related_id": customer}
        task = service.create(uow, "task", [{"title": "回访鼎源", "owner": team.outside, **about}])
        add_comment(uow, "customer", customer, "报价已发")
        save_view(uow, uow.entity("customer"), "我的客户", "sort=name")
        save_draft(uow, "customer", 0, "a" * 8, [("name", "草稿公司")])
        share(uow, "customer", customer, user=team.inside)
    with unit_of_work(team.inside) as uow:
        other = service.create(uow, "customer", [{"name": "烟台远洋", "source": "展会"}])[0]
        share(uow, "customer", other, user=team.outside, level="write")
    with unit_of_work() as uow:
        told = {"user_id": team.outside, "kind": "core.shared", "entity": "customer", "count": 1}
        told |= {"record_id": other, "at": uow.now(), "due_at": uow.now()}
        uow.execute(insert(notification_table).values(told))
    run_jobs()
    return SimpleNamespace(
        customer=customer,
        other=other,
        lead=leads[0],
        fresh=leads[1],
        task=task[0],
        opportunity=made["opportunities"][0],
    )
