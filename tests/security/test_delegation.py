"""Standing in: what a deputy reaches, for how long, and who may name one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from core.security.directory import load_actor

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

OWN = dict.fromkeys(("read", "create", "update", "delete", "export", "approve"), "own")


@pytest.fixture
def people(unit_of_work, make_person):
    grants = {
        "seller": {"oracle_deal": OWN, "oracle_note": OWN},
        "reader": {"oracle_deal": {"read": "own"}},
        "picker": {
            "oracle_deal": {"read": {"condition": {"field": "stage", "op": "eq", "value": "new"}}}
        },
    }
    with unit_of_work() as uow:
        service.create(
            uow, "role", [{"name": n, "title": n, "grants": g} for n, g in grants.items()]
        )
    return {
        "absent": make_person("Absent", roles=("seller",)),
        "deputy": make_person("Deputy", roles=("seller",)),
        "third": make_person("Third", roles=("seller",)),
        "reader": make_person("Reader", roles=("reader",)),
        "picker": make_person("Picker", roles=("picker",)),
    }


@pytest.fixture
def deal(unit_of_work, people):
    with unit_of_work(people["absent"]) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "North"}])
        service.create(uow, "oracle_note", [{"text": "mine, and owned by nobody"}])
    return key


@pytest.fixture
def leave(unit_of_work, runtime):
    """``leave(person, deputy, start=0, days=3)``: an absence that begins in so many days."""

    def make(person, deputy, start=0, days=3, by=None):
        first = runtime.clock.today() + timedelta(days=start)
        values = {"user": person, "deputy": deputy, "starts_on": first}
        with unit_of_work(by) as uow:
            (key,) = service.create(
                uow, "absence", [{**values, "ends_on": first + timedelta(days=days - 1)}]
            )
        return key

    return make


def _count(unit_of_work, person, entity="oracle_deal") -> int:
    with unit_of_work(person, write=False) as uow:
        return query.count(uow, entity, ListQuery())


def test_the_deputy_reaches_what_the_absent_person_owns(unit_of_work, people, deal, leave):
    deputy = people["deputy"]
    assert _count(unit_of_work, deputy) == 0
    leave(people["absent"], deputy)
    assert _count(unit_of_work, deputy) == 1
    assert _count(unit_of_work, deputy, "oracle_note") == 0
    with unit_of_work(deputy) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "South"}})
        service.act(uow, "oracle_deal", "approve", [deal], {"reason": "good"})
    with pytest.raises(Forbidden), unit_of_work(deputy) as uow:
        service.delete(uow, "oracle_deal", [deal])
    with pytest.raises(Forbidden), unit_of_work(deputy) as uow:
        service.update(uow, "oracle_deal", {deal: {"owner": people["third"]}})
    with unit_of_work(deputy, write=False) as uow:
        assert [page.items for page in query.stream(uow, "oracle_deal", ListQuery())] == [[]]


def test_from_the_first_to_the_last_day(unit_of_work, people, deal, leave, runtime):
    """The clock alone ends it: nobody's cache has to be told."""
    leave(people["absent"], people["deputy"], start=1, days=2)
    reached = []
    for _day in range(4):
        reached.append(_count(unit_of_work, people["deputy"]))
        runtime.clock.move(timedelta(days=1))
    assert reached == [0, 1, 1, 0]


def test_no_more_than_both_may(unit_of_work, people, deal, leave):
    """Neither what the deputy's roles do not grant, nor what those of the absent person do not."""
    leave(people["absent"], people["reader"])
    assert _count(unit_of_work, people["reader"]) == 1
    with pytest.raises(Forbidden), unit_of_work(people["reader"]) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "South"}})
    with unit_of_work() as uow:
        picked = {"title": "East", "owner": people["picker"]}
        given = {"title": "West", "owner": people["reader"]}
        _east, west = service.create(uow, "oracle_deal", [picked, given])
    leave(people["picker"], people["deputy"])  # reaches by a condition: that does not pass on
    assert _count(unit_of_work, people["deputy"]) == 0
    leave(people["reader"], people["deputy"])
    assert _count(unit_of_work, people["deputy"]) == 1
    with pytest.raises(Forbidden), unit_of_work(people["deputy"]) as uow:
        service.update(uow, "oracle_deal", {west: {"title": "South"}})


def test_no_chain(unit_of_work, people, deal, leave):
    """Whoever stands in for the deputy does not stand in for the absent person."""
    leave(people["absent"], people["deputy"])
    leave(people["deputy"], people["third"])
    assert _count(unit_of_work, people["deputy"]) == 1
    assert _count(unit_of_work, people["third"]) == 0


