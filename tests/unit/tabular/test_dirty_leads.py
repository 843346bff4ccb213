"""A careless lead list of 3,000 rows, cleaned and compared with the truth about it (S-254, S-257)."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.tabular.cleaning import (
    CleaningError,
    clean_amount,
    clean_date,
    clean_email,
    clean_long_text,
    clean_mobile,
    clean_text,
    company_key,
)
from core.tabular.reader import open_table
from core.tabular.writer import write_csv, write_xlsx

SHARED = Path(__file__).resolve().parents[3] / "../shared"
TOOL = SHARED / "tools/dirty_leads.py"
pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="the lead list generator is not here")

COLUMNS: dict[str, Callable[[Any], Any]] = {
    "公司名称": clean_text,
    "联系人": clean_text,
    "手机": clean_mobile,
    "邮箱": clean_email,
    "来源": clean_text,
    "省份": clean_text,
    "行业": clean_text,
    "预计金额": clean_amount,
    "录入日期": clean_date,
    "备注": clean_long_text,
}


def brands() -> list[str]:
    """Distinct two-syllable names, none of which ends like a legal form."""
    first, second = "华恒瑞鼎盛隆泰锦卓越宏昌德诚信安", "达兴源茂洋辉腾飞宇航峰岳岭川江海"
    names = [a + b for a in first for b in second]
    random.Random(5).shuffle(names)
    return names


def generated(seed: int) -> tuple[list[str], list[list[Any]], dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("dirty_leads", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows, truth = module.build(3000, seed, brands())
    return module.HEADER, rows, truth


def imported(header: list[str], rows: Any) -> dict[str, Any]:
    """What an importer does: clean, refuse, and merge rows of one company and mobile."""
    seen: set[tuple[str, str | None]] = set()
    result: dict[str, Any] = {"created": 0, "duplicates": 0, "amount_of_created": Decimal(0)}
    refused: list[dict[str, Any]] = []
    for line, cells in rows:
        record: dict[str, Any] = {}
        try:
            for name, cell in zip(header, cells, strict=True):
                record[name] = COLUMNS[name](cell)
        except CleaningError:
            refused.append({"line": line, "field": name})
            continue
        if record["公司名称"] is None:
            refused.append({"line": line, "field": "公司名称"})
            continue
        key = (company_key(record["公司名称"]), record["手机"])
        if key in seen:
            result["duplicates"] += 1
            continue
        seen.add(key)
        result["created"] += 1
        result["amount_of_created"] += record["预计金额"]
    return {**result, "refused": len(refused), "refused_rows": refused, "rows": line - 1}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_in_memory(seed: int) -> None:
    header, rows, truth = generated(seed)
    assert imported(header, enumerate(rows, 2)) == truth


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gb18030", "utf-16"])
def test_csv_file(encoding: str, tmp_path: Path) -> None:
    header, rows, truth = generated(4)
    path = tmp_path / "upload"
    with path.open("wb") as file:
        write_csv(file, header, rows, encoding=encoding)
    table = open_table(path, "线索.csv")
    assert table.header == header
    assert imported(header, table.rows()) == truth


def test_xlsx_file(tmp_path: Path) -> None:
    header, rows, truth = generated(5)
    path = tmp_path / "upload"
    with path.open("wb") as file:
        write_xlsx(file, header, rows, sheet="线索")
    table = open_table(path, "线索.xlsx")
    assert table.sheets == ("线索",)
    assert imported(header, table.rows()) == truth
    notes = {cells[-1] for _line, cells in table.rows()}
    assert '=HYPERLINK("http://127.0.0.1/","x")' in notes


def test_openpyxl_file_with_marked_formulas(tmp_path: Path) -> None:
    from openpyxl import Workbook

    header, rows, truth = generated(6)
    book = Workbook(write_only=True)
    page = book.create_sheet("线索")
    page.append(header)
    for row in rows:
        page.append(["'" + v if isinstance(v, str) and v.startswith("=") else v for v in row])
    path = tmp_path / "线索.xlsx"
    book.save(path)
    table = open_table(path, path.name)
    assert imported(header, table.rows()) == truth
    notes = {cells[-1] for _line, cells in table.rows()}
    assert '=HYPERLINK("http://127.0.0.1/","x")' in notes
