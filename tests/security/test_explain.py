"""Explanations: they agree with what is enforced, and tell nobody what is not theirs to know."""

from __future__ import annotations

import pytest
from explaining import explain_one
from operations import OPERATIONS
from probing import run

from core.entities import service
from core.errors import Forbidden, Invalid, NotFound
from core.security.explain import explain, sees_record
from core.security.sharing import share

NAMES = (explain_one.__name__,)
WRONG = {
    "core.security.reasons.shared_clause": lambda *given: None,
    "core.security.reasons.deputy_clause": lambda *given: None,
    "core.security.explain.scope_clause": lambda *given: None,
}


@pytest.fixture(autouse=True)
def _as_operation(monkeypatch):
    """Here alone: it asks ten times as much as the other probes."""
    monkeypatch.setitem(OPERATIONS, explain_one.__name__, explain_one)


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_explanations_agree_with_the_oracle(runtime, app):
    """S-222: yes exactly when the row and the field are reached; the reasons add up to it."""
    findings = run(runtime, app, 11, 150, only=NAMES)
    assert findings.differences == []
    assert findings.probes == 150


@pytest.mark.long
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("place", WRONG)
def test_the_probes_notice_a_wrong_explanation(runtime, app, monkeypatch, place):
    """Z16: a reason left out, or a verdict not asked, is found."""
    monkeypatch.setattr(place, WRONG[place])
    assert run(runtime, app, 11, 3000, only=NAMES, stop_at=1).differences


@pytest.fixture
def people(unit_of_work, make_person):
    rules = {"oracle_deal": {"secret": "hidden", "phone": "masked"}}
    own = {"oracle_deal": {"read": "own", "update": "own", "create": "own"}}
    with unit_of_work() as uow:
        role = {"name": "seller", "title": "Sales", "grants": own, "field_rules": rules}
        service.create(uow, "role", [role])
    return make_person("Wang Fang", roles=("seller",)), make_person("Li Lei", roles=("seller",))


@pytest.fixture
def deal(unit_of_work, people):
    values = {"title": "North", "phone": "13900001111", "owner": people[0]}
    with unit_of_work() as uow:
        (key,) = service.create(uow, "oracle_deal", [values])
    return key


def _texts(reasons):
    for reason in reasons:
        yield ("+" if reason.holds else "-") + reason.text
        yield from _texts(reason.parts)


def test_who_has_left_sees_nothing(unit_of_work, admin_id, people, deal):
    """Whoever is told of a record must be able to read it; who may not sign in is not told."""
    owner, other = people
    with unit_of_work(admin_id, write=False) as uow:
        seen = [sees_record(uow, each, uow.entity("oracle_deal"), deal) for each in people]
    assert seen == [True, False]
    with unit_of_work() as uow:
        service.update(uow, "user", {owner: {"is_active": False}})
    with unit_of_work(admin_id, write=False) as uow:
        assert not sees_record(uow, owner, uow.entity("oracle_deal"), deal)


def test_in_words(unit_of_work, admin_id, people, deal):
    owner, other = people
    with unit_of_work(admin_id, write=False) as uow:
        told = explain(uow, other, "oracle_deal", deal)
        texts = list(_texts(told.reasons))
    assert not told.allowed
    assert any(text.startswith("-") and "Sales" in text for text in texts), texts
    assert any("Wang Fang" in text for text in texts), texts  # whose it is
    with unit_of_work(owner) as uow:
        share(uow, "oracle_deal", deal, user=other)
    with unit_of_work(admin_id, write=False) as uow:
        assert explain(uow, other, "oracle_deal", deal).allowed
        assert not explain(uow, other, "oracle_deal", deal, action="update").allowed
        masked = explain(uow, other, "oracle_deal", deal, field="phone")
        assert (masked.allowed, masked.access) == (True, "masked")
        hidden = explain(uow, other, "oracle_deal", deal, field="secret")
        assert (hidden.allowed, hidden.access) == (False, "hidden")
        assert explain(uow, admin_id, "oracle_deal", deal, action="delete").allowed
        assert uow.actor.user_id == admin_id  # the asker is who they were


