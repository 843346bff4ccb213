"""Leads to be searched for, and the index that follows them."""

from __future__ import annotations

import pytest

from core.entities import service
from core.search.finding import search


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads",)


@pytest.fixture
def make_leads(unit_of_work, run_jobs):
    """``make_leads({…}, …) -> ids``, made by the system and in the index."""

    def make(*items):
        with unit_of_work() as uow:
            ids = service.create(uow, "lead", list(items))
        run_jobs()
        return ids

    return make


@pytest.fixture
def find(unit_of_work, admin_id):
    """``find(words, person=None, **more)``: the hits as that person, or the administrator, has them."""

    def ask(words, person=None, **more):
        with unit_of_work(person or admin_id, write=False) as uow:
            return search(uow, words, **more)

    return ask


@pytest.fixture
def make_reader(unit_of_work, make_person):
    """``make_reader(scope="all", **rules) -> id``: reads leads within a scope, some fields aside."""

    def make(scope="all", department=None, **rules):
        role = {
            "name": f"r{len(rules)}_{scope}"[:30],
            "title": "R",
            "grants": {"lead": {"read": scope}},
            "field_rules": {"lead": rules},
        }
        with unit_of_work() as uow:
            service.create(uow, "role", [role])
        return make_person(roles=(role["name"],), department=department)

    return make
