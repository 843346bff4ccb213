"""The life of a field: changed, retired, restored, dropped for good; and how many there may be."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, inspect, select

from core.comments.service import add_comment
from core.customize import ddl
from core.customize.checks import MAX_FIELDS
from core.customize.entity_checks import MAX_ENTITIES
from core.customize.purge import can_go, purge, retired
from core.customize.service import add_field, describe_field
from core.customize.tables import custom_entity_table
from core.db.base import metadata
from core.entities import query
from core.entities.drafts import save_draft
from core.entities.list_views import save_view, views_of
from core.entities.timeline import timeline
from core.notifications.service import notify

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def grade(api):
    """A field with options, and a note that holds one of them."""
    body = {"name": "x_grade", "kind": "choice", "label": "Grade", "choices": ["A", "B"]}
    api.post("/schema/entities/note/fields", body)
    return api.made("note", title="砖", x_grade="A")["id"]


def by_name(api, name, entity="note"):
    return next((each for each in api.schema(entity)["fields"] if each["name"] == name), None)


def test_what_is_not_the_column_changes(api, grade):
    place = "/schema/entities/note/fields/x_grade"
    body = {"label": {"zh_CN": "等级", "en": "Class"}, "help": "How good", "default": "B"}
    changed = api.patch(place, body)
    assert (changed["label"], changed["help"]) == ("Class", "How good")
    assert api.made("note", title="瓦")["x_grade"] == "B"
    assert api.patch(place, {"default": None, "help": None})["help"] == ""
    assert api.made("note", title="瓦")["x_grade"] is None
    api.patch(place, {"required": True})
    api.post("/records/note", {"title": "梁"}, 422)
    for wrong in (
        {"kind": "text"},
        {"name": "x_other"},
        {"unique": True},
        {"label": {}},
        {"choices": []},
        {"default": "Z"},
        {"minimum": 1},
        {"searchable": "yes"},
    ):
        api.patch(place, wrong, 422)
    api.patch("/schema/entities/note/fields/title", {"label": "x"}, 404)
    api.patch("/schema/entities/note/fields/x_none", {"label": "x"}, 404)
    assert by_name(api, "x_grade")["label"] == "Class"


def test_an_option_in_use_is_retired_not_lost(api, grade, sign_in):
    """K3: a record keeps what it holds; nobody else is given it; named again it is back."""
    place = "/schema/entities/note/fields/x_grade"
    api.patch(place, {"choices": ["B", "C"]})
    assert api.get(f"/records/note/{grade}")["x_grade"] == "A"
    held = json.dumps({"field": "x_grade", "op": "eq", "value": "A"})
    assert [each["id"] for each in api.get("/records/note", filter=held)["items"]] == [grade]
    api.patch(f"/records/note/{grade}", {"title": "还是", "x_grade": "A"})
    other = api.made("note", title="瓦", x_grade="C")["id"]
    refused = api.patch(f"/records/note/{other}", {"x_grade": "A"}, 422)
    assert refused["errors"][0]["code"] == "retired"
    api.post("/records/note", {"title": "梁", "x_grade": "A"}, 422)
    browser = sign_in()
    assert 'value="A"' in browser.get(f"/r/note/{grade}/edit").get_data(as_text=True)
    assert 'value="A"' not in browser.get(f"/r/note/{other}/edit").get_data(as_text=True)
    api.patch(place, {"choices": ["A", "B", "C"]})
    api.patch(f"/records/note/{other}", {"x_grade": "A"})


def test_a_formula_changes_with_all_that_was_computed(api, vehicles):
    made = api.made("x_vehicle", x_plate="甲", x_seats=2)
    place = "/schema/entities/x_vehicle/fields/x_twice"
    api.patch(place, {"expression": "x_seats * 10"})
    assert api.get(f"/records/x_vehicle/{made['id']}")["x_twice"] == "20.0000"
    api.patch(place, {"expression": "x_twice + 1"}, 422)
    api.patch(place, {"expression": "nothing + 1"}, 422)


def test_retired_and_restored_with_its_values(api, grade):
    place = "/schema/entities/note/fields/x_grade"
    api.post(f"{place}/retire", status=204)
    assert by_name(api, "x_grade") is None
    assert "x_grade" not in api.get(f"/records/note/{grade}")
    assert "x_grade" not in json.dumps(api.get("/api/openapi.json"))
    api.patch(f"/records/note/{grade}", {"x_grade": "B"}, 422)
    api.patch(f"/records/note/{grade}", {"title": "瓦"})
    api.patch(place, {"label": "x"}, 409)
    api.post(f"{place}/retire", status=409)
    again = {"name": "x_grade", "kind": "text", "label": "Grade"}
    assert api.post("/schema/entities/note/fields", again, 422)["errors"][0]["code"] == "taken"
    (told,) = api.get("/schema/retired")["items"]
    assert (told["entity"], told["field"], told["label"]) == ("note", "x_grade", "Grade")
    api.post(f"{place}/restore", status=200)
    assert api.get(f"/records/note/{grade}")["x_grade"] == "A"
    api.post(f"{place}/restore", status=409)
    api.post("/schema/entities/note/fields/title/retire", status=404)


def test_what_needs_a_field_keeps_it(api, vehicles, unit_of_work):
    """Rights never change silently: a role's condition holds a field as a formula does."""
    from core.entities import service

    place = "/schema/entities/x_vehicle/fields"
    refused = api.post(f"{place}/x_seats/retire", status=409)
    assert "Twice of Vehicle" in refused["title"]
    assert "named by it" in api.post(f"{place}/x_plate/retire", status=409)["title"]
    api.post(f"{place}/x_twice/retire", status=204)
    with unit_of_work() as uow:
        roles = uow.entity("role").table
        role = uow.execute(roles.select().where(roles.c.name == "clerk")).mappings().one()
        only = {"condition": {"all": [{"field": "x_seats", "op": "gt", "value": 3}]}}
        grants = {**role["grants"], "x_vehicle": {"read": [only, "own"]}}
        service.update(uow, "role", {role["id"]: {"grants": grants}})
    assert "Clerk" in api.post(f"{place}/x_seats/retire", status=409)["title"]
    with unit_of_work() as uow:
        service.update(uow, "role", {role["id"]: {"grants": role["grants"]}})
    api.post(f"{place}/x_seats/retire", status=204)
    refused = api.post(f"{place}/x_twice/restore", status=422)
    assert "Seats" in json.dumps(refused)


