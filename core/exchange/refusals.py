"""Why a cell of a file is refused."""

from __future__ import annotations

from core.i18n import LazyText

__all__ = ["Refusal"]


class Refusal(ValueError):
    """A cell that is refused; ``message`` says why in the reader's language."""

    def __init__(self, code: str, message: LazyText) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
