"""Worksheets of .xlsx, .xlsm and .xls files as rows of Python values."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from core.i18n import lazy_gettext as _l
from core.tabular.archive import check_workbook
from core.tabular.errors import TableError, TableLimits
from core.tabular.formulas import unneutralise

__all__ = ["read_xls", "read_xlsx", "values_of"]

_Rows = Callable[[], Iterator[list[Any]]]
_XLS_SECONDS = 60


def read_xlsx(
    path: Path, sheet: str | None, limits: TableLimits, *, checked: bool = False
) -> tuple[tuple[str, ...], _Rows]:
    """The names of the worksheets, and a function that starts over with the rows of one.

    The first row is row 1 of the sheet, empty rows included; `values_of` gives their cells.
    ``checked`` says that the very same content went through `check_workbook` before.
    """
    if not checked:
        check_workbook(path, limits)
    from python_calamine import CalamineError, CalamineWorkbook

    with path.open("rb") as file:
        try:
            book = CalamineWorkbook.from_filelike(file)
            names = tuple(book.sheet_names)
            content = book.get_sheet_by_name(_chosen(names, sheet, limits))
        except CalamineError as error:
            raise _unreadable() from error
        except BaseException as error:
            # A panic of the parser is no Exception; whatever is not ours to stop goes on.
            if type(error).__name__ != "PanicException":
                raise
            raise _unreadable() from error
    return names, lambda: iter(content.iter_rows())


def read_xls(path: Path, sheet: str | None, limits: TableLimits) -> tuple[tuple[str, ...], _Rows]:
    """Like `read_xlsx`, for the format before 2007."""
    output = _Output()
    command = [sys.executable, "-m", "core.tabular.xls_process", str(path.resolve())]
    try:
        result = subprocess.run(  # noqa: S603 - no shell, and both arguments are only read
            command if sheet is None else [*command, sheet],
            stdin=subprocess.DEVNULL,
            stdout=output.file,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            timeout=_XLS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreadable() from error
    head = output.head() if result.returncode == 0 else {}
    if "sheets" not in head:
        raise _xls_refusal(head.get("error", ""), sheet)
    names = tuple(head["sheets"])
    _chosen(names, sheet, limits)
    return names, output.rows


class _Output:
    """What the other process printed; the file lives as long as somebody can ask for its rows."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed just below
        weakref.finalize(self, self.file.close)

    def head(self) -> dict[str, Any]:
        self.file.seek(0)
        head: dict[str, Any] = json.loads(self.file.readline() or b"{}")
        return head

    def rows(self) -> Iterator[list[Any]]:
        self.file.seek(0)
        self.file.readline()
        at = self.file.tell()
        while True:
            # Two readers of the same table must not disturb each other.
            self.file.seek(at)
            line = self.file.readline()
            if not line:
                return
            at = self.file.tell()
            yield list(_dates(json.loads(line)))


def _chosen(names: tuple[str, ...], sheet: str | None, limits: TableLimits) -> str:
    if len(names) > limits.sheets:
        raise TableError(
            _l("The workbook has more than %(limit)s worksheets.", limit=limits.sheets),
            "too_many_sheets",
        )
    if not names:
        raise TableError(_l("The workbook has no worksheet."), "empty")
    if sheet is None:
        return names[0]
    if sheet not in names:
        raise _no_such_sheet(sheet)
    return sheet


def _no_such_sheet(sheet: str) -> TableError:
    return TableError(
        _l("The workbook has no worksheet “%(sheet)s”.", sheet=sheet), "no_such_sheet"
    )


def _unreadable() -> TableError:
    return TableError(
        _l("The workbook is damaged or incomplete. Open it in Excel, save it again and retry."),
        "damaged",
    )


def _xls_refusal(error: str, sheet: str | None) -> TableError:
    if error == "password":
        return TableError(
            _l("The workbook has a password. Save it without a password and retry."), "password"
        )
    if error == "no_such_sheet":
        return _no_such_sheet(sheet or "")
    return _unreadable()


def _dates(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if not isinstance(value, dict):
            yield value
        elif "at" in value:
            yield datetime.fromisoformat(value["at"])
        else:
            yield date.fromisoformat(value["on"])


def values_of(row: Iterable[Any]) -> list[Any]:
    """The cells of a row, as `core.tabular.reader` gives them."""
    return [
        value if type(value) is str and value and value[0] != "'" else _cell(value) for value in row
    ]


def _cell(value: Any) -> Any:
    """One value of the parser as one of ours; blank cells and error values are ``None``."""
    kind = type(value)
    if kind is str:
        if not value:
            return None
        return unneutralise(value) if value[0] == "'" else value
    if kind is float:
        return _number(value)
    if isinstance(value, time | timedelta):
        return str(value)
    return value


def _number(value: float) -> int | Decimal | None:
    if value.is_integer() and abs(value) < 1e18:
        return int(value)
    number = Decimal(repr(value))
    return number if number.is_finite() else None
