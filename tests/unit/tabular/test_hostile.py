"""Files that must be refused: quickly, in little memory, with a sentence that names the cause."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.tabular.errors import TableError, TableLimits
from core.tabular.reader import open_table
from core.tabular.writer import write_xlsx

ROOT = Path(__file__).resolve().parents[3]
SHEET = "xl/worksheets/sheet1.xml"
SHEET_HEAD = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
SHEET_TAIL = "</sheetData></worksheet>"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def good() -> bytes:
    buffer = io.BytesIO()
    write_xlsx(buffer, ["公司", "手机"], [["甲公司", "13800138000"]])
    return buffer.getvalue()


def repacked(
    changes: dict[str, str | bytes] | None = None,
    drop: str = "",
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """The good workbook with some entries replaced, added or dropped."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good())) as source, zipfile.ZipFile(out, "w", method) as target:
        content: dict[str, str | bytes] = {name: source.read(name) for name in source.namelist()}
        content.update(changes or {})
        content.pop(drop, None)
        for name, data in content.items():
            target.writestr(name, data)
    return out.getvalue()


def sheet(cells: str) -> bytes:
    return repacked({SHEET: SHEET_HEAD + cells + SHEET_TAIL})


def shared(strings: str, cells: str) -> bytes:
    """A workbook with shared strings, declared the way Excel does."""
    with zipfile.ZipFile(io.BytesIO(good())) as source:
        rels = source.read("xl/_rels/workbook.xml.rels").decode()
        types = source.read("[Content_Types].xml").decode()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    rel = f'<Relationship Id="rId99" Type="{kind}" Target="sharedStrings.xml"/></Relationships>'
    mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{mime}"/></Types>'
    return repacked(
        {
            "xl/_rels/workbook.xml.rels": rels.replace("</Relationships>", rel),
            "[Content_Types].xml": types.replace("</Types>", override),
            "xl/sharedStrings.xml": f"<sst>{strings}</sst>",
            SHEET: SHEET_HEAD + cells + SHEET_TAIL,
        }
    )


def lying(declared: int, fix_crc: bool) -> bytes:
    """A sheet of 50 MB whose directory entry declares less."""
    data = (SHEET_HEAD + " " * 50_000_000).encode()
    raw = bytearray(repacked({SHEET: data}))
    crc = struct.pack("<I", zlib.crc32(data[:declared]) if fix_crc else zlib.crc32(data))
    at = raw.rfind(b"PK\x01\x02", 0, raw.rfind(SHEET.encode()))
    raw[at + 16 : at + 20] = crc
    raw[at + 24 : at + 28] = struct.pack("<I", declared)
    return bytes(raw)


def duplicate_entry() -> bytes:
    out = io.BytesIO(good())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(out, "a") as target:
        target.writestr(SHEET, SHEET_HEAD + SHEET_TAIL)
    return out.getvalue()


def encrypted_flag() -> bytes:
    raw = bytearray(good())
    at = raw.find(b"PK\x01\x02")
    raw[at + 8] |= 1
    return bytes(raw)


def entries(count: int) -> bytes:
    return repacked({f"xl/media/{number}.txt": b"" for number in range(count)})


def two_ends() -> bytes:
    raw = good()
    return raw + raw[-22:]


def broken_deflate() -> bytes:
    raw = bytearray(good())
    at = raw.find(b"sheetData") if b"sheetData" in raw else raw.find(SHEET.encode()) + len(SHEET)
    raw[at + 5 : at + 25] = b"\xff" * 20
    return bytes(raw)


def many_references() -> str:
    # Every cell names the one long string: some 12 kB packed, 1.6 GB once copied.
    return "".join(
        f'<row r="{row}">' + '<c r="A1" t="s"><v>0</v></c>'.replace("A1", f"A{row}") + "</row>"
        for row in range(1, 50_001)
    )


def xls_far_corner() -> bytes:
    """An old workbook with a cell in column 65,536 and row 65,536: parsers want 100 GB for it."""
    import xlwt

    book = xlwt.Workbook()
    page = book.add_sheet("s")
    page.write(0, 0, "name")
    page.write(1, 0, 12345.678)
    out = io.BytesIO()
    book.save(out)
    raw = out.getvalue()
    record = struct.pack("<HHHH", 0x0203, 14, 1, 0)
    assert record in raw
    return raw.replace(record, struct.pack("<HHHH", 0x0203, 14, 0xFFFF, 0xFFFF))