def test_who_may_ask(unit_of_work, admin_id, people, deal):
    """About others administrators alone; about oneself what one reaches, hidden fields aside."""
    owner, other = people
    with unit_of_work(owner, write=False) as uow:
        assert explain(uow, owner, "oracle_deal", deal).allowed
        assert not explain(uow, owner, "oracle_deal", deal, action="delete").allowed
        with pytest.raises(Forbidden):
            explain(uow, other, "oracle_deal", deal)
        for field in ("secret", "no_such"):
            with pytest.raises(Invalid) as refused:
                explain(uow, owner, "oracle_deal", deal, field=field)
            assert refused.value.problems[0].code == "unknown_field"
    with unit_of_work(other, write=False) as uow:
        for key in (deal, 10**6):
            with pytest.raises(NotFound):
                explain(uow, other, "oracle_deal", key)
    with unit_of_work(admin_id, write=False) as uow:
        for wrong in ({"record_id": 10**6}, {"person": 10**6}, {"entity": "no_such"}):
            with pytest.raises(NotFound):
                explain(uow, **{"person": owner, "entity": "oracle_deal"} | wrong)
        with pytest.raises(Invalid):
            explain(uow, owner, "oracle_deal", deal, action="no_such")


def test_what_is_closed_altogether(unit_of_work, admin_id, people, deal):
    """A person who left, a record in the recycle bin."""
    owner, other = people
    with unit_of_work() as uow:
        service.update(uow, "user", {other: {"is_active": False}})
        service.delete(uow, "oracle_deal", [deal])
    with unit_of_work(admin_id, write=False) as uow:
        assert not explain(uow, other, "oracle_deal").allowed
        binned = explain(uow, owner, "oracle_deal", deal)
        assert not binned.allowed
        assert [reason.holds for reason in binned.reasons].count(False) == 1


def test_rest(people, deal, client, bearer, admin_id):
    owner, other = people
    asked = {"entity": "oracle_deal", "id": deal}

    def ask(caller, scopes=None, **more):
        answer = client.get(
            "/api/v1/explain", query_string={**asked, **more}, headers=bearer(caller, scopes)
        )
        return answer.status_code, answer.get_json()

    status, body = ask(admin_id, person=other)
    assert (status, body["allowed"], body["access"]) == (200, False, None)
    assert body["reasons"][0].keys() == {"holds", "text", "parts"}
    assert ask(owner)[1]["allowed"] is True
    assert ask(owner, person=other)[0] == 403
    assert ask(other)[0] == 404
    assert ask(owner, ["oracle_deal.read"], action="update")[1]["allowed"] is False
    assert ask(admin_id, ["*.read"], person=other)[0] == 403
    assert client.get("/api/v1/explain", headers=bearer(owner)).status_code == 400


def test_the_page(people, deal, client, bearer, admin_id):
    owner, other = people
    path = f"/admin/explain?person={other}&entity=oracle_deal&id={deal}&action=read"
    page = client.get(path, headers=bearer(admin_id))
    assert page.status_code == 200
    assert "reason-no" in page.text
    assert "Li Lei" in page.text
    assert "reason-no" not in client.get("/admin/explain", headers=bearer(admin_id)).text
    assert client.get(path, headers=bearer(owner)).status_code == 403


def test_the_page_finds_the_record(people, deal, client, bearer, admin_id, unit_of_work):
    """By its name or its number, typed; the picker of its kind offers it."""
    owner, other = people
    base = f"/admin/explain?person={other}&entity=oracle_deal"

    def page(typed):
        return client.get(f"{base}&id__label={typed}", headers=bearer(admin_id)).text

    for typed in ("North", f"%23{deal}", str(deal)):
        assert f'name="id" value="{deal}"' in page(typed), typed
        assert "reason-no" in page(typed)
        assert f"/r/oracle_deal/{deal}" in page(typed)
    assert "/suggest/oracle_deal" in page("")
    with unit_of_work() as uow:
        service.create(uow, "oracle_deal", [{"title": "North", "owner": owner}])
    for typed in ("North", "Nobody"):
        assert "reason-no" not in page(typed)
        assert f'value="{typed}"' in page(typed)
