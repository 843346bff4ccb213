"""Opens a table someone sent (.xlsx, .xlsm, .xls, .csv, .tsv, .txt) and streams its rows.

The content decides what a file is; a name that contradicts it is refused. See archive, workbooks
and textfile for what each format is checked for.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from core.i18n import lazy_gettext as _l
from core.tabular.errors import TableError, TableLimits
from core.tabular.formulas import unneutralise
from core.tabular.textfile import TextLayout, inspect_text, read_records
from core.tabular.workbooks import read_xls, read_xlsx, values_of

__all__ = ["FORMATS", "Layout", "Table", "open_table"]

#: Accepted name endings and the format each stands for.
FORMATS = {
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
}
_ZIP = b"PK"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BINARY_MARKS = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
#: Stops the search for a header in a sheet that is empty from top to bottom.
_HEADER_WITHIN = 10_000


@dataclass(frozen=True, slots=True)
class Layout:
    """What a first look at a file has found out, and need not be looked for again."""

    #: ``xlsx``, ``xls`` or ``csv``.
    format: str
    #: Of a text file; empty for workbooks.
    encoding: str
    delimiter: str
    #: The name of the sheet that was asked for; None for the first.
    sheet: str | None
    sheets: tuple[str, ...]
    #: The first row that is not empty; columns without a name are ``""``.
    header: list[str]
    header_line: int

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same again."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Layout:
        """The layout that `as_json` was asked of."""
        return cls(**{**given, "sheets": tuple(given["sheets"])})


@dataclass(frozen=True, slots=True)
class Table:
    """One sheet: its header, and its rows as often as they are asked for."""

    layout: Layout
    _records: Callable[[], Iterator[tuple[int, list[Any]]]] = field(repr=False)
    #: From a record of the file's parser to its cells.
    _values: Callable[[list[Any]], list[Any]] = field(repr=False)
    _limits: TableLimits = field(repr=False)

    @property
    def format(self) -> str:
        """``xlsx``, ``xls`` or ``csv``."""
        return self.layout.format

    @property
    def encoding(self) -> str:
        """Of a text file; empty for workbooks."""
        return self.layout.encoding

    @property
    def delimiter(self) -> str:
        """Of a text file; empty for workbooks."""
        return self.layout.delimiter

    @property
    def sheets(self) -> tuple[str, ...]:
        """The names of a workbook's sheets."""
        return self.layout.sheets

    @property
    def header(self) -> list[str]:
        """The first row that is not empty; columns without a name are ``""``."""
        return self.layout.header

    @property
    def header_line(self) -> int:
        """The line of the header, counted from 1."""
        return self.layout.header_line

    def count(self) -> int:
        """The number of rows, without the cost of their cells. Raises what `rows` raises."""
        return sum(1 for _record in self._filled(None))

    def rows(self, lines: Container[int] | None = None) -> Iterator[tuple[int, list[Any]]]:
        """Rows below the header that hold anything, each with its line as a person counts it.

        Cells are str, int, Decimal, bool, date, datetime or None. Rows are as long as the header;
        a longer row keeps the values beyond it. With ``lines`` only the rows on these are given.
        Raises `TableError` at a row above the limits.
        """
        width, values_of = len(self.header), self._values
        for line, record in self._filled(lines):
            cells = values_of(record)
            if len(cells) < width:
                cells += [None] * (width - len(cells))
            while len(cells) > width and cells[-1] is None:
                cells.pop()
            yield line, cells

    def _filled(self, lines: Container[int] | None) -> Iterator[tuple[int, list[Any]]]:
        """The records of the rows, as the file's parser gives them."""
        count, limits = 0, self._limits
        for line, record in self._records():
            if line <= self.header_line or (lines is not None and line not in lines):
                continue
            if not any(record) and self._is_blank(record):
                continue
            count += 1
            if count > limits.rows:
                raise TableError(
                    _l(
                        "The table has more than %(limit)s rows. Split the file.", limit=limits.rows
                    ),
                    "too_many_rows",
                )
            if len(record) > limits.columns or _has_long_text(record, limits.cell):
                _check_record(line, self._values(record), limits)
            yield line, record

    def _is_blank(self, record: list[Any]) -> bool:
        for cell in record:
            if cell if type(cell) is str else self._values([cell])[0] is not None:
                return False
        return True


