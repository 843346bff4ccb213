"""What plugins may ask of forms and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.fields.types import Label

__all__ = ["FormEdit", "ListEdit"]


@dataclass(frozen=True)
class FormEdit:
    """Hide a field, make it read-only on the page, or explain it."""

    kind: Literal["hide", "readonly", "help"]
    field: str
    text: Label = ""


@dataclass(frozen=True)
class ListEdit:
    """Add a column (before another, else at the end) or remove one."""

    kind: Literal["add", "remove"]
    field: str
    before: str | None = None
