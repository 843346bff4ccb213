"""The structure, run-time fields at once everywhere, and the OpenAPI document."""

from __future__ import annotations

import json

import pytest
from openapi_spec_validator import validate

# The fields themselves are made on both databases in tests/customize.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: One field of each kind that a company may add: options, a value, how it is read, a filter.
FIELDS = {
    "text": ({}, "甲", "甲", ("eq", "甲")),
    "long_text": ({}, "多行", "多行", ("contains", "多")),
    "rich_text": ({}, "<p>甲</p>", "<p>甲</p>", ("is_set", None)),
    "integer": ({"minimum": 0}, 7, 7, ("ge", 7)),
    "decimal": ({"scale": 3}, "1.5", "1.500", ("lt", "2")),
    "money": ({"currency": "CNY"}, "9.9", "9.90", ("eq", "9.90")),
    "boolean": ({}, True, True, ("eq", True)),
    "date": ({}, "2026-05-01", "2026-05-01", ("ge", "2026-05-01")),
    "datetime": ({}, "2026-05-01T08:00:00+08:00", "2026-05-01T00:00:00Z", ("is_set", None)),
    "choice": ({"choices": ["A", "B"]}, "B", "B", ("in", ["B"])),
    "multi_choice": ({"choices": ["A", "B"]}, ["B"], ["B"], ("contains", "B")),
    "tags": ({}, ["x"], ["x"], ("contains", "x")),
    "phone": ({}, "13800138000", "13800138000", ("is_set", None)),
    "email": ({}, "a@example.com", "a@example.com", ("eq", "a@example.com")),
    "url": ({}, "https://example.com", "https://example.com", ("is_set", None)),
    "region": ({}, "110000", "110000", ("under", "110000")),
    "reference": ({"entity": "user"}, 1, {"id": 1, "label": "管理员"}, ("eq", 1)),
    "references": ({"entity": "user"}, [1], [{"id": 1, "label": "管理员"}], ("contains", 1)),
    "file": ({}, None, None, ("is_empty", None)),
    "image": ({}, None, None, ("is_empty", None)),
    "auto_number": ({"pattern": "Z{seq:3}"}, None, "Z001", ("eq", "Z001")),
    "computed": ({"expression": "[Amount] * 2"}, None, "10.0000", ("gt", "9")),
}


def test_every_kind_is_tried():
    from core.customize.service import CUSTOMISABLE_KINDS

    assert FIELDS.keys() == set(CUSTOMISABLE_KINDS)


@pytest.mark.parametrize("kind", FIELDS)
def test_a_new_field_is_at_once_everywhere(api, kind):
    options, value, expected, (op, operand) = FIELDS[kind]
    name = f"x_{kind}"
    body = {"name": name, "kind": kind, "label": {"zh_CN": "新", "en": "New"}, **options}
    before = api("GET", "/api/openapi.json")
    made = api.post("/schema/entities/note/fields", body)
    assert made.status_code == 201, made.json
    assert (made.json["kind"], made.json["label"], made.json["custom"]) == (kind, "New", True)
    note = api.made("note", title="砖", amount="5", **({} if value is None else {name: value}))
    assert note[name] == expected
    (note_spec,) = [e for e in api.get("/schema").json["entities"] if e["name"] == "note"]
    (field,) = [f for f in note_spec["fields"] if f["name"] == name]
    assert field == made.json
    assert op in field["operators"]
    (row,) = api.get("/records/note", fields=name).json["items"]
    assert row[name] == expected
    condition = {"field": name, "op": op} | ({} if operand is None else {"value": operand})
    found = api.get("/records/note", filter=json.dumps(condition)).json
    assert [row["id"] for row in found["items"]] == [note["id"]]
    if value is not None:
        changed = api.patch(f"/records/note/{note['id']}", {name: None})
        assert changed.json[name] in (None, [], False)
        entries = api.get(f"/records/note/{note['id']}/timeline").json["items"]
        update = next(entry for entry in entries if entry["kind"] == "update")
        assert [change["field"] for change in update["changes"]] == [name]
    after = api("GET", "/api/openapi.json", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    schemas = after.json["components"]["schemas"]
    assert name in schemas["note"]["properties"]
    assert (name in schemas["note.create"]["properties"]) is not field["readonly"]
    assert api.post("/schema/entities/note/fields", body).status_code == 422


def test_the_document_is_valid_with_a_field_of_every_kind(api):
    for kind, (options, *_rest) in FIELDS.items():
        body = {"name": f"x_{kind}", "kind": kind, "label": "New", **options}
        assert api.post("/schema/entities/note/fields", body).status_code == 201
    validate(api("GET", "/api/openapi.json").json)


def test_a_default_of_a_new_field_is_used(api):
    body = {"name": "x_on", "kind": "date", "label": "On", "default": "2026-05-01"}
    assert api.post("/schema/entities/note/fields", body).status_code == 201
    assert api.made("note", title="砖")["x_on"] == "2026-05-01"


def test_the_document_is_strict_and_kept(api):
    answer = api("GET", "/api/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    again = api("GET", "/api/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    for name, schema in answer.json["components"]["schemas"].items():
        if name.endswith((".create", ".update", ".change")):
            assert schema["additionalProperties"] is False, name
    for path, methods in answer.json["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    assert response["$ref"].startswith("#/components/responses/"), (path, method)


def test_the_document_is_the_callers(api, caller, make_person, admin_id):
    clerk = caller(make_person("文员", roles=("clerk",)))("GET", "/api/openapi.json").json
    note = clerk["components"]["schemas"]["note"]["properties"]
    assert "amount" not in note
    assert note["phone"]["type"] == ["string", "null"]
    assert "phone" not in clerk["components"]["schemas"]["note.update"]["properties"]
    assert "note.create" not in clerk["components"]["schemas"]
    assert set(clerk["paths"]["/api/v1/records/note/{id}"]) == {"get", "patch"}
    assert "/api/v1/records/note/{id}/actions/close" not in clerk["paths"]
    assert "/api/v1/plugins" not in clerk["paths"]
    assert "/api/v1/records/role" not in clerk["paths"]
    limited = caller(admin_id, ["note.close"])("GET", "/api/openapi.json").json
    records = {path for path in limited["paths"] if path.startswith("/api/v1/records/")}
    assert records == {"/api/v1/records/note/{id}/actions/close"}


def test_the_schema_is_the_callers(caller, make_person):
    clerk = caller(make_person("文员", roles=("clerk",)))
    (note,) = [e for e in clerk.get("/schema").json["entities"] if e["name"] == "note"]
    fields = {field["name"]: field for field in note["fields"]}
    assert "amount" not in fields
    assert (fields["phone"]["masked"], fields["phone"]["operators"]) == (True, [])
    assert set(note["rights"]) == {"read", "update"}
    assert note["actions"] == []
    status = fields["status"]
    assert status["choices"][0] == {"value": "open", "label": "Open"}
    assert fields["owner"]["entity"] == "user"


def test_the_page_for_people(api):
    page = api("GET", "/api/docs?tag=note")
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "/api/v1/records/note/{id}/actions/close" in text
    assert "happened_at" in text
    assert "<script>" not in text
    assert len(page.data) < 100_000
    assert api("GET", "/api/docs").status_code == 200
    assert api("GET", "/api/docs?tag=%3Cscript%3E").status_code == 200
    assert "<script>" not in api("GET", "/api/docs?tag=%3Cscript%3E").get_data(as_text=True)


def test_i_am_who_i_am(api, admin_id):
    me = api.get("/me").json
    assert (me["id"], me["is_admin"], me["roles"]) == (admin_id, True, ["admin"])