def columns(runtime, table):
    with runtime.read_connection() as connection:
        inspector = inspect(connection)
        if not inspector.has_table(table):
            return None
        return {column["name"] for column in inspector.get_columns(table)}


def test_purged_for_good(api, vehicles, grade, runtime, unit_of_work):
    """Columns, link tables and tables go, with the rights; younger ones and the rest stay."""
    note = {"name": "x_cars", "kind": "references", "entity": "x_vehicle", "label": "Cars"}
    api.post("/schema/entities/note/fields", note)
    pointer = {"name": "x_car", "kind": "reference", "entity": "x_vehicle", "label": "Car"}
    api.post("/schema/entities/note/fields", pointer)
    tag = {"name": "x_tag", "kind": "text", "label": "Tag", "unique": True}
    api.post("/schema/entities/note/fields", tag)
    car = api.made("x_vehicle", x_plate="甲")["id"]
    api.patch(f"/records/note/{grade}", {"x_cars": [car], "x_car": car, "x_tag": "t"})
    for name in ("x_cars", "x_car", "x_tag"):
        api.post(f"/schema/entities/note/fields/{name}/retire", status=204)
    api.post("/schema/entities/x_vehicle/retire", status=204)
    with unit_of_work() as uow:
        all_of_it = retired(uow)
        assert len(all_of_it) == 4
        assert retired(uow, before=uow.now() - timedelta(days=1)) == []
        going, kept = can_go(uow, [each for each in all_of_it if each.field is None])
        assert going == []
        assert "note.x_car" in kept[0][1]
        going, kept = can_go(uow, all_of_it)
        assert [each.field is None for each in going] == [False, False, False, True]
        purge(uow, going)
    assert columns(runtime, "x_vehicle") is None
    assert not columns(runtime, api_table(unit_of_work)) & {"x_car", "x_tag"}
    assert "x_grade" in columns(runtime, api_table(unit_of_work))
    assert api.get("/schema/retired")["items"] == []
    assert api.get(f"/records/note/{grade}")["x_grade"] == "A"
    api.post("/schema/entities/note/fields", {**tag, "kind": "integer"})
    api.patch(f"/records/note/{grade}", {"x_tag": 5})
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "note", grade).values["x_tag"] == 5


def api_table(unit_of_work):
    with unit_of_work(write=False) as uow:
        return uow.entity("note").table.name


