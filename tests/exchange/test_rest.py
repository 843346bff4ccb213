"""Import, export and files over HTTP."""

from __future__ import annotations

import csv
import io
import json

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.entities import query, service
from core.tabular.reader import open_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def send(client, headers, content, name="leads.csv", **form):
    data = {"entity": "prospect", **form, "file": FileStorage(io.BytesIO(content), name)}
    boundary, body = encode_multipart(data)
    kind = f"multipart/form-data; boundary={boundary}"
    return client.post("/api/v1/imports", data=body, content_type=kind, headers=headers)


def test_three_thousand_rows_through_http(
    client, bearer, admin_id, dirty_leads, run_jobs, all_rows
):
    """The REST contract: 202 with a job, whose result counts exactly and brings a report."""
    path, truth = dirty_leads("three.csv", 3000, encoding="gb18030")
    headers = bearer(admin_id)
    answer = send(client, headers, path.read_bytes(), "名单.csv", duplicates="skip")
    assert answer.status_code == 202, answer.text
    run_jobs()
    job = client.get(f"/api/v1/jobs/{answer.json['job']}", headers=headers).json
    assert (job["state"], job["done"], job["total"]) == ("done", 3000, 3000)
    result = job["result"]
    assert {key: result[key] for key in ("created", "duplicates", "refused")} == {
        key: truth[key] for key in ("created", "duplicates", "refused")
    }
    assert sum(row["expected_amount"] for row in all_rows()) == truth["amount_of_created"]
    report = client.get(f"/api/v1/files/{result['report']}", headers=headers)
    rows = list(csv.reader(io.StringIO(report.data.decode("utf-8-sig"))))
    assert [row[-2] for row in rows[1:]] == [each["field"] for each in truth["refused_rows"]]
    assert report.headers["Content-Disposition"].startswith("attachment")
    assert report.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_wrong_with_a_request_is_told(client, bearer, admin_id, make_person):
    """A clear 4xx and nothing started (F2)."""
    headers = bearer(admin_id)
    good = "公司名称\n甲公司\n".encode()
    cases = [
        (send(client, headers, b"a\0b\n\0\0\n"), 422),
        (send(client, headers, b"PK\x03\x04 not a zip", "x.xlsx"), 422),
        (send(client, headers, b""), 422),
        (send(client, headers, good, "x.pdf"), 422),
        (send(client, headers, good, entity="nothing"), 404),
        (send(client, headers, good, duplicates="replace"), 422),
        (send(client, headers, good, mapping="[1]"), 400),
        (send(client, headers, good, mapping='{"公司名称": "score"}'), 422),
        (send(client, headers, good, mapping='{"x": "company"}'), 422),
        (send(client, headers, good, sheet="x", encoding="klingon"), 422),
        (send(client, headers, good, unknown="1"), 400),
        (send(client, headers, "没有这一列\n1\n".encode()), 422),
        (send(client, bearer(make_person(roles=["typist"])), good), 403),
        (send(client, {}, good), 401),
        (client.post("/api/v1/imports", data={"entity": "prospect"}, headers=headers), 400),
        (client.get("/api/v1/files/999999", headers=headers), 404),
        (client.get("/api/v1/exports/prospect.csv?fields=nothing", headers=headers), 422),
        (client.get("/api/v1/exports/prospect.pdf", headers=headers), 404),
    ]
    for answer, status in cases:
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/problem+json"


def test_a_zip_bomb_is_refused(client, bearer, admin_id):
    """F2: refused before anything is parsed."""
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 60_000_000)
    answer = send(client, bearer(admin_id), packed.getvalue(), "bomb.xlsx")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "ratio"


