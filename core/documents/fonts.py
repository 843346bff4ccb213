"""The fonts of documents: read once a process, and only when the first document is drawn.

What the delivered subsets do not hold is drawn with the first TrueType file of ``<home>/fonts`` that
does. What none holds becomes `MISSING`, and the document says which characters those are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

__all__ = ["BOLD", "MISSING", "REGULAR", "Typesetter", "load_fonts"]

log = logging.getLogger("dougong.documents")
FOLDER = Path(__file__).parent / "fonts"
REGULAR, BOLD = "Dougong", "Dougong-Bold"
_FILES = {REGULAR: "NotoSansSC-Regular.ttf", BOLD: "NotoSansSC-Bold.ttf"}
#: 〓, which printers set where they have no type.
MISSING = "〓"
_lock = threading.Lock()


def load_fonts() -> None:
    """Read the delivered fonts, unless that was done."""
    with _lock:
        for name, file in _FILES.items():
            if name not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(name, str(FOLDER / file)))


@cache
def _further(folder: Path) -> tuple[str, ...]:
    """The names under which the fonts of a folder are known; a broken one is left out and logged."""
    names = []
    with _lock:
        for path in sorted(folder.glob("*.ttf")):
            name = f"Dougong {path}"
            try:
                pdfmetrics.registerFont(TTFont(name, str(path)))
            except (TTFError, OSError, ValueError) as error:
                log.warning("the font %s cannot be used: %s", path, error)
            else:
                names.append(name)
    return tuple(names)


class Typesetter:
    """Texts of one document as the drawing library takes them; knows what could not be set."""

    def __init__(self, folder: Path) -> None:
        load_fonts()
        self._folder = folder
        #: Characters that no font holds, in the order in which they were met.
        self.missing: dict[str, None] = {}

    def is_plain(self, text: str, font: str) -> bool:
        """True when one font holds the whole text, which is one line."""
        held = pdfmetrics.getFont(font).face.charToGlyph
        return all(ord(each) in held for each in text)

    def markup(self, text: str, font: str) -> str:
        """``text`` with nothing in it that is markup, but for fonts and line breaks."""
        lines = (line.expandtabs(4) for line in text.splitlines())
        return "<br/>".join("".join(self._runs(line, font)) for line in lines)

    def plain(self, text: str, font: str) -> str:
        """One line of ``text`` in ``font`` alone, for what is drawn without markup."""
        line = " ".join(text.split())
        return "".join(each if self.is_plain(each, font) else self._note(each) for each in line)

    def _runs(self, line: str, font: str) -> Iterator[str]:
        if self.is_plain(line, font):
            yield escape(line, quote=False)
            return
        found = ((each, self._font_of(each, font)) for each in line if each.isprintable())
        for name, run in groupby(found, key=lambda pair: pair[1]):
            text = "".join(self._note(each) if name is None else each for each, _font in run)
            text = escape(text, quote=False)
            yield text if name in (None, font) else f'<font name="{escape(name)}">{text}</font>'

    def _font_of(self, each: str, font: str) -> str | None:
        if self.is_plain(each, font):
            return font
        further = _further(self._folder)
        return next((name for name in further if self.is_plain(each, name)), None)

    def _note(self, each: str) -> str:
        if not each.isprintable():
            return ""
        self.missing[each] = None
        return MISSING