def test_an_entity_made_again_begins_without_rights(
    api, vehicle, caller, make_person, unit_of_work
):
    """API1: what a role was granted does not wake up with another entity of the same name."""
    clerk = caller(make_person("文员", roles=("clerk",)))
    api.post("/schema/entities", {**vehicle, "roles": {"clerk": {"read": "all"}}})
    clerk.get("/records/x_vehicle")
    api.post("/schema/entities/x_vehicle/retire", status=204)
    with unit_of_work() as uow:
        purge(uow, can_go(uow, retired(uow))[0])
    api.post("/schema/entities", vehicle)
    clerk.get("/records/x_vehicle", 403)
    assert api.get("/records/x_vehicle")["items"] == []


def test_an_entity_made_again_knows_nothing_of_the_one_before(
    api, vehicle, runtime, unit_of_work, admin_id, make_person, run_jobs
):
    """What was said and kept of the records of the first is not about those of the second."""
    api.post("/schema/entities", vehicle)
    first = api.made("x_vehicle", x_plate="鲁G 00001")["id"]
    reader = make_person("乙")
    with unit_of_work(admin_id) as uow:
        add_comment(uow, "x_vehicle", first, "sold to Wang")
        save_draft(uow, "x_vehicle", first, "tab", [("x_plate", "half")])
        save_view(uow, uow.entity("x_vehicle"), "Mine", "f=x_plate")
        notify(uow, "core.shared", [reader], entity="x_vehicle", record_ids=[first])
    run_jobs()
    api.post("/schema/entities/x_vehicle/retire", status=204)
    with unit_of_work() as uow:
        purge(uow, can_go(uow, retired(uow))[0])
    kept = _named(runtime, "x_vehicle")
    assert kept <= {"core_audit_entry", "core_event", "core_file"}, "the trail, and what is past"
    api.post("/schema/entities", vehicle)
    second = api.made("x_vehicle", x_plate="鲁G 00002")["id"]
    assert second > first
    with unit_of_work(admin_id, write=False) as uow:
        told = timeline(uow, "x_vehicle", second)
        assert [entry.kind for entry in told] == ["create"]
        assert views_of(uow, uow.entity("x_vehicle")) == []


def _named(runtime, entity):
    """The tables in which a row is about records of that entity."""
    found = set()
    with runtime.read_connection() as connection:
        for name, table in metadata.tables.items():
            if name.startswith("core_") and "entity" in table.c:
                rows = select(func.count()).select_from(table).where(table.c.entity == entity)
                found |= {name} if connection.execute(rows).scalar_one() else set()
    return found


def test_the_number_of_fields_is_limited(api, unit_of_work):
    """At the limit and one more; retired ones count, as their columns are still there."""
    with unit_of_work() as uow:
        for number in range(MAX_FIELDS - len(uow.entity("note").fields) - 1):
            describe_field(uow, "note", f"x_{number}", "text", {"en": "x"}, {})
        uow.execute(custom_entity_table.select())
    body = {"kind": "text", "label": "Last"}
    with unit_of_work() as uow:
        from sqlalchemy import update

        from core.customize.tables import custom_field_table

        uow.execute(update(custom_field_table).values(retired=True, retired_at=uow.now()))
    api.post("/schema/entities/note/fields", {**body, "name": "x_last"})
    refused = api.post("/schema/entities/note/fields", {**body, "name": "x_more"}, 422)
    assert refused["errors"][0]["code"] == "too_many"


def test_the_number_of_entities_is_limited(api, vehicle, unit_of_work):
    with unit_of_work() as uow:
        texts = {"en": "x"}
        row = {"labels": texts, "plural_labels": texts, "icon": "box", "owned": False}
        row |= {"label_field": "x_plate", "list_columns": []}
        row |= {"created_at": uow.now(), "retired_at": uow.now()}
        rows = [{"name": f"x_e{number}", **row} for number in range(MAX_ENTITIES - 1)]
        uow.execute(insert(custom_entity_table), rows)
    api.post("/schema/entities", vehicle)
    refused = api.post("/schema/entities", {**vehicle, "name": "x_more"}, 422)
    assert refused["errors"][0]["code"] == "too_many"


GOOD = ("x_a", "x_select", "x_order", "x_table1", "x_" + "n" * 40, "x_0")
BAD = (
    *("vehicle", "x", "x_", "X_A", "x-a", "x_a b", "x_a\n", "x_a;", 'x_"a"', "x_'a", "x_a.b"),
    *("x_\u00e9", "x_e\u0301", "x_\uff41", "x_车", "x_\u202ea", "x_😀", "x_" + "n" * 41, "../x_a"),
    *(None, 7, ["x_a"], {"x_a": 1}, ""),
)
ONE_UNDERSCORE = ("x__a", "x_a__b", "x_a_", "x_a__x_b")


