"""Printed documents: what one is made of, and the one way from a record to a PDF. See docs/documents.md."""

from core.documents.content import (
    Block,
    Column,
    Document,
    Facts,
    Heading,
    Note,
    Table,
    Text,
    Totals,
)
from core.documents.making import Made, make_document, templates_of

__all__ = [
    "Block",
    "Column",
    "Document",
    "Facts",
    "Heading",
    "Made",
    "Note",
    "Table",
    "Text",
    "Totals",
    "make_document",
    "templates_of",
]
