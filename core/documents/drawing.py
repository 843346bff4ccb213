"""Documents on paper: A4, the letterhead on the first page, a running head and "page x of y" on all."""

from __future__ import annotations

import io
import logging
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Picture
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
    Spacer,
)
from reportlab.platypus import Table as Grid

from core.documents.content import (
    Block,
    Document,
    Facts,
    Heading,
    Note,
    Table,
    Text,
    Totals,
)
from core.documents.fonts import BOLD, MISSING, REGULAR, Typesetter
from core.documents.letterhead import Letterhead
from core.i18n import gettext as _

__all__ = ["to_pdf"]

log = logging.getLogger("dougong.documents")
INK, QUIET, LINE, SHADE = (HexColor(each) for each in ("#1f2733", "#5b6675", "#c9d0d9", "#f1f4f7"))
WIDTH, HEIGHT = A4
SIDE, TOP, BOTTOM = 18 * mm, 15 * mm, 18 * mm
INNER = WIDTH - 2 * SIDE
LOGO_HEIGHT, LOGO_WIDTH = 14 * mm, 45 * mm
RUNNING_HEIGHT = 9 * mm
#: A picture of more points is not unpacked for a sheet of paper.
MOST_PIXELS = 20_000_000
_PADDING = 2.4 * mm


def to_pdf(document: Document, letterhead: Letterhead, *, folder: Path, language: str) -> bytes:
    """The document as a PDF. ``folder`` may hold further fonts; texts of the frame are in the locale."""
    return _Drawing(document, letterhead, Typesetter(folder), language).pdf()


