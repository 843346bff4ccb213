"""What is exported comes back: the same table imported again changes nothing, and rebuilds all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.entities import service
from core.exchange.commands import export_file, import_file
from core.fields.regions import children
from core.tabular.cleaning import clean_long_text, clean_text

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=12)
NAMES = TEXT.map(lambda text: clean_text(text) or "名")
REGIONS = [found.code for found in children(None)]
REGIONS += [below.code for code in REGIONS[:6] for below in children(code)]
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "text": st.lists(TEXT, max_size=3).map("\n".join).map(clean_long_text),
            "count": st.none() | st.integers(-(10**18) + 1, 10**18 - 1),
            "ratio": st.none() | st.decimals(-(10**13), 10**13, places=4),
            "amount": st.none() | st.decimals(-(10**15), 10**15, places=2),
            "is_new": st.booleans(),
            "day": st.none() | st.dates(date(1900, 3, 1), date(2100, 1, 1)),
            "moment": st.none()
            | st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
            "size": st.none() | st.sampled_from(["s", "m", "l", "小"]),
            "sizes": st.none() | st.lists(st.sampled_from(["s", "m", "l", "小"]), unique=True),
            "tags": st.none() | st.lists(NAMES.filter(bool), max_size=4, unique=True),
            "region": st.none() | st.sampled_from(REGIONS),
        }
    ),
    min_size=1,
    max_size=4,
)
ONCE = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def comparable(rows):
    return [
        {name: value for name, value in row.items() if not name.startswith(("created", "updated"))}
        for row in rows
    ]


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@ONCE
@given(rows=ROWS)
def test_export_and_import_are_inverse(
    kind, rows, runtime, unit_of_work, admin_id, all_rows, tmp_path
):
    """I8: the round trip is loss-free; a second import changes 0 rows (F1)."""
    with unit_of_work() as uow:
        service.delete(uow, "thing", [row["id"] for row in all_rows("thing")])
    with unit_of_work(admin_id) as uow:
        actor = uow.actor
        ids = service.create(uow, "thing", [{**row, "keeper": admin_id} for row in rows])
        service.update(uow, "thing", {key: {"part_of": ids[0]} for key in ids[1:]})
    before = all_rows("thing")
    path = tmp_path / f"things.{kind}"
    path.unlink(missing_ok=True)
    assert export_file(runtime, "thing", path, actor=actor) == len(rows)
    result = import_file(runtime, "thing", path, actor=actor, duplicates="update")
    assert (result["updated"], result["created"], result["refused"]) == (0, 0, 0), result
    with unit_of_work(admin_id) as uow:
        kept = {"text": None, "count": None, "ratio": None, "amount": None, "day": None}
        more = {"moment": None, "size": None, "sizes": None, "tags": None, "region": None}
        service.update(uow, "thing", {key: {**kept, **more, "name": "x"} for key in ids})
    # Names are what references are called, so they are compared where they are unique by number.
    result = import_file(runtime, "thing", path, actor=actor, duplicates="update")
    assert result["refused"] == len(rows) - 1 or result["updated"] == len(rows), result
    after = all_rows("thing")
    names = ("text", "count", "ratio", "amount", "day", "moment", "size", "sizes", "tags", "region")
    if result["refused"] == 0:
        assert [[row[n] for n in names] for row in after] == [
            [row[n] for n in names] for row in before
        ]


def test_text_that_the_cleaning_would_mend_is_left_as_it_is(
    runtime, unit_of_work, admin_id, all_rows, tmp_path
):
    with unit_of_work(admin_id) as uow:
        actor = uow.actor
        service.create(uow, "thing", [{"name": "ＡＢＣ（重庆）", "ratio": Decimal("0.5")}])
    path = tmp_path / "things.xlsx"
    export_file(runtime, "thing", path, actor=actor)
    result = import_file(runtime, "thing", path, actor=actor, duplicates="update")
    assert result["updated"] == 0
    assert all_rows("thing")[0]["name"] == "ＡＢＣ（重庆）"


def test_references_that_share_a_label_come_back(
    runtime, unit_of_work, make_person, admin_id, tmp_path, all_rows
):
    twins = [make_person("王伟"), make_person("王伟")]
    with unit_of_work(admin_id) as uow:
        actor = uow.actor
        ids = service.create(
            uow,
            "thing",
            [{"name": f"物{n}", "keeper": key, "helpers": twins} for n, key in enumerate(twins)],
        )
    path = tmp_path / "things.csv"
    export_file(runtime, "thing", path, actor=actor)
    with unit_of_work(admin_id) as uow:
        service.update(uow, "thing", {key: {"keeper": None, "helpers": []} for key in ids})
    result = import_file(runtime, "thing", path, actor=actor, duplicates="update")
    assert result["updated"] == 2, result
    assert [row["keeper"] for row in all_rows("thing")] == twins
    with unit_of_work(admin_id) as uow:
        service.update(uow, "thing", {key: {"keeper": None} for key in ids})
    ambiguous = tmp_path / "one.csv"
    ambiguous.write_text("name,keeper\n新,王伟\n", encoding="utf-8")
    assert import_file(runtime, "thing", ambiguous, actor=actor)["refused"] == 1
