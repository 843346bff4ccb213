"""Keys under which values that people write differently are the same: hashes of their normal forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from core.tabular.clean_phones import digits_key
from core.tabular.company_names import company_key

__all__ = ["NORMAL_FORMS", "hashed", "key_of", "loose_form"]

_IGNORED = re.compile(r"[\W_]+")


def loose_form(text: str) -> str:
    """What a text is but for its case, the width of its signs, blanks and punctuation."""
    return _IGNORED.sub("", unicodedata.normalize("NFKC", text).casefold())


def _exact(value: Any) -> str:
    return "" if value is None else str(value).casefold()


#: From a value (or None) to the text that its spellings share; empty for a blank one.
NORMAL_FORMS: Mapping[str, Callable[[Any], str]] = {
    "company": company_key,
    "digits": digits_key,
    "exact": _exact,
}


def key_of(forms: Sequence[str]) -> int | None:
    """The 64-bit key of normal forms; None where all are blank."""
    return hashed(forms) if any(forms) else None


def hashed(parts: Iterable[str]) -> int:
    """A signed 64-bit number for these texts in this order."""
    digest = blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
