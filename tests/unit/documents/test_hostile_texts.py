"""I13: what is printed is text: no markup, no file, no address is followed."""

from __future__ import annotations

import io
import itertools

import pypdf
import pytest
import reportlab.lib.utils
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph

from core.documents import Column, Document, Facts, Heading, Note, Table, Text, Totals
from core.documents.drawing import to_pdf
from core.documents.letterhead import Letterhead
from core.i18n import use_locale

TAGS = (
    '<img src="{}"/>', '<img src="{}" width="1" height="1">', '<a href="{}">x</a>', '<link href="{}"/>',
    '<para backColor="{}">x</para>', '<font face="{}">x</font>', '<onDraw name="{}"/>', '<seq id="{}"/>',
    '<script src="{}"></script>', '<iframe src="{}"></iframe>', '<object data="{}"></object>',
    '<svg><image href="{}"/></svg>', '<style>@import "{}";</style>', '<style>@font-face{{src:url({})}}</style>',
    '<!DOCTYPE a SYSTEM "{}"><a/>', '<?xml-stylesheet href="{}"?>', '<unichar name="{}"/>',
    "<greek>{}</greek>", '<attachment src="{}"/>', "&#60;img src={}&#62;",
)  # fmt: skip
PLACES = (
    "file:///etc/passwd", "/etc/passwd", "http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "data:text/plain,x",
    "javascript:app.alert(1)",
)  # fmt: skip
HOSTILE = [tag.format(place) for tag, place in itertools.product(TAGS, PLACES)]
#: CVE-2023-33733: an expression in a colour.
HOSTILE.append(
    "<font color=\"[[getattr(pow,'__globals__')['os'].system('id') for x in [1]]]\">x</font>"
)


@pytest.fixture
def opened(monkeypatch):
    """What the library was asked to open, but for its own fonts."""
    found: list[str] = []
    kept = reportlab.lib.utils.open_for_read

    def note(name, *given, **more):
        if not str(name).endswith(("Regular.ttf", "Bold.ttf")):
            found.append(str(name))
        return kept(name, *given, **more)

    monkeypatch.setattr(reportlab.lib.utils, "open_for_read", note)
    monkeypatch.setattr("socket.socket.connect", lambda _socket, place: found.append(str(place)))
    return found


def test_nothing_hostile_is_more_than_text(opened, tmp_path):
    """I13: more than 100 texts, in every kind of block; all are printed letter by letter."""
    assert len(HOSTILE) > 100
    blocks = [Heading(HOSTILE[0]), Note(HOSTILE[1]), Totals([(HOSTILE[2], HOSTILE[3])])]
    blocks += [Facts([(text, text)]) for text in HOSTILE[4:8]]
    blocks += [Text(text) for text in HOSTILE]
    blocks += [Table([Column("a")], [[text] for text in HOSTILE])]
    with use_locale("en"):
        content = to_pdf(
            Document(HOSTILE[8], blocks, HOSTILE[9]),
            Letterhead(HOSTILE[10], HOSTILE[11]),
            folder=tmp_path / "fonts",
            language="en",
        )
    assert opened == []
    reader = pypdf.PdfReader(io.BytesIO(content))
    printed = "".join("".join(page.extract_text() for page in reader.pages).split())
    missing = [text for text in HOSTILE if "".join(text.split()) not in printed]
    assert missing == []
    assert not {"/AA", "/OpenAction", "/Names", "/AcroForm"} & set(reader.trailer["/Root"])
    assert not any("/Annots" in page for page in reader.pages), "no link"


def test_markup_that_is_read_would_be_noticed(opened):
    """The positive control: the same library, given the text as it is, opens the file."""
    with pytest.raises(Exception, match="passwd"):
        Paragraph('<img src="/etc/passwd"/>', ParagraphStyle("x")).wrap(100, 100)
    assert any("passwd" in place for place in opened)
