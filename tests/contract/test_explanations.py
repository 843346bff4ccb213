"""What modules and entities with rules of their own change about an explanation."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.entities import service
from core.ops.lifecycle import disable
from core.security.explain import explain

# One database is enough: nothing here is asked of it but what the queries ask.
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def keeper(make_person) -> int:
    return make_person("守", roles=("keeper",))


@pytest.fixture
def stone(unit_of_work, keeper) -> int:
    with unit_of_work(keeper) as uow:
        (key,) = service.create(uow, "specimen", [{"name": "甲", "parts": [{"title": "壳"}]}])
    return key


@pytest.fixture
def ask(unit_of_work, admin_id):
    """``ask(person, entity, id=None, **more)``: what the administrator is told."""

    def asked(*given, **more):
        with unit_of_work(admin_id, write=False) as uow:
            return explain(uow, *given, **more)

    return asked


def test_a_module_that_takes_a_right_away(ask, keeper, stone, behaving):
    def closed(actor, permission):
        return False if permission == "dummy_plugin.specimen.update" else None

    assert ask(keeper, "specimen", stone, action="update").allowed
    with behaving(check_permission=closed):
        told = ask(keeper, "specimen", stone, action="update")
        assert ask(keeper, "specimen", stone).allowed
    assert not told.allowed
    assert [reason.holds for reason in told.reasons] == [True, False, True]


def test_a_module_that_lets_some_records_through(ask, keeper, stone, behaving):
    def only(name):
        return lambda entity, action, actor: entity.column("name") == name

    for name, allowed in (("甲", True), ("乙", False)):
        with behaving(scope_query=only(name)):
            told = ask(keeper, "specimen", stone)
        assert told.allowed is allowed
        assert [reason.holds for reason in told.reasons] == [True, True, allowed]


def test_of_a_module_that_is_off_nothing_is_reached(ask, keeper, stone, unit_of_work):
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")
    told = ask(keeper, "specimen", stone)
    assert (told.allowed, [reason.holds for reason in told.reasons]) == (False, [False])
    assert told.sentence == told.reasons[0].text


def test_lines_are_reached_through_their_parent(ask, keeper, stone, unit_of_work, make_person):
    with unit_of_work(write=False) as uow:
        parts = uow.entity("specimen_part")
        (line,) = uow.execute(select(parts.table.c.id)).scalars()
    assert ask(keeper, "specimen_part", line).allowed
    assert ask(keeper, "specimen_part", line, action="update").allowed
    other = make_person("别人", roles=("keeper",))
    told = ask(other, "specimen_part", line)
    assert not told.allowed
    assert [reason.holds for reason in told.reasons] == [True, True, False]


def test_the_trail_has_a_rule_of_its_own_and_nobody_writes_it(ask, admin_id, keeper, stone):
    assert ask(admin_id, "audit_entry", 1).allowed
    told = ask(admin_id, "audit_entry", 1, action="update")
    assert not told.allowed
    assert not told.reasons[0].holds
    assert not ask(keeper, "audit_entry", 1).allowed


def test_a_verb_that_is_not_for_a_record_as_it_is_now(ask, keeper, stone, unit_of_work):
    assert ask(keeper, "specimen", action="keep").allowed
    assert ask(keeper, "specimen", stone, action="keep").allowed
    with unit_of_work(keeper) as uow:
        service.act(uow, "specimen", "keep", [stone])
    told = ask(keeper, "specimen", stone, action="keep")
    assert not told.allowed
    assert [reason.holds for reason in told.reasons] == [True, True, False]
    assert ask(keeper, "specimen", action="keep").allowed


def test_one_asks_about_oneself_without_a_record(unit_of_work, keeper):
    with unit_of_work(keeper, write=False) as uow:
        assert explain(uow, keeper, "specimen").allowed
        assert not explain(uow, keeper, "specimen", action="delete").allowed
        told = explain(uow, keeper, "specimen", field="phone")
    assert (told.allowed, told.access) == (True, "masked")
