"""What a table may hold at most, and the one error every refusal of a file raises."""

from __future__ import annotations

from dataclasses import dataclass

from core.i18n import LazyText

__all__ = ["TableError", "TableLimits"]


class TableError(Exception):
    """A file or sheet that is refused.

    ``str(error)`` is a sentence for the person who sent it, in their language; ``code`` is the
    stable name of the cause for programs.
    """

    def __init__(self, text: LazyText, code: str) -> None:
        super().__init__(text)
        self.text = text
        self.code = code

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.text)


@dataclass(frozen=True, slots=True)
class TableLimits:
    """The largest table that is still read; everything above it is refused with its cause."""

    columns: int = 500
    rows: int = 1_000_000
    #: Cells of the rectangle that holds all values: two far corners cost as much as a full sheet.
    area: int = 20_000_000
    #: Characters in one cell; Excel's own limit.
    cell: int = 32_767
    #: Bytes of a text file, or of a workbook once unpacked.
    unpacked: int = 300_000_000
    #: Bytes of cell text once every reference to a shared string has its own copy.
    text: int = 600_000_000
    #: Files inside a workbook.
    entries: int = 2_000
    #: How many times its packed size a file above one megabyte may unpack to.
    ratio: int = 200
    #: Worksheets in a workbook.
    sheets: int = 256