def open_table(
    path: Path,
    filename: str,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    limits: TableLimits | None = None,
    layout: Layout | None = None,
) -> Table:
    """The table in ``path``, which its sender called ``filename``; without ``sheet``, the first.

    ``encoding`` (one of `core.tabular.textfile.ENCODINGS`) overrules the detection for text files.
    ``layout`` is that of an earlier opening of the very same content, which is not examined again.
    Raises `TableError` for everything that is refused.
    """
    limits = limits or TableLimits()
    kind = layout.format if layout else _format(path, filename)
    text = TextLayout("", "")
    sheets: tuple[str, ...] = ()
    if layout is not None:
        text, sheet = TextLayout(layout.encoding, layout.delimiter), layout.sheet
    elif kind == "csv":
        text = inspect_text(path, filename, encoding, limits)
    if kind == "csv":

        def records() -> Iterator[tuple[int, list[Any]]]:
            return read_records(path, text)
    else:
        if kind == "xlsx":
            sheets, restart = read_xlsx(path, sheet, limits, checked=layout is not None)
        else:
            sheets, restart = read_xls(path, sheet, limits)

        def records() -> Iterator[tuple[int, list[Any]]]:
            return enumerate(restart(), 1)

    values = _texts_of if kind == "csv" else values_of
    if layout is None:
        named = ((line, values(record)) for line, record in records())
        line, header = _header(named, limits)
        layout = Layout(kind, text.encoding, text.delimiter, sheet, sheets, header, line)
    return Table(layout, _records=records, _values=values, _limits=limits)


def _texts_of(record: list[str]) -> list[Any]:
    return [None if not text else unneutralise(text) if text[0] == "'" else text for text in record]


def _header(records: Iterator[tuple[int, list[Any]]], limits: TableLimits) -> tuple[int, list[str]]:
    for line, cells in records:
        if line > _HEADER_WITHIN:
            break
        names = ["" if cell is None else _header_name(cell) for cell in cells]
        if any(names):
            _check_record(line, cells, limits)
            return line, names
    raise TableError(_l("The file is empty: there is no header row."), "empty")


def _header_name(cell: Any) -> str:
    return " ".join(str(cell).translate(_INVISIBLE).split())


def _has_long_text(record: list[Any], limit: int) -> bool:
    try:
        return len("".join(record)) > limit  # all of them together are seldom so long
    except TypeError:
        pass  # not all of them are texts
    for cell in record:  # noqa: SIM110 - for each row of a large file: twice as fast as any()
        if type(cell) is str and len(cell) > limit:
            return True
    return False


def _check_record(line: int, cells: list[Any], limits: TableLimits) -> None:
    if len(cells) > limits.columns:
        raise TableError(
            _l(
                "Line %(line)s has more than %(limit)s columns. Delete those you do not need.",
                line=line,
                limit=limits.columns,
            ),
            "too_many_columns",
        )
    for cell in cells:
        if type(cell) is str and len(cell) > limits.cell:
            raise TableError(
                _l(
                    "A cell on line %(line)s holds more than %(limit)s characters. "
                    "Shorten it and retry.",
                    line=line,
                    limit=limits.cell,
                ),
                "cell_too_long",
            )


def _format(path: Path, filename: str) -> str:
    """The format by content, which the ending of the name has to agree with."""
    suffix = PurePath(filename).suffix.lower()
    with path.open("rb") as file:
        start = file.read(4096)
    if not start.strip():
        raise TableError(_l("The file is empty."), "empty")
    if suffix not in FORMATS:
        raise TableError(
            _l("Files of this kind are not read. Send .xlsx, .xls, .csv, .tsv or .txt."), "format"
        )
    found = _sniff(start)
    if found == "":
        raise TableError(
            _l("This is not a table but another kind of file. Save it as .xlsx or .csv."), "format"
        )
    if found == "html":
        raise TableError(
            _l("This is a web page under the name of a table. Open it in Excel and save as .xlsx."),
            "html",
        )
    if found != FORMATS[suffix]:
        raise _wrong_suffix(found, suffix)
    return found


def _sniff(start: bytes) -> str:
    if start.startswith(_ZIP):
        # Text may begin with these letters too, but not go on like an archive.
        if start[2:4] in (b"\x03\x04", b"\x05\x06", b"\x07\x08"):
            return "xlsx"
    elif start.startswith(_OLE):
        return "xls"
    elif start.startswith(_BINARY_MARKS):
        return ""
    if start.startswith(_TEXT_MARKS):
        return "csv"
    if start.lstrip()[:1] == b"<" and _is_markup(start):
        return "html"
    return "csv"


def _is_markup(start: bytes) -> bool:
    """Whether the text is markup as reporting tools write it into so-called .xls files."""
    lowered = start.lower()
    return any(mark in lowered for mark in (b"<html", b"<table", b"<!doctype", b"<?xml", b"<?mso"))


def _wrong_suffix(found: str, suffix: str) -> TableError:
    if found == "xls" and suffix in (".xlsx", ".xlsm"):
        message = _l(
            "The file is named %(suffix)s but is an old .xls workbook or has a password. "
            "Open it in Excel and save it as .xlsx without a password.",
            suffix=suffix,
        )
    elif found == "csv":
        message = _l(
            "The file is named %(suffix)s but holds plain text. Name it .csv and retry.",
            suffix=suffix,
        )
    else:
        message = _l(
            "The file is named %(suffix)s but is an Excel workbook. Name it .%(format)s and retry.",
            suffix=suffix,
            format=found,
        )
    return TableError(message, "wrong_extension")
