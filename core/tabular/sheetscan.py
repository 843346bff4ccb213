"""Measures the XML of a workbook while it is unpacked: how far a sheet reaches and what it costs.

A sheet parser allocates the whole rectangle between the outermost cells and copies a shared string
for each cell that names it; both are a few hundred bytes on disk. The quick look over the bytes
never underestimates. A sheet it cannot vouch for is read again by a strict XML parser.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from xml.parsers import expat

from core.i18n import lazy_gettext as _l
from core.tabular.errors import TableError, TableLimits

__all__ = ["EntryScan", "SheetScan"]

_CELL = re.compile(rb"<(?:[^\s<>/:]+:)?c(?:\s+r\s*=\s*[\"']([A-Za-z]{1,3}[0-9]{1,7})[\"']|[\s/>])")
_ITEM = re.compile(rb"<(?:[^\s<>/:]+:)?si[\s/>]")
_DECLARATION = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_REFERENCE = re.compile(r"([A-Za-z]{1,6})([0-9]{1,9})")
_DIGITS, _LETTERS = string.digits.encode(), string.ascii_letters.encode()
_XML_SUFFIXES = (".xml", ".rels", ".vml")
_SHARED_STRINGS = "sharedstrings.xml"
#: Longest stretch of XML without a tag: 32,767 characters written as entities stay below it.
_LONGEST_PIECE = 2 << 20
_LONGEST_BINARY_PIECE = 64 << 20
#: Without this element a parser finds no cells in an entry, whatever its name.
_SHEET_MARK = b"sheetData"


def column_number(letters: str) -> int:
    """``A`` is 1, ``Z`` 26, ``AA`` 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


class SheetScan:
    """The findings on all entries of one workbook."""

    def __init__(self, limits: TableLimits) -> None:
        self.limits = limits
        self.longest_string = 0
        self.cells: dict[str, int] = {}
        self.irregular: set[str] = set()
        self.shared_strings: set[str] = set()
        self._string_sizes: list[int] = []

    def entry(self, name: str) -> EntryScan:
        """Start on the entry ``name``; feed it the content in order and close it."""
        return EntryScan(self, name)

    def is_shared_strings(self, name: str) -> bool:
        """Whether the parser would take this entry for the table of shared strings."""
        return name.lower().endswith(_SHARED_STRINGS)

    def needs_second_look(self) -> set[str]:
        """Names of the entries to pass to `look_again`, the shared strings first."""
        names = set(self.irregular)
        for name, cells in self.cells.items():
            if cells * self.longest_string > self.limits.text:
                names |= {name} | self.shared_strings
        return names

    def look_again(self, name: str, chunks: Iterable[bytes]) -> None:
        """Read the entry as XML and refuse it when it is not, or reaches beyond the limits."""
        if self.is_shared_strings(name):
            self._string_sizes += _StringSizes().read(chunks)
        else:
            _StrictSheet(self.limits, self._string_sizes).read(chunks)


def check_extent(rows: int, columns: int, limits: TableLimits) -> None:
    """Raise `TableError` when a rectangle of values is larger than ``limits``."""
    if columns > limits.columns:
        raise TableError(
            _l(
                "The sheet reaches to column %(columns)s; at most %(limit)s columns are read. "
                "Delete the columns you do not need and save the file again.",
                columns=columns,
                limit=limits.columns,
            ),
            "too_many_columns",
        )
    # One more than the rows of data: the header.
    if rows > limits.rows + 1:
        raise TableError(
            _l(
                "The sheet reaches to row %(rows)s; at most %(limit)s rows are read. "
                "Delete empty rows below the table, or split the file.",
                rows=rows,
                limit=limits.rows,
            ),
            "too_many_rows",
        )
    if rows * columns > limits.area:
        raise TableError(
            _l(
                "The sheet spans %(rows)s rows by %(columns)s columns, which is too much at once. "
                "Delete stray cells far from the table, or split the file.",
                rows=rows,
                columns=columns,
            ),
            "too_large",
        )


def _declares_entities() -> TableError:
    return TableError(
        _l("The workbook contains XML declarations that Excel never writes, and is refused."),
        "xml_declaration",
    )


def _text_too_large(limits: TableLimits) -> TableError:
    return TableError(
        _l(
            "The text in the cells adds up to more than %(size)s MB. Split the file.",
            size=limits.text // 1_000_000,
        ),
        "too_large",
    )


def _not_xml() -> TableError:
    return TableError(
        _l("The workbook is damaged or incomplete. Open it in Excel, save it again and retry."),
        "damaged",
    )


