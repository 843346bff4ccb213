"""What a document says, without how it is drawn: texts are plain, markup in them means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Block", "Column", "Document", "Facts", "Heading", "Note", "Table", "Text", "Totals"]


@dataclass(frozen=True)
class Heading:
    """The title of what follows; it does not stand alone at the end of a page."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; line breaks are kept."""

    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph in small print."""

    text: str


@dataclass(frozen=True)
class Facts:
    """``(label, value)`` pairs, two beside each other."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Column:
    """The head of a column, its share of the width, and whether it holds numbers, set to the right."""

    title: str
    share: float = 1.0
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of texts, one for each column. The head is repeated on each page."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Totals:
    """``(label, amount)`` at the right below a table; the last one stands out. Kept on one page."""

    items: Sequence[tuple[str, str]]


Block = Heading | Text | Note | Facts | Table | Totals


@dataclass(frozen=True)
class Document:
    """A document: its ``title`` in large, its ``number`` on every page, and its blocks in order."""

    title: str
    blocks: Sequence[Block]
    number: str = ""
