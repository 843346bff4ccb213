"""Text that a spreadsheet would take for a formula: marked on the way out, restored on the way in.

The mark is one apostrophe. Text that already looks marked gets a second one, so that taking off
exactly one gives back exactly what was written.
"""

from __future__ import annotations

import re

__all__ = ["neutralise", "neutralise_marked", "unneutralise"]

_BLANKS = r"[\s\x00-\x20\x7f-\xa0\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
#: A formula character may hide behind blanks; a tab or line end alone moves what follows it.
_TRIGGER = rf"(?:{_BLANKS}*[=+\-@\uff1d\uff0b\uff0d\uff20]|{_BLANKS}*[\t\r\n])"
_RISKY = re.compile(rf"'*{_TRIGGER}")
_MARKED = re.compile(rf"'+{_TRIGGER}")


def neutralise(text: str) -> str:
    """``text`` for a CSV cell: no spreadsheet program evaluates it."""
    return "'" + text if _RISKY.match(text) else text


def neutralise_marked(text: str) -> str:
    """``text`` for a typed xlsx cell, where only text that already looks marked needs a mark."""
    return "'" + text if text[:1] == "'" and _MARKED.match(text) else text


def unneutralise(text: str) -> str:
    """The text before `neutralise` or `neutralise_marked`; other text is returned as it is."""
    return text[1:] if text[:1] == "'" and _MARKED.match(text) else text
