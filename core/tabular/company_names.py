"""The form of a company's name under which its different spellings are one company."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from core.tabular.clean_text import as_text, clean_text

__all__ = ["company_key"]

_LEGAL_FORM = re.compile(
    r"\((?:集团|控股|股份|普通合伙|特殊普通合伙|有限合伙|个体工商户|个人独资)\)"
    r"|(?:股份)?有限(?:责任)?公司"
)
#: Words at the end that say what kind of company it is, not which. A branch (分公司) is another one.
_ENDING = re.compile(r"(?:(?:总|集团)?(?<![分子支])公司|集团|股份|控股)+$")
_ENDINGS = ("公司", "集团", "股份", "控股")
_WORDS = re.compile(r"[\W_]+")
_ENGLISH_FORMS = frozenset(
    [
        *("co", "coltd", "company", "corp", "corporation", "group", "holding", "holdings"),
        *("inc", "incorporated", "limited", "llc", "llp", "ltd", "plc", "pte", "pty"),
        *("ag", "bv", "gmbh", "kg", "nv", "oy", "sa", "sarl", "spa", "srl"),
    ]
)


def company_key(name: Any) -> str:
    """The key of ``name``; empty for a blank name.

    Case, width, spaces, brackets and other punctuation do not count, nor do legal forms and group
    suffixes in Chinese (有限公司, 股份有限公司, （集团） …) or English (Co., Ltd., Inc. …).
    """
    text = clean_text(name) if type(name) is str else as_text(name)
    if text is None:
        return ""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.casefold()
    base = _LEGAL_FORM.sub("", text)
    if base.isascii() or base[-1:].isascii():
        return _without_english_forms(base) or _WORDS.sub("", text)
    if not base.isalnum():
        base = _WORDS.sub("", base)
    if base.endswith(_ENDINGS):
        base = _ENDING.sub("", base) or base
    return base or _WORDS.sub("", text)


def _without_english_forms(text: str) -> str:
    words = _WORDS.sub(" ", text.replace(".", "").replace("'", "")).split()
    while len(words) > 1 and words[-1] in _ENGLISH_FORMS:
        words.pop()
    return _ENDING.sub("", "".join(words)) or "".join(words)
