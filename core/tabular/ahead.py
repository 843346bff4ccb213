"""A table read and cleaned by a process of its own, which is done with a batch when it is asked for.

Small tables are read here: starting a process takes as long as some thousand rows.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from core.i18n import LazyText
from core.tabular.columns import CleanRows, Recipe, SheetRow, decode_cell
from core.tabular.errors import TableError
from core.tabular.reader import Layout, Table, open_table

__all__ = ["ReadAhead", "ReadHere", "clean_batches", "read_table"]

#: Files of so many bytes, some thousand rows, are worth the start of a process.
_WORTH_A_PROCESS = 300_000


class ReadHere:
    """Reads in this process; a context like `ReadAhead`."""

    def __init__(self, path: Path, filename: str, layout: Layout) -> None:
        self._table = open_table(path, filename, layout=layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass

    def count(self) -> int:
        """The number of rows, all of which are looked at. Raises `TableError`."""
        return self._table.count()

    def batches(self, recipe: Recipe, skip: int, size: int) -> Iterator[CleanRows]:
        """The rows behind the first ``skip``, cleaned, ``size`` at a time. Raises `TableError`."""
        return clean_batches(self._table, recipe, skip, size)

    def rows(self, lines: Collection[int]) -> Iterator[SheetRow]:
        """The rows on these lines, as they came. Raises `TableError`."""
        return self._table.rows(lines)


class ReadAhead:
    """The same by another process, which works on the next batch while the caller has the last.

    What it has ready waits in the pipe, so that it is never further ahead than that.
    """

    def __init__(self, path: Path, filename: str, layout: Layout) -> None:
        self._file = {"path": str(path.resolve()), "filename": filename, "layout": layout.as_json()}

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.tabular.ahead_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )
        self._ask(self._file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        with suppress(BrokenPipeError), self.process:  # closes its pipes and waits for it
            pass

    def count(self) -> int:
        """As `ReadHere.count`."""
        self._ask({"count": True})
        (rows,) = self._told()
        return int(rows)

    def batches(self, recipe: Recipe, skip: int, size: int) -> Iterator[CleanRows]:
        """As `ReadHere.batches`; raises `RuntimeError` when the process came to an end."""
        self._ask({"recipe": recipe.as_json(), "skip": skip, "size": size})
        for told in self._told():
            yield CleanRows.from_json(told, recipe)

    def rows(self, lines: Collection[int]) -> Iterator[SheetRow]:
        """As `ReadHere.rows`."""
        self._ask({"lines": list(lines)})
        for line, cells in self._told():
            yield line, [decode_cell(cell) for cell in cells]

    def _ask(self, question: Any) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(orjson.dumps(question) + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise _ended() from None

    def _told(self) -> Iterator[Any]:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            if not line.endswith(b"\n"):
                raise _ended()
            told = orjson.loads(line)
            if told is None:
                return
            if isinstance(told, dict) and "error" in told:
                message, values, code = told["error"]
                raise TableError(LazyText(message, **values), code)
            yield told


def _ended() -> RuntimeError:
    return RuntimeError("the process that reads the table came to an end")


def read_table(path: Path, filename: str, layout: Layout) -> ReadHere | ReadAhead:
    """A context that reads the table."""
    reading = ReadAhead if path.stat().st_size >= _WORTH_A_PROCESS else ReadHere
    return reading(path, filename, layout)


def clean_batches(table: Table, recipe: Recipe, skip: int, size: int) -> Iterator[CleanRows]:
    """The rows of ``table`` behind the first ``skip``, cleaned, ``size`` at a time."""
    rows, clean = islice(table.rows(), skip, None), recipe.cleaner()
    while batch := list(islice(rows, size)):
        yield clean(recipe.adjust(batch))