def test_names_that_become_tables_and_columns(api, vehicle):
    """I3: reserved words, quotes, too long, NFC and NFD twins: accepted as they are, or refused."""
    for name in BAD:
        api.post("/schema/entities", {**vehicle, "name": name}, 422)
        field = {"name": name, "kind": "text", "label": "F"}
        api.post("/schema/entities/note/fields", field, 422)
    for name in ("x_a\x00", "x_\x00"):
        api.post("/schema/entities", {**vehicle, "name": name}, 400)
        api.post("/schema/entities/note/fields", {"name": name, "kind": "text", "label": "F"}, 400)
    for name in ONE_UNDERSCORE:
        api.post("/schema/entities", {**vehicle, "name": name}, 422)
    for name in GOOD:
        api.post("/schema/entities", {**vehicle, "name": name})
        made = api.made(name, x_plate="甲", x_driver=1)
        field = {"name": name, "kind": "references", "label": "F", "entity": name}
        api.post(f"/schema/entities/{name}/fields", field)
        changed = api.patch(f"/records/{name}/{made['id']}", {name: [made["id"]]})
        assert changed[name] == [{"id": made["id"], "label": "甲"}]
    assert api.schema("x_vehicle") is None


def test_long_names_that_begin_alike_do_not_collide(api, vehicle):
    """I3: names of indexes, keys and link tables are cut to 63 bytes, with a checksum."""
    first, second = ("x_" + "n" * 39 + end for end in "ab")
    for entity in (first, second):
        fields = [
            {"name": "x_plate", "kind": "text", "label": "P", "unique": True},
            *(
                {"name": f"x_{'f' * 39}{end}", "kind": kind, "label": "F", "entity": "user"}
                for end, kind in zip("abc", ("reference", "reference", "references"), strict=True)
            ),
        ]
        api.post("/schema/entities", {**vehicle, "name": entity, "fields": fields})
    for entity in (first, second):
        values = {f"x_{'f' * 39}a": 1, f"x_{'f' * 39}b": 1, f"x_{'f' * 39}c": [1]}
        made = api.made(entity, x_plate="甲", **values)
        assert made[f"x_{'f' * 39}c"] == [{"id": 1, "label": "管理员"}]
        api.post(f"/records/{entity}", {"x_plate": "甲"}, 422)


def test_a_unique_field_of_a_large_table_takes_values_when_its_index_is_made(
    api, runtime, database_kind, monkeypatch, run_jobs
):
    """P: on PostgreSQL nobody waits for the index, and nobody slips a twin in meanwhile."""
    monkeypatch.setattr(ddl, "INLINE_ROWS", 0)
    first, second = (api.made("note", title=title)["id"] for title in "砖瓦")
    body = {"name": "x_once", "kind": "text", "label": "Once", "unique": True, "required": True}
    made = api.post("/schema/entities/note/fields", body)
    waits = database_kind == "postgresql"
    assert made["readonly"] is waits
    if waits:
        refused = api.patch(f"/records/note/{first}", {"x_once": "a"}, 422)
        assert refused["errors"][0]["code"] == "readonly"
        api.made("note", title="required of nobody yet")
        api.patch("/schema/entities/note/fields/x_once", {"help": "Number"})
        assert by_name(api, "x_once")["readonly"], "a change does not open it"
        api.post("/schema/entities/note/fields/x_once/retire", status=204)
        run_jobs()
        api.post("/schema/entities/note/fields/x_once/restore", status=200)
    run_jobs()
    assert not by_name(api, "x_once")["readonly"]
    api.patch(f"/records/note/{first}", {"x_once": "a"})
    api.patch(f"/records/note/{second}", {"x_once": "a"}, 422)
    api.post("/records/note", {"title": "梁"}, 422)
    with runtime.read_connection() as connection:
        indexes = inspect(connection).get_indexes("api_sample_note")
    assert [each["unique"] for each in indexes if each["column_names"] == ["x_once"]] == [1]


def test_whole_rows_are_read_though_a_field_was_never_committed(runtime, unit_of_work, api, grade):
    """K2: this process has heard of the column; the table never had it."""

    def rolled_back():
        with unit_of_work() as uow:
            add_field(uow, "note", {"name": "x_undone", "kind": "text", "label": "Undone"})
            assert "x_undone" in uow.entity("note").table.c
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        rolled_back()
    with unit_of_work(write=False) as uow:
        table = uow.entity("note").table
        row = uow.execute(select(table).where(table.c.id == grade)).one()
        assert row.title == "砖"
        held = select(table.c.id, table.c.x_grade).where(table.c.id == grade)
        assert uow.execute(held).one() == (grade, "A")
