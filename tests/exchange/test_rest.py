"""Import, export and files over HTTP."""

from __future__ import annotations

import csv
import io
import json

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.tabular.reader import open_table


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
