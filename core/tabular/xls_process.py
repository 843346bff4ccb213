"""Reads one old .xls workbook in a process of its own and prints its rows as JSON lines.

The old format cannot be checked cheaply before it is parsed, so the parser gets little memory and
little time instead, and its crash is not ours. Run as ``python -m core.tabular.xls_process``.
"""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from typing import Any

from python_calamine import CalamineWorkbook, PasswordError, WorksheetNotFound

__all__ = ["main"]

_MEMORY = 512 << 20
_SECONDS = 30
_OUTPUT = 400_000_000


def _confine() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; there only the caller's time limit holds.
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT, _OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    if isinstance(value, date):
        return {"on": value.isoformat()}
    return value if isinstance(value, str | int | float) else str(value)


def main(path: str, sheet: str | None) -> None:
    """Print the sheet names and the chosen sheet, then each row; or ``{"error": …}`` alone."""
    _confine()
    with open(path, "rb") as file:
        try:
            book = CalamineWorkbook.from_filelike(file)
            names = list(book.sheet_names)
            chosen = sheet if sheet is not None or not names else names[0]
            rows = book.get_sheet_by_name(chosen).iter_rows() if chosen is not None else iter(())
        except PasswordError:
            print(json.dumps({"error": "password"}))
            return
        except WorksheetNotFound:
            print(json.dumps({"error": "no_such_sheet"}))
            return
    print(json.dumps({"sheets": names}))
    for row in rows:
        print(json.dumps([_plain(value) for value in row]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
