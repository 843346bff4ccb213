"""D4, D5: what docs/assurance.md and its tables say of the tests is so."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The checks of our list of threats that the kernel was asked for: A1 to A12, Z1 to Z16 and so on.
ASKED = {"A": 12, "Z": 16, "I": 16, "C": 2, "R": 3, "S": 3, "L": 4, "J": 11, "B": 8, "N": 7}
ASKED |= {"P": 8, "K": 3, "Q": 4}
#: How a row says that there is no check, and why.
NONE_OF_IT = ("no subject yet: ", "not done: ")
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


def _checks() -> list[list[str]]:
    """The cells of each row of the table of checks by id."""
    page = (ROOT / "docs/assurance.md").read_text()
    table = page.partition("<!-- ids -->")[2].partition("<!-- end of ids -->")[0]
    lines = [line for line in table.splitlines() if re.match(r"\| [A-Z]\d", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def _named(cell: str) -> list[str]:
    """The tests that a cell names and that are not there."""
    found = []
    for path, name in re.findall(r"`([\w/]+)::(\w+)`", cell):
        file = ROOT / (path if path.startswith("plugins/") else f"tests/{path}")
        text = file.with_suffix(".py").read_text() if file.with_suffix(".py").is_file() else ""
        if not re.search(rf"^(?:def|class) {name}\b", text, re.M):
            found.append(f"{path}::{name}")
    return found


def _wrong_check(cells: list[str]) -> list[str]:
    """What is not as a row of the table of checks says."""
    if len(cells) != 6:
        return [f"{len(cells)} cells"]
    _id, what, where, tier, reached, control = cells
    found = [f"there is no {each}" for each in (*_named(where), *_named(control))]
    is_none = where.startswith(NONE_OF_IT)
    if not what:
        found.append("it does not say what is checked")
    if not is_none and not re.search(r"`[\w/]+::\w+`", where):
        found.append("it names no test, and not why there is none")
    if not is_none and not re.search(r"\bT[123]\b", tier):
        found.append("it names no tier")
    if not is_none and not control:
        found.append("it does not say what shows that it can fail")
    if not re.match(r"\*\*.+\*\*: \S", reached):
        found.append("it does not say what was asked and what was reached")
    return found


def test_each_check_that_was_asked_for_has_a_row():
    """One for each id, in the order of the list; each test that it names exists."""
    rows = _checks()
    wanted = [f"{group}{n}" for group, many in ASKED.items() for n in range(1, many + 1)]
    assert [cells[0] for cells in rows] == wanted
    assert {cells[0]: _wrong_check(cells) for cells in rows if _wrong_check(cells)} == {}


def test_a_wrong_check_would_be_noticed():
    """Positive control."""
    mine = "`contract/test_assurance::test_a_wrong_check_would_be_noticed`"
    good = ["X1", "what", mine, "T1", "**asked**: reached", "—"]
    assert _wrong_check(good) == []
    for at, cell in (
        (1, ""),
        (2, ""),
        (2, "somewhere"),
        (2, "`contract/test_assurance::test_nothing_of_the_kind`"),
        (2, f"{mine}, `nowhere/test_x::test_y`"),
        (3, ""),
        (4, "all"),
        (5, ""),
        (5, "`contract/test_assurance::test_nothing_of_the_kind`"),
    ):
        assert _wrong_check([*good[:at], cell, *good[at + 1 :]]), (at, cell)
    assert _wrong_check([*good[:2], "not done: why", "", good[4], ""]) == []
