"""The one HTML cleaner: what people type in a rich-text box, reduced to a short list of tags."""

from __future__ import annotations

import html
import re

import nh3

__all__ = ["clean_html", "to_plain"]

_KEPT = """
a b blockquote br code del em h2 h3 h4 hr i li ol p pre s strong sub sup
table tbody td tfoot th thead tr u ul
"""
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
#: Dropped with all they contain: their text is code, not prose.
_DROPPED_WITH_CONTENT = """
embed head iframe math noembed noframes noscript object plaintext script select style svg
template textarea title xmp
"""
_CLEANER = nh3.Cleaner(
    tags=set(_KEPT.split()),
    attributes=_ATTRIBUTES,
    clean_content_tags=set(_DROPPED_WITH_CONTENT.split()),
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)
_STRIPPER = nh3.Cleaner(
    tags=set(), attributes={}, clean_content_tags=set(_DROPPED_WITH_CONTENT.split()), link_rel=None
)

_CELL_END = re.compile(r"</t[dh]>")
_LINE_END = re.compile(r"<br>|<hr>|</(?:p|h[2-4]|li|tr|pre|blockquote)>")
_SPACES = re.compile(r"[ \t\xa0]+")
_BLANK_LINES = re.compile(r"\s*\n\s*\n\s*")


def clean_html(text: str) -> str:
    """``text`` with only the tags, attributes and link schemes of business notes left.

    The result may be shown as it is. Cleaning twice changes nothing.
    """
    return _CLEANER.clean(text.replace("\0", ""))


def to_plain(text: str) -> str:
    """The words of ``text``, a line for each paragraph, item or row. Not safe to show as HTML."""
    # Cleaned HTML is spelled in one way only, so that a pattern finds the ends of its lines.
    lined = _LINE_END.sub("\n", _CELL_END.sub(" ", clean_html(text)))
    words = html.unescape(_STRIPPER.clean(lined))
    lines = (_SPACES.sub(" ", line).strip() for line in words.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
