"""The importer is held to the truth about carelessly kept lists, whatever the format (S-254 to S-256)."""

from __future__ import annotations

from decimal import Decimal

import openpyxl
import pytest

from core.files.service import open_file
from core.tabular.reader import open_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def report_rows(unit_of_work, person, file_id, tmp_path):
    with unit_of_work(person, write=False) as uow:
        row, stream = open_file(uow, file_id)
        path = tmp_path / row.name
        with stream:
            path.write_bytes(stream.read())
    table = open_table(path, row.name)
    return path, table, list(table.rows())


@pytest.mark.parametrize(
    ("name", "encoding"), [("leads.xlsx", ""), ("leads.csv", "gb18030"), ("bom.csv", "utf-8-sig")]
)
def test_the_truth_exactly(
    name, encoding, dirty_leads, import_rows, all_rows, admin_id, unit_of_work, tmp_path
):
    path, truth = dirty_leads(name, 1500, encoding=encoding)
    job = import_rows(admin_id, path)
    assert job.state == "done", job.error
    counts = {key: job.result[key] for key in ("created", "duplicates", "refused", "updated")}
    assert counts == {
        "created": truth["created"],
        "duplicates": truth["duplicates"],
        "refused": truth["refused"],
        "updated": 0,
    }
    assert job.done == job.total == truth["rows"]
    rows = all_rows()
    assert len(rows) == truth["created"]
    assert sum(row["expected_amount"] for row in rows) == Decimal(truth["amount_of_created"])
    _path, table, refused = report_rows(unit_of_work, admin_id, job.result["report"], tmp_path)
    line, field = len(table.header) - 3, len(table.header) - 2
    found = [{"line": int(cells[line]), "field": cells[field]} for _line, cells in refused]
    assert found == truth["refused_rows"]
    assert all(cells[-1] for _line, cells in refused)


def test_mended_report_imports_again(
    dirty_leads, import_rows, all_rows, admin_id, unit_of_work, tmp_path
):
    path, truth = dirty_leads("leads.xlsx", 1500, encoding="")
    job = import_rows(admin_id, path)
    before = len(all_rows())
    report, table, _rows = report_rows(unit_of_work, admin_id, job.result["report"], tmp_path)
    book = openpyxl.load_workbook(report)
    sheet = book.active
    for number, row in enumerate(sheet.iter_rows(min_row=2), 1):
        for name, value in (
            ("公司名称", f"改好的公司{number}厂"),
            ("手机", f"138{number:08d}"),
            ("邮箱", "mended@example.com"),
            ("预计金额", 1000),
            ("录入日期", "2024-05-06"),
        ):
            row[table.header.index(name)].value = value
    book.save(report)
    again = import_rows(admin_id, report)
    counts = {
        "created": truth["refused"],
        "updated": 0,
        "duplicates": 0,
        "refused": 0,
        "report": None,
    }
    assert {name: again.result[name] for name in counts} == counts
    assert len(all_rows()) == before + truth["refused"]
    twice = import_rows(admin_id, path)
    assert twice.result["created"] == 0
    assert twice.result["duplicates"] == truth["created"] + truth["duplicates"]
