"""Documents on paper, read back by another library: texts, pages, fonts, the letterhead."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest
import reportlab
from PIL import Image

from core.documents import Column, Document, Facts, Heading, Note, Table, Text, Totals
from core.documents.drawing import to_pdf
from core.documents.letterhead import Letterhead
from core.i18n import use_locale

PAPER = Letterhead("斗拱机械有限公司", "重庆市渝北区 1 号\n电话 023-61234567")


def pages_of(document, tmp_path, paper=PAPER):
    with use_locale("en"):
        content = to_pdf(document, paper, folder=tmp_path / "fonts", language="en")
    return pypdf.PdfReader(io.BytesIO(content))


def texts_of(reader):
    return [page.extract_text() for page in reader.pages]


def test_a_long_table_repeats_its_head_and_pages_are_counted(tmp_path):
    columns = [Column("产品", 3), Column("金额", is_number=True)]
    rows = [[f"码垛机 {n}", f"¥{n}.00"] for n in range(120)]
    blocks = [Facts([("客户", "潍坊鼎源")]), Table(columns, rows), Totals([("合计", "¥7,140.00")])]
    reader = pages_of(Document("报价单", blocks, "Q202611-0001"), tmp_path)
    texts = texts_of(reader)
    assert len(texts) >= 3
    assert all("产品" in text for text in texts)
    assert all("Q202611-0001" in text for text in texts[1:])
    for n, text in enumerate(texts, 1):
        assert f"Page {n} of {len(texts)}" in text
    whole = "\n".join(texts)
    assert [whole.count(f"码垛机 {n}\n") for n in (0, 60, 119)] == [1, 1, 1]
    assert "重庆市渝北区" in texts[0]
    assert "重庆市渝北区" not in texts[1]
    assert reader.metadata.title == "报价单 Q202611-0001"
    assert reader.metadata.author == "斗拱机械有限公司"


def test_markup_in_a_text_is_text(tmp_path):
    """CVE-2023-33733 and pictures from elsewhere: nothing that is typed is markup."""
    evil = '<img src="file:///etc/passwd"/> <font color="[1]">x</font> &amp; </para>'
    blocks = [Heading(evil), Text(evil), Note(evil), Facts([(evil, evil)]), Totals([(evil, evil)])]
    cells = Table([Column(evil)], [[evil * 3]])
    reader = pages_of(Document(evil, [*blocks, cells], evil), tmp_path, Letterhead(evil, evil))
    text = "".join("".join(texts_of(reader)).split())
    assert text.count('<fontcolor="[1]">x</font>&amp;</para>') >= 8


def test_what_no_font_holds_is_marked_and_named(tmp_path, caplog):
    """龘 is in no delivered font, Š neither; a font that holds one of them is used when it is put there."""
    document = Document("T", [Text("李龘 Škoda\x07"), Table([Column("A")], [["龘"]])])
    (text,) = texts_of(pages_of(document, tmp_path))
    assert "李〓 〓koda" in text
    assert "U+9F98, U+0160" in text
    assert "U+9F98" in caplog.text
    (tmp_path / "fonts").mkdir()
    vera = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    shutil.copy(vera, tmp_path / "fonts" / "b.ttf")
    (tmp_path / "fonts" / "a.ttf").write_bytes(b"no font")
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "fonts").rename(other / "fonts")
    (text,) = texts_of(pages_of(document, other))
    assert "Škoda" in text
    assert "U+9F98." in text
    assert "a.ttf cannot be used" in caplog.text


def test_a_cell_that_is_longer_than_a_page_goes_on_on_the_next(tmp_path):
    text = " ".join(f"w{n}" for n in range(3000))
    blocks = [Facts([("L", text)]), Table([Column("A"), Column("B", 4)], [[text, "1"], ["2", "3"]])]
    whole = "\n".join(texts_of(pages_of(Document("T", blocks), tmp_path)))
    assert [len(re.findall(rf"\bw{n}\b", whole)) for n in (0, 1500, 2999)] == [2, 2, 2]


def picture(format, mode="RGB"):
    stream = io.BytesIO()
    Image.new(mode, (40, 20), "red").save(stream, format)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_the_logo_is_printed(format, tmp_path):
    reader = pages_of(Document("T", []), tmp_path, Letterhead("甲", logo=picture(format)))
    assert len(reader.pages[0].images) == 1


@pytest.mark.parametrize("logo", [b"GIF89a", b"\x89PNG\r\n\x1a\n broken", picture("PNG")[:60]])
def test_a_broken_logo_is_left_out(logo, tmp_path):
    reader = pages_of(Document("T", [Text("still")]), tmp_path, Letterhead("甲", logo=logo))
    assert "still" in reader.pages[0].extract_text()
    assert len(reader.pages[0].images) == 0


def test_no_process_loads_fonts_before_it_prints():
    """A web process with the modules that print holds neither the library nor the fonts."""
    code = (
        "import sys, core.app, core.worker, plugins.crm_sales.plugin\n"
        "print([n for n in ('reportlab', 'PIL', 'core.documents.fonts') if n in sys.modules])"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
