"""A plugin lets rules assign an entity of its own, as docs/plugins/assigning.md shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.entities import query, service
from core.entities.bulk import begin_bulk, do_bulk
from core.entities.bulk_job import start_undo
from core.entities.bulk_undo import undo_bulk
from core.errors import Invalid, Refused
from core.notifications.service import latest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "assigning" / "sample_plugins" / "assign_sample"

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("assign_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (SAMPLE.parent,)


@pytest.fixture
def runners(make_person):
    return [make_person(name, roles=("runner",)) for name in ("甲", "乙", "丙")]


@pytest.fixture
def make_rule(unit_of_work):
    """``make_rule(size, **values) -> id``: a rule for errands of that size, also when they change."""

    def make(size, **values):
        test = {"field_name": "size", "op": "is", "value": size}
        given = {"name": size, "on_change": True, "conditions": [test], **values}
        with unit_of_work() as uow:
            return service.create(uow, "errand_rule", [given])[0]

    return make


@pytest.fixture
def enter(unit_of_work):
    def put(person=None, **values):
        with unit_of_work(person) as uow:
            return service.create(uow, "errand", [{"name": "取件", **values}])[0]

    return put


def change(unit_of_work, key, person=None, **values):
    with unit_of_work(person) as uow:
        service.update(uow, "errand", {key: values})


def test_the_page_shows_what_the_sample_is_made_of():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in SAMPLE.glob("*.py"))
    page = (ROOT / "docs" / "plugins" / "assigning.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 3
    for block in blocks:
        for part in re.split(r"\n\n+", block.strip()):
            assert part in sources, part


def test_an_errand_goes_to_whom_the_rules_mean(runners, make_rule, enter, read, act, unit_of_work):
    first, second, _third = runners
    make_rule("small", target="least_loaded", people=[first, second], capacity=1)
    keys = [enter(owner=None, size="small") for _n in range(3)]
    found = [read("errand", key) for key in keys]
    assert [row["owner"] for row in found] == [first, second, None]
    assert [row["assignment_reason"] for row in found[:2]] == [
        "By rule “small”: fewest errands (0)."
    ] * 2
    with pytest.raises(Refused):  # what somebody has is not given out again
        act(None, "errand", "distribute", [keys[0]])
    assert act(None, "errand", "distribute", [keys[2]]) == {"assigned": []}
    with unit_of_work() as uow:
        service.update(uow, "errand", {keys[0]: {"state": "done"}})  # and counts no more
    assert act(None, "errand", "distribute", [keys[2]]) == {"assigned": [keys[2]]}
    assert read("errand", keys[2])["owner"] == first


def test_a_change_moves_it_once_and_both_are_told(runners, make_rule, enter, read, unit_of_work):
    """Who changes it is told that it is gone, too; whoever is meant already keeps it."""
    first, second, _third = runners
    make_rule("large", target="person", person=second)
    key = enter(first, size="small")
    change(unit_of_work, key, first, size="large")
    now = read("errand", key)
    assert (now["owner"], now["version"]) == (second, 3)
    assert "large" in now["assignment_reason"]
    for person, kind in ((first, "assign_sample.lost"), (second, "core.assigned")):
        with unit_of_work(person, write=False) as uow:
            assert [each.kind for each in latest(uow, limit=9)] == [kind]
    change(unit_of_work, key, size="small")
    change(unit_of_work, key, size="large")
    assert (read("errand", key)["owner"], read("errand", key)["version"]) == (second, 5)


@pytest.mark.long
def test_what_is_closed_or_given_by_hand_stays(runners, make_rule, enter, read, unit_of_work):
    first, second, third = runners
    make_rule("large", target="person", person=second)
    done = enter(first, size="small", state="done")
    change(unit_of_work, done, size="large")
    assert read("errand", done)["owner"] == first
    given = enter(first, size="small")
    change(unit_of_work, given, size="large", owner=third)
    assert read("errand", given)["owner"] == third


@pytest.mark.parametrize(
    "then", ["nothing", pytest.param("another change", marks=pytest.mark.long)]
)
def test_with_the_change_its_move_is_taken_back(
    runners, make_rule, enter, read, unit_of_work, admin_id, then
):
    first, second, _third = runners
    make_rule("large", target="person", person=second)
    key = enter(first, size="small")
    before = read("errand", key)
    with unit_of_work(admin_id) as uow:
        bulk = begin_bulk(
            uow, uow.entity("errand"), {"kind": "update", "values": {"size": "large"}}
        )
        do_bulk(uow, bulk, [key])
    assert read("errand", key)["owner"] == second
    if then == "another change":
        change(unit_of_work, key, name="送件")
    with unit_of_work(admin_id) as uow:
        start_undo(uow, bulk)
        outcome, _last = undo_bulk(uow, bulk)
    now = read("errand", key)
    if then == "another change":
        assert (outcome.done, outcome.kept, now["owner"]) == (0, 1, second)
        return
    assert outcome.done == 1
    assert [now[n] for n in ("size", "owner", "department", "assignment_reason")] == [
        before[n] for n in ("size", "owner", "department", "assignment_reason")
    ]


@pytest.mark.long
def test_only_the_move_of_that_change_is_taken_back(
    runners, make_rule, enter, read, unit_of_work, admin_id
):
    """A later change of something else is taken back by itself."""
    first, second, _third = runners
    make_rule("large", target="person", person=second)
    key = enter(first, size="small")
    change(unit_of_work, key, size="large")
    with unit_of_work(admin_id) as uow:
        bulk = begin_bulk(uow, uow.entity("errand"), {"kind": "update", "values": {"name": "送件"}})
        do_bulk(uow, bulk, [key])
        start_undo(uow, bulk)
        undo_bulk(uow, bulk)
    assert (read("errand", key)["name"], read("errand", key)["owner"]) == ("取件", second)


@pytest.mark.long
def test_the_first_rule_that_fits_decides(runners, make_rule, enter, read, unit_of_work):
    """Also that it stays: what a rule further down looks at has changed, but the first one holds."""
    first, second, third = runners
    make_rule("large", target="person", person=second, position=1)
    test = {"field_name": "name", "op": "contains", "value": "急"}
    make_rule("urgent", target="person", person=third, position=2, conditions=[test])
    key = enter(first, size="large")
    assert read("errand", key)["owner"] == first  # made for oneself
    change(unit_of_work, key, name="急件")
    assert read("errand", key)["owner"] == first
    other = enter(first, size="small")
    change(unit_of_work, other, name="急件")
    assert read("errand", other)["owner"] == third


@pytest.mark.long
def test_a_rule_on_changes_names_what_it_looks_at(make_rule, runners, unit_of_work):
    with pytest.raises(Invalid) as refused:
        make_rule("any", target="person", person=runners[0], conditions=[])
    assert [(p.field, p.code) for p in refused.value.problems] == [("conditions", "required")]
    key = make_rule("large", target="person", person=runners[0])
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.update(uow, "errand_rule", {key: {"conditions": []}})
    with unit_of_work() as uow:
        service.update(uow, "errand_rule", {key: {"name": "renamed"}})
        assert query.get(uow, "errand_rule", key).values["name"] == "renamed"
