"""Reads and cleans one table in a process of its own; see `core.tabular.ahead`, which starts it.

Questions come as lines of JSON: the file first, then what is wanted of it. Answers go out as lines
of JSON, with ``null`` behind the last, or ``{"error": …}`` where the table is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from core.tabular.ahead import clean_batches
from core.tabular.columns import Recipe, encode_cell
from core.tabular.errors import TableError
from core.tabular.reader import Layout, Table, open_table

__all__ = ["main"]


def main() -> None:
    """Answer until nobody asks any more."""
    file, table = orjson.loads(sys.stdin.buffer.readline()), None
    for question in sys.stdin.buffer:
        try:
            if table is None:
                layout = Layout.from_json(file["layout"])
                table = open_table(Path(file["path"]), file["filename"], layout=layout)
            for answer in _answers(table, orjson.loads(question)):
                _tell(answer)
            _tell(None)
        except TableError as error:
            _tell({"error": (error.text.message, error.text.values, error.code)})


def _answers(table: Table, question: dict[str, Any]) -> Iterator[Any]:
    if "count" in question:
        yield table.count()
        return
    if "lines" in question:
        for line, cells in table.rows(frozenset(question["lines"])):
            yield line, [encode_cell(cell) for cell in cells]
        return
    recipe = Recipe.from_json(question["recipe"])
    for rows in clean_batches(table, recipe, question["skip"], question["size"]):
        yield rows.as_json(recipe)


def _tell(answer: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # nobody waits for an answer any more
        sys.exit(1)
