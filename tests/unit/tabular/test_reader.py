"""Reading tables in the formats, encodings and shapes in which people send them (F3)."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlwt

from core.tabular.errors import TableError, TableLimits
from core.tabular.reader import Table, open_table

TEXT = "公司名称,联系人,手机\n重庆华恒有限公司,王伟,13800138000\n潍坊锦达公司,李娜,13900139000\n"


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    def _open(content: bytes | str, filename: str, **options: Any) -> Table:
        path = tmp_path / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return open_table(path, filename, **options)

    return _open


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("gbk", "gb18030"),
        ("gb18030", "gb18030"),
        ("utf-16", "utf-16"),
    ],
)
def test_encodings(opened: Any, encoding: str, found: str) -> None:
    table = opened(TEXT.encode(encoding), "a.csv")
    assert (table.format, table.encoding, table.delimiter) == ("csv", found, ",")
    assert table.header == ["公司名称", "联系人", "手机"]
    assert [line for line, _cells in table.rows()] == [2, 3]
    assert next(table.rows())[1] == ["重庆华恒有限公司", "王伟", "13800138000"]


def test_utf16_big_endian_and_rare_characters(opened: Any) -> None:
    content = b"\xfe\xff" + TEXT.encode("utf-16-be")
    assert opened(content, "a.csv").header[0] == "公司名称"
    rare = "姓名,备注\n王𠮷,重点跟进客户\n张喆,朱镕基㐀\n"
    assert [cells[0] for _, cells in opened(rare.encode("gb18030"), "a.csv").rows()] == [
        "王𠮷",
        "张喆",
    ]


def test_a_chosen_encoding_overrules_detection(opened: Any) -> None:
    content = "公司名稱,聯絡人\n臺灣貿易,陳小明\n".encode("big5")
    assert opened(content, "a.csv", encoding="big5").header == ["公司名稱", "聯絡人"]
    with pytest.raises(TableError, match="rot13"):
        opened(content, "a.csv", encoding="rot13")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("filename", ["a.csv", "a.txt", "a.tsv"])
def test_delimiters(opened: Any, delimiter: str, filename: str) -> None:
    table = opened(TEXT.replace(",", delimiter), filename)
    assert table.delimiter == delimiter
    assert table.header == ["公司名称", "联系人", "手机"]


def test_delimiter_is_not_fooled_by_text(opened: Any) -> None:
    table = opened('名称;备注\n甲;"一,二,三"\n乙;四,五\n', "a.csv")
    assert table.delimiter == ";"
    assert opened("名称\n甲\n乙\n", "a.csv").header == ["名称"]


def test_lines_are_those_of_the_file(opened: Any) -> None:
    table = opened('\r\n\r\na,b\r\n"x\ny",1\r\n,\r\n\r\nz,2\r\n', "a.csv")
    assert table.header_line == 3
    assert list(table.rows()) == [(4, ["x\ny", "1"]), (8, ["z", "2"])]


def test_short_and_long_rows(opened: Any) -> None:
    table = opened("a,b,,d\n1\n1,2,3,4,,\n1,2,3,4,5\n", "a.csv")
    assert table.header == ["a", "b", "", "d"]
    assert [cells for _line, cells in table.rows()] == [
        ["1", None, None, None],
        ["1", "2", "3", "4"],
        ["1", "2", "3", "4", "5"],
    ]


def test_rows_can_be_read_twice_and_at_once(opened: Any) -> None:
    table = opened(TEXT, "a.csv")
    assert [a == b for a, b in zip(table.rows(), table.rows(), strict=True)] == [True, True]


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "线索"
    for row in rows:
        book.active.append(row)
    book.create_sheet("第二").append(["只有表头"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def old_workbook(rows: list[list[Any]]) -> bytes:
    book = xlwt.Workbook()
    page = book.add_sheet("线索")
    day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    moment = xlwt.easyxf(num_format_str="yyyy-mm-dd hh:mm:ss")
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, date):
                page.write(number, column, value, moment if isinstance(value, datetime) else day)
            elif value is not None:
                page.write(number, column, value)
    book.add_sheet("第二").write(0, 0, "只有表头")
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


CELLS = [
    [],
    ["名称", None, "数量", "单价", "日期", "时刻", "有效"],
    ["甲", "x", 99, 0.1, date(2024, 1, 5), datetime(2024, 1, 5, 8, 30, 5), True],
    [None, None],
    ["'=HYPERLINK(1)", "'普通", -3, 1234567.891, None, None, False],
]


@pytest.mark.parametrize(
    ("build", "filename"), [(workbook, "a.xlsx"), (workbook, "A.XLSM"), (old_workbook, "a.xls")]
)
def test_workbooks(opened: Any, build: Any, filename: str) -> None:
    table = opened(build(CELLS), filename)
    assert table.sheets == ("线索", "第二")
    assert (table.header_line, table.encoding) == (2, "")
    assert table.header == ["名称", "", "数量", "单价", "日期", "时刻", "有效"]
    rows = list(table.rows())
    assert [line for line, _cells in rows] == [3, 5]
    first, last = rows[0][1], rows[1][1]
    assert first == ["甲", "x", 99, Decimal("0.1"), date(2024, 1, 5), CELLS[2][5], True]
    assert [type(cell) for cell in first[2:5]] == [int, Decimal, date]
    assert last == ["=HYPERLINK(1)", "'普通", -3, Decimal("1234567.891"), None, None, False]
    assert list(table.rows()) == rows
    assert opened(build(CELLS), filename, sheet="第二").header == ["只有表头"]
    with pytest.raises(TableError) as caught:
        opened(build(CELLS), filename, sheet="第三")
    assert caught.value.code == "no_such_sheet"


def test_formulas_give_their_stored_values(opened: Any) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, "=A2+1"])
    book.active.merge_cells("A2:A3")
    buffer = io.BytesIO()
    book.save(buffer)
    assert list(opened(buffer.getvalue(), "a.xlsx").rows()) == [(2, [1, None])]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_counting_and_choosing_agree_with_reading(opened: Any, kind: str) -> None:
    rows = [["名称", "数"], ["甲", 0], ["", ""], ["'=1+1", ""], ["", 0], ["'", "x"], ["乙", 1.5]]
    if kind == "csv":
        content: Any = "\n".join(",".join(map(str, row)) for row in rows) + "\n"
    else:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([cell if cell != "" else None for cell in row])
        stream = io.BytesIO()
        book.save(stream)
        content = stream.getvalue()
    table = opened(content, f"a.{kind}")
    read = list(table.rows())
    assert [line for line, _cells in read] == [2, 4, 5, 6, 7]
    assert table.count() == len(read)
    assert list(table.rows({3, 4, 7, 99})) == [read[1], read[4]]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (TableLimits(rows=2), "too_many_rows"),
        (TableLimits(columns=2), "too_many_columns"),
        (TableLimits(cell=8), "cell_too_long"),
    ],
)
def test_counting_refuses_what_reading_refuses(opened: Any, limits: TableLimits, code: str) -> None:
    table = opened("a,b\n1,2\n3,4\n123456789,5,6\n", "a.csv", limits=limits)
    for read in (table.count, lambda: list(table.rows())):
        with pytest.raises(TableError) as refused:
            read()
        assert refused.value.code == code
