"""The one XML parser: no document types, no entities, nothing external, and bounded work."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

__all__ = ["Element", "XmlError", "parse_xml"]

_MOST_ELEMENTS = 100_000
_DEEPEST = 100


class XmlError(ValueError):
    """The text is not XML we accept; the message says why, without repeating the text."""


def parse_xml(data: bytes, *, max_bytes: int = 5_000_000) -> Element:
    """The root of the document. Raises `XmlError` for what is malformed, dangerous or too big.

    Besides the bytes, the number of elements (100,000) and their depth (100) are limited, since
    both cost far more memory and stack than they cost bytes.
    """
    if len(data) > max_bytes:
        raise XmlError(f"the document is longer than {max_bytes} bytes")
    parser = DefusedXMLParser(
        target=_BoundedBuilder(), forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    try:
        parser.feed(data)
        root: Element = parser.close()
    except DefusedXmlException as error:
        raise XmlError("document types and entities are not accepted") from error
    except ParseError as error:
        line, column = error.position
        raise XmlError(f"not well-formed at line {line}, column {column + 1}") from error
    except (LookupError, ValueError) as error:
        raise XmlError(str(error) or "the encoding is not known") from error
    return root


class _BoundedBuilder(TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._elements = 0
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._elements += 1
        self._depth += 1
        if self._elements > _MOST_ELEMENTS or self._depth > _DEEPEST:
            raise XmlError("the document has too many elements or nests them too deeply")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)
