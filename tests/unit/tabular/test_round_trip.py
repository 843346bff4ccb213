"""What the writer writes, the reader reads back; and no text turns into a formula (I8)."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from core.tabular.errors import TableError
from core.tabular.formulas import neutralise, neutralise_marked, unneutralise
from core.tabular.reader import open_table
from core.tabular.writer import csv_lines, write_csv, write_xlsx

FORMULAS = [
    "=1+1",
    "+86 13800138000",
    "-2+3",
    "@SUM(1+1)",
    " =1+1",
    "\u3000=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\tplain",
    " \r\nplain",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://127.0.0.1/","x")',
    "-5",
]
BEGINS = re.compile(r"[\s\ufeff\u200b]*[=+\-@＝＋－＠]|[\s]*[\t\r\n]")

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cn", "Cc"]), max_size=30),
    st.text("'=+-@＝ \t\r\n,;\"abc一\u3000\ufeff", max_size=8),
    st.sampled_from(FORMULAS),
)
numbers = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.decimals(-(10**9), 10**9, places=3, allow_nan=False),
)
days = st.dates(date(1900, 3, 1), date(2099, 12, 31))
moments = st.datetimes(datetime(1950, 1, 1), datetime(2099, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def reread(content: bytes, filename: str) -> list[list[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(content)
        return [cells for _line, cells in open_table(path, filename).rows()]


def xlsx(rows: list[list[Any]], **options: Any) -> bytes:
    buffer = io.BytesIO()
    write_xlsx(buffer, ["key", *"abcdefgh"], [["k", *row] for row in rows], **options)
    return buffer.getvalue()


def csv_bytes(rows: list[list[Any]], encoding: str = "utf-8-sig") -> bytes:
    buffer = io.BytesIO()
    write_csv(buffer, ["key", "note"], [["k", *row] for row in rows], encoding=encoding)
    return buffer.getvalue()


@QUIET
@given(st.lists(texts, min_size=1, max_size=6))
@example(["'=1", "''=1", "' =1", "'a", "'", "''"])
def test_csv_text_round_trip(values: list[str]) -> None:
    rows = reread(csv_bytes([[value] for value in values]), "a.csv")
    assert [cells[1] for cells in rows] == [value or None for value in values]


@QUIET
@given(st.lists(st.one_of(texts, numbers, days, moments, st.booleans()), min_size=1, max_size=6))
@example(["'=1", "''=1", "' =1", "'a", "_x000D_", "a\r\nb"])
def test_xlsx_round_trip(values: list[Any]) -> None:
    rows = reread(xlsx([[value] for value in values]), "a.xlsx")
    for value, cells in zip(values, rows, strict=True):
        got = cells[1]
        if isinstance(value, datetime) and value.time() == time():
            value = value.date()
        assert got == (None if value == "" and isinstance(value, str) else value)
        assert isinstance(got, bool) == isinstance(value, bool)


@QUIET
@given(texts)
def test_neutralise_is_undone_exactly(text: str) -> None:
    assert unneutralise(neutralise(text)) == text
    assert unneutralise(neutralise_marked(text)) == text


@pytest.mark.parametrize("text", FORMULAS)
def test_no_csv_cell_begins_like_a_formula(text: str) -> None:
    """I8: read with the standard library, as a second reader."""
    lines = "".join(csv_lines([text], [[text, -5, Decimal("-1.50")]]))
    header, row = csv.reader(io.StringIO(lines, newline=""))
    assert header[0][0] == row[0][0] == "'"
    assert not BEGINS.match(row[0])
    assert row[1:] == ["-5", "-1.50"]


@pytest.mark.parametrize("text", [*FORMULAS, "http://example.com", "007", "1e5"])
def test_xlsx_text_stays_plain_text(text: str) -> None:
    """I8: read with openpyxl, as a second reader."""
    page = openpyxl.load_workbook(io.BytesIO(xlsx([[text]])))["Sheet1"]
    cell = page["B2"]
    assert cell.data_type == "s"
    assert cell.hyperlink is None
    assert unescape(cell.value) == text


def test_xlsx_types_and_formats() -> None:
    row = [
        Decimal("0.1"),
        Decimal("123456789012345.67"),
        6222021234567890123,
        datetime(2024, 1, 5, 8, 30, tzinfo=UTC),
        date(1890, 1, 1),
        float("nan"),
        "字" * 40_000,
    ]
    content = xlsx([row], formats=[None, "0.00%"], sheet="a/b:c*")
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for cell in book["a b c"][2]][1:]
    assert cells[0].value == 0.1
    assert cells[0].number_format == "0.00%"
    assert cells[1].value == "123456789012345.67"
    assert cells[2].value == "6222021234567890123"
    assert cells[3].value == datetime(2024, 1, 5, 8, 30)
    assert cells[4].value == "1890-01-01"
    assert cells[5].value == "nan"
    assert cells[6].value == "字" * 32_766 + "…"


def test_csv_values_and_encodings() -> None:
    row = [True, Decimal("1E+3"), date(2024, 1, 5), datetime(2024, 1, 5, 8, 0, tzinfo=UTC), None]
    line = "".join(csv_lines(["a"], [row])).splitlines()[1]
    assert line == "TRUE,1000,2024-01-05,2024-01-05 08:00:00,"
    for encoding in ("utf-8-sig", "gb18030", "utf-16"):
        assert reread(csv_bytes([["公司𠮷"]], encoding), "a.csv") == [["k", "公司𠮷"]]
    assert csv_bytes([["x"]]).startswith(b"\xef\xbb\xbf")


def test_csv_streams_in_pieces() -> None:
    pieces = list(csv_lines(["a"], (["x" * 1000] for _ in range(500))))
    assert len(pieces) > 5
    assert "".join(pieces).count("\r\n") == 501


def test_xlsx_refuses_more_rows_than_a_sheet_holds() -> None:
    rows = (() for _ in range(1_048_576))
    with pytest.raises(TableError) as caught:
        write_xlsx(io.BytesIO(), ["a"], rows)
    assert caught.value.code == "too_many_rows"