LONG = "长" * 32_000
DOCTYPE = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
HOSTILE: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "empty": ("a.xlsx", "empty", lambda: b""),
    "blank_csv": ("a.csv", "empty", lambda: b" \r\n \n"),
    "only_separators": ("a.csv", "empty", lambda: b",,,\n,,,\n"),
    "truncated": ("a.xlsx", "damaged", lambda: good()[:2000]),
    "no_end_record": ("a.xlsx", "damaged", lambda: b"PK\x03\x04" + b"x" * 5000),
    "two_end_records": ("a.xlsx", "damaged", two_ends),
    "prefixed_zip": ("a.csv", "binary", lambda: b"junk\0" + good()),
    "broken_deflate": ("a.xlsx", "damaged", broken_deflate),
    "zip_of_something": ("a.xlsx", "format", lambda: repacked(drop="xl/workbook.xml")),
    "hidden_xlsb": ("a.xlsx", "format", lambda: repacked({"xl/workbook.bin": b"x"})),
    "bomb_by_ratio": ("a.xlsx", "ratio", lambda: repacked({SHEET: b" " * 60_000_000})),
    "lying_size": ("a.xlsx", "lying_size", lambda: lying(1000, fix_crc=False)),
    "lying_size_and_sum": ("a.xlsx", "lying_size", lambda: lying(1000, fix_crc=True)),
    "duplicate_entry": ("a.xlsx", "bad_package", duplicate_entry),
    "case_twins": ("a.xlsx", "bad_package", lambda: repacked({SHEET.upper(): b"x"})),
    "parent_path": ("a.xlsx", "bad_package", lambda: repacked({"xl/../../etc/x": b"x"})),
    "absolute_path": ("a.xlsx", "bad_package", lambda: repacked({"/etc/x": b"x"})),
    "backslash_path": ("a.xlsx", "bad_package", lambda: repacked({"xl\\workbook2.xml": b"x"})),
    "bzip2": ("a.xlsx", "bad_package", lambda: repacked(method=zipfile.ZIP_BZIP2)),
    "password_flag": ("a.xlsx", "password", encrypted_flag),
    "many_entries": ("a.xlsx", "too_many_entries", lambda: entries(2500)),
    "huge_directory": ("a.xlsx", "too_many_entries", lambda: entries(20_000)),
    "doctype": ("a.xlsx", "xml_declaration", lambda: repacked({SHEET: DOCTYPE + SHEET_HEAD})),
    "entity_in_strings": (
        "a.xlsx",
        "xml_declaration",
        lambda: repacked({"xl/sharedStrings.xml": DOCTYPE + "<sst/>"}),
    ),
    "utf16_xml": (
        "a.xlsx",
        "xml_declaration",
        lambda: repacked({SHEET: (SHEET_HEAD + SHEET_TAIL).encode("utf-16")}),
    ),
    "16384_columns": (
        "a.xlsx",
        "too_many_columns",
        lambda: sheet('<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>1</v></c></row>'),
    ),
    "far_row": (
        "a.xlsx",
        "too_many_rows",
        lambda: sheet('<row r="1048576"><c r="A1048576"><v>1</v></c></row>'),
    ),
    "sparse_area": (
        "a.xlsx",
        "too_large",
        lambda: sheet('<row r="1"><c r="SF1"/></row><row><c r="A900000"><v>1</v></c></row>'),
    ),
    "reference_last": (
        "a.xlsx",
        "too_many_columns",
        lambda: sheet('<row><c t="n" r="A1"><v>1</v></c><c a=">" r="XFD1"><v>1</v></c></row>'),
    ),
    "unnumbered_cells": (
        "a.xlsx",
        "too_many_columns",
        lambda: sheet("<row>" + "<c><v>1</v></c>" * 600 + "</row>"),
    ),
    "unnumbered_behind_comment": (
        "a.xlsx",
        "too_many_columns",
        lambda: sheet('<!--<c r="A1"/>--><row>' + "<c><v>1</v></c>" * 600 + "</row>"),
    ),
    "long_cell": (
        "a.xlsx",
        "cell_too_long",
        lambda: sheet(f'<row r="1"><c r="A1" t="inlineStr"><is><t>{LONG * 2}</t></is></c></row>'),
    ),
    "megabyte_cell": (
        "a.xlsx",
        "cell_too_long",
        lambda: repacked(
            {SHEET: SHEET_HEAD + f'<c r="A1" t="inlineStr"><is><t>{LONG * 33}</t></is></c>'},
            method=zipfile.ZIP_STORED,
        ),
    ),
    "string_amplifier": (
        "a.xlsx",
        "too_large",
        lambda: shared(f"<si><t>{LONG}</t></si>", many_references()),
    ),
    "string_amplifier_disguised": (
        "a.xlsx",
        "too_large",
        lambda: shared(
            f"<si><t>{LONG}</t></si>", many_references().replace("<v>0<", "<v>+<!-- -->&#48;<")
        ),
    ),
    "text_as_xlsx": ("a.xlsx", "wrong_extension", lambda: "公司,手机\n甲,1\n".encode()),
    "xlsx_as_csv": ("a.csv", "wrong_extension", good),
    "xlsx_as_xls": ("a.xls", "wrong_extension", good),
    "ole_as_xlsx": ("a.xlsx", "wrong_extension", lambda: OLE + b"\0" * 2000),
    "ole_rubbish": ("a.xls", "damaged", lambda: OLE + b"\xff" * 4000),
    "xls_far_corner": ("a.xls", "damaged", xls_far_corner),
    "html_as_xls": ("a.xls", "html", lambda: b"<html><table><tr><td>x</td></tr></table></html>"),
    "pdf_as_csv": ("a.csv", "format", lambda: b"%PDF-1.7 ..."),
    "unknown_ending": ("a.exe", "format", lambda: b"a,b\n1,2\n"),
    "nul_bytes": ("a.csv", "binary", lambda: b"a,b\n1,\0\n"),
    "broken_utf8": ("a.csv", "encoding", lambda: "公司名称,联系人\n".encode() * 20 + b"\xe5\xff\n"),
    "damaged_utf8": (
        "a.csv",
        "encoding",
        lambda: ("公司名称备注,重庆" * 20).encode()[:-2] + b"a\n",
    ),
    "big5": (
        "a.csv",
        "encoding",
        lambda: "公司名稱,聯絡人,電話\n臺灣貿易,陳小明,1\n".encode("big5"),
    ),
    "unclosed_quote": ("a.csv", "quotes", lambda: b'a,b\n"x,1\ny,2\nz,3\n'),
    "megabyte_csv_cell": ("a.csv", "quotes", lambda: b"a,b\n" + b"x" * 1_000_000 + b",1\n"),
    "long_csv_cell": ("a.csv", "cell_too_long", lambda: b"a,b\n" + b"x" * 40_000 + b",1\n"),
    "endless_line": ("a.csv", "line_too_long", lambda: b"a,b\n" + b"x" * 17_000_000),
    "wide_csv": ("a.csv", "too_many_columns", lambda: b"a,b\n" + b"1," * 600 + b"1\n"),
    "wide_header": ("a.csv", "too_many_columns", lambda: b"h," * 600 + b"h\n1\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_with_its_cause(name: str, tmp_path: Path) -> None:
    """F2: soon (two seconds on an idle machine), and with the cause by name."""
    filename, code, build = HOSTILE[name]
    path = tmp_path / "upload"
    path.write_bytes(build())
    started = time.process_time()
    with pytest.raises(TableError) as caught:
        list(open_table(path, filename).rows())
    assert caught.value.code == code
    assert len(str(caught.value)) > 15
    assert time.process_time() - started < 10


def test_row_limit_stops_a_long_csv(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"a\n" + b"1\n" * 11)
    limits = TableLimits(rows=10)
    with pytest.raises(TableError, match="10 rows") as caught:
        list(open_table(path, "a.csv", limits=limits).rows())
    assert caught.value.code == "too_many_rows"


def test_file_size_limit_holds_for_text_and_workbooks(tmp_path: Path) -> None:
    for filename, content in (("a.csv", b"a,b\n" * 1000), ("a.xlsx", good())):
        path = tmp_path / "upload"
        path.write_bytes(content)
        with pytest.raises(TableError) as caught:
            open_table(path, filename, limits=TableLimits(unpacked=2_000))
        assert caught.value.code == "too_large"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_refusals_take_little_memory(tmp_path: Path) -> None:
    """F2: at most 200 MB, for the worst of them, counted in a fresh process."""
    script = (
        "import re, resource, sys\n"
        "from pathlib import Path\n"
        "from core.tabular.errors import TableError\n"
        "from core.tabular.reader import open_table\n"
        "try:\n"
        "    list(open_table(Path(sys.argv[1]), sys.argv[2]).rows())\n"
        "except TableError:\n"
        "    own = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())\n"
        "    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "    print(max(int(own[1]), children))\n"
    )
    names = ("string_amplifier", "lying_size", "endless_line", "sparse_area", "xls_far_corner")
    for name in names:
        filename, _code, build = HOSTILE[name]
        path = tmp_path / name
        path.write_bytes(build())
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), filename],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        assert int(done.stdout) * 1024 < 200_000_000, name


def test_ordinary_limits_do_not_refuse_what_they_allow(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(sheet('<row r="1"><c r="A1"><v>1</v></c><c r="SF1"><v>2</v></c></row>'))
    assert len(open_table(path, "a.xlsx").header) == 500
    path.write_bytes(sheet("<row>" + "<c><v>1</v></c>" * 5 + "</row>"))
    assert open_table(path, "a.xlsx").header == ["1"] * 5
