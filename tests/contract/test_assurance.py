"""D4, D5: what docs/assurance.md and its tables say of the tests is so."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = {"tested", "documented", "not applicable", "open"}


def _rows(name: str) -> list[dict[str, str]]:
    with (ROOT / "docs" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _wrong(row: dict[str, str]) -> list[str]:
    """What is not as the row says."""
    found = []
    places = row["where"].split()
    if row["answer"] not in ANSWERS:
        found.append(f"{row['answer']}: no such answer")
    if row["answer"] in ("tested", "documented") and not places:
        found.append("it does not say where")
    if row["answer"] == "not applicable" and not row["note"]:
        found.append("it does not say why")
    for place in places:
        path, _colons, name = place.partition("::")
        if not (ROOT / path).is_file():
            found.append(f"there is no {path}")
        elif name and not re.search(rf"^def {name}\b", (ROOT / path).read_text(), re.M):
            found.append(f"there is no {name} in {path}")
        if row["answer"] == "tested" and not Path(path).name.startswith("test_"):
            found.append(f"{path} is no test")
    return found


@pytest.mark.parametrize("name", ["asvs.csv", "advisories.csv"])
def test_each_row_names_what_there_is(name):
    """D4, D5: each test that a row names exists; each row has an answer."""
    rows = _rows(name)
    assert {row["id"]: _wrong(row) for row in rows if _wrong(row)} == {}
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_wrong_row_would_be_noticed():
    """Positive control."""
    row = {"id": "0", "what": "x", "answer": "tested", "where": "", "note": ""}
    for change in (
        {},
        {"where": "tests/nowhere.py"},
        {"where": "tests/contract/test_assurance.py::test_nothing_of_the_kind"},
        {"where": "docs/rest.md"},
        {"answer": "perhaps"},
        {"answer": "not applicable"},
    ):
        assert _wrong(row | change), change
    assert (
        _wrong(
            row | {"where": "tests/contract/test_assurance.py::test_a_wrong_row_would_be_noticed"}
        )
        == []
    )


@pytest.mark.parametrize("name", ["asvs.csv", "advisories.csv"])
def test_the_counts_in_the_document_are_true(name):
    """D4: what the page says of a table is counted from it."""
    counts = Counter(row["answer"] for row in _rows(name))
    told = ", ".join(
        f"{counts[each]} {each}" for each in ("tested", "documented", "not applicable", "open")
    )
    assert (
        f"`docs/{name}`: {sum(counts.values())} rows, {told}"
        in (ROOT / "docs/assurance.md").read_text()
    )
