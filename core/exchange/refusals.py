"""Why a cell of a file is refused."""

from __future__ import annotations

from core.tabular.cleaning import CleaningError

__all__ = ["Refusal"]


class Refusal(CleaningError):
    """A cell that is refused for what only the database or the declaration of the field knows."""
