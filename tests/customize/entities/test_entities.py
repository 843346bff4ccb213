"""Entities of the company's own, over HTTP: at once everywhere, for whom they were granted."""

from __future__ import annotations

import json

import pytest
from openapi_spec_validator import validate

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def test_an_entity_is_at_once_everywhere(api, vehicles, sign_in):
    assert (vehicles["name"], vehicles["label"], vehicles["custom"]) == (
        "x_vehicle",
        "Vehicle",
        True,
    )
    made = api.made("x_vehicle", x_plate="沪A12345", x_seats=5)
    assert (made["x_plate"], made["x_twice"], made["version"]) == ("沪A12345", "10.0000", 1)
    assert api.get("/records/x_vehicle", search="A123")["items"][0]["id"] == made["id"]
    condition = json.dumps({"field": "x_twice", "op": "gt", "value": "9"})
    assert len(api.get("/records/x_vehicle", filter=condition)["items"]) == 1
    total = api.get("/records/x_vehicle/aggregate", measure="sum:x_seats")
    assert "5" in json.dumps(total)
    document = api.get("/api/openapi.json")
    validate(document)
    assert "/api/v1/records/x_vehicle" in document["paths"]
    changed = api.patch(f"/records/x_vehicle/{made['id']}", {"x_seats": 7})
    assert changed["x_twice"] == "14.0000"
    kinds = [each["kind"] for each in api.get(f"/records/x_vehicle/{made['id']}/timeline")["items"]]
    assert kinds == ["update", "create"]
    browser = sign_in()
    home = browser.get("/", headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert 'href="/r/x_vehicle"' in home
    assert "沪A12345" in browser.get("/r/x_vehicle").get_data(as_text=True)


def test_lines_and_references_both_ways(api, vehicles):
    """Entities refer to each other and to declared ones; lines come with what they belong to."""
    trip = {
        "name": "x_trip",
        "label": "Trip",
        "fields": [
            {"name": "x_title", "kind": "text", "label": "Title"},
            {"name": "x_car", "kind": "reference", "entity": "x_vehicle", "label": "Car"},
            {"name": "x_guests", "kind": "references", "entity": "user", "label": "Guests"},
            {"name": "x_after", "kind": "reference", "entity": "x_trip", "label": "After"},
            {"name": "x_note", "kind": "reference", "entity": "note", "label": "Note"},
        ],
    }
    api.post("/schema/entities", trip)
    leg = {
        "name": "x_leg",
        "label": "Leg",
        "label_plural": "Legs",
        "parent": "x_trip",
        "fields": [
            {"name": "x_km", "kind": "decimal", "label": "Distance"},
            {"name": "x_stop", "kind": "reference", "entity": "x_vehicle", "label": "With"},
        ],
    }
    api.post("/schema/entities", leg)
    sum_ = {
        "name": "x_total",
        "kind": "computed",
        "expression": "SUM(x_leg.x_km)",
        "label": "Total",
    }
    api.post("/schema/entities/x_trip/fields", sum_)
    api.post(
        "/schema/entities/note/fields",
        {"name": "x_trip", "kind": "reference", "entity": "x_trip", "label": "Trip"},
    )
    car = api.made("x_vehicle", x_plate="京B1", x_seats=4)["id"]
    note = api.made("note", title="砖")["id"]
    legs = [{"x_km": "1.5", "x_stop": car}, {"x_km": "2"}]
    made = api.made("x_trip", x_title="甲", x_car=car, x_guests=[1], x_note=note, x_leg=legs)
    assert (made["x_total"], made["x_car"]) == ("3.5000", {"id": car, "label": "京B1"})
    assert [leg["x_km"] for leg in made["x_leg"]] == ["1.5000", "2.0000"]
    by_car = json.dumps({"field": "x_car.x_plate", "op": "eq", "value": "京B1"})
    assert [each["id"] for each in api.get("/records/x_trip", filter=by_car)["items"]] == [
        made["id"]
    ]
    api.patch(f"/records/note/{note}", {"x_trip": made["id"]})
    through = json.dumps({"field": "x_trip.x_car.x_seats", "op": "ge", "value": 4})
    assert [each["id"] for each in api.get("/records/note", filter=through)["items"]] == [note]
    fewer = [{"id": made["x_leg"][1]["id"], "x_km": "9"}]
    changed = api.patch(f"/records/x_trip/{made['id']}", {"x_leg": fewer})
    assert changed["x_total"] == "9.0000"
    assert api.schema("x_leg")["parent_field"] == "parent"


def test_lines_of_a_declared_entity(api):
    """A plugin's records take lines of the company's own, under the plugin's rights."""
    body = {
        "name": "x_item",
        "label": "Item",
        "parent": "note",
        "fields": [{"name": "x_what", "kind": "text", "label": "What"}],
    }
    api.post("/schema/entities", body)
    made = api.made("note", title="砖", x_item=[{"x_what": "瓦"}])
    assert [each["x_what"] for each in made["x_item"]] == ["瓦"]
    assert api.get(f"/records/note/{made['id']}")["x_item"][0]["x_what"] == "瓦"


def test_nobody_reaches_it_until_it_is_granted(api, vehicles, caller, make_person, unit_of_work):
    """API1, Z1: an entity begins with the administrators'; roles grant it like any other."""
    from core.entities import service

    made = api.made("x_vehicle", x_plate="甲", x_seats=1)
    clerk = caller(make_person("文员", roles=("clerk",)))
    assert clerk.schema("x_vehicle") is None
    clerk.get("/records/x_vehicle", 403)
    clerk.get(f"/records/x_vehicle/{made['id']}", 403)
    clerk.post("/records/x_vehicle", {"x_plate": "乙"}, 403)
    with unit_of_work() as uow:
        roles = uow.entity("role").table
        role = uow.execute(roles.select().where(roles.c.name == "clerk")).mappings().one()
        grants = {**role["grants"], "x_vehicle": {"read": "all"}}
        rules = {"x_vehicle": {"x_seats": "hidden"}}
        service.update(uow, "role", {role["id"]: {"grants": grants, "field_rules": rules}})
    (seen,) = clerk.get("/records/x_vehicle")["items"]
    assert (seen["x_plate"], "x_seats" in seen) == ("甲", False)
    clerk.patch(f"/records/x_vehicle/{made['id']}", {"x_plate": "丙"}, 403)


def test_its_maker_may_name_roles(api, caller, make_person, vehicle):
    clerk = caller(make_person("文员", roles=("clerk",)))
    grants = {"clerk": {"read": "own", "create": "own"}}
    api.post("/schema/entities", {**vehicle, "roles": grants})
    mine = clerk.made("x_vehicle", x_plate="我的")
    api.made("x_vehicle", x_plate="别人的")
    assert [each["id"] for each in clerk.get("/records/x_vehicle")["items"]] == [mine["id"]]
    entries = api.get(
        "/records/role", filter=json.dumps({"field": "name", "op": "eq", "value": "clerk"})
    )
    key = entries["items"][0]["id"]
    assert api.get(f"/records/role/{key}/timeline")["items"][0]["kind"] == "update"


@pytest.mark.parametrize(
    "roles", [["clerk"], {"nobody": {"read": "all"}}, {"clerk": "all"}, {"clerk": {"read": "moon"}}]
)
def test_roles_that_cannot_be_leave_nothing_behind(api, roles, vehicle):
    """K1: one transaction; the table is not there either."""
    api.post("/schema/entities", {**vehicle, "roles": roles}, 422)
    assert api.schema("x_vehicle") is None
    api.post("/schema/entities", vehicle)


def test_only_administrators_make_entities(api, vehicles, caller, make_person, vehicle):
    """API5: every route of the structure, for somebody who may do much else."""
    writer = caller(make_person("写手", roles=("writer", "clerk")))
    limited = caller(1, ["note.read"])
    for person in (writer, limited):
        person.post("/schema/entities", {**vehicle, "name": "x_other"}, 403)
        person.patch("/schema/entities/x_vehicle", {"icon": "box"}, 403)
        person.post("/schema/entities/x_vehicle/retire", None, 403)
        person.post("/schema/entities/x_vehicle/restore", None, 403)
        person.patch("/schema/entities/x_vehicle/fields/x_seats", {"label": "甲"}, 403)
        person.post("/schema/entities/x_vehicle/fields/x_seats/retire", None, 403)
        person.post("/schema/entities/x_vehicle/fields/x_seats/restore", None, 403)
        person.get("/schema/retired", 403)
    assert api.schema("x_vehicle")["icon"] == "package"


def test_labels_icon_and_columns_change(api, vehicles):
    body = {
        "label": {"zh_CN": "汽车", "en": "Car"},
        "label_plural": "Cars",
        "icon": "truck",
        "label_field": "x_seats",
        "list_columns": ["x_seats", "x_plate"],
    }
    changed = api.patch("/schema/entities/x_vehicle", body)
    assert [changed[key] for key in ("label", "label_plural", "icon", "label_field")] == [
        "Car",
        "Cars",
        "truck",
        "x_seats",
    ]
    assert changed["list_columns"] == ["x_seats", "x_plate"]
    assert changed == api.schema("x_vehicle")
    for wrong in (
        {"name": "x_other"},
        {"owned": False},
        {"label": ""},
        {"icon": "../x"},
        {"label_field": "x_twice"},
        {"label_field": "owner"},
        {"list_columns": ["nothing"]},
        {"list_columns": ["x_plate", "x_plate"]},
        {"list_columns": "x_plate"},
    ):
        api.patch("/schema/entities/x_vehicle", wrong, 422)
    api.patch("/schema/entities/note", {"icon": "truck"}, 404)
    assert api.schema("x_vehicle") == changed


def test_retired_and_restored_with_its_records(api, vehicles, sign_in, vehicle):
    made = api.made("x_vehicle", x_plate="甲", x_seats=3)
    api.post("/schema/entities/x_vehicle/retire", status=204)
    assert api.schema("x_vehicle") is None
    api.get("/records/x_vehicle", 404)
    assert "/records/x_vehicle" not in json.dumps(api.get("/api/openapi.json"))
    browser = sign_in()
    assert browser.get("/r/x_vehicle").status_code == 404
    assert "x_vehicle" not in browser.get("/").get_data(as_text=True)
    assert [each["entity"] for each in api.get("/schema/retired")["items"]] == ["x_vehicle"]
    api.post("/schema/entities", vehicle, 422)
    api.post("/schema/entities/x_vehicle/retire", status=409)
    api.post("/schema/entities/x_vehicle/restore", status=200)
    assert api.get(f"/records/x_vehicle/{made['id']}")["x_seats"] == 3
    api.post("/schema/entities/x_vehicle/restore", status=409)
    api.post("/schema/entities/note/retire", status=404)


def test_what_points_to_it_keeps_it(api, vehicles):
    pointing = {"name": "x_car", "kind": "reference", "entity": "x_vehicle", "label": "Car"}
    api.post("/schema/entities/note/fields", pointing)
    refused = api.post("/schema/entities/x_vehicle/retire", status=409)
    assert "Car of Note" in refused["title"]
    api.post("/schema/entities/note/fields/x_car/retire", status=204)
    api.post("/schema/entities/x_vehicle/retire", status=204)
    refused = api.post("/schema/entities/note/fields/x_car/restore", status=409)
    assert "x_vehicle" in refused["title"]
    api.post("/schema/entities/x_vehicle/restore", status=200)
    api.post("/schema/entities/note/fields/x_car/restore", status=200)


def test_two_processes_see_each_others_changes(api, vehicles, runtime):
    """Another process that has the database open sees the entity with its next unit of work."""
    from core.boot import boot
    from core.entities import query, service
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    other = boot(runtime.config)
    try:
        with UnitOfWork(other, SYSTEM, origin=Origin("test")) as uow:
            (key,) = service.create(uow, "x_vehicle", [{"x_plate": "乙", "x_seats": 2}])
        assert api.get(f"/records/x_vehicle/{key}")["x_twice"] == "4.0000"
        api.post(
            "/schema/entities/x_vehicle/fields", {"name": "x_new", "kind": "text", "label": "New"}
        )
        with UnitOfWork(other, SYSTEM, origin=Origin("test")) as uow:
            service.update(uow, "x_vehicle", {key: {"x_new": "新"}})
        assert api.get(f"/records/x_vehicle/{key}")["x_new"] == "新"
        api.post("/schema/entities/x_vehicle/retire", status=204)
        with UnitOfWork(other, SYSTEM, origin=Origin("test"), write=False) as uow:
            assert "x_vehicle" not in uow.snapshot.entities
        api.post("/schema/entities/x_vehicle/restore", status=200)
        with UnitOfWork(other, SYSTEM, origin=Origin("test"), write=False) as uow:
            assert query.get(uow, "x_vehicle", key).values["x_new"] == "新"
    finally:
        other.database.dispose()


def test_nothing_of_it_outlives_its_database(runtime):
    """Tables of such entities are the snapshot's, not the process's: the next test has none."""
    from core.db.base import metadata

    with runtime.read_connection() as connection:
        snapshot, _access = runtime.refresh(connection)
    assert not [name for name in snapshot.installed_entities if name.startswith("x_")]
    assert not [name for name in metadata.tables if name.startswith("x_") or "__x_" in name]