class EntryScan:
    """The quick look at one entry: regular expressions over whole tags, never split ones."""

    def __init__(self, findings: SheetScan, name: str) -> None:
        self._findings = findings
        self._name = name
        self._is_xml = name.lower().endswith(_XML_SUFFIXES)
        self._is_sheet = False
        self._is_strings = findings.is_shared_strings(name)
        self._pieces: list[bytes] = []
        self._held = 0
        self._offset = 0
        self._item_at = -1
        self._cells = self._rows = 0
        self._columns: set[bytes] = set()

    def feed(self, chunk: bytes) -> None:
        """Look at everything up to the last tag that may go on in the next chunk."""
        cut = chunk.rfind(b"<")
        if cut < 0:
            self._hold(chunk)
            return
        self._look(b"".join([*self._pieces, chunk[:cut]]))
        self._pieces, self._held = [], 0
        self._hold(chunk[cut:])

    def close(self) -> None:
        """Look at the rest and pass the findings on."""
        self._look(b"".join(self._pieces))
        findings = self._findings
        if self._is_strings:
            findings.shared_strings.add(self._name)
            self._measure_item(self._offset)
        if self._is_sheet:
            findings.cells[self._name] = self._cells
            if b"" in self._columns:
                findings.irregular.add(self._name)
            columns = max(column_number(name.decode()) for name in {b"", *self._columns})
            check_extent(self._rows, columns, findings.limits)

    def _hold(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > (_LONGEST_PIECE if self._is_xml else _LONGEST_BINARY_PIECE):
            raise TableError(
                _l(
                    "A cell holds more than %(limit)s characters. Shorten it and retry.",
                    limit=self._findings.limits.cell,
                ),
                "cell_too_long",
            )

    def _look(self, data: bytes) -> None:
        if self._is_xml and (_DECLARATION.search(data) or b"\0" in data):
            raise _declares_entities()
        if self._is_strings:
            for found in _ITEM.finditer(data):
                self._measure_item(self._offset + found.start())
        self._is_sheet = self._is_sheet or _SHEET_MARK in data
        self._offset += len(data)
        self._count_cells(_CELL.findall(data))

    def _measure_item(self, at: int) -> None:
        if self._item_at >= 0:
            longest = self._findings.longest_string
            self._findings.longest_string = max(longest, at - self._item_at)
        self._item_at = at

    def _count_cells(self, references: list[bytes]) -> None:
        if not references:
            return
        self._cells += len(references)
        together = b" ".join(references)
        # A cell without a reference in the usual place leaves an empty name here.
        self._columns.update(together.translate(None, _DIGITS).split(b" "))
        rows = set(together.translate(None, _LETTERS).split())
        self._rows = max(self._rows, max(map(int, rows), default=0))


class _StrictXml:
    """A parser that refuses document types and everything that is not well-formed."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.buffer_text = True

    def _read(self, chunks: Iterable[bytes]) -> None:
        try:
            for chunk in chunks:
                self._parser.Parse(chunk, False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise _not_xml() from error

    def _refuse(self, *declaration: object) -> None:
        raise _declares_entities()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def _end(self, name: str) -> None:
        raise NotImplementedError

    def _text(self, text: str) -> None:
        raise NotImplementedError


class _StringSizes(_StrictXml):
    """Bytes of every shared string."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: list[int] = []

    def read(self, chunks: Iterable[bytes]) -> list[int]:
        self._read(chunks)
        return self._sizes

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "si":
            self._sizes.append(0)

    def _end(self, name: str) -> None:
        pass

    def _text(self, text: str) -> None:
        if self._sizes:
            self._sizes[-1] += len(text.encode())


class _StrictSheet(_StrictXml):
    """Follows the cells of a sheet, numbered or not, and the shared strings they name."""

    def __init__(self, limits: TableLimits, string_sizes: list[int]) -> None:
        super().__init__()
        self._limits = limits
        self._string_sizes = string_sizes
        self._row = self._column = self._rows = self._columns = self._bytes = 0
        self._value: list[str] | None = None

    def read(self, chunks: Iterable[bytes]) -> None:
        self._read(chunks)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "row":
            number = attributes.get("r", "")
            self._row = int(number[:10]) if number.isdecimal() else self._row + 1
            self._column = 0
        elif local == "c":
            self._place(attributes.get("r"))
        elif local == "v":
            self._value = []

    def _place(self, reference: str | None) -> None:
        if reference is None:
            self._column += 1
        elif found := _REFERENCE.fullmatch(reference):
            self._column, self._row = column_number(found[1]), int(found[2])
        else:
            raise _not_xml()
        self._rows = max(self._rows, self._row)
        self._columns = max(self._columns, self._column)
        check_extent(self._rows, self._columns, self._limits)

    def _text(self, text: str) -> None:
        if self._value is not None:
            self._value.append(text)

    def _end(self, name: str) -> None:
        if self._value is None or name.rpartition(":")[2] != "v":
            return
        value, self._value = "".join(self._value).strip().lstrip("+"), None
        if self._string_sizes and value.isdecimal() and len(value) < 10:
            index = int(value)
            if index < len(self._string_sizes):
                self._bytes += self._string_sizes[index]
                if self._bytes > self._limits.text:
                    raise _text_too_large(self._limits)
