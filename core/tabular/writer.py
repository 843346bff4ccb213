"""Writes tables for people to open in a spreadsheet program: .xlsx and CSV.

Text stays text: nothing becomes a formula, a link or a number on its own, and what is written
here is read back by `core.tabular.reader` without loss.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

from core.i18n import lazy_gettext as _l
from core.tabular.errors import TableError
from core.tabular.formulas import neutralise, neutralise_marked

if TYPE_CHECKING:
    from xlsxwriter.format import Format  # type: ignore[import-untyped]
    from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

__all__ = ["Sheet", "csv_lines", "write_csv", "write_sheets", "write_xlsx"]

DATE_FORMAT = "yyyy-mm-dd"
DATETIME_FORMAT = "yyyy-mm-dd hh:mm:ss"
#: Spreadsheets compute with binary floats, which keep this many decimal digits.
_EXACT_DIGITS = 15
_FIRST_INEXACT = 1_000_000_000_000_000
_LONGEST_CELL = 32_767
_LAST_ROW = 1_048_575
_FIRST_DATE = date(1900, 3, 1)
_NOT_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_NOT_IN_XML = re.compile(r"[\ud800-\udfff\ufffe\uffff]")
_CSV_BATCH = 1 << 16
_TEXT_STAYS_TEXT = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
#: What Excel takes as the source of a drop-down, and how many rows are given one.
_LONGEST_LIST = 255
_FILLED_IN = 1_000


def write_xlsx(
    target: BinaryIO,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    sheet: str = "Sheet1",
    formats: Sequence[str | None] = (),
) -> None:
    """Write one worksheet with a bold, frozen header, row by row, in constant memory.

    ``formats`` are Excel number formats by column. Numbers of more than 15 digits become text,
    text above 32,767 characters ends in “…”, aware times keep their own zone's wall time. Raises
    `TableError` above 1,048,575 rows, which a worksheet cannot hold.
    """
    from xlsxwriter import Workbook  # type: ignore[import-untyped]

    with Workbook(target, {**_TEXT_STAYS_TEXT, "constant_memory": True}) as book:
        page = book.add_worksheet(_sheet_name(sheet))
        bold = book.add_format({"bold": True})
        page.freeze_panes(1, 0)
        for column, name in enumerate(header):
            page.write_string(0, column, _xlsx_text(str(name)), bold)
        cells = _CellWriter(
            page,
            [book.add_format({"num_format": text}) if text else None for text in formats],
            book.add_format({"num_format": DATE_FORMAT}),
            book.add_format({"num_format": DATETIME_FORMAT}),
        )
        for number, row in enumerate(rows, 1):
            if number > _LAST_ROW:
                raise TableError(
                    _l("A worksheet holds at most %(limit)s rows. Export as CSV.", limit=_LAST_ROW),
                    "too_many_rows",
                )
            cells.write_row(number, row)


@dataclass(frozen=True)
class Sheet:
    """A page of texts for people to read or fill in, under a header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]] = ()
    #: Widths of the columns, in characters.
    widths: Sequence[int] = ()
    #: What a column's cells offer to choose from, by the column's number.
    choices: Mapping[int, Sequence[str]] = field(default_factory=dict)


def write_sheets(target: BinaryIO, sheets: Sequence[Sheet]) -> None:
    """Write a small workbook of several pages, all of it text; long texts wrap."""
    from xlsxwriter import Workbook

    with Workbook(target, _TEXT_STAYS_TEXT) as book:
        bold = book.add_format({"bold": True})
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        for sheet in sheets:
            page = book.add_worksheet(_sheet_name(sheet.title))
            page.freeze_panes(1, 0)
            for column, width in enumerate(sheet.widths):
                page.set_column(column, column, width)
            for number, row in enumerate([sheet.header, *sheet.rows]):
                for column, text in enumerate(row):
                    page.write_string(number, column, _xlsx_text(text), wrapped if number else bold)
            for column, offered in sheet.choices.items():
                _offer(page, column, offered)


def _offer(page: Worksheet, column: int, offered: Sequence[str]) -> None:
    """A drop-down, where the spreadsheet program can hold one of these texts."""
    if offered and len(",".join(offered)) <= _LONGEST_LIST and not any("," in x for x in offered):
        rule = {"validate": "list", "source": list(offered), "error_type": "warning"}
        page.data_validation(1, column, _FILLED_IN, column, rule)


class _CellWriter:
    def __init__(
        self, page: Worksheet, formats: list[Format | None], day: Format, moment: Format
    ) -> None:
        self._page = page
        self._formats = formats
        self._day = day
        self._moment = moment

    def write_row(self, number: int, row: Sequence[Any]) -> None:
        for column, value in enumerate(row):
            if value is None or value == "":
                continue
            style = self._formats[column] if column < len(self._formats) else None
            self._write(number, column, value, style)

    def _write(self, row: int, column: int, value: Any, style: Format | None) -> None:
        page = self._page
        if isinstance(value, str):
            page.write_string(row, column, _xlsx_text(value), style)
        elif isinstance(value, bool):
            page.write_boolean(row, column, value, style)
        elif isinstance(value, int | Decimal | float) and _is_exact(value):
            page.write_number(row, column, value, style)
        elif isinstance(value, date) and _is_serial(value):
            moment = isinstance(value, datetime)
            plain = value.replace(tzinfo=None) if isinstance(value, datetime) else value
            usual = self._moment if moment else self._day
            page.write_datetime(row, column, plain, style or usual)
        else:
            page.write_string(row, column, _xlsx_text(_plain_text(value)), style)


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The table as CSV text in pieces of some 64 kB, for a response that streams.

    Text that a spreadsheet would evaluate is marked (see `core.tabular.formulas`); numbers are not.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([neutralise(str(name)) for name in header])
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])
        if buffer.tell() > _CSV_BATCH:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def write_csv(
    target: BinaryIO,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    encoding: str = "utf-8-sig",
) -> None:
    """Write `csv_lines` to ``target``; the default encoding is the one Excel recognises."""
    encoder = codecs.getincrementalencoder(encoding)()
    for piece in csv_lines(header, rows):
        target.write(encoder.encode(_without_surrogates(piece)))


def _csv_cell(value: Any) -> str:
    if isinstance(value, str):
        return neutralise(value.replace("\0", ""))
    if value is None:
        return ""
    text = _plain_text(value)
    return text if isinstance(value, int | float | Decimal) else neutralise(text)


def _plain_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value)


def _xlsx_text(text: str) -> str:
    text = _without_surrogates(neutralise_marked(text)).replace("\0", "")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else _NOT_IN_XML.sub("\ufffd", text)


def _is_exact(value: int | Decimal | float) -> bool:
    if isinstance(value, int):
        return abs(value) < _FIRST_INEXACT
    if isinstance(value, float):
        return math.isfinite(value)
    if not value.is_finite():
        return False
    # Digits before the point count even when they are zeros: 1E+300 is not a sum of money.
    digits = value.as_tuple().digits
    return len(digits) <= _EXACT_DIGITS and -_EXACT_DIGITS <= value.adjusted() < _EXACT_DIGITS


def _is_serial(value: date) -> bool:
    """Excel's calendar begins in 1900 and has a day too many before its March."""
    return value.toordinal() >= _FIRST_DATE.toordinal()


def _sheet_name(name: str) -> str:
    return _NOT_IN_SHEET_NAMES.sub(" ", name).strip(" '")[:31] or "Sheet1"
