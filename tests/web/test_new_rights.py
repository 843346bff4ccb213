"""What a module's new version delivers for a role is told on its page, and granted there or not."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from core.entities import service
from core.entities.query import ListQuery, page
from core.errors import Forbidden
from core.ops.lifecycle import apply_roles, disable, enable
from core.ops.new_rights import settle
from core.plugins.contributions import RoleTemplate
from core.plugins.state import plugin_table
from tests.web.test_admin_roles import TESTS

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("dummy_plugin",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (TESTS,)


@pytest.fixture
def keeper(unit_of_work):
    """``keeper()``: the role as it is."""

    def get():
        with unit_of_work(write=False) as uow:
            named = ListQuery(filter={"field": "name", "op": "eq", "value": "keeper"})
            return page(uow, "role", named).items[0]

    return get


@pytest.fixture
def upgraded(unit_of_work, keeper):
    """The role was made by a version that knew neither the verb nor the permission."""
    role = keeper()
    older = {
        action: scope for action, scope in role["grants"]["specimen"].items() if action != "keep"
    }
    with unit_of_work() as uow:
        values = {"grants": {**role["grants"], "specimen": older}, "permissions": []}
        service.update(uow, "role", {role["id"]: values})
        told = {"keeper": [f"specimen.{action}" for action in older]}
        uow.execute(update(plugin_table).values(delivered=told))
    return role["id"]


def test_what_was_put_into_a_role_at_the_beginning_is_not_new(sign_in, keeper, unit_of_work):
    with unit_of_work(write=False) as uow:
        told = uow.execute(select(plugin_table.c.delivered)).scalar_one()
    assert "specimen.keep" in told["keeper"]
    text = sign_in().get(f"/admin/roles/{keeper()['id']}").get_data(as_text=True)
    assert "尚未授予" not in text


def test_what_is_new_is_told_and_granted(sign_in, keeper, upgraded):
    admin = sign_in()
    assert "新权限" in admin.get("/admin/roles").get_data(as_text=True)
    text = admin.get(f"/admin/roles/{upgraded}").get_data(as_text=True)
    assert "尚未授予" in text
    sent = {"csrf_token": admin.csrf, "take": "yes"}
    assert admin.post(f"/admin/roles/{upgraded}/new-rights", data=sent).status_code == 302
    role = keeper()
    assert role["grants"]["specimen"]["keep"] == "own"
    assert role["permissions"] == ["dummy_plugin.see_board"]
    assert "尚未授予" not in admin.get(f"/admin/roles/{upgraded}").get_data(as_text=True)


def test_what_is_left_is_told_no_more(sign_in, keeper, upgraded):
    admin = sign_in()
    before = keeper()
    sent = {"csrf_token": admin.csrf, "take": "no"}
    admin.post(f"/admin/roles/{upgraded}/new-rights", data=sent)
    assert keeper() == before
    for path in ("/admin/roles", f"/admin/roles/{upgraded}"):
        text = admin.get(path).get_data(as_text=True)
        assert "新权限" not in text
        assert "尚未授予" not in text


@pytest.mark.parametrize("take", [True, False])
def test_nobody_else_settles_them_by_whatever_way(
    unit_of_work, make_person, keeper, upgraded, take
):
    other, before = make_person("Other"), keeper()
    with pytest.raises(Forbidden), unit_of_work(other) as uow:
        settle(uow, before, take=take)
    assert keeper() == before


def test_nobody_else_grants_them(sign_in, make_person, keeper, upgraded):
    make_person("Other", password="a very calm horse stands")
    browser = sign_in("person1@example.com", "a very calm horse stands")
    before = keeper()
    sent = {"csrf_token": browser.csrf, "take": "yes"}
    answer = browser.post(f"/admin/roles/{upgraded}/new-rights", data=sent)
    assert answer.status_code in (403, 404)
    assert keeper() == before


def test_switching_it_off_and_on_grants_no_verb_behind_one_s_back(
    sign_in, unit_of_work, keeper, upgraded
):
    """What the company has changed in a role stays, and what is new is still told."""
    for switch in (disable, enable):
        with unit_of_work() as uow:
            switch(uow, "dummy_plugin")
    assert "keep" not in keeper()["grants"]["specimen"]
    assert "尚未授予" in sign_in().get(f"/admin/roles/{upgraded}").get_data(as_text=True)


def test_verbs_that_a_module_adds_to_others_come_with_their_rights(unit_of_work, keeper, upgraded):
    """What the entity has of its own stays the company's to grant."""
    before = keeper()["grants"]["specimen"]
    rights = {"specimen": {"polish": "own", "keep": "all", "delete": "all"}}
    with unit_of_work() as uow:
        apply_roles(uow, [RoleTemplate("keeper", "Keeper", rights)], plugin="polishing")
    assert keeper()["grants"]["specimen"] == {**before, "polish": "own"}
    with unit_of_work() as uow:
        values = {"grants": {**keeper()["grants"], "specimen": before}}
        service.update(uow, "role", {upgraded: values})
        told = {"keeper": ["specimen.polish"]}
        row = {"name": "polishing", "version": "1", "enabled": False, "changed_at": uow.now()}
        uow.execute(insert(plugin_table).values(**row))
        mine = plugin_table.c.name == "polishing"
        uow.execute(update(plugin_table).where(mine).values(delivered=told))
        apply_roles(uow, [RoleTemplate("keeper", "Keeper", rights)], plugin="polishing")
    assert keeper()["grants"]["specimen"] == before  # delivered once, and taken away since