def test_an_administrators_powers_do_not_pass_on(unit_of_work, people, deal, leave, admin_id):
    with unit_of_work() as uow:
        service.create(uow, "oracle_deal", [{"title": "Theirs", "owner": admin_id}])
    leave(admin_id, people["deputy"])
    assert _count(unit_of_work, people["deputy"]) == 1  # what the administrator owns, no more
    with unit_of_work(write=False) as uow:
        deputy = load_actor(uow, people["deputy"])
    assert not deputy.manages_security
    assert not deputy.has_permission("core.see_jobs")


def test_both_are_named_in_the_audit_trail(unit_of_work, people, deal, leave):
    leave(people["absent"], people["deputy"])
    with unit_of_work(people["deputy"]) as uow:
        service.update(uow, "oracle_deal", {deal: {"title": "South"}})
        service.create(uow, "oracle_deal", [{"title": "Own"}])
    table = AuditEntry.__table__
    with unit_of_work(write=False) as uow:
        rows = uow.execute(select(table).where(table.c.action == "stand_in")).all()
    assert [(row.actor_id, row.record_id, row.changes) for row in rows] == [
        (people["deputy"], deal, {"for": [None, people["absent"]]})
    ]


def test_who_names_a_deputy(unit_of_work, people, deal, leave, make_person):
    """Z: whoever keeps people cannot make themselves the deputy of anybody."""
    everything = dict.fromkeys(("read", "create", "update", "delete"), "all")
    with unit_of_work() as uow:
        role = {"name": "clerk", "title": "Clerk", "grants": {"user": everything}}
        service.create(uow, "role", [role])
    clerk = make_person("Clerk", roles=("clerk", "seller"))
    leave(people["absent"], None, by=clerk)  # an absence without a deputy is theirs to note
    for person in (people["absent"], people["third"]):
        with pytest.raises(Invalid) as refused:
            leave(person, clerk, by=clerk)
        assert {problem.field for problem in refused.value.problems} == {"deputy"}
    key = leave(people["absent"], people["deputy"])
    for values in ({"deputy": clerk}, {"user": people["third"]}, {"reason": "x"}):
        with pytest.raises(Invalid), unit_of_work(clerk) as uow:
            service.update(uow, "absence", {key: values})
    for deputy in (people["absent"], 10**6):
        with pytest.raises(Invalid):
            leave(people["absent"], deputy)


def test_ones_own_page(unit_of_work, people, deal, runtime, client, bearer, sign_in, admin_id):
    """Everybody names their own deputy, in person: a token does not."""
    path, day = "/profile/absences", runtime.clock.today().isoformat()
    form = {"starts_on": day, "ends_on": day, "deputy__label": "Deputy"}
    refused = client.post(path, data=form, headers=bearer(people["absent"]))
    assert refused.status_code == 403
    browser = sign_in()
    sent = browser.post(path, data={**form, "csrf_token": browser.csrf})
    assert sent.status_code == 303
    assert "Deputy" in browser.get(path).text
    assert _count(unit_of_work, people["deputy"]) == 0  # the administrator owns nothing
    with unit_of_work(write=False) as uow:
        (absence,) = query.get(uow, "user", admin_id).values["absences"]
    other = client.post(
        f"{path}/{absence['id']}/remove", headers=bearer(people["absent"])
    ).status_code
    assert other == 403
    gone = browser.post(f"{path}/{absence['id']}/remove", data={"csrf_token": browser.csrf})
    assert gone.status_code == 303
    page = browser.get(path).text
    assert "Deputy" not in page
    (undo,) = re.findall(r'data-toast>.*?action="([^"]+)"', page, re.S)
    assert client.post(undo, headers=bearer(people["absent"])).status_code == 403
    assert browser.post(undo, data={"csrf_token": browser.csrf}).status_code == 303
    assert "Deputy" in browser.get(path).text
    assert browser.post(undo, data={"csrf_token": browser.csrf}).status_code == 404
    assert browser.post(f"{path}/99/remove", data={"csrf_token": browser.csrf}).status_code == 404


def test_the_form_of_a_person_keeps_the_deputy(unit_of_work, people, leave, sign_in):
    """The administrators' form shows no deputy, so it must not drop one."""
    key = leave(people["absent"], people["deputy"])
    with unit_of_work() as uow:
        line = {"id": key, "reason": "Holiday"}
        service.update(uow, "user", {people["absent"]: {"absences": [line]}})
        (kept,) = query.get(uow, "user", people["absent"]).values["absences"]
    assert (kept["deputy"], kept["reason"]) == (people["deputy"], "Holiday")
