"""What is read together: one statement for all of it, one for the names, and nothing sent twice."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from core.entities.aggregate import expect_many, reading_aggregate
from core.entities.query import ListQuery, reading_count, reading_counts
from core.entities.reading import all_of, read_together

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def sent(runtime):
    """What the database was asked so far."""
    found = []

    def note(_connection, _cursor, statement, *_rest):
        found.append(statement)

    event.listen(runtime.database.engine, "before_cursor_execute", note)
    yield found
    event.remove(runtime.database.engine, "before_cursor_execute", note)


@pytest.fixture
def people(make_person):
    for name, home in (("甲", "销售部"), ("乙", "销售部"), ("丙", "售后")):
        make_person(name, department=home)


def test_several_as_one_find_what_each_finds(people, unit_of_work):
    at_home = {"field": "department.name", "op": "eq", "value": "售后"}
    with unit_of_work(write=False) as uow:
        after = reading_count(uow, "user", ListQuery(filter=at_home))
        both = reading_counts(
            uow, [("department", ListQuery()), ("user", ListQuery(filter=at_home))]
        )
        nothing = all_of([])
        expect_many(uow)
        found = read_together(
            uow, [all_of([both, after]).then(tuple), nothing, after.then(lambda n: -n)]
        )
    assert found == [([2, 1], 1), [], -1]


def test_what_several_hold_is_sent_once_and_all_names_are_asked_for_together(
    people, unit_of_work, sent
):
    with unit_of_work(write=False) as uow:
        by_home = reading_aggregate(uow, "user", ["department"], ["count"], ListQuery())
        by_language = reading_aggregate(
            uow, "user", ["department", "locale"], ["count"], ListQuery()
        )
        sent.clear()
        one, other, same = read_together(uow, [by_home, by_language, by_home])
        asked = [each for each in sent if each.startswith("SELECT")]
    assert len(asked) == 2, asked
    assert asked[0].count("UNION ALL") == 1
    counts = {row["department"]["label"]: row["count"] for row in one}
    assert (counts["销售部"], counts["售后"]) == (2, 1)
    assert {row["department"]["label"] for row in other} == set(counts)
    assert same == one
