"""Tables read by another process: the same rows, counts and refusals as here."""

from __future__ import annotations

import io
import signal
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from core.i18n import use_locale
from core.tabular.ahead import ReadAhead, ReadHere
from core.tabular.columns import ColumnRule, Recipe
from core.tabular.errors import TableError
from core.tabular.keys import key_of
from core.tabular.reader import Layout, open_table

HEADER = ["公司", "电话", "邮箱", "金额", "日期", "时刻", "数量", "有效", "备注", "来源"]
ROWS = [
    ["重庆华恒", "+86 138 0013 8000", "a@b.cn", "￥1,200.50", "2024/3/4", "2024-03-04 5:06", "3万", "是",
     "一二", "展会"],
    ["ＡＢＣ　公司", 13900139000, None, 12.5, date(2024, 5, 6), datetime(2024, 5, 6, 7, 8), 7, True,
     None, 5],
    [" ", "不详", "a@@b", "很多", "去年", "昨天", "1.5", "也许", "  ", date(2024, 1, 2)],
    ["短名", "010-88886666", "X@Y.COM", -3, 45000, None, 10**17, "否", "=1+1", 2.5],
    [None, "138****8000", None, None, None, None, None, None, None, None],
]  # fmt: skip
KINDS = (
    "text",
    "phone",
    "email",
    "amount",
    "date",
    "datetime",
    "integer",
    "boolean",
    "long_text",
    "",
)
RECIPE = Recipe(
    len(HEADER),
    tuple(
        ColumnRule(place, kind, kind == "phone", "Asia/Shanghai")
        for place, kind in enumerate(KINDS)
    )
    + (ColumnRule(len(HEADER), "text"),),
    added=("每一行",),
    names={0: {"短名": "很长的名字有限公司"}},
    key=((0, "company"), (None, "exact"), (1, "digits")),
)


def written(folder: Path, kind: str) -> Path:
    path = folder / f"upload.{kind}"
    if kind == "csv":
        texts = (["" if cell is None else f'"{cell}"' for cell in row] for row in [HEADER, *ROWS])
        path.write_text("\n".join(map(",".join, texts)), encoding="utf-8")
    else:
        book = openpyxl.Workbook()
        for row in [HEADER, *ROWS]:
            book.active.append(["'" + c if c == "=1+1" else c for c in row])
        stream = io.BytesIO()
        book.save(stream)
        path.write_bytes(stream.getvalue())
    return path


def layout_of(path: Path) -> Layout:
    return Layout.from_json(open_table(path, path.name).layout.as_json())


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_another_process_makes_the_same_of_a_file(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind)
    layout, told = layout_of(path), []
    for reading in (ReadHere, ReadAhead):
        with reading(path, path.name, layout) as rows:
            batches = list(rows.batches(RECIPE, 1, 2))
            told.append((rows.count(), batches, list(rows.rows({2, 4}))))
    here, ahead = told
    assert ahead == here
    count, batches, chosen = here
    assert count == len(ROWS)
    assert [batch.lines for batch in batches] == [[3, 4], [5, 6]], "the first row was done before"
    assert [line for line, _cells in chosen] == [2, 4]
    last = batches[1]
    assert last.columns[0].values == ["很长的名字有限公司", None]
    assert (last.written_out, last.columns[-1].values) == (1, ["每一行", "每一行"])
    assert last.keys == [key_of(["很长的名字", "", "01088886666"]), None]
    refused = [set(column.refused) for column in batches[0].columns]
    assert refused == [set(), *({1} for _kind in range(7)), set(), set(), set()]


def test_a_refusal_by_another_process_speaks_the_reader_s_language(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n"3"x,4\n')
    layout = layout_of(path)
    recipe = Recipe(2, (ColumnRule(0, "integer"),))
    said: list[Any] = []
    for reading in (ReadHere, ReadAhead):
        with reading(path, path.name, layout) as rows, pytest.raises(TableError) as refused:
            list(rows.batches(recipe, 0, 100))
        with use_locale("en"):
            said.append((refused.value.code, str(refused.value), refused.value.text))
    assert said[0] == said[1]
    assert said[0][0] == "quotes"


def test_a_process_that_ends_early_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    with ReadAhead(path, path.name, layout_of(path)) as rows:
        assert rows.count() == len(ROWS)
        rows.process.send_signal(signal.SIGKILL)
        with pytest.raises(RuntimeError):
            rows.count()
    assert rows.process.returncode == -signal.SIGKILL