class _Numbered(Canvas):  # type: ignore[misc]
    """Writes "page x of y" when it knows how many there are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, state in enumerate(self._pages, 1):
            self.__dict__.update(state)
            text = _("Page %(page)s of %(pages)s", page=number, pages=len(self._pages))
            self.setFont(REGULAR, 8)
            self.setFillColor(QUIET)
            self.drawCentredString(WIDTH / 2, 9 * mm, text)
            super().showPage()
        super().save()


class _Drawing:
    """One document being drawn."""

    def __init__(
        self, document: Document, letterhead: Letterhead, setter: Typesetter, language: str
    ) -> None:
        self._document, self._letterhead = document, letterhead
        self._setter, self._language = setter, language
        base = {"fontName": REGULAR, "fontSize": 9, "leading": 13, "textColor": INK}
        self._styles = {
            "text": ParagraphStyle("text", **base),
            "number": ParagraphStyle("number", **base, alignment=TA_RIGHT),
            "label": ParagraphStyle("label", **{**base, "textColor": QUIET}),
            "note": ParagraphStyle(
                "note", **{**base, "fontSize": 7.5, "leading": 11, "textColor": QUIET}
            ),
            "heading": ParagraphStyle(
                "heading", **{**base, "fontName": BOLD, "fontSize": 10.5, "leading": 15}
            ),
            "title": ParagraphStyle(
                "title", **{**base, "fontName": BOLD, "fontSize": 18, "leading": 25}
            ),
            "company": ParagraphStyle(
                "company", **{**base, "fontName": BOLD, "fontSize": 12, "leading": 16}
            ),
            "head": ParagraphStyle(
                "head", **{**base, "fontName": BOLD, "fontSize": 8, "leading": 11}
            ),
            "head number": ParagraphStyle(
                "head number",
                **{**base, "fontName": BOLD, "fontSize": 8, "leading": 11, "alignment": TA_RIGHT},
            ),
            "cell": ParagraphStyle("cell", **{**base, "fontSize": 8, "leading": 11}),
            "cell number": ParagraphStyle(
                "cell number", **{**base, "fontSize": 8, "leading": 11, "alignment": TA_RIGHT}
            ),
            "strong": ParagraphStyle("strong", **{**base, "fontName": BOLD, "fontSize": 10.5}),
            "strong number": ParagraphStyle(
                "strong number",
                **{**base, "fontName": BOLD, "fontSize": 10.5, "alignment": TA_RIGHT},
            ),
        }

    def pdf(self) -> bytes:
        target, document = io.BytesIO(), self._document
        story: list[Flowable] = [
            NextPageTemplate("later"),
            self._paragraph(document.title, "title"),
            Spacer(0, 3 * mm),
        ]
        for block in document.blocks:
            story += self._block(block)
        # Before the note: what cannot be set there counts too.
        head, high = self._head()
        running = self._running()
        first, later = (
            Frame(SIDE, BOTTOM, INNER, HEIGHT - TOP - above - BOTTOM, 0, 0, 0, 0, id=name)
            for name, above in (("first", high), ("later", RUNNING_HEIGHT))
        )
        if self._setter.missing:
            story += self._block(Note(self._told_missing()))
        template = BaseDocTemplate(
            target,
            pagesize=A4,
            title=" ".join(part for part in (document.title, document.number) if part),
            author=self._letterhead.company,
            lang=self._language.replace("_", "-"),
            pageTemplates=[
                PageTemplate(id="first", frames=[first], onPage=lambda canvas, _doc: head(canvas)),
                PageTemplate(
                    id="later", frames=[later], onPage=lambda canvas, _doc: running(canvas)
                ),
            ],
        )
        template.build(story, canvasmaker=_Numbered)
        return target.getvalue()

    # Pages

    def _head(self) -> tuple[Any, float]:
        """The letterhead, and how high it is: logo at the left, whose it is beside it, a rule below."""
        paper = self._letterhead
        logo = _logo(paper.logo)
        left = SIDE + (logo[1] + 4 * mm if logo else 0)
        texts = [self._paragraph(paper.company, "company")]
        if paper.address:
            texts.append(self._paragraph(paper.address, "note"))
        width = SIDE + INNER - left
        heights = [text.wrap(width, HEIGHT)[1] for text in texts]
        high = max(sum(heights), logo[2] if logo else 0) + 4 * mm

        def draw(canvas: Any) -> None:
            top = HEIGHT - TOP
            if logo:
                reader, wide, tall = logo
                canvas.drawImage(reader, SIDE, top - tall, wide, tall, mask="auto")
            at = top
            for text, tall in zip(texts, heights, strict=True):
                text.drawOn(canvas, left, at - tall)
                at -= tall
            canvas.setStrokeColor(LINE)
            canvas.setLineWidth(0.7)
            canvas.line(SIDE, top - high, SIDE + INNER, top - high)

        return draw, high + 7 * mm

    def _running(self) -> Any:
        document = self._document
        left = self._setter.plain(self._letterhead.company, REGULAR)
        right = self._setter.plain(f"{document.title}  {document.number}", REGULAR)

        def draw(canvas: Any) -> None:
            canvas.setFont(REGULAR, 8)
            canvas.setFillColor(QUIET)
            top = HEIGHT - TOP - 3 * mm
            canvas.drawString(SIDE, top, left)
            canvas.drawRightString(SIDE + INNER, top, right)
            canvas.setStrokeColor(LINE)
            canvas.setLineWidth(0.5)
            canvas.line(SIDE, top - 2 * mm, SIDE + INNER, top - 2 * mm)

        return draw

    def _told_missing(self) -> str:
        missing = self._setter.missing
        codes = ", ".join(f"U+{ord(each):04X}" for each in missing)
        log.warning("%s: no font holds %s", self._document.number, codes)
        return _(
            "%(sign)s stands for a character that no font of this installation holds: %(codes)s.",
            sign=MISSING,
            codes=codes,
        )

    # Blocks

    def _block(self, block: Block) -> list[Flowable]:
        match block:
            case Heading(text):
                heading = self._paragraph(text, "heading")
                return [Spacer(0, 4 * mm), CondPageBreak(30 * mm), heading, Spacer(0, 1.5 * mm)]
            case Text(text):
                return [self._paragraph(text, "text"), Spacer(0, 2 * mm)]
            case Note(text):
                return [Spacer(0, 2 * mm), self._paragraph(text, "note")]
            case Facts(items):
                return self._facts(items)
            case Table():
                return self._table(block)
            case Totals(items):
                return self._totals(items)

    def _facts(self, items: Sequence[tuple[str, str]]) -> list[Flowable]:
        if not items:
            return []
        rows = []
        for at in range(0, len(items), 2):
            pair = [*items[at : at + 2], ("", "")][:2]
            rows.append(
                [
                    self._paragraph(text, style)
                    for label, value in pair
                    for text, style in ((label, "label"), (value, "text"))
                ]
            )
        label, value = INNER * 0.17, INNER * 0.33
        padding = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ]
        return [Grid(rows, [label, value] * 2, style=padding, splitInRow=1), Spacer(0, 4 * mm)]

    def _table(self, table: Table) -> list[Flowable]:
        whole = sum(column.share for column in table.columns)
        widths = [INNER * column.share / whole for column in table.columns]
        kinds = ["number" if column.is_number else "" for column in table.columns]
        head = [
            self._paragraph(column.title, f"head {kind}".strip())
            for column, kind in zip(table.columns, kinds, strict=True)
        ]
        rows = [
            [
                self._cell(text, kind, width)
                for text, kind, width in zip(row, kinds, widths, strict=True)
            ]
            for row in table.rows
        ]
        numbers = [("ALIGN", (at, 1), (at, -1), "RIGHT") for at, kind in enumerate(kinds) if kind]
        style = [
            ("FONT", (0, 0), (-1, -1), REGULAR, 8, 11),
            ("TEXTCOLOR", (0, 0), (-1, -1), INK),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ("LEFTPADDING", (0, 0), (-1, -1), 1.4 * mm),
            ("RIGHTPADDING", (0, 0), (-1, -1), 1.4 * mm),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
            *numbers,
        ]
        return [
            Grid([head, *rows], widths, repeatRows=1, style=style, splitInRow=1),
            Spacer(0, 2 * mm),
        ]

    def _cell(self, text: str, kind: str, width: float) -> Any:
        """What fits on one line is drawn as it stands, which is many times faster than a paragraph."""
        fits = width - 2.8 * mm - 0.1
        if self._setter.is_plain(text, REGULAR) and (
            pdfmetrics.stringWidth(text, REGULAR, 8) <= fits
        ):
            return text
        return self._paragraph(text, f"cell {kind}".strip())

    def _totals(self, items: Sequence[tuple[str, str]]) -> list[Flowable]:
        rows = []
        for at, (label, amount) in enumerate(items, 1):
            kind = "strong" if at == len(items) else "label"
            number = "strong number" if at == len(items) else "number"
            rows.append([self._paragraph(label, kind), self._paragraph(amount, number)])
        style = [
            ("LEFTPADDING", (0, 0), (-1, -1), 1.4 * mm),
            ("RIGHTPADDING", (0, 0), (-1, -1), 1.4 * mm),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ("LINEABOVE", (0, -1), (-1, -1), 0.7, INK),
            ("TOPPADDING", (0, -1), (-1, -1), 4),
        ]
        grid = Grid(rows, [INNER * 0.24, INNER * 0.26], hAlign="RIGHT", style=style)
        return [KeepTogether([grid]), Spacer(0, 2 * mm)]

    def _paragraph(self, text: str, style: str) -> Paragraph:
        chosen = self._styles[style]
        markup = self._setter.markup(text, chosen.fontName)
        if any(unicodedata.east_asian_width(each) in "WF" for each in text):
            chosen = ParagraphStyle(f"{style} cjk", chosen, wordWrap="CJK")
        else:  # a long word is broken rather than drawn into what stands beside it
            chosen = ParagraphStyle(f"{style} words", chosen, splitLongWords=1)
        return Paragraph(markup, chosen)


def _logo(content: bytes) -> tuple[ImageReader, float, float] | None:
    """(picture, width, height) within the room for it; None without one, or for one that is broken."""
    if not content:
        return None
    try:
        picture = Picture.open(io.BytesIO(content))
        if picture.width * picture.height > MOST_PIXELS:
            return None
        reader = ImageReader(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        log.warning("the logo cannot be printed: %s", error)
        return None
    wide, high = reader.getSize()
    scale = min(LOGO_WIDTH / wide, LOGO_HEIGHT / high)
    return reader, wide * scale, high * scale
