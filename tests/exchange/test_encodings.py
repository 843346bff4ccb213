"""F3: 500 files in the encodings and shapes of the trade; read right or asked about, never garbled."""

from __future__ import annotations

import csv
import io
import random

import pytest

from core.tabular.errors import TableError
from core.tabular.reader import open_table

FILES = 500
WORDS = (
    "潍坊鼎源农机有限公司", "重庆（集团）", "联系人", "李雷", "喆", "㛃", "龘", "北京市朝阳区建国路八十八号",
    "手机号码", "意向金额", "abc", "12.50", "2024-03-05", "Müller & Söhne", "拖拉机 80 马力", "很好，“谢谢”；再见",
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030", "big5")


def table(rng: random.Random, encoding: str) -> list[list[str]]:
    """Rows with nothing that the encoding cannot say."""

    def sayable(word: str) -> bool:
        try:
            return word.encode(encoding).decode(encoding) == word
        except UnicodeError:
            return False

    words = [word for word in WORDS if sayable(word)]
    width = rng.randrange(2, 6)
    header = [f"列{n}" for n in range(width)]
    rows = [[rng.choice(words) for _ in range(width)] for _ in range(rng.randrange(3, 40))]
    return [header, *rows]


def written(rng: random.Random, rows: list[list[str]], encoding: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=rng.choice(",,;\t"),
        quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
        lineterminator=rng.choice(("\r\n", "\n")),
    )
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


@pytest.mark.parametrize("broken", [False, True])
def test_no_file_is_garbled_in_silence(tmp_path, broken):
    """Round-trip compare; of whole files 99 % are read without being asked about."""
    rng, right, asked = random.Random(8), 0, 0
    for number in range(FILES if not broken else 120):
        encoding = ENCODINGS[number % len(ENCODINGS)]
        rows = table(rng, encoding)
        content = written(rng, rows, encoding)
        if broken:  # a byte in the middle of a character is lost
            at = content.find("列".encode(encoding)[-1:], 4)
            content = content[:at] + b"\xff" + content[at + 1 :]
        path = tmp_path / "file.csv"
        path.write_bytes(content)
        try:
            opened = open_table(path, "file.csv")
            got = [opened.header, *(cells for _line, cells in opened.rows())]
        except TableError:
            asked += 1
            continue
        if [[str(cell or "") for cell in row] for row in got] == rows:
            right += 1
            continue
        text = "".join(str(cell) for row in got for cell in row)
        assert broken, (encoding, got[:3], rows[:3])
        assert "\ufffd" in text or encoding.startswith("utf-16"), (encoding, got[:2])
    if not broken:
        assert right + asked == FILES
        assert right >= FILES * (len(ENCODINGS) - 1) / len(ENCODINGS) * 0.99, (right, asked)
