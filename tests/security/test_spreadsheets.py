"""I8: what people typed is text in every spreadsheet: csv and xlsx, three readers, LibreOffice."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.tabular.reader import open_table

STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", "\r=", "\n=", "%=", "|")
PAYLOADS = (
    "1+1", "SUM(1,1)", 'HYPERLINK("http://localhost:9/?x","y")', 'cmd|" /C calc"!A0',
    'WEBSERVICE("http://localhost:9/")', 'DDE("cmd";"/C calc";"x")', "A1", "2*3*cmd",
)  # fmt: skip
WRAPS = (
    "{}",
    " {}",
    "   {}",
    "\ufeff{}",
    "\u3000{}",
    '"{}',
    "'{}",
    '"{}"',
    "{},=1+1",
    "x\n{}",
    "{}\r\n=2+2",
)
TEXTS = tuple(
    dict.fromkeys(
        wrap.format(start + payload)
        for start in STARTS
        for payload in PAYLOADS[:3]
        for wrap in WRAPS[:6]
    )
) + tuple(wrap.format("=" + payload) for payload in PAYLOADS for wrap in WRAPS)
AMOUNTS = ("-1.50", "12345678901.25", "0.00")


@pytest.fixture
def exported(unit_of_work, admin_id, client, bearer, tmp_path):
    """``exported(kind) -> path`` of an export of deals with every text, and what they hold."""
    with unit_of_work(admin_id) as uow:
        rows = [
            {"title": f"t{n}", "notes": text, "amount": AMOUNTS[n % 3], "tags": ["=1+1"]}
            for n, text in enumerate(TEXTS)
        ]
        service.create(uow, "oracle_deal", rows)
        found = query.page(uow, "oracle_deal", ListQuery(sort="id", limit=500)).items
        later = query.page(uow, "oracle_deal", ListQuery(sort="-id", limit=len(TEXTS))).items
    kept = {row["title"]: (row["notes"], row["amount"]) for row in [*found, *later]}
    assert len(kept) == len(TEXTS)

    def make(kind: str) -> Path:
        answer = client.get(
            f"/api/v1/exports/oracle_deal.{kind}",
            query_string={"fields": "title,notes,amount,tags"},
            headers=bearer(admin_id),
        )
        assert answer.status_code == 200
        path = tmp_path / f"out.{kind}"
        path.write_bytes(answer.data)
        return path

    make.kept = kept
    return make


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.databases("sqlite")
def test_our_own_reader_gets_back_what_was_stored(exported, kind):
    """The round trip is loss-free, and numbers are numbers."""
    rows = [cells[1:] for _line, cells in open_table(exported(kind), f"out.{kind}").rows()]
    assert len(rows) == len(TEXTS)
    for title, notes, amount, _tags in rows:
        kept, number = exported.kept[title]
        assert (notes or "").replace("\r\n", "\n").strip() == (kept or "").replace("\r\n", "\n")
        assert Decimal(str(amount)) == number


@pytest.mark.databases("sqlite")
def test_no_cell_of_a_csv_begins_like_a_formula(exported):
    text = exported("csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == len(TEXTS) + 1
    for row in rows:
        for cell in row:
            begins = re.match(r"[\s\ufeff]*[=+\-@＝＋－＠]", cell)
            assert not begins or cell.startswith("'") or re.fullmatch(r"-?[\d.]+", cell), cell


@pytest.mark.databases("sqlite")
def test_every_text_of_an_xlsx_is_a_string_cell(exported):
    page = openpyxl.load_workbook(exported("xlsx")).worksheets[0]
    kinds = {cell.data_type for row in page.iter_rows(min_row=2) for cell in row}
    assert kinds == {"s", "n"}
    assert {cell.data_type for row in page.iter_rows(min_row=2) for cell in row[3:4]} == {"n"}
    assert not any(cell.hyperlink for row in page.iter_rows() for cell in row)


# LibreOffice


@pytest.fixture(scope="session")
def spreadsheet(tmp_path_factory):
    """``spreadsheet(path) -> XML`` of a file as LibreOffice takes it in."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("no LibreOffice: soffice is not installed (Debian: libreoffice-calc-nogui)")
    profile = tmp_path_factory.mktemp("libreoffice")

    def read(path: Path) -> str:
        # Comma, double quote, UTF-8, from line 1, formulas as the program would take them.
        source = ["--infilter=CSV:44,34,76,1,,0,false,true,false,false,false,-1"]
        command = [
            program, "--headless", "--norestore", f"-env:UserInstallation={profile.as_uri()}",
            *(source if path.suffix == ".csv" else []),
            "--convert-to", "fods", "--outdir", str(path.parent), str(path),
        ]  # fmt: skip
        out = path.with_suffix(".fods")
        for _try in range(2):  # its first start with a new profile crashes now and then
            done = subprocess.run(command, capture_output=True, text=True, timeout=180)
            if out.exists():
                break
        assert out.exists(), done.stderr
        return out.read_text(encoding="utf-8")

    return read


def formulas(xml: str) -> list[str]:
    return re.findall(r'table:formula="([^"]*)"', xml)


@pytest.mark.libreoffice
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_libreoffice_evaluates_nothing(exported, spreadsheet, kind):
    xml = spreadsheet(exported(kind))
    assert formulas(xml) == []
    assert "<text:a " not in xml, "no text becomes a link"
    numbers = re.findall(r'office:value="(-?[\d.]+)"', xml)
    assert {Decimal(each) for each in numbers} >= {Decimal(each) for each in AMOUNTS}
    assert xml.count("HYPERLINK(") >= 10, "the texts are there"


@pytest.mark.libreoffice
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_libreoffice_evaluates_what_is_not_made_harmless(spreadsheet, tmp_path, kind):
    """Positive control: the same texts, written as they are."""
    path = tmp_path / f"bare.{kind}"
    texts = [text for text in TEXTS if text.startswith("=") and "\n" not in text]
    if kind == "csv":
        path.write_text("\n".join(f'"{text.replace(chr(34), chr(34) * 2)}"' for text in texts))
    else:
        book = openpyxl.Workbook()
        for text in texts:
            book.active.append([text])
        book.save(path)
    assert len(formulas(spreadsheet(path))) >= 3
