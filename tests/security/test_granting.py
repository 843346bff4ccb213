"""What grants rights is changed by administrators alone, through whatever door."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.errors import Forbidden, Invalid
from core.security.credentials import set_password

EVERYTHING = {action: "all" for action in ("read", "create", "update", "delete", "import")}


@pytest.fixture
def clerk(unit_of_work, make_person) -> int:
    """Somebody who keeps people and departments, and is no administrator."""
    with unit_of_work() as uow:
        grants = {"user": EVERYTHING, "department": EVERYTHING}
        service.create(uow, "role", [{"name": "clerk", "title": "Clerk", "grants": grants}])
    return make_person("Clerk", roles=("clerk",), department="Office")


@pytest.fixture
def places(unit_of_work) -> tuple[int, int]:
    with unit_of_work() as uow:
        top, below = service.create(uow, "department", [{"name": "Top"}, {"name": "Below"}])
    return top, below


def _refused(unit_of_work, person, do) -> set[str]:
    with pytest.raises(Invalid) as refusal, unit_of_work(person) as uow:
        do(uow)
    assert {problem.code for problem in refusal.value.problems} == {"readonly"}
    return {problem.field for problem in refusal.value.problems}


def test_nobody_widens_their_own_reach(unit_of_work, clerk, places):
    """Heads, parents and memberships decide what scopes reach."""
    top, below = places
    changes = {
        "head": ("department", top, {"head": clerk}),
        "parent": ("department", below, {"parent": top}),
        "department": ("user", clerk, {"department": top}),
        "departments": ("user", clerk, {"departments": [top, below]}),
        "is_active": ("user", clerk, {"is_active": False}),
        "email": ("user", clerk, {"email": "boss@example.com"}),
    }
    for name, (entity, key, values) in changes.items():
        fields = _refused(
            unit_of_work,
            clerk,
            lambda uow, e=entity, k=key, v=values: service.update(uow, e, {k: v}),
        )
        assert fields == {name}
    with unit_of_work(clerk) as uow:  # positive control: what grants nothing is theirs to change
        service.update(uow, "user", {clerk: {"title": "Chief clerk", "mobile": "13800138000"}})
        service.update(uow, "department", {top: {"name": "Tip"}})


def test_roles_are_given_by_administrators(unit_of_work, clerk, admin_id):
    with unit_of_work() as uow:
        (role,) = service.create(uow, "role", [{"name": "x", "title": "X"}])
    give = {clerk: {"roles": [role]}}
    with pytest.raises(Invalid), unit_of_work(clerk) as uow:
        service.update(uow, "user", give)
    with unit_of_work(admin_id) as uow:
        service.update(uow, "user", give)


def test_new_people_and_departments_begin_without_rights(unit_of_work, clerk, places):
    top, _below = places
    person = {"name": "New", "email": "new@example.com"}
    for name, value in (("department", top), ("departments", [top])):
        item = {**person, name: value}
        fields = _refused(
            unit_of_work, clerk, lambda uow, item=item: service.create(uow, "user", [item])
        )
        assert fields == {name}
    for name, value in (("parent", top), ("head", clerk)):
        item = {"name": "New", name: value}
        fields = _refused(
            unit_of_work, clerk, lambda uow, item=item: service.create(uow, "department", [item])
        )
        assert fields == {name}
    with unit_of_work(clerk) as uow:
        service.create(uow, "user", [person])
        service.create(uow, "department", [{"name": "New"}])


def test_the_recycle_bin_is_a_switch_too(unit_of_work, clerk, places, make_person):
    """A person taken out of it may sign in again; a department heads its people again."""
    other, (top, below) = make_person("Other"), places
    with unit_of_work() as uow:
        service.update(uow, "department", {top: {"head": clerk}})
    for entity, key in (("user", other), ("department", top)):
        _refused(unit_of_work, clerk, lambda uow, e=entity, k=key: service.delete(uow, e, [k]))
        with unit_of_work() as uow:
            service.delete(uow, entity, [key])
        _refused(unit_of_work, clerk, lambda uow, e=entity, k=key: service.restore(uow, e, [k]))
    with unit_of_work(clerk) as uow:  # one that nobody heads gives nobody anything
        service.delete(uow, "department", [below])
        service.restore(uow, "department", [below])


def test_an_administrators_limited_token_is_no_administrator(
    client, bearer, admin_id, clerk, unit_of_work
):
    path = f"/api/v1/records/user/{clerk}"
    with unit_of_work() as uow:
        (role,) = service.create(uow, "role", [{"name": "x", "title": "X"}])
    limited, full = bearer(admin_id, ["user.*"]), bearer(admin_id)
    assert client.patch(path, json={"roles": [role]}, headers=limited).status_code == 422
    assert client.patch(path, json={"title": "x"}, headers=limited).status_code == 200
    assert client.patch(path, json={"roles": [role]}, headers=full).status_code == 200


def test_the_passwords_of_others_are_set_by_administrators(unit_of_work, clerk, admin_id):
    given = {"email": "a@example.com", "name": "A"}
    with pytest.raises(Forbidden), unit_of_work(clerk) as uow:
        set_password(uow, admin_id, "a very calm horse stands", **given)
    with unit_of_work(admin_id) as uow:
        set_password(uow, clerk, "a very calm horse stands", **given)


def test_an_order_of_departments_is_no_change(unit_of_work, clerk, places, admin_id):
    """A form that sends the same departments in another order is not refused."""
    top, below = places
    with unit_of_work(admin_id) as uow:
        service.update(uow, "user", {clerk: {"departments": [top, below]}})
    with unit_of_work(clerk) as uow:
        service.update(uow, "user", {clerk: {"departments": [below, top], "title": "x"}})


def test_a_full_department_tells_only_what_its_reader_reaches(
    unit_of_work, make_person, places, admin_id
):
    """The refusal to remove it counts nothing beyond the asker's scope."""
    top, _below = places
    with unit_of_work() as uow:
        grants = {"department": EVERYTHING, "oracle_deal": {"read": "own"}}
        service.create(uow, "role", [{"name": "keeper", "title": "K", "grants": grants}])
    keeper = make_person("Keeper", roles=("keeper",))
    with unit_of_work() as uow:
        service.create(uow, "oracle_deal", [{"title": "a", "department": top}] * 3)
        service.create(uow, "oracle_account", [{"name": "a", "department": top}])

    def told(person: int) -> str:
        with pytest.raises(Invalid) as refusal, unit_of_work(person) as uow:
            service.delete(uow, "department", [top])
        return " ".join(p.message for p in refusal.value.problems if p.code == "in_use")

    message = told(admin_id)
    assert "Deals (3)" in message
    assert "Accounts (1)" in message
    message = told(keeper)
    assert message
    assert "3" not in message
    assert "Account" not in message
    with unit_of_work() as uow:
        mine = {"title": "mine", "department": top, "owner": keeper}
        service.create(uow, "oracle_deal", [mine])
    assert "Deals (1)" in told(keeper)
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "department", top).values["archived_at"] is None
