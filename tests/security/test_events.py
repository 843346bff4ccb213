"""The outbox as an entity tells of a record only what its reader may see of the record itself."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery

ALL = ListQuery(fields=("type", "entity", "payload", "actor"), limit=500)


@pytest.fixture
def world(unit_of_work, make_person, admin_id):
    """A reader of events who has one deal, and deals of the administrator."""
    with unit_of_work() as uow:
        role = {
            "name": "watcher",
            "title": "Watcher",
            "grants": {"event": {"read": "all"}, "oracle_deal": {"read": "own", "update": "own"}},
            "field_rules": {"oracle_deal": {"secret": "hidden"}},
        }
        service.create(uow, "role", [role])
    reader = make_person("Watcher", roles=("watcher",))
    with unit_of_work(admin_id) as uow:
        mine, other = service.create(
            uow, "oracle_deal", [{"title": "mine", "owner": reader}, {"title": "other"}]
        )
        service.create(uow, "oracle_account", [{"name": "unseen"}])
    with unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_deal", {mine: {"secret": "x", "stage": "won"}})
    with unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_deal", {other: {"stage": "won"}})
    return reader, mine, other


def _events(unit_of_work, person):
    with unit_of_work(person, write=False) as uow:
        return query.page(uow, "event", ALL).items


def test_ids_and_fields_are_those_that_the_reader_sees(unit_of_work, world):
    reader, mine, other = world
    seen = _events(unit_of_work, reader)
    assert {row["entity"] for row in seen if row["entity"]} >= {"oracle_deal"}
    assert "oracle_account" not in {row["entity"] for row in seen}
    of_deals = [row["payload"] for row in seen if row["entity"] == "oracle_deal"]
    assert {key for payload in of_deals for key in payload["ids"]} == {mine}
    assert {name for payload in of_deals for name in payload.get("fields", ())} == {"stage"}
    assert not any(other in payload["ids"] for payload in of_deals)


def test_events_about_what_is_out_of_reach_are_not_counted(unit_of_work, world):
    reader, _mine, _other = world
    with unit_of_work(reader, write=False) as uow:
        rows = aggregate(uow, "event", ["entity"], ["count"], ListQuery())
        found = {row["entity"]["id"]: row["count"] for row in rows}
        total = query.count(uow, "event", ListQuery())
    assert found["oracle_deal"] == 2  # made together with the other, and changed alone
    assert total == len(_events(unit_of_work, reader))


def test_one_sees_what_one_did_without_what_is_lost_since(unit_of_work, world, admin_id):
    """An own event stays; the record in it does not, once it is out of reach."""
    reader, mine, _other = world
    with unit_of_work(reader) as uow:
        service.update(uow, "oracle_deal", {mine: {"stage": "lost"}})
    with unit_of_work(admin_id) as uow:
        service.update(uow, "oracle_deal", {mine: {"owner": admin_id}})
    (own,) = [row for row in _events(unit_of_work, reader) if row["actor"] == reader]
    assert own["payload"] == {"entity": "oracle_deal", "ids": [], "fields": ["stage"]}


def test_administrators_see_all_of_it(unit_of_work, world, admin_id):
    """Positive control."""
    _reader, mine, other = world
    seen = _events(unit_of_work, admin_id)
    payloads = [row["payload"] for row in seen if row["entity"] == "oracle_deal"]
    assert {key for payload in payloads for key in payload["ids"]} == {mine, other}
    assert any("secret" in payload.get("fields", ()) for payload in payloads)
    assert any(row["entity"] is None for row in seen) or len(seen) > 3


def test_without_the_right_there_are_no_events(client, bearer, make_person):
    nobody = make_person("Nobody", roles=())
    assert client.get("/api/v1/records/event", headers=bearer(nobody)).status_code == 403