def test_mapping_that_the_caller_gives(client, bearer, admin_id, run_jobs, all_rows):
    headers = bearer(admin_id)
    content = "甲,乙\n一号公司,二号公司\n".encode()
    answer = send(client, headers, content, mapping=json.dumps({"乙": "company", "甲": None}))
    assert answer.status_code == 202, answer.text
    run_jobs()
    assert [row["company"] for row in all_rows()] == ["二号公司"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_export_honours_filter_sort_and_fields(
    kind, client, bearer, admin_id, unit_of_work, tmp_path
):
    from core.entities import query, service
    from core.entities.query import ListQuery

    with unit_of_work(admin_id) as uow:
        names = ["=1+1", "  +cmd", "普通", "@x"]
        service.create(
            uow, "prospect", [{"company": n, "expected_amount": i} for i, n in enumerate(names)]
        )
    headers = bearer(admin_id)
    condition = json.dumps({"field": "expected_amount", "op": "ge", "value": 1})
    answer = client.get(
        f"/api/v1/exports/prospect.{kind}",
        query_string={"filter": condition, "sort": "-id", "fields": "company,expected_amount"},
        headers=headers,
    )
    assert answer.status_code == 200
    path = tmp_path / f"out.{kind}"
    path.write_bytes(answer.data)
    rows = [cells[1:] for _line, cells in open_table(path, path.name).rows()]
    assert [row[0] for row in rows] == ["@x", "普通", "+cmd"]
    assert [str(row[1]).rstrip("0").rstrip(".") for row in rows] == ["3", "2", "1"]
    if kind == "csv":
        cells = [row[1] for row in csv.reader(io.StringIO(answer.data.decode("utf-8-sig")))]
        assert cells[1:] == ["'@x", "普通", "'+cmd"], "I8: nothing that a spreadsheet evaluates"
    with unit_of_work(write=False) as uow:
        entries = query.page(
            uow,
            "audit_entry",
            ListQuery(filter={"field": "action", "op": "eq", "value": "export"}),
        ).items
    assert [entry["changes"]["rows"][1] for entry in entries] == [3]
    assert entries[0]["actor"] == admin_id
    assert entries[0]["changes"]["filter"][1] == json.loads(condition)


def test_undoing_over_http(client, bearer, admin_id, make_person, run_jobs, all_rows, unit_of_work):
    """S-258: listed, rehearsed, undone by a job, once; another person's import is not there."""
    from core.entities import service

    owner, other = make_person("小李", roles=["own"]), make_person("小赵", roles=["own"])
    headers = bearer(owner)
    content = "公司名称,手机\n甲公司,13800001111\n乙公司,13800002222\n".encode()
    number = send(client, headers, content).json["job"]
    assert client.post(f"/api/v1/imports/{number}/undo", headers=headers).status_code == 409
    run_jobs()
    (listed,) = client.get("/api/v1/imports?entity=prospect", headers=headers).json["items"]
    assert (listed["id"], listed["file"], listed["created"]) == (number, "leads.csv", 2)
    for who in ({}, bearer(other)):
        for method in (client.get, client.post):
            answer = method(f"/api/v1/imports/{number}/undo", headers=who)
            assert answer.status_code == (404 if who else 401)
    assert client.get("/api/v1/imports?everyone=true", headers=bearer(other)).json["items"] == []
    everyone = client.get("/api/v1/imports?everyone=true", headers=bearer(admin_id)).json["items"]
    assert [each["who"] for each in everyone] == ["小李"]
    with unit_of_work(owner) as uow:
        service.update(uow, "prospect", {all_rows()[0]["id"]: {"note": "谈过"}})
    foreseen = client.get(f"/api/v1/imports/{number}/undo", headers=headers).json
    assert (foreseen["removed"], foreseen["restored"], foreseen["kept"]) == (1, 0, {"changed": 1})
    assert foreseen["examples"][0]["code"] == "changed"
    started = client.post(f"/api/v1/imports/{number}/undo", headers=headers)
    assert started.status_code == 202
    run_jobs()
    job = client.get(started.headers["Location"], headers=headers).json
    assert (job["kind"], job["state"]) == ("core.undo_import", "done")
    result = job["result"]
    assert (result["removed"], result["restored"], result["kept"]) == (1, 0, 1)
    assert client.get(f"/api/v1/files/{result['report']}", headers=headers).status_code == 200
    again = client.post(f"/api/v1/imports/{number}/undo", headers=headers)
    assert (again.status_code, again.mimetype) == (409, "application/problem+json")
    assert client.post("/api/v1/imports/999999/undo", headers=headers).status_code == 404


def test_keys_values_and_presets_over_http(
    client, bearer, admin_id, run_jobs, all_rows, unit_of_work
):
    from core.exchange.presets import save_preset

    headers = bearer(admin_id)
    content = "公司名称,邮箱\n甲公司,a@example.com\n乙公司,a@example.com\n".encode()
    defaults = json.dumps({"source": "展会"})
    answer = send(client, headers, content, duplicate_keys="email", defaults=defaults)
    assert answer.status_code == 202, answer.text
    run_jobs()
    assert [(row["company"], row["source"]) for row in all_rows()] == [("甲公司", "展会")]
    with unit_of_work(admin_id) as uow:
        spec = uow.entity("prospect")
        chosen = {"header": ["公司名称", "邮箱"], "fields": ["company", "email"]}
        save_preset(uow, spec, "按邮箱", policy="update", keys=["email"], **chosen)
    answer = send(client, headers, content, preset="按邮箱")
    assert answer.status_code == 202, answer.text
    run_jobs()
    assert [row["company"] for row in all_rows()] == ["乙公司"]
    for form, status in (
        ({"duplicate_keys": "nothing"}, 422),
        ({"duplicate_keys": "mobile"}, 422),
        ({"defaults": "[1]"}, 400),
        ({"defaults": '{"source": 1}'}, 400),
        ({"defaults": '{"company": "x"}'}, 422),
        ({"preset": "没有"}, 404),
    ):
        assert send(client, headers, content, **form).status_code == status, form


def test_the_template_over_http(client, bearer, admin_id, make_person, tmp_path):
    answer = client.get("/api/v1/imports/prospect/template.xlsx", headers=bearer(admin_id))
    path = tmp_path / "t.xlsx"
    path.write_bytes(answer.data)
    table = open_table(path, path.name)
    assert len(table.sheets) == 2
    typist = bearer(make_person(roles=["typist"]))
    assert client.get("/api/v1/imports/prospect/template.xlsx", headers=typist).status_code == 403
    assert client.get("/api/v1/imports/nothing/template.xlsx", headers=typist).status_code == 404


def test_a_job_of_a_limited_token_tells_no_more_than_the_token(
    client, bearer, admin_id, unit_of_work, run_jobs, monkeypatch
):
    """A large export is a job, and is the same file: without the names that the token does not open."""
    with unit_of_work(admin_id) as uow:
        service.create(uow, "thing", [{"name": "砖", "keeper": admin_id}])
        name = query.get(uow, "user", admin_id).values["name"]

    def export(headers):
        answer = client.get("/api/v1/exports/thing.csv", headers=headers)
        if answer.status_code == 200:
            return answer.data.decode()
        run_jobs()
        job = client.get(f"/api/v1/jobs/{answer.json['job']}", headers=headers).json
        report = job["result"]["report"]
        return client.get(f"/api/v1/files/{report}", headers=headers).data.decode()

    limited, whole = bearer(admin_id, ["thing.read", "thing.export"]), bearer(admin_id)
    at_once = [export(limited), export(whole)]
    monkeypatch.setattr("core.api.imports.DIRECT_LIMIT", 0)
    assert [export(limited), export(whole)] == at_once
    assert [name in each for each in at_once] == [False, True]
