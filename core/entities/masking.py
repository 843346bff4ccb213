"""Masked values: enough to recognise, not enough to use."""

from __future__ import annotations

from typing import Any

__all__ = ["Masked", "mask_value"]


class Masked(str):
    """A masked text; being a type of its own, it is never taken for the value."""

    __slots__ = ()


def mask_value(value: Any, pattern: str) -> Masked | None:
    """``3-4`` keeps the first 3 and the last 4 characters: ``138****5678``. Without a pattern all is hidden.

    What is too short to keep both ends is masked whole, and the length is not told.
    """
    if value is None:
        return None
    text = str(value)
    head, _, tail = pattern.partition("-")
    keep_head, keep_tail = int(head or 0), int(tail or 0)
    if len(text) < keep_head + keep_tail + 3:
        return Masked("****")
    return Masked(f"{text[:keep_head]}****{text[len(text) - keep_tail :] if keep_tail else ''}")
