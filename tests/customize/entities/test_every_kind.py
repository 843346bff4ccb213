"""An entity of the company's own with a field of every kind, taken through everything there is."""

from __future__ import annotations

import csv
import io
import json

import pytest
from openapi_spec_validator import validate
from werkzeug.datastructures import FileStorage

from core.customize.service import CUSTOMISABLE_KINDS

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: By kind: its options, a value that is given, and how it is answered.
KINDS = {
    "text": ({}, "甲", "甲"),
    "long_text": ({}, "多\n行", "多\n行"),
    "rich_text": ({}, "<p>甲</p>", "<p>甲</p>"),
    "integer": ({"minimum": 0}, 7, 7),
    "decimal": ({"scale": 3}, "1.5", "1.500"),
    "money": ({"currency": "CNY"}, "9.9", "9.90"),
    "boolean": ({}, True, True),
    "date": ({}, "2026-05-01", "2026-05-01"),
    "datetime": ({}, "2026-05-01T08:00:00+08:00", "2026-05-01T00:00:00Z"),
    "choice": ({"choices": ["A", "B"]}, "B", "B"),
    "multi_choice": ({"choices": ["A", "B"]}, ["B"], ["B"]),
    "tags": ({}, ["x"], ["x"]),
    "phone": ({}, "13800138000", "13800138000"),
    "email": ({}, "a@example.com", "a@example.com"),
    "url": ({}, "https://example.com", "https://example.com"),
    "region": ({}, "110000", "110000"),
    "reference": ({"entity": "user"}, 1, {"id": 1, "label": "管理员"}),
    "references": ({"entity": "user"}, [1], [{"id": 1, "label": "管理员"}]),
    "file": ({}, None, None),
    "image": ({}, None, None),
    "auto_number": ({"pattern": "Z{seq:3}"}, None, "Z001"),
    "computed": ({"expression": "x_integer * 2"}, None, "14.0000"),
}
ENTITY = {
    "name": "x_all",
    "label": "All",
    "fields": [
        {"name": f"x_{kind}", "kind": kind, "label": f"F {kind}", **options}
        for kind, (options, _given, _shown) in KINDS.items()
    ],
}
GIVEN = {f"x_{kind}": given for kind, (_o, given, _s) in KINDS.items() if given is not None}


def test_every_kind_is_tried():
    assert KINDS.keys() == set(CUSTOMISABLE_KINDS)


def test_through_everything(api, sign_in, client, run_jobs):
    """Form, list, filter, REST, OpenAPI, export and import again, audit, recycle bin."""
    api.post("/schema/entities", ENTITY)
    validate(api.get("/api/openapi.json"))
    made = api.made("x_all", **GIVEN)
    assert {name: made[name] for name in made if name.startswith("x_")} == {
        f"x_{kind}": shown for kind, (_options, _given, shown) in KINDS.items()
    }
    for name in GIVEN:
        condition = json.dumps({"field": name, "op": "is_set"})
        assert len(api.get("/records/x_all", filter=condition)["items"]) == 1, name
    browser = sign_in()
    listed = browser.get("/r/x_all?columns=" + ",".join(GIVEN)).get_data(as_text=True)
    form = browser.get(f"/r/x_all/{made['id']}/edit").get_data(as_text=True)
    page = browser.get(f"/r/x_all/{made['id']}").get_data(as_text=True)
    assert "甲" in listed
    for kind in KINDS:
        editable = kind not in ("computed", "auto_number")
        assert (f'name="x_{kind}' in form or f'"x_{kind}' in form) or not editable, kind
        # The title has no label, and what is empty is not shown.
        assert f"F {kind}" in page or kind in ("text", "file", "image"), kind
    api("DELETE", f"/records/x_all/{made['id']}", 204)
    assert api.get("/records/x_all")["items"] == []
    assert len(api.get("/records/x_all", archived="true")["items"]) == 1
    api.post(f"/records/x_all/{made['id']}/restore", status=200)
    kinds = [each["kind"] for each in api.get(f"/records/x_all/{made['id']}/timeline")["items"]]
    assert kinds == ["restore", "delete", "create"]
    table = export(api, client)
    api("DELETE", f"/records/x_all/{made['id']}", 204)
    assert bring_back(api, client, run_jobs, table)["created"] == 1
    (again,) = api.get("/records/x_all", fields=",".join(GIVEN))["items"]
    assert {name: again[name] for name in GIVEN} == {name: made[name] for name in GIVEN}


def export(api, client) -> bytes:
    """The list as a file."""
    answer = client.get(f"/api/v1/exports/x_all.csv?fields={','.join(GIVEN)}", headers=api.headers)
    assert answer.status_code == 200
    assert len(list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))) == 2
    return answer.data


def bring_back(api, client, run_jobs, table: bytes) -> dict:
    """The file read in again; the counts."""
    data = {"entity": "x_all", "file": FileStorage(io.BytesIO(table), "all.csv")}
    sent = client.post(
        "/api/v1/imports", data=data, content_type="multipart/form-data", headers=api.headers
    )
    assert sent.status_code == 202, sent.text
    run_jobs()
    return api.get(f"/jobs/{sent.json['job']}")["result"]
